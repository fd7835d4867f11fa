"""What the code that calls a mirror is ready for: whether it handles that something is not there, and makes it."""

from __future__ import annotations

import ast
import builtins
import linecache
import sys
from types import FrameType
from typing import Any


def makes_what_is_missing(error: type[Exception], makers: tuple[str, ...]) -> bool:
    """Returns whether the calling code catches an error, and calls a function there that makes what was not found.

    The calling code is the innermost frame outside raydrive. Its source must be known: a file, or a cell of a notebook.

    Args:
        error: Its class, such as ``ComputeTargetException``.
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
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and any(part.lineno <= frame.f_lineno <= (part.end_lineno or 0) for part in node.body)
    ]
    if not around:
        return False
    innermost = max(around, key=lambda node: node.lineno)
    for handler in innermost.handlers:
        caught = _classes(handler, frame)
        if caught is None:
            return False  # it would end in a NameError
        if issubclass(error, caught):
            return _calls(handler, makers)
    return False


def _classes(handler: ast.ExceptHandler, frame: FrameType) -> tuple[type[BaseException], ...] | None:
    """The classes that a handler catches; None where one of its names is not known there."""
    if handler.type is None:
        return (BaseException,)
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    found = [_value(one, frame) for one in named]
    return tuple(found) if all(isinstance(one, type) and issubclass(one, BaseException) for one in found) else None


def _value(node: ast.expr, frame: FrameType) -> Any:
    """What a name, or a name of a module, stands for in a frame; None = nothing."""
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, frame), node.attr, None)
    if not isinstance(node, ast.Name):
        return None
    for space in (frame.f_locals, frame.f_globals, vars(builtins)):
        if node.id in space:
            return space[node.id]
    return None


def _calls(handler: ast.ExceptHandler, makers: tuple[str, ...]) -> bool:
    return any(
        isinstance(node, ast.Call) and (getattr(node.func, "attr", "") or getattr(node.func, "id", "")) in makers
        for node in ast.walk(handler)
    )
