"""Places of data: paths and URIs that stand for their path on the node among the arguments of a script."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml.wants import WORKSPACE
from raydrive.core.argument_checks import NOTHING, PATH, checks_arguments
from raydrive.core.errors import show
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.current import current_folder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.input_cache import fetch_input
from raydrive.sweepfile.inputs_outputs import local_path
from raydrive.sweepfile.site_settings import here

_RECORD = "dataset.json"


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
        self.description = ""
        self.tags: dict[str, str] = {}
        self.version = 1
        self.changed = False
        """Whether it is only a part of what is there: then it has to be registered before scripts can get it."""

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

    def register(self, workspace: Any, name: str, description: str = "", *args: Any, **kwargs: Any) -> Any:
        """Keeps the name below the workspace's storage and returns the data; ``Dataset.get_by_name`` finds it.

        Raises:
            StorageError: If the name cannot be written down.
        """
        record = json.dumps({"where": self.where, "file": self.file})
        registered(workspace, name).write_whole(_RECORD, record.encode())
        made = self.as_named_input(name)
        made.description = str(description or "")
        return made

    @property
    def id(self) -> str:
        """Its name, or where it is."""
        return self.name or self.where

    def to_path(self) -> list[str]:
        """Returns the paths of its files."""
        root = Path(self.where)
        return [self.where] if not root.is_dir() else sorted(str(one) for one in root.rglob("*") if one.is_file())

    def download(self, target_path: str | None = None, overwrite: bool = False, **kwargs: Any) -> list[str]:
        """Copies its files to a folder and returns their paths.

        Raises:
            StorageError: If one cannot be read.
        """
        target = Path(target_path or ".")
        outer, _, name = self.where.rstrip("/").rpartition("/")
        folder = open_folder(outer if self.file else self.where)
        copied = []
        for inner in [name] if self.file else [item.name for item in folder.walk()]:
            folder.get_file(inner, target / inner)
            copied.append(str(target / inner))
        return copied

    def __str__(self) -> str:
        return self.where


def registered(workspace: Any, name: str) -> Folder:
    """Returns the folder of a registered dataset's name."""
    return open_folder(workspace.storage).child(".datasets", name)


def names_of(workspace: Any) -> list[str]:
    """Returns the names of datasets: the registered ones, and those that the mapping of the site has.

    Raises:
        StorageError: If the storage cannot be read.
    """
    kept = {item.name for item in open_folder(workspace.storage).child(".datasets").list()}
    rules = [rule.removeprefix("azureml:") for rule in workspace.mapping.rules if rule.startswith("azureml:")]
    return sorted(kept | {rule for rule in rules if rule and not rule.startswith("/")})


def found(workspace: Any, name: str, version: Any = "latest") -> tuple[str, bool | None]:
    """Returns where the data of a name is, and whether it is a file.

    Raises:
        NotHereError: If the name stands for nothing.
    """
    mapped = workspace.mapping.resolve(f"azureml:{name}:{version}")
    if mapped is not None:
        return mapped, None
    folder = registered(workspace, name)
    if folder.exists(_RECORD):
        record = json.loads(folder.read_bytes(_RECORD))
        return str(record["where"]), bool(record["file"])
    raise NotHereError(
        f"dataset {show(name)}: map it to a path in raydrive.toml: [input_mapping] "
        f'"azureml:{name if len(name) <= 100 else "NAME"}" = "PATH or s3://..."'
    )


def place_of(path: Any) -> str:
    """Returns a path, a URI, a datastore's path or ``(datastore, path)`` as text, by the mapping of the site.

    Raises:
        NotHereError: If it is a list of several.
    """
    if isinstance(path, list):
        if len(path) != 1:
            raise NotHereError(f"a dataset here is one file or folder; found {len(path)}: put them into one folder")
        path = path[0]
    if isinstance(path, tuple):
        path = path[0].uri(path[1])
    text = str(path)
    return here()[1].resolve(text) or text


def gathered(paths: list[Any], storage: str) -> str:
    """Returns a folder below the storage with copies of several files; the same files are copied once.

    Args:
        paths: Paths, URIs, paths of datastores or ``(datastore, path)``, each of a file.
        storage: Where runs are kept.

    Raises:
        NotHereError: If two of them have the same name, or one is a folder or a pattern.
        StorageError: If one cannot be read, or the copies cannot be written.
    """
    places = [place_of(path) for path in paths]
    names = [place.rstrip("/").rpartition("/")[2] for place in places]
    odd = [place for place in places if "*" in place or Path(place).is_dir()]
    if odd or len(set(names)) < len(names):
        found_text = f"found {show(odd[0])}" if odd else "found several of one name"
        raise NotHereError(f"a dataset of several places here is of files with different names; {found_text}")
    digest = hashlib.sha256("\n".join(places).encode()).hexdigest()[:20]
    above = open_folder(storage).child(".datasets-of-files")
    folder = above.child(digest)
    if not above.exists(f"{digest}.whole"):
        with tempfile.TemporaryDirectory(prefix="raydrive-files-") as cache:
            for place, name in zip(places, names, strict=True):
                own = local_path(place, current_folder())
                folder.put_file(own if own is not None else fetch_input(place, Path(cache), folder=False), name)
        above.write_whole(f"{digest}.whole", b"")
    return folder.uri
