"""Where the package is installed: for processes that are started with a path and no environment."""

from __future__ import annotations

import os

PACKAGE = os.path.dirname(os.path.abspath(__file__))
"""The folder ``raydrive``."""
IMPORT_ROOT = os.path.dirname(PACKAGE)
"""The folder that holds it: an entry for ``sys.path``."""
_FIRST = "import sys; sys.path[:] = [sys.argv[1], *(p for p in sys.path if p)]; "


def code_of(module: str, call: str) -> str:
    """Returns what ``python -c`` runs: a call into one of the package's modules, wherever the package lies.

    Args:
        module: The module's dotted name.
        call: What is called, with the module as ``module``.
    """
    package, _, name = module.rpartition(".")
    return f"{_FIRST}from {package} import {name} as module; {call}"


def python_command(python: str, code: str, *arguments: str) -> list[str]:
    """Returns the command line for a code that ``code_of`` made; the arguments begin at ``sys.argv[2]``.

    Args:
        python: The interpreter.
        code: The code.
        arguments: Its arguments.
    """
    return [python, "-c", code, IMPORT_ROOT, *arguments]
