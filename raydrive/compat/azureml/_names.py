"""Every public name of the SDK: those that are written here, and stand-ins for the rest, made from one table.

The table (``raydrive/shims/raydrive_azureml/names.json``: modules, their names, methods of classes) was taken from
azureml-core 1.61, azureml-train-core, azureml-pipeline, azureml-telemetry, azureml-train-automl-client and
azureml-widgets 1.62. A stand-in can be imported and named; using it raises ``NotHereError`` with the way out.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from raydrive.compat.azure_notices import NotHereError, StandIn, standing_in
from raydrive.compat.azureml._answers import OTHERS, WORKS, answer
from raydrive.runtime.trial_actor.script_environment import FOLDER

C = TypeVar("C", bound=type)
HERE = "raydrive.compat."
"""What is before the SDK's names of modules."""


@lru_cache(maxsize=1)
def table() -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    """Returns the kind of each public name (``classes``, ``functions``, ...) by module, and the methods by class."""
    raw = json.loads(Path(FOLDER, "raydrive_azureml", "names.json").read_text("utf-8"))
    modules = {
        module: {name: kind for kind, names in kinds.items() for name in names.split()}
        for module, kinds in raw["modules"].items()
    }
    return modules, {name: methods.split() for name, methods in raw["methods"].items()}


class AzureMLException(Exception):
    """Base class of the SDK's exceptions; raydrive raises its own, which say what to do."""

    def __init__(self, exception_message: str = "", *args: Any, **kwargs: Any) -> None:
        super().__init__(exception_message, *args)
        self.message = exception_message


@cache
def stand_in(module: str, name: str) -> Any:
    """Returns what a name of the SDK is here.

    Args:
        module: Such as ``azureml.core.webservice``.
        name: A public name of it.

    Raises:
        AttributeError: If the SDK has no such name.
    """
    if _other(module):
        return standing_in(module, name, answer(f"{module}.{name}"))
    kind = table()[0].get(module, {}).get(name)
    if kind is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}, neither here nor in Azure ML's SDK")
    if name in WORKS and not module.startswith("azureml.automl"):
        return getattr(importlib.import_module(f"{__package__}.{WORKS[name]}"), name)
    if kind == "constants":
        return f"{module}.{name}"
    if kind == "exceptions":
        return AzureMLException if name == "AzureMLException" else _exception(name)
    text = answer(f"{module}.{name}")
    if kind == "functions":
        return _refusal(name, text)
    return standing_in(module, name, text)


def way_out(module: str, name: str) -> str:
    """Returns the sentence for a name without a counterpart here; empty for what works, or is not a name of the SDK."""
    try:
        found = getattr(importlib.import_module(f"{HERE}{module}"), name)
    except (ImportError, AttributeError):
        return ""
    return str(found.__doc__) if isinstance(found, StandIn) else ""


@cache
def _exception(name: str) -> type[Exception]:
    return type(name, (AzureMLException,), {"__doc__": f"``{name}`` of the SDK.", "__module__": "azureml.exceptions"})


def _refusal(name: str, text: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotHereError(text)

    refuse.__name__ = name
    refuse.__doc__ = text
    return refuse


def complete(name: str) -> Callable[[str], Any]:
    """Gives the classes of a module the methods that only the SDK's have, and returns the module's ``__getattr__``.

    Args:
        name: The module, such as ``raydrive.compat.azureml.core.workspace``; its last statement calls this.
    """
    module = name.removeprefix(HERE)
    methods = table()[1]
    for kind in vars(sys.modules[name]).values():
        for method in methods.get(f"{module}.{getattr(kind, '__name__', '')}", ()) if isinstance(kind, type) else ():
            if not hasattr(kind, method):
                setattr(kind, method, _refusal(method, answer(f"{module}.{kind.__name__}.{method}")))

    return partial(_of, module)


def with_methods_of(*names: str) -> Callable[[C], C]:
    """Gives a class the methods that classes of the SDK have and it has not; using one raises its sentence.

    Args:
        *names: Full names of the SDK's classes, such as ``azureml.train.automl.run.AutoMLRun``.
    """

    def decorate(kind: C) -> C:
        for name in names:
            for method in table()[1].get(name, ()):
                if not hasattr(kind, method):
                    setattr(kind, method, _refusal(method, answer(f"{name}.{method}")))
        return kind

    return decorate


def _other(module: str) -> bool:
    """Whether it is a module of one of the SDK's packages whose names the table does not have."""
    return module not in table()[0] and any(f"{module}.".startswith(f"azureml.{package}.") for package in OTHERS)


class Finder:
    """Finds the SDK's modules that are not written here, under both names."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Returns the spec of a module of the table, None of all others."""
        module = name.removeprefix(HERE)
        if not module.startswith("azureml.") or not (module in table()[0] or _other(module)):
            return None
        if name == module and sys.modules.get("azureml") is not sys.modules[f"{HERE}azureml"]:
            return None  # Azure's own SDK, beside the mirror
        return importlib.machinery.ModuleSpec(name, cast(Any, _Loader()), is_package=True)


SDK_VERSION = "1.62.0"
"""Version of the SDK whose names these are; notebooks print it."""


class _Loader:
    @staticmethod
    def create_module(spec: Any) -> ModuleType | None:
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        name = module.__name__.removeprefix(HERE)
        module.__doc__ = f"``{name}``, as far as it can be here."
        module.__dict__["__all__"] = sorted(table()[0].get(name, ()))
        module.__dict__["__version__"] = SDK_VERSION
        module.__dict__["__getattr__"] = partial(_of, name)


def _of(module: str, attribute: str) -> Any:
    if attribute.startswith("_"):
        raise AttributeError(f"module {module!r} has no attribute {attribute!r}")
    return stand_in(module, attribute)
