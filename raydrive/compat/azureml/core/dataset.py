"""Datasets: names for places of data, given to scripts as paths, or read as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml._places import DataPlace, found, names_of
from raydrive.compat.azureml._tables import FileDatasetFactory, TabularDataset, TabularDatasetFactory
from raydrive.compat.azureml.wants import WORKSPACE
from raydrive.core.argument_checks import NOTHING, TEXT, WHOLE, checks_arguments


@checks_arguments(workspace=WORKSPACE, version=TEXT | WHOLE | NOTHING)
class Dataset:
    """Finds and makes datasets."""

    File = FileDatasetFactory
    Tabular = TabularDatasetFactory

    @staticmethod
    def get_by_name(workspace: Any, name: str, version: Any = "latest") -> DataPlace:
        """Returns the data that a name stands for in ``input_mapping`` of raydrive.toml, or was registered under.

        Raises:
            NotHereError: If it does not stand for anything.
        """
        where, file = found(workspace, name, version)
        if where.lower().endswith((".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson")):
            return TabularDataset(where, name=name)
        return DataPlace(where, "." in where.rpartition("/")[2] if file is None else file, name)

    @staticmethod
    def get_by_id(workspace: Any, id: str, **kwargs: Any) -> DataPlace:
        """Returns the data that an id stands for in ``input_mapping``.

        Raises:
            NotHereError: If it does not stand for anything.
        """
        return Dataset.get_by_name(workspace, id)

    @staticmethod
    def get_all(workspace: Any) -> Datasets:
        """Returns all datasets by name."""
        return Datasets(workspace)


class Datasets(Mapping[str, DataPlace]):
    """Datasets of a workspace by name: the registered ones, and those of ``input_mapping``; read when asked for.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Any) -> None:
        self._workspace = workspace

    def __getitem__(self, name: str) -> DataPlace:
        return Dataset.get_by_name(self._workspace, name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in names_of(self._workspace)

    def __iter__(self) -> Iterator[str]:
        return iter(names_of(self._workspace))

    def __len__(self) -> int:
        return len(names_of(self._workspace))

    def __repr__(self) -> str:
        return f"Datasets({names_of(self._workspace)})"


def values_of(arguments: Sequence[Any], inputs: dict[str, str], fetched: dict[str, str]) -> tuple[str, ...]:
    """Returns arguments as text, unchanged but for data, and notes that data as inputs.

    Args:
        arguments: As they were given.
        inputs: Gets paths or URIs by name.
        fetched: Gets ``file`` or ``folder`` for what trials have to fetch.
    """
    out = []
    for argument in arguments:
        if not isinstance(argument, DataPlace):
            out.append(str(argument))
            continue
        name = argument.name or f"input_{len(inputs) + 1}"
        if argument.changed:
            raise NotHereError(f"dataset {name!r} has no file of its own: pass its .register(ws, NAME) to the script")
        inputs[name] = argument.where
        if argument.local or argument.direct:
            out.append(argument.where)
        else:
            fetched[name] = "file" if argument.file else "folder"
            out.append(f"${{{{inputs.{name}}}}}")
    return tuple(out)


__getattr__ = complete(__name__)
