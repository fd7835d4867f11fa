"""A training function as it is submitted: what can be one, and its way into the trials."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from raydrive.core.errors import ConfigError, Problem
from raydrive.runtime.fork_server import user_modules

LARGE_BYTES = 10_000_000
"""Of a function that is larger than this as a pickle, a warning names what is large in it."""
_MODULE_KEYS = ("__name__", "__package__", "__path__", "__file__")


def inner_function(function: Any) -> Any:
    """Returns the function that is written somewhere: without ``functools.partial``, bound object and wrappers."""
    for _ in range(100):
        if isinstance(function, functools.partial):
            function = function.func
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


def pickle_function(function: Callable[..., object]) -> bytes:
    """Returns a training function as bytes, with the code of its own module unless that one is installed.

    Raises:
        ConfigError: If it cannot be pickled.

    Warns:
        UserWarning: If it is larger than 10 MB; the largest variables in it are named.
    """
    import cloudpickle

    inner = inner_function(function)
    module = sys.modules.get(getattr(inner, "__module__", None) or "")
    local = module is not None and module.__name__ != user_modules.MAIN and not is_installed(module)
    if local and module is not None:
        cloudpickle.register_pickle_by_value(module)
    try:
        data = _dumped(function, _own_modules(inner, module if local else None))
        _warn_if_large(function, inner, len(data))
        return data
    except Exception as error:  # pickling runs the user's __reduce__: anything may come
        found = f"{getattr(function, '__qualname__', function)!r} ({type(error).__name__}: {error})"
        fix = "Open files, locks and connections inside the function instead of keeping them outside."
        raise ConfigError(Problem("run_config", found, "a function that can be pickled", fix)) from error
    finally:
        if local and module is not None:
            cloudpickle.unregister_pickle_by_value(module)


def _own_modules(inner: Any, module: types.ModuleType | None) -> dict[str, dict[str, Any]]:
    """The globals of the modules that travel by value, by the name they have there."""
    found: dict[str, dict[str, Any]] = {user_modules.MAIN: vars(sys.modules[user_modules.MAIN])}
    own = getattr(inner, "__globals__", {})
    if own.get("__name__") == user_modules.MAIN:
        found[user_modules.MAIN] = own  # a script that was run by another one has globals of its own
    if module is not None:
        found[module.__name__] = vars(module)
    return found


def _dumped(function: Any, modules: Mapping[str, dict[str, Any]]) -> bytes:
    """The function with what ``pickle`` has to find by name: read by ``user_modules.load``."""
    brought: dict[str, Any] = {"function": function, "names": {}, "classes": []}
    known: set[tuple[str, str]] = set()
    data = b""
    while True:
        buffer = io.BytesIO()
        pickler = _pickler(buffer, modules)
        try:
            pickler.dump(brought)
        except Exception:
            if not data:
                raise
            return data  # the function itself is whole; what a name stands for beside it cannot be pickled
        data = buffer.getvalue()
        more = [value for value in _found_by_name(pickler, modules) if _place(value) not in known]
        if not more:
            return data
        for value in more:
            known.add(_place(value))
            module, name = value.__module__, value.__qualname__.partition(".")[0]
            brought["names"].setdefault(module, {})[name] = modules[module][name]
            if isinstance(value, type) and "." in value.__qualname__:
                brought["classes"].append((value, value.__qualname__))


def _pickler(buffer: io.BytesIO, modules: Mapping[str, dict[str, Any]]) -> Any:
    """A pickler whose functions get their modules' globals where they are loaded, and not a dict of nobody's."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, functools._lru_cache_wrapper) and value.__module__ in modules:
                options = value.cache_parameters()
                return user_modules.cached, (value.__wrapped__, options["maxsize"], options["typed"])
            return super().reducer_override(value)

    pickler = Pickler(buffer)
    for name, names in modules.items():
        # cloudpickle looks here for the globals that functions of the same module are to share.
        pickler.globals_ref[id(names)] = _Globals(name, names)
    return pickler


class _Globals(dict[str, Any]):
    """Stands for a module's globals in a pickle."""

    def __init__(self, module: str, names: Mapping[str, Any]) -> None:
        super().__init__({key: names[key] for key in _MODULE_KEYS if key in names})
        self["__name__"] = module

    def __reduce__(self) -> tuple[Any, ...]:
        return user_modules.namespace, (self["__name__"], dict(self))


def _place(value: Any) -> tuple[str, str]:
    return value.__module__, value.__qualname__


def _found_by_name(pickler: Any, modules: Mapping[str, dict[str, Any]]) -> Iterator[Any]:
    """Yields the functions and classes of these modules that were pickled, and stand there under their names."""
    for _, value in pickler.memo.copy().values():
        if not isinstance(value, type | types.FunctionType):
            continue
        module, name = value.__module__, value.__qualname__.partition(".")[0]
        if module in modules and name in modules[module] and _is_at(value, modules[module][name]):
            yield value


def _is_at(value: Any, found: Any) -> bool:
    """Whether a class or function is what its qualified name says, below the first word of it."""
    for word in value.__qualname__.split(".")[1:]:
        found = getattr(found, word, None)
    return found is value


def _warn_if_large(function: Any, inner: Any, size: int) -> None:
    if size <= LARGE_BYTES:
        return
    parts = sorted(((_size(value), name) for name, value in _variables(function, inner)), reverse=True)
    large = [f"{name} ({_megabytes(count)})" for count, name in parts[:3] if count > LARGE_BYTES / 10]
    named = f": {', '.join(large)}" if large else ""
    warnings.warn(
        f"the function {getattr(inner, '__qualname__', '')} brings {_megabytes(size)} of data along{named}. It is kept "
        "with the run and loaded by each training process. Load the data inside the function instead, from a file or "
        "a URI that all nodes can read",
        UserWarning,
        stacklevel=2,
    )


def _variables(function: Any, inner: Any) -> Iterator[tuple[str, Any]]:
    """Yields what a function brings along, by the names its author knows."""
    if isinstance(function, functools.partial):
        yield from ((f"argument {number} of partial", value) for number, value in enumerate(function.args, start=1))
        yield from function.keywords.items()
        function = function.func
    if isinstance(function, types.MethodType):
        function = function.__self__
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
    """Bytes of a value as a pickle; 0 where it cannot be told."""
    import cloudpickle

    counter = _Counter()
    with contextlib.suppress(Exception):
        cloudpickle.Pickler(counter).dump(value)
    return counter.count


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def is_installed(module: types.ModuleType) -> bool:
    """Whether training processes can import a module by its name."""
    file = getattr(module, "__file__", None)
    if file is None:
        return True
    parts = Path(file).parts
    return "site-packages" in parts or "dist-packages" in parts or Path(file).is_relative_to(sys.base_prefix)
