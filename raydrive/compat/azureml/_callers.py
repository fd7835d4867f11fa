"""What the code that calls the mirror is ready for: whether it handles that something is not there, and makes it."""

from __future__ import annotations

import ast
import linecache
import sys

_EVERYTHING = ("Exception", "BaseException", "AzureMLException")


def makes_what_is_missing(error: str, makers: tuple[str, ...]) -> bool:
    """Returns whether the calling code catches an error, and calls a function there that makes what was not found.

    The calling code is the innermost frame outside raydrive. Its source must be known: a file, or a cell of a notebook.

    Args:
        error: Name of the class, such as ``ComputeTargetException``.
        makers: Names of functions and methods, one of which it has to call.
    """
    frame = sys._getframe(1)
    while str(frame.f_globals.get("__name__", "")).startswith("raydrive."):
        if frame.f_back is None:
            return False
        frame = frame.f_back
    source = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return any(
        isinstance(node, ast.Try)
        and any(part.lineno <= frame.f_lineno <= (part.end_lineno or 0) for part in node.body)
        and any(_catches(handler, error) and _calls(handler, makers) for handler in node.handlers)
        for node in ast.walk(tree)
    )


def _catches(handler: ast.ExceptHandler, error: str) -> bool:
    if handler.type is None:
        return True
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = [one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "") for one in named]
    return any(name in (error, *_EVERYTHING) for name in names)


def _calls(handler: ast.ExceptHandler, makers: tuple[str, ...]) -> bool:
    return any(
        isinstance(node, ast.Call) and (getattr(node.func, "attr", "") or getattr(node.func, "id", "")) in makers
        for node in ast.walk(handler)
    )
