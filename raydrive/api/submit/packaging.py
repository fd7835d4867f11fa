"""The code of a submission, packed once: a pickled function, or a source directory as a zip.

Nothing in here loads what was packed: a function is unpickled in trial processes only, by ``user_modules.load``.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raydrive.api.submit.functions import inner_function, warn_if_large
from raydrive.core.errors import ConfigError, Problem, StorageError, show
from raydrive.runtime.fork_server import user_modules
from raydrive.storage.code_snapshot import snapshot, store_archive, store_function
from raydrive.storage.folder.local import sha256_of
from raydrive.storage.run_layout import RunLayout

ARCHIVE, FUNCTION = "code.zip", "function.pkl"
"""Names of the packed code in the folder that travels to another machine."""
_MODULE_KEYS = ("__name__", "__package__", "__path__", "__file__")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedCode:
    """The code of a run as it travels and is kept."""

    sha256: str
    """Of the bytes or the zip; the code's name in the run's folder."""
    function: bytes = b""
    """The function, as ``pickle_function`` makes it; empty for a source directory."""
    archive: Path | None = None
    """The zip of a source directory, in a temporary file; None for a function."""

    def store(self, layout: RunLayout) -> None:
        """Puts the code into a run's folder.

        Raises:
            StorageError: If it cannot be written.
        """
        if self.archive is not None:
            store_archive(layout, self.archive, self.sha256)
        else:
            store_function(layout, self.function)

    def write(self, folder: Path) -> None:
        """Writes the code into a local folder that travels to another machine; read by ``read_packed``."""
        if self.archive is not None:
            os.link(self.archive, folder / ARCHIVE)
        else:
            (folder / FUNCTION).write_bytes(self.function)

    def discard(self) -> None:
        """Removes the temporary zip."""
        if self.archive is not None:
            with contextlib.suppress(OSError):
                self.archive.unlink(missing_ok=True)


def pack(function: Callable[..., object] | None, source: Path | None, storage: str | None = None) -> PackedCode | None:
    """Packs the code of a submission; nothing reaches the storage.

    Args:
        function: What trials call; None = a command.
        source: The source directory of a command; None = it needs none.
        storage: Folder or URI below which runs are kept; what of it lies in the source directory is left out;
            None = nothing is.

    Returns:
        The code, to be stored or discarded; None where there is none.

    Raises:
        ConfigError: If the function cannot be pickled, or the source directory cannot be packed.
        StorageError: If there is no room for the temporary zip.

    Warns:
        UserWarning: If the function is larger than 10 MB.
    """
    if function is not None:
        data = pickle_function(function)
        return PackedCode(sha256=hashlib.sha256(data).hexdigest(), function=data)
    if source is None:
        return None
    packed = snapshot(source, storage)
    return PackedCode(sha256=packed.sha256, archive=packed.path)


def read_packed(folder: Path, sha256: str) -> PackedCode:
    """Returns the code that another machine packed, and loads nothing of it.

    Args:
        folder: Where ``PackedCode.write`` put it.
        sha256: That of the code, as it was packed.

    Raises:
        StorageError: If it is missing, or is not what was packed.
    """
    archive, function = folder / ARCHIVE, folder / FUNCTION
    try:
        if archive.exists():
            code = PackedCode(sha256=sha256_of(archive), archive=archive)
        else:
            data = function.read_bytes()
            code = PackedCode(sha256=hashlib.sha256(data).hexdigest(), function=data)
    except (OSError, StorageError) as error:
        raise StorageError(f"the submitted code did not arrive in {folder}: {error}") from error
    if code.sha256 != sha256:
        raise StorageError(f"the submitted code was damaged in transfer: its sha256 is {code.sha256}, not {sha256}")
    return code


def pickle_function(function: Callable[..., object]) -> bytes:
    """Returns a training function as bytes, with the code of its own module unless that one is installed.

    Raises:
        ConfigError: If it cannot be pickled.

    Warns:
        UserWarning: If it is larger than 10 MB; the largest variables in it are named.
    """
    inner, module = inner_function(function), local_module(function)
    try:
        with by_value([module] if module is not None else []):
            data = _dumped(function, _own_modules(inner, module))
        warn_if_large(function, len(data))
        return data
    except ConfigError:
        raise
    except Exception as error:  # pickling runs the user's __reduce__: anything may come
        found = f"{getattr(function, '__qualname__', function)!r} ({type(error).__name__}: {error})"
        fix = "Open files, locks and connections inside the function instead of keeping them outside."
        raise ConfigError(Problem("run_config", found, "a function that can be pickled", fix)) from error


def local_module(function: Any) -> types.ModuleType | None:
    """Returns the module of a function where trials cannot import it: its code travels along; None for a script's."""
    module = sys.modules.get(getattr(inner_function(function), "__module__", None) or "")
    local = module is not None and module.__name__ != user_modules.MAIN and not is_installed(module)
    return module if local else None


@contextlib.contextmanager
def by_value(modules: Iterable[types.ModuleType]) -> Iterator[None]:
    """Has cloudpickle take the code of modules along; modules that it takes along already stay so.

    Args:
        modules: The modules.
    """
    import cloudpickle  # lazy: cloudpickle, 0.007 s

    known = set(cloudpickle.list_registry_pickle_by_value())
    added = [module for module in modules if module.__name__ not in known]
    for module in added:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in added:
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
    """A pickler whose functions get their modules' globals where they are loaded, and not a dict of no module."""
    import cloudpickle  # lazy: cloudpickle, 0.007 s

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
        def reducer_override(self, value: Any) -> Any:
            _refuse_reference(value)
            if isinstance(value, functools._lru_cache_wrapper) and value.__module__ in modules:
                options = value.cache_parameters()
                return user_modules.cached, (value.__wrapped__, options["maxsize"], options["typed"])
            return super().reducer_override(value)

    pickler = Pickler(buffer)
    for name, names in modules.items():
        # cloudpickle looks here for the globals that functions of the same module are to share.
        pickler.globals_ref[id(names)] = _Globals(name, names)
    return pickler


def _refuse_reference(value: Any) -> None:
    """Refuses a reference to one of Ray's objects.

    Raises:
        ConfigError: If the value is one.
    """
    ray = sys.modules.get("ray")
    if ray is not None and isinstance(value, getattr(ray, "ObjectRef", ())):
        allowed = "a function without references to Ray's objects: an object ends with the process that made it"
        fix = "Call ray.put() inside the function, or have it read the data from a file or the storage."
        raise ConfigError(Problem("run_config", f"a ray.ObjectRef in the function ({show(value)})", allowed, fix))


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
    """Yields the functions and classes of these modules that were pickled, and are there under their names."""
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


def is_installed(module: types.ModuleType) -> bool:
    """Whether training processes can import a module by its name."""
    file = getattr(module, "__file__", None)
    if file is None or module.__name__.partition(".")[0] == "raydrive":  # also where it is installed to be edited
        return True
    parts = Path(file).parts
    return "site-packages" in parts or "dist-packages" in parts or Path(file).is_relative_to(sys.base_prefix)
