"""TOML files that come with the package, which need no checks: texts of the reference, of errors and of concepts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


def toml_library() -> Any:
    """Returns the module that reads TOML: Python's own, or ``tomli`` before Python 3.11."""
    return importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


def read_packaged(module_file: str, name: str) -> dict[str, Any]:
    """Returns what a TOML file has.

    Args:
        module_file: ``__file__`` of a module in the file's folder.
        name: Name of the file.
    """
    tables: dict[str, Any] = toml_library().loads(Path(module_file).with_name(name).read_text("utf-8"))
    return tables
