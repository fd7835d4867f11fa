"""What a training function consists of: the function that was written, and the data it carries."""

from __future__ import annotations

import contextlib
import functools
import io
import types
import warnings
from collections.abc import Iterator
from typing import Any

from raydrive.api.display import text
from raydrive.storage.shared_data import DataFunction

LARGE_BYTES = 10_000_000
"""Of a function that is larger than this as a pickle, a warning names what is large in it."""


def inner_function(function: Any) -> Any:
    """Returns the function that is written somewhere: without ``functools.partial``, bound object and wrappers."""
    for _ in range(100):
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, DataFunction):
            function = function.function
        elif isinstance(function, types.MethodType):
            function = function.__func__
        elif isinstance(function, types.FunctionType) and hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    if not isinstance(function, types.FunctionType | type):
        call = getattr(type(function), "__call__", None)  # noqa: B004  (the method, not whether there is one)
        return call if isinstance(call, types.FunctionType) else function
    return function


def warn_if_large(function: Any, size: int) -> None:
    """Warns about a function whose pickle is large, and names the largest variables in it.

    Args:
        function: The function, as it was given.
        size: Bytes of its pickle.

    Warns:
        UserWarning: If it is larger than 10 MB.
    """
    if size <= LARGE_BYTES:
        return
    inner = inner_function(function)
    parts = sorted(((_size(value), name) for name, value in _variables(function, inner)), reverse=True)
    large = [f"{name} ({text.size(count)})" for count, name in parts[:3] if count > LARGE_BYTES / 10]
    named = f": {', '.join(large)}" if large else ""
    warnings.warn(
        f"the function {getattr(inner, '__qualname__', '')} carries {text.size(size)} of data with it{named}. The "
        "data is stored with the run, and each training process loads it. "
        f"{_with_data(inner, parts[:3])}, which keeps one copy in the memory of each node, or load it inside the "
        "function from a file or a URI that all nodes can read",
        UserWarning,
        stacklevel=3,
    )


def _with_data(inner: Any, parts: list[tuple[int, str]]) -> str:
    """What to write instead: the data as arguments of the function, given by name."""
    names = [name for count, name in parts if count > LARGE_BYTES / 10 and name.isidentifier()] or ["data"]
    given = ", ".join(f"{name}={name}" for name in names)
    name = getattr(inner, "__name__", "train")
    return f"Write raydrive.with_data({name}, {given}) and def {name}(params, {', '.join(names)})"


def _variables(function: Any, inner: Any) -> Iterator[tuple[str, Any]]:
    """Yields what a function brings along, by the names its author knows."""
    if isinstance(function, functools.partial):
        yield from ((f"argument {number} of partial", value) for number, value in enumerate(function.args, start=1))
        yield from function.keywords.items()
        function = function.func
    if isinstance(function, types.MethodType):
        function = function.__self__
    if isinstance(function, DataFunction):
        function = function.function
    if not isinstance(function, types.FunctionType | type | functools.partial):
        yield from ((f"self.{name}", value) for name, value in getattr(function, "__dict__", {}).items())
    code = getattr(inner, "__code__", None)
    if code is None:
        return
    seen: set[int] = set()
    yield from _of_code(inner, seen)


def _of_code(function: types.FunctionType, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yields closure, defaults and globals of a function, and of those functions among them that travel by value."""
    if id(function) in seen:
        return
    seen.add(id(function))
    found: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        with contextlib.suppress(ValueError):  # not bound yet
            found[name] = cell.cell_contents
    found.update({f"a default of {function.__name__}": value for value in function.__defaults__ or ()})
    found.update(function.__kwdefaults__ or {})
    found.update({name: function.__globals__[name] for name in _names(function.__code__) & function.__globals__.keys()})
    for name, value in found.items():
        if isinstance(value, types.FunctionType):
            if value.__module__ == function.__module__:
                yield from _of_code(value, seen)
        elif not isinstance(value, types.ModuleType):
            yield name, value


def _names(code: types.CodeType) -> set[str]:
    """Names of globals that code may use, that of functions within it included."""
    inside = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_names, inside))


class _Counter(io.RawIOBase):
    """Counts what is written."""

    count = 0

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.count += size
        return size


def _size(value: Any) -> int:
    """Bytes of a value as a pickle; 0 where it has none."""
    import cloudpickle  # lazy: cloudpickle, 0.01 s

    counter = _Counter()
    with contextlib.suppress(Exception):
        cloudpickle.Pickler(counter).dump(value)
    return counter.count
