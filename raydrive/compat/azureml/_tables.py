"""Tables and files of ``azureml.data``: read by pandas, which is imported when a frame is asked for."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from raydrive.azure_data import Step, TableSteps, frame_of, with_booleans
from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml._places import DataPlace, gathered, place_of, registered
from raydrive.compat.azureml.wants import DATA, WORKSPACE
from raydrive.core.argument_checks import ANYTHING, NOTHING, PATH, TEXT, checks_arguments, list_of, whole
from raydrive.storage.folder.open import open_folder

_COLUMNS = TEXT | list_of(TEXT, "texts")


def FileDataset(*args: Any, **kwargs: Any) -> DataPlace:
    """Returns the data at a path."""
    return DataPlace(*args, **kwargs)


def pandas_for(what: str) -> Any:
    """Returns pandas.

    Raises:
        NotHereError: If it is not installed.
    """
    try:
        import pandas  # lazy: optional dependency
    except ImportError:
        raise NotHereError(f"{what} needs pandas: pip install 'raydrive[pandas]'") from None
    return pandas


@checks_arguments(
    where=PATH,
    workspace=WORKSPACE,
    columns=_COLUMNS,
    count=whole(0),
    seed=whole(0) | NOTHING,
    read=ANYTHING,
    steps=ANYTHING,
)
class TabularDataset(TableSteps, DataPlace):
    """A table.

    Args:
        where: Path or URI of its file or folder.
        read: Takes pandas and a file, and returns a frame.
        steps: What is done to the frame, in order.
        name: Its name; empty = none.
    """

    def __init__(self, where: str, read: Any = None, steps: tuple[Step, ...] = (), name: str = "") -> None:
        ends = "." in where.rstrip("/").rpartition("/")[2]
        super().__init__(where, ends, name)
        self._read = read or _by_ending(where)
        self._steps = steps
        self.changed = bool(steps)

    def as_named_input(self, name: str) -> TabularDataset:
        """Returns the same table under a name."""
        return TabularDataset(self.where, self._read, self._steps, name)

    def register(self, workspace: Any, name: str, description: str = "", *args: Any, **kwargs: Any) -> Any:
        """Keeps the name, and rows where they are no file of their own, below the storage; returns the table.

        Raises:
            StorageError: If something cannot be written.
        """
        if not self._steps:
            return super().register(workspace, name, description)
        return kept(self.to_pandas_dataframe(), workspace, name)

    def to_pandas_dataframe(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the table as a pandas frame.

        Raises:
            NotHereError: If pandas is not installed.
            StorageError: If the file cannot be read.
        """
        pandas = pandas_for("to_pandas_dataframe()")
        return frame_of(pandas, self._read, _files(self.where), self._steps)

    def to_path(self) -> list[str]:
        """Returns the paths of its files."""
        return [self.where]

    def to_csv_files(self, separator: str = ",") -> DataPlace:
        """Returns its files."""
        return DataPlace(self.where)

    def _then(self, step: Step) -> TabularDataset:
        return TabularDataset(self.where, self._read, (*self._steps, step), self.name)

    take, skip = TableSteps.take, TableSteps.skip  # checked as the others here
    keep_columns, drop_columns = TableSteps.keep_columns, TableSteps.drop_columns
    random_split = TableSteps.random_split

    def take_sample(self, probability: float, seed: int | None = None) -> TabularDataset:
        """Returns a share of the rows (0 to 1), drawn at random."""
        first: TabularDataset = self.random_split(probability, seed)[0]
        return first


def kept(frame: Any, workspace: Any, name: str) -> TabularDataset:
    """Keeps a frame as a registered table below the workspace's storage.

    Raises:
        StorageError: If it cannot be written.
    """
    folder = registered(workspace, name)
    folder.write_whole("data.csv", frame.to_csv(index=False).encode())
    table = TabularDataset(f"{folder.uri.rstrip('/')}/data.csv")
    DataPlace.register(table, workspace, name)
    return table.as_named_input(name)


def _files(where: str) -> list[Any]:
    """What pandas can read of a place: local files, URLs, or the bytes of remote ones."""
    if where.startswith(("http://", "https://")):
        return [where]
    path = Path(url2pathname(urlparse(where).path)) if where.startswith("file:") else Path(where)
    if "://" in where and not where.startswith("file:"):
        outer, _, name = where.rstrip("/").rpartition("/")
        return [io.BytesIO(open_folder(outer).contained().read_bytes(name))]
    if path.is_dir():
        return sorted(one for one in path.rglob("*") if one.is_file())
    return sorted(path.parent.glob(path.name)) if not path.exists() and "*" in path.name else [path]


def _by_ending(where: str) -> Any:
    text = where.lower()
    if text.endswith((".parquet", ".pq")):
        return lambda pandas, file: pandas.read_parquet(file)
    if text.endswith((".jsonl", ".ndjson")):
        return lambda pandas, file: pandas.read_json(file, lines=True)
    separator = "\t" if text.endswith(".tsv") else ","
    return lambda pandas, file: with_booleans(pandas.read_csv(file, sep=separator))


@checks_arguments(
    path=DATA, workspace=WORKSPACE, dataframe=ANYTHING, target=ANYTHING, set_column_types=ANYTHING, header=ANYTHING
)
class TabularDatasetFactory:
    """Makes tables from files."""

    @staticmethod
    def from_delimited_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        infer_column_types: bool = True,
        set_column_types: Any = None,
        separator: str = ",",
        header: Any = True,
        **kwargs: Any,
    ) -> TabularDataset:
        """Returns the table in delimited files.

        Args:
            path: Path, pattern, folder, URI or ``(datastore, path)``.
            validate: Accepted: reading it tells.
            include_path: Accepted without effect.
            infer_column_types: False reads every column as text.
            set_column_types: Accepted without effect: pandas infers them.
            separator: Between columns.
            header: Whether the first line names the columns.
            **kwargs: Of these ``encoding`` and ``empty_as_string`` count.
        """
        first = None if str(getattr(header, "name", header)) in ("False", "NO_HEADERS", "0", "None") else 0

        def read(pandas: Any, file: Any) -> Any:
            frame = pandas.read_csv(
                file,
                sep=separator,
                header=first,
                encoding=kwargs.get("encoding") or "utf8",
                keep_default_na=not kwargs.get("empty_as_string"),
                dtype=None if infer_column_types else str,
            )
            return with_booleans(frame) if infer_column_types else frame

        return TabularDataset(place_of(path), read)

    @staticmethod
    def from_parquet_files(path: Any, *args: Any, **kwargs: Any) -> TabularDataset:
        """Returns the table in Parquet files."""
        return TabularDataset(place_of(path), lambda pandas, file: pandas.read_parquet(file))

    @staticmethod
    def from_json_lines_files(path: Any, *args: Any, **kwargs: Any) -> TabularDataset:
        """Returns the table in files with a JSON object a line."""
        return TabularDataset(place_of(path), lambda pandas, file: pandas.read_json(file, lines=True))

    @staticmethod
    def register_pandas_dataframe(dataframe: Any, target: Any, name: str, *args: Any, **kwargs: Any) -> TabularDataset:
        """Keeps a frame as a registered table.

        Raises:
            StorageError: If it cannot be written.
        """
        store = target[0] if isinstance(target, tuple) else target
        return kept(dataframe, store.workspace, name)


@checks_arguments(path=DATA)
class FileDatasetFactory:
    """Makes datasets of files."""

    @staticmethod
    def from_files(path: Any, validate: bool = True, **kwargs: Any) -> DataPlace:
        """Returns the data at a path, a URI, or ``(datastore, path)``; several files are copied into a folder.

        Raises:
            NotHereError: If of several places one is not a file, or two have the same name.
            StorageError: If one of several cannot be copied.
        """
        if isinstance(path, list) and len(path) > 1:
            workspace = importlib.import_module(f"{__package__}.core.workspace").Workspace()
            return DataPlace(gathered(path, workspace.storage), file=False)
        text = place_of(path)
        return DataPlace(text, file="." in text.rstrip("/").rpartition("/")[2])
