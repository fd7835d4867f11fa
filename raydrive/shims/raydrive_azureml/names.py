"""The SDK's modules that training scripts import and seldom use: stand-ins, from the table of its public names."""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import os
import sys
from types import ModuleType
from typing import Any, Sequence  # noqa: UP035  (Python 3.8)

from raydrive_azureml.absent import absent

_HOMES = {
    "data": "Dataset Datastore FileDataset FileDatasetFactory TabularDataset TabularDatasetFactory",
    "models": "Model",
    "names": (
        "AzureCliAuthentication DataPath InteractiveLoginAuthentication MsiAuthentication "
        "ServicePrincipalAuthentication set_diagnostics_collection"
    ),
    "run": "Experiment Run Workspace",
}
_WORKS = {name: home for home, names in _HOMES.items() for name in names.split()}
_table: dict[str, dict[str, str]] = {}
_exceptions: dict[str, type] = {}


class DataPath:
    """A path of a datastore.

    Args:
        datastore: The datastore.
        path_on_datastore: A path of it.
    """

    def __init__(self, datastore: Any = None, path_on_datastore: str = "", **kwargs: Any) -> None:
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore

    def __fspath__(self) -> str:
        return str(self.datastore.uri(self.path_on_datastore))


class InteractiveLoginAuthentication:
    """Accepted; a trial needs no sign-in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Takes what the SDK takes; nothing of it is looked at."""


class ServicePrincipalAuthentication(InteractiveLoginAuthentication):
    """Accepted; a trial needs no sign-in."""


class MsiAuthentication(InteractiveLoginAuthentication):
    """Accepted; a trial needs no sign-in."""


class AzureCliAuthentication(InteractiveLoginAuthentication):
    """Accepted; a trial needs no sign-in."""


def set_diagnostics_collection(*args: Any, **kwargs: Any) -> None:
    """Does nothing: nothing is sent."""


def install() -> None:
    """Has the SDK's other modules found, behind those that are written here."""
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)


def _names() -> dict[str, dict[str, str]]:
    if not _table:
        with open(os.path.join(os.path.dirname(__file__), "names.json"), encoding="utf-8") as file:
            _table.update(json.load(file)["modules"])
    return _table


class _Finder:
    """Finds a module of the table."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Returns its spec, None of all others."""
        if not name.startswith("azureml.") or name not in _names():
            return None
        return importlib.machinery.ModuleSpec(name, _Loader(), is_package=True)  # type: ignore[arg-type]


class _Loader:
    @staticmethod
    def create_module(spec: Any) -> None:
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        kinds = _names()[module.__name__]
        known = {name: kind for kind, names in kinds.items() for name in names.split()}

        def find(attribute: str) -> Any:
            if attribute not in known:
                raise AttributeError(f"module {module.__name__!r} has no attribute {attribute!r}")
            return _stand_in(module.__name__, attribute, known[attribute])

        module.__dict__["__getattr__"] = find


def _stand_in(module: str, name: str, kind: str) -> Any:
    if name in _WORKS:
        return getattr(importlib.import_module(f"raydrive_azureml.{_WORKS[name]}"), name)
    if kind == "constants":
        return f"{module}.{name}"
    if kind == "exceptions":
        return _exceptions.setdefault(name, type(name, (Exception,), {"__module__": "azureml.exceptions"}))
    return absent(f"{module}.{name}")
