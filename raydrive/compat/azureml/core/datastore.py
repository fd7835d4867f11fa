"""Datastores: folders below the workspace's storage, or what ``input_mapping`` of raydrive.toml says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raydrive.compat.azure_notices import note_left_out
from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml._places import DataPlace
from raydrive.compat.azureml.wants import NAME, WORKSPACE
from raydrive.core.argument_checks import NOTHING, PATH, checks_arguments, list_of
from raydrive.storage.folder.open import open_folder
from raydrive.storage.uploads import local_files

DEFAULT = "workspaceblobstore"


@checks_arguments(
    workspace=WORKSPACE,
    src_dir=PATH,
    files=list_of(PATH, "paths"),
    relative_root=PATH | NOTHING,
    name=NAME | NOTHING,
    datastore_name=NAME,
)
class Datastore:
    """A named place for data.

    Args:
        workspace: The workspace.
        name: Its name; None = the default one.
    """

    def __init__(self, workspace: Any, name: str | None = None) -> None:
        self.workspace = workspace
        self.name = name or DEFAULT
        self.datastore_type = "raydrive"
        self.account_name = self.container_name = self.name

    @staticmethod
    def get(workspace: Any, datastore_name: str) -> Datastore:
        """Returns a datastore by name."""
        return Datastore(workspace, datastore_name)

    @staticmethod
    def get_default(workspace: Any) -> Datastore:
        """Returns the default datastore."""
        return Datastore(workspace)

    @staticmethod
    def register_azure_blob_container(workspace: Any, datastore_name: str, *args: Any, **kwargs: Any) -> Datastore:
        """Returns the datastore of a name; where it is, ``input_mapping`` says."""
        return Datastore(workspace, datastore_name)

    register_azure_file_share = register_azure_data_lake_gen2 = register_azure_blob_container

    def uri(self, path: str = "") -> str:
        """Returns where a path of it is."""
        name = path.strip("/")
        mapped = self.workspace.mapping.resolve(f"azureml://datastores/{self.name}/paths/{name}")
        if mapped is not None:
            return str(mapped)
        folder = open_folder(self.workspace.storage).child(".datastores", self.name)
        return f"{folder.uri.rstrip('/')}/{name}" if name else folder.uri

    def path(self, path: str | None = None, data_path_compute: Any = None) -> DataPlace:
        """Returns data of it, to be given to a script as an argument."""
        return DataPlace(self.uri(path or ""))

    def as_mount(self) -> DataPlace:
        """Returns all of it, as ``path()``."""
        return self.path()

    as_download = as_upload = as_mount

    def upload(
        self, src_dir: str, target_path: str | None = None, overwrite: bool = False, show_progress: bool = True
    ) -> DataPlace:
        """Copies a folder into it.

        Raises:
            StorageError: If something cannot be written.
        """
        left_out: dict[str, str] = {}
        self._put(list(local_files(Path(src_dir), left_out)), target_path, overwrite)
        note_left_out(src_dir, left_out)
        return self.path(target_path)

    def upload_files(
        self,
        files: Sequence[str],
        relative_root: str | None = None,
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataPlace:
        """Copies files into it.

        Raises:
            StorageError: If something cannot be written.
        """
        root = Path(relative_root) if relative_root else None
        named = [(str(Path(file).relative_to(root)) if root else Path(file).name, Path(file)) for file in files]
        self._put(named, target_path, overwrite)
        return self.path(target_path)

    def _put(self, files: list[tuple[str, Path]], target: str | None, overwrite: bool) -> None:
        folder = open_folder(self.uri(target or ""))
        for name, path in files:
            if overwrite or not folder.exists(name):
                folder.put_file(path, name)

    def download(
        self, target_path: str, prefix: str | None = None, overwrite: bool = False, show_progress: bool = True
    ) -> int:
        """Copies its files to a folder and returns how many.

        Raises:
            StorageError: If one cannot be read.
        """
        folder = open_folder(self.uri()).contained()
        names = [item.name for item in folder.walk() if item.name.startswith((prefix or "").strip("/"))]
        for name in names:
            folder.get_file(name, Path(target_path) / name)
        return len(names)


class Datastores(dict[str, Datastore]):
    """Every name is a datastore.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Any) -> None:
        super().__init__({DEFAULT: Datastore(workspace)})
        self._workspace = workspace

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __missing__(self, name: str) -> Datastore:
        return Datastore(self._workspace, name)


AzureBlobDatastore = Datastore

__getattr__ = complete(__name__)
