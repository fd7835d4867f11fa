"""The modules of a function trial: the user's ``__main__`` and the local module that the function comes from.

A function travels by value, with all it uses of these modules. In a trial they are under their own names again, so
that what the user has defined there is found by ``pickle``, ``joblib`` and the worker processes of ``multiprocessing``:
a forked worker has the modules; a spawned one imports ``spawn_main`` of this package as its main module, which loads
the function once more. A model that a trial dumps can be loaded where the same script is ``__main__``.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import os
import pickle
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from raydrive import wire

MAIN = "__main__"
SPAWNED = "raydrive.runtime.fork_server.spawn_main"
"""What a spawned process imports as its main module."""
_installs = False
"""Whether a function is being loaded for a trial."""


def load(path: str) -> Any:
    """Returns the function in a file; what it uses of its own modules is in ``sys.modules`` afterwards.

    Args:
        path: As ``api.submit.packaging.pickle_function`` made it: ``function``; ``names``, objects by module and name;
            ``classes`` that stand within others with their qualified names, which cloudpickle forgets. Or a function.
    """
    global _installs
    if os.environ.get(wire.FUNCTION) != path:
        os.environ[wire.FUNCTION] = path
    _installs = True
    try:
        with open(path, "rb") as file:
            found = pickle.load(file)
        if type(found) is not dict:
            return found
        namespace(MAIN, {})  # of which a spawned process makes its main module, wherever the function is from
        for module, names in found["names"].items():
            namespace(module, {}).update(names)
    finally:
        _installs = False
    for kind, name in found["classes"]:
        kind.__qualname__ = name
    return found["function"]


def namespace(name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the globals of a user's module, for functions that are being unpickled.

    Outside a trial this is a dict of no module: unpickling must not change a module that is there.

    Args:
        name: Name of the module.
        attributes: ``__file__`` and the like, as where the function comes from.
    """
    if not _installs:
        return dict(attributes)
    module = sys.modules.get(name)
    if not isinstance(module, _UserModule):
        if name == MAIN:
            module = _main
        else:
            module = _UserModule(name, module)
            _make_parents(name)
        sys.modules[name] = module
    module.__dict__.update(attributes)
    return module.__dict__


def cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """Returns a function under ``functools.lru_cache``, which pickles by name only."""
    return functools.lru_cache(maxsize, typed)(function)


class _UserModule(types.ModuleType):
    """A module with the names that came along; others are looked up in the real one, where that can be imported.

    Args:
        name: Its name.
        real: The real one, where it is imported already.
    """

    def __init__(self, name: str, real: types.ModuleType | None) -> None:
        super().__init__(name)
        self.__dict__["__builtins__"] = __builtins__
        if name != MAIN:
            self.__dict__["__raydrive_real__"] = real

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "__raydrive_real__" not in self.__dict__:
            raise AttributeError(f"module {self.__name__!r} of this trial has no attribute {name!r}{self._hint(name)}")
        real = self.__dict__["__raydrive_real__"]
        if real is None:
            real = self.__dict__["__raydrive_real__"] = self._import()
        return getattr(real, name)

    def _import(self) -> types.ModuleType:
        """The module itself, from a file of this machine.

        Raises:
            AttributeError: If there is none.
        """
        name = self.__name__
        del sys.modules[name]
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise AttributeError(f"module {name!r} has only what the function uses: {error}") from None
        finally:
            sys.modules[name] = self

    @staticmethod
    def _hint(name: str) -> str:
        return "" if name.startswith("__") else ": a trial has only what its function uses by name"


_main = _UserModule(MAIN, None)
"""Made before a process is forked that needs it: there each object costs a page of memory."""
_main.__spec__ = importlib.machinery.ModuleSpec(SPAWNED, None)


def _make_parents(name: str) -> None:
    """Makes sure that ``import`` finds the packages around a module, which the nodes of a cluster may not have."""
    for parent in _parents(name):
        if parent in sys.modules:
            continue
        try:
            found = importlib.util.find_spec(parent) is not None
        except (ImportError, ValueError):
            found = False
        if not found:
            package = types.ModuleType(parent)
            package.__path__ = []
            sys.modules[parent] = package


def _parents(name: str) -> Iterator[str]:
    words = name.split(".")
    for count in range(1, len(words)):
        yield ".".join(words[:count])
