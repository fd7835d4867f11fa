"""Models: files kept below the workspace's storage. Serving them is another tool's business."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raydrive.compat.azure_notices import NotHereError, note_left_out
from raydrive.compat.azureml.wants import NAME, WORKSPACE
from raydrive.core.argument_checks import NOTHING, PATH, TEXT, checks_arguments, whole
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.uploads import local_files

_SERVE = (
    "raydrive does not serve models: download the file with run.download_file(...) and serve it, e.g. with Ray Serve"
)


@checks_arguments(
    workspace=WORKSPACE,
    name=NAME | NOTHING,
    model_name=NAME,
    model_path=PATH,
    target_dir=TEXT | PATH,
    version=whole(1) | NOTHING,
)
class Model:
    """A registered model.

    Args:
        workspace: The workspace.
        name: Name of the model.
        version: Its version; None = the newest.

    Raises:
        ConfigError: If no name is given.
        NotHereError: If there is none of this name.
    """

    class Framework:
        """Names of frameworks, which are not looked at."""

        CUSTOM, TENSORFLOW, SCIKITLEARN = "Custom", "TensorFlow", "ScikitLearn"
        ONNX, TFKERAS, MULTI = "Onnx", "TfKeras", "Multi"

    def __init__(self, workspace: Any, name: str, version: int | None = None, **kwargs: Any) -> None:
        if name is None:
            raise ConfigError(Problem("name", "nothing", "the name of a model"))
        home = _home(workspace, name)
        versions = sorted(int(item.name) for item in home.list() if item.name.isdigit())
        if not versions or version not in (None, *versions):
            found = ", ".join(map(str, versions)) or "none"
            raise NotHereError(f"no model {name!r} of version {version or 'any'} in {home.uri}; its versions: {found}")
        self.workspace = workspace
        self.name = name
        self.version = version or versions[-1]
        self.id = f"{name}:{self.version}"
        self.uri = home.child(str(self.version)).uri

    @staticmethod
    def register(workspace: Any, model_path: str, model_name: str, *args: Any, **kwargs: Any) -> Model:
        """Keeps a local file or folder as the next version of a model.

        Raises:
            StorageError: If it cannot be written.
            NotHereError: If there is no such file or folder.
        """
        if not Path(model_path).exists():
            raise NotHereError(
                f"model_path: there is no {show(str(model_path))} in {Path.cwd()}; files of a trial are "
                "registered with best_run.register_model(model_name=..., model_path=...)"
            )
        return keep(workspace, model_name, Path(model_path))

    @staticmethod
    def list(workspace: Any, name: str | None = None, latest: bool = False, **kwargs: Any) -> Any:
        """Returns the registered models, newest version first.

        Args:
            workspace: The workspace.
            name: Only this model.
            latest: Only the newest version of each.
            **kwargs: Not looked at.

        Raises:
            StorageError: If the storage cannot be read.
        """
        found = []
        root = open_folder(workspace.storage).child(".models")
        for each in sorted(item.name for item in root.list()) if name is None else [name]:
            numbers = sorted((int(item.name) for item in root.child(each).list() if item.name.isdigit()), reverse=True)
            found += [Model(workspace, each, number) for number in (numbers[:1] if latest else numbers)]
        return found

    def serialize(self) -> dict[str, Any]:
        """Returns its name, version and id."""
        return {"name": self.name, "version": self.version, "id": self.id}

    def delete(self) -> None:
        """Removes this version's files.

        Raises:
            StorageError: If they cannot be removed.
        """
        open_folder(self.uri).delete_tree()

    def download(self, target_dir: str = ".", exist_ok: bool = False, **kwargs: Any) -> str:
        """Copies its files here and returns the folder.

        Raises:
            StorageError: If something cannot be read.
        """
        folder = open_folder(self.uri).contained()
        for item in folder.walk():
            folder.get_file(item.name, Path(target_dir or ".") / item.name)
        return target_dir or "."

    @staticmethod
    def deploy(*args: Any, **kwargs: Any) -> Any:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError(_SERVE)

    @staticmethod
    def get_model_path(model_name: str, *args: Any, **kwargs: Any) -> str:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError(f"Model({model_name!r}).download() copies the files of a model")


def _home(workspace: Any, name: str) -> Folder:
    return open_folder(workspace.storage).child(".models", name)


def keep(workspace: Any, name: str, path: Path) -> Model:
    """Keeps a file or folder as the next version of a model.

    Raises:
        StorageError: If it cannot be written, or there is nothing.
    """
    home = _home(workspace, name)
    version = max((int(item.name) for item in home.list() if item.name.isdigit()), default=0) + 1
    folder = home.child(str(version))
    left_out: dict[str, str] = {}
    for inner, file in [(path.name, path)] if path.is_file() else local_files(path, left_out):
        folder.put_file(file, inner)
    note_left_out(str(path), left_out)
    return Model(workspace, name, version)
