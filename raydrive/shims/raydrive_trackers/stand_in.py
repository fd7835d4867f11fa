"""Stands for names of a tracker that mean nothing in a trial: whatever is done with it does nothing."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Iterator, Sequence  # noqa: UP035  (Python 3.8)


class Nothing:
    """Takes any arguments, has any attribute, is a context and an empty list."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns another one; what a decorator is given stays itself."""
        return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else Nothing()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *about: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False


class Submodules:
    """Finds every module below a package as one of nothing.

    Args:
        package: Its name.
    """

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Returns the spec of a module below the package, None of all others."""
        return ModuleSpec(name, self, is_package=True) if name.startswith(f"{self.package}.") else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Has Python make an empty module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Gives the module every name."""
        module.__dict__["__getattr__"] = named


def named(name: str) -> Any:
    """Returns what stands for a name of a module: a class, as scripts inherit from some.

    Raises:
        AttributeError: For names with two underscores, which Python asks for.
    """
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (Nothing,), {}) if name[:1].isupper() else Nothing()


def install(package: str) -> None:
    """Has every module below a package import."""
    sys.meta_path.append(Submodules(package))
