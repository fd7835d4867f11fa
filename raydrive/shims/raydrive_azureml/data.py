"""Data of training scripts: the run's inputs, and the datasets of ``azureml.core.Dataset`` read where they are.

pandas is the script's own, and imported only when a frame is asked for. Where something is: a local path, a ``file:``
or ``http(s):`` URL, or a name of Azure ML (``azureml:titanic:1``, ``azureml://datastores/...``) that is an input of the
run or that the site's mapping knows (``RAYDRIVE_DATA_MAPPING``: JSON). All
else (``s3:``, ``abfs:``) is handed to pandas, which reads it with fsspec where that is installed.
"""

from __future__ import annotations

import atexit
import glob
import json
import os
import shutil
import tempfile
from typing import Any, Callable, Iterator, Mapping, Sequence  # noqa: UP035  (Python 3.8)

from raydrive import azure_data, variables
from raydrive_azureml.absent import NotInATrial

MAPPING = "RAYDRIVE_DATA_MAPPING"
"""Variable with what Azure ML's names stand for: a JSON object of prefixes and paths or URIs."""
_TIMEOUT_S = 60
_downloads: dict[str, str] = {}


def inputs() -> dict[str, str]:
    """Returns the run's inputs by name."""
    found: dict[str, str] = variables.read("RAYDRIVE_INPUTS", "{}")
    return found


def mapping() -> dict[str, str]:
    """Returns what Azure ML's names stand for."""
    found: dict[str, str] = json.loads(os.environ.get(MAPPING) or "{}")
    return found


def local(where: Any) -> str:
    """Returns a path or URI as something that can be opened: a local path wherever possible.

    Args:
        where: Path, URI, or ``(datastore, path)``.

    Raises:
        NotInATrial: It is a name of Azure ML that nothing stands for.
        OSError: It cannot be downloaded.
    """
    if isinstance(where, (tuple, list)) and len(where) == 2 and isinstance(where[0], Datastore):
        where = where[0].uri(where[1])
    text = os.fspath(where) if not isinstance(where, str) else str.__str__(where)
    text = azure_data.resolve(mapping(), text) or text
    if text.startswith("file:"):
        from urllib.parse import urlparse  # lazy: urllib.parse, 0.002 s
        from urllib.request import url2pathname  # lazy: urllib.request, 0.03 s

        return url2pathname(urlparse(text).path)
    if text.startswith(("http://", "https://")):
        return _downloaded(text)
    if text.startswith("azureml:"):
        raise NotInATrial(
            f"{text}: Azure ML's data cannot be reached from here; copy it to a place the cluster can read, and "
            "use that place as an input of the sweep, or map this name to it: input_mapping of a site file or "
            "raydrive.toml"
        )
    return text


def _downloaded(url: str) -> str:
    """A copy of what a URL holds, made once per process, under its own file name."""
    if url not in _downloads:
        from urllib.parse import unquote, urlparse  # lazy: urllib.parse, 0.002 s
        from urllib.request import urlopen  # lazy: urllib.request, 0.03 s

        folder = tempfile.mkdtemp(prefix="raydrive-data-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        target = os.path.join(folder, os.path.basename(unquote(urlparse(url).path)) or "data")
        with urlopen(url, timeout=_TIMEOUT_S) as answer, open(target, "wb") as file:
            shutil.copyfileobj(answer, file)
        _downloads[url] = target
    return _downloads[url]


def _files(path: Any) -> list[str]:
    """The files that a path, pattern, folder, or list of them stands for."""
    many = isinstance(path, (list, tuple)) and not (len(path) == 2 and isinstance(path[0], Datastore))
    found: list[str] = []
    for each in path if many else [path]:
        place = local(each)
        if os.path.isdir(place):
            place = os.path.join(place, "**")
        if "://" in place or os.path.exists(place):
            found.append(place)
        else:
            matches = sorted(match for match in glob.glob(place, recursive=True) if os.path.isfile(match))
            if not matches:
                raise FileNotFoundError(f"no such file: {place!r} (from {each!r})")
            found += matches
    return found


class _Dataset:
    """What both kinds of datasets have in common."""

    def __init__(self, path: Any) -> None:
        self._path = path
        self.name = ""

    def to_path(self) -> list[str]:
        """Returns the paths of its files."""
        return _files(self._path)

    def as_named_input(self, name: str) -> Any:
        """Returns itself: its name says nothing here."""
        return self

    def as_mount(self, *args: Any) -> Any:
        """Returns itself."""
        return self

    as_download = as_mount

    def register(self, *args: Any, **kwargs: Any) -> Any:
        """Returns itself; nothing is registered: a trial has no workspace."""
        return self

    def download(self, target_path: str | None = None, overwrite: bool = False, **kwargs: Any) -> list[str]:
        """Copies its files to a folder and returns their paths."""
        folder = target_path or tempfile.mkdtemp(prefix="raydrive-data-")
        os.makedirs(folder, exist_ok=True)
        return [shutil.copy(path, folder) for path in self.to_path()]

    def mount(self, mount_point: str | None = None, **kwargs: Any) -> Mount:
        """Returns a context whose ``mount_point`` is the folder of its files."""
        return Mount(local(self._path))


class Mount:
    """A folder under the name that scripts know it by."""

    def __init__(self, mount_point: str) -> None:
        self.mount_point = mount_point

    def start(self) -> None:
        """Does nothing: the folder is there."""

    stop = start

    def __enter__(self) -> Mount:
        return self

    def __exit__(self, *args: object) -> None:
        """Does nothing: the folder stays."""


class FileDataset(_Dataset):
    """Files."""


class TabularDataset(azure_data.TableSteps, _Dataset):
    """A table in one or several files.

    Args:
        path: Where they are.
        read: Takes pandas and a path, and returns a frame.
        steps: What is done to the frame, in order.
    """

    def __init__(self, path: Any, read: Callable[[Any, str], Any], steps: Sequence[Callable[[Any], Any]] = ()) -> None:
        super().__init__(path)
        self._read = read
        self._steps = tuple(steps)

    def to_pandas_dataframe(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the table as a pandas frame.

        Raises:
            ImportError: The script's Python has no pandas.
            FileNotFoundError: There is no such file.
        """
        import pandas  # lazy: optional dependency

        return azure_data.frame_of(pandas, self._read, self.to_path(), self._steps)

    def _then(self, step: Callable[[Any], Any]) -> TabularDataset:
        return TabularDataset(self._path, self._read, (*self._steps, step))


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
        partition_format: str | None = None,
        support_multi_line: bool = False,
        empty_as_string: bool = False,
        encoding: str = "utf8",
    ) -> TabularDataset:
        """Returns the table in delimited files.

        Args:
            path: Path, pattern, folder, URI or a list of them.
            validate: Accepted: reading it tells.
            include_path: Accepted without effect.
            infer_column_types: False reads every column as text.
            set_column_types: Accepted without effect: pandas infers them.
            separator: Between columns.
            header: Whether the first line names the columns.
            partition_format: Accepted without effect.
            support_multi_line: Accepted: quoted line breaks are understood anyway.
            empty_as_string: Whether an empty field is an empty text and not a missing value.
            encoding: Of the files.
        """
        named = str(getattr(header, "name", header)) not in ("False", "NO_HEADERS", "0", "None")

        def read(pandas: Any, file: str) -> Any:
            options: dict[str, Any] = {} if infer_column_types else {"dtype": str}
            return pandas.read_csv(
                file,
                sep=separator,
                header=0 if named else None,
                encoding=encoding,
                keep_default_na=not empty_as_string,
                **options,
            )

        return TabularDataset(path, read, [azure_data.with_booleans] if infer_column_types else ())

    @staticmethod
    def from_parquet_files(path: Any, *args: Any, **kwargs: Any) -> TabularDataset:
        """Returns the table in Parquet files."""
        return TabularDataset(path, lambda pandas, file: pandas.read_parquet(file))

    @staticmethod
    def from_json_lines_files(path: Any, *args: Any, **kwargs: Any) -> TabularDataset:
        """Returns the table in files with a JSON object a line."""
        return TabularDataset(path, lambda pandas, file: pandas.read_json(file, lines=True))


class FileDatasetFactory:
    """Makes datasets of files."""

    @staticmethod
    def from_files(path: Any, validate: bool = True, **kwargs: Any) -> FileDataset:
        """Returns the files of a path, pattern, folder, URI or a list of them."""
        return FileDataset(path)


def _by_ending(path: Any) -> TabularDataset:
    """A table in whatever form the file's name says."""
    text = str(path).lower()
    if text.endswith((".parquet", ".pq")):
        return TabularDatasetFactory.from_parquet_files(path)
    if text.endswith((".jsonl", ".ndjson")):
        return TabularDatasetFactory.from_json_lines_files(path)
    return TabularDatasetFactory.from_delimited_files(path, separator="\t" if text.endswith(".tsv") else ",")


class Input(str):
    """One of the run's inputs: a text with its path or value, which can also be read as a dataset."""

    __slots__ = ()

    def to_pandas_dataframe(self, *args: Any, **kwargs: Any) -> Any:
        """Returns it as a pandas frame.

        Raises:
            ImportError: The script's Python has no pandas.
            FileNotFoundError: There is no such file.
        """
        return _by_ending(str(self)).to_pandas_dataframe()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(_by_ending(str(self)), name)


def _named() -> dict[str, str]:
    """What the mapping says of datasets, by their names."""
    start = "azureml:"
    return {rule[len(start) :]: to for rule, to in mapping().items() if rule.startswith(start) and "/" not in rule}


class Inputs(Mapping[str, Input]):
    """The run's inputs by name, and the datasets that the mapping names."""

    def __getitem__(self, name: str) -> Input:
        known = {**_named(), **inputs()}
        if name not in known:
            have = ", ".join(sorted(known)) or "none"
            raise KeyError(
                f"{name!r} is not an input of this sweep (there are: {have}); add it: inputs: {{{name}: {{path: ...}}}}"
                f", or map azureml:{name} in input_mapping of a site file or raydrive.toml"
            )
        return Input(known[name])

    def __iter__(self) -> Iterator[str]:
        return iter({**_named(), **inputs()})

    def __len__(self) -> int:
        return len({**_named(), **inputs()})


class Datastore:
    """A datastore of Azure ML by name: what is in it is found through the mapping."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def get(cls, workspace: Any, datastore_name: str) -> Datastore:
        """Returns the datastore of that name."""
        return cls(datastore_name)

    @classmethod
    def get_default(cls, workspace: Any) -> Datastore:
        """Returns the datastore of Azure ML's default name."""
        return cls("workspaceblobstore")

    def uri(self, path: str) -> str:
        """Returns the URI of a path in it."""
        return f"azureml://datastores/{self.name}/paths/{path.lstrip('/')}"

    def path(self, path: str) -> str:
        """Returns the URI of a path in it."""
        return self.uri(path)


class Dataset:
    """``azureml.core.Dataset``: factories, and lookups that find the run's inputs."""

    Tabular = TabularDatasetFactory
    File = FileDatasetFactory

    @staticmethod
    def get_by_name(workspace: Any, name: str, version: Any = "latest") -> Any:
        """Returns the input of that name, or what the mapping says of ``azureml:NAME:VERSION``.

        Raises:
            NotInATrial: There is neither.
        """
        if name in inputs():
            return _by_ending(inputs()[name])
        return _by_ending(local(f"azureml:{name}:{version}"))

    @staticmethod
    def get_by_id(workspace: Any, id: str, **kwargs: Any) -> Any:
        """Returns the input of that name, or the dataset at that path.

        Raises:
            NotInATrial: It is neither.
        """
        found = inputs().get(id) or (id if os.path.exists(id) or ":" in id else f"azureml:{id}")
        return _by_ending(local(found))

    @staticmethod
    def get_all(workspace: Any) -> Inputs:
        """Returns the run's inputs by name."""
        return Inputs()
