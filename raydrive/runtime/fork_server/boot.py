"""The command that starts a fork server, whatever the environment of its Python."""

from __future__ import annotations

from raydrive.package_path import code_of, python_command

BOOT = code_of("raydrive.runtime.fork_server.server", "sys.path.pop(0); module.main(sys.argv[2:])")
"""What ``python -c`` runs."""


def command(python: str, *arguments: str) -> list[str]:
    """Returns the command line.

    Args:
        python: The interpreter.
        arguments: Those of ``server.main``.
    """
    return python_command(python, BOOT, *arguments)
