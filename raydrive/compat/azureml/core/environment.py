"""Environments: their variables reach the trials; packages are those of the Python that trials run in."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml.core.conda_dependencies import CondaDependencies
from raydrive.core.argument_checks import PATH, checks_arguments
from raydrive.core.config.trial_environment import TrialEnvironment
from raydrive.settings.conda_files import environment_of
from raydrive.storage.folder.current import current_folder

_SAVED = "conda_dependencies.yml"


@checks_arguments(file_path=PATH)
class Environment:
    """A name with variables and packages.

    Args:
        name: The name.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        self.name = name
        self.version: str | None = None
        self.environment_variables: dict[str, str] = {}
        self.packages_file = ""
        """The conda file that it was made of; empty = its packages stand in ``python.conda_dependencies``."""
        self.python = SimpleNamespace(
            conda_dependencies=CondaDependencies(), user_managed_dependencies=False, interpreter_path="python"
        )
        self.docker = SimpleNamespace(enabled=False, base_image=None, base_dockerfile=None, arguments=[], shm_size=None)

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> Environment:
        """Returns an environment with the packages of a conda file, which is read where it is built."""
        made = Environment(name)
        made.packages_file = os.path.abspath(file_path)
        return made

    @staticmethod
    def from_pip_requirements(name: str, file_path: str, pip_version: str | None = None) -> Environment:
        """Returns an environment with the packages of a requirements file, which is read where it is built."""
        made = Environment(name)
        made.python.conda_dependencies.add_pip_package(f"-r {os.path.abspath(file_path)}")
        return made

    @staticmethod
    def from_docker_image(name: str, image: str, **kwargs: Any) -> Environment:
        """Returns an environment; the image is not used."""
        return Environment(name)

    @staticmethod
    def from_dockerfile(name: str, dockerfile: str, **kwargs: Any) -> Environment:
        """Returns an environment; the file is not used."""
        return Environment(name)

    from_docker_build_context = from_dockerfile

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> Environment:
        """Returns an environment; that of conda is not looked at."""
        return Environment(name)

    @staticmethod
    def list(workspace: Any) -> dict[str, Environment]:
        """Returns the environments that this process has registered, by name."""
        return Environments()

    @staticmethod
    def get(workspace: Any, name: str, version: str | None = None, label: str | None = None) -> Environment:
        """Returns the environment that this process has registered under a name, else one of this name."""
        return Environments()[name]

    def clone(self, new_name: str) -> Environment:
        """Returns a copy under another name."""
        other = copy.deepcopy(self)
        other.name = new_name
        return other

    def register(self, workspace: Any) -> Environment:
        """Returns itself, which this process finds again by its name."""
        _registered[self.name] = self
        return self

    def build(self, workspace: Any, *args: Any, **kwargs: Any) -> Environment:
        """Returns itself; nothing is built."""
        return self

    def build_local(self, workspace: Any, *args: Any, **kwargs: Any) -> Environment:
        """Returns itself; nothing is built."""
        return self

    def save_to_directory(self, path: str, overwrite: bool = False) -> None:
        """Writes its packages as ``conda_dependencies.yml`` into a folder.

        Args:
            path: The folder, which is made.
            overwrite: Whether a file that is there is replaced.

        Raises:
            FileExistsError: If there is one and it is not to be replaced.
            OSError: If it cannot be written.
        """
        target = Path(path, _SAVED)
        if target.exists() and not overwrite:
            raise FileExistsError(f"{target} exists: overwrite=True replaces it")
        if self.packages_file:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(Path(self.packages_file).read_text("utf-8"), "utf-8")
        else:
            self.python.conda_dependencies.save_to_file(path, _SAVED)

    @staticmethod
    def load_from_directory(path: str) -> Environment:
        """Returns the environment that ``save_to_directory`` wrote."""
        return Environment.from_conda_specification(os.path.basename(os.path.abspath(path)), os.path.join(path, _SAVED))

    def to_build(self, tool: str) -> TrialEnvironment | None:
        """Returns what is built of it on each node; None where it names no packages.

        Args:
            tool: ``uv`` or ``conda``.

        Raises:
            ConfigError: If its file cannot be read.
        """
        listed = self.python.conda_dependencies
        file = self.packages_file or getattr(listed, "file", None)
        if file:
            return environment_of(tool, str(file), current_folder(), "environment")[0]
        conda = [*listed.conda_packages, *([f"python={listed.python_version}"] * bool(listed.python_version))]
        if not conda and not listed.pip_packages:
            return None
        named = {"dependencies": [*conda, {"pip": list(listed.pip_packages)}]}
        return environment_of(tool, named, current_folder(), "environment")[0]


class Environments(dict[str, Environment]):
    """Environments by name: those that this process has registered, and every other name that is asked for."""

    def __init__(self) -> None:
        super().__init__(_registered)

    def __missing__(self, name: str) -> Environment:
        return Environment(name)


_registered: dict[str, Environment] = {}
"""Of the process: environments are not stored."""

__getattr__ = complete(__name__)
