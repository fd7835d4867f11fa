"""Datasets: names for places of data, given to scripts as paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml.wants import DATA, WORKSPACE
from raydrive.core.argument_checks import NOTHING, PATH, TEXT, WHOLE, checks_arguments
from raydrive.core.errors import show
from raydrive.storage.folder.current import current_folder
from raydrive.sweepfile.inputs_outputs import local_path


@checks_arguments(where=PATH, workspace=WORKSPACE, path_on_compute=PATH | NOTHING)
class DataPlace:
    """Data at a path or URI; among the arguments of a script it stands for its path on the trial's node.

    Args:
        where: Path or URI.
        file: Whether it is a single file.
        name: Its name among ``run.input_datasets``; empty = none of its own.
        direct: Whether the script is given the URI itself.
    """

    def __init__(self, where: str, file: bool | None = None, name: str = "", direct: bool = False) -> None:
        path = local_path(where, current_folder())
        self.where = where if path is None else str(path)
        self.local = path is not None
        self.file = path.is_file() if path is not None else bool(file)
        self.name = name
        self.direct = direct

    def as_named_input(self, name: str) -> DataPlace:
        """Returns the same data under a name."""
        return DataPlace(self.where, self.file, name, self.direct)

    def as_mount(self, path_on_compute: str | None = None) -> DataPlace:
        """Returns itself: data is read in place, or fetched once per node."""
        return self

    as_download = as_hdfs = as_mount

    def as_direct(self) -> DataPlace:
        """Returns the same data, whose address is given to the script."""
        return DataPlace(self.where, self.file, self.name, True)

    def register(self, workspace: Any, name: str, *args: Any, **kwargs: Any) -> DataPlace:
        """Returns the data; to find it by name later, put the name into ``input_mapping`` of raydrive.toml."""
        return self.as_named_input(self.name or name)

    def to_pandas_dataframe(self, *args: Any, **kwargs: Any) -> Any:
        """Is left to pandas.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError(f"tables are read by pandas itself: pandas.read_csv({self.where!r})")

    def __str__(self) -> str:
        return self.where


def _place(path: Any) -> DataPlace:
    if isinstance(path, list):
        if len(path) != 1:
            raise NotHereError(f"a dataset here is one file or folder; found {len(path)}: put them into one folder")
        path = path[0]
    if isinstance(path, tuple):
        path = path[0].uri(path[1])
    text = str(path)
    return DataPlace(text, file="." in text.rstrip("/").rpartition("/")[2])


@checks_arguments(path=DATA)
class _Files:
    """Makes datasets of files."""

    def from_files(self, path: Any, validate: bool = True, **kwargs: Any) -> DataPlace:
        """Returns the data at a path, a URI, or ``(datastore, path)``."""
        return _place(path)

    from_delimited_files = from_parquet_files = from_json_lines_files = from_files


@checks_arguments(workspace=WORKSPACE, version=TEXT | WHOLE | NOTHING)
class Dataset:
    """Finds and makes datasets."""

    File = _Files()
    Tabular = _Files()

    @staticmethod
    def get_by_name(workspace: Any, name: str, version: Any = "latest") -> DataPlace:
        """Returns the data that a name stands for in ``input_mapping`` of raydrive.toml.

        Raises:
            NotHereError: If it does not stand for anything.
        """
        where = workspace.mapping.resolve(f"azureml:{name}:{version}")
        if where is None:
            raise NotHereError(
                f"dataset {show(name)}: say in raydrive.toml what it stands for: [input_mapping] "
                f'"azureml:{show(name)[1:-1]}" = "PATH or s3://..."'
            )
        return _place(where).as_named_input(name)

    @staticmethod
    def get_by_id(workspace: Any, id: str) -> DataPlace:
        """Returns the data that an id stands for in ``input_mapping``.

        Raises:
            NotHereError: If it does not stand for anything.
        """
        return Dataset.get_by_name(workspace, id)


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
        inputs[name] = argument.where
        if argument.local or argument.direct:
            out.append(argument.where)
        else:
            fetched[name] = "file" if argument.file else "folder"
            out.append(f"${{{{inputs.{name}}}}}")
    return tuple(out)
