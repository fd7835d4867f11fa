"""Environments: their variables reach the trials; packages are those of the Python that trials run in."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml.core.conda_dependencies import CondaDependencies
from raydrive.core.argument_checks import PATH, checks_arguments


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
        self.python = SimpleNamespace(
            conda_dependencies=CondaDependencies(), user_managed_dependencies=False, interpreter_path="python"
        )
        self.docker = SimpleNamespace(enabled=False, base_image=None, base_dockerfile=None, arguments=[], shm_size=None)

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> Environment:
        """Returns an environment; the file is not read."""
        return Environment(name)

    @staticmethod
    def from_pip_requirements(name: str, file_path: str, pip_version: str | None = None) -> Environment:
        """Returns an environment; the file is not read."""
        return Environment(name)

    @staticmethod
    def from_docker_image(name: str, image: str, **kwargs: Any) -> Environment:
        """Returns an environment; the image is not used."""
        return Environment(name)

    @staticmethod
    def from_dockerfile(name: str, dockerfile: str, **kwargs: Any) -> Environment:
        """Returns an environment; the file is not used."""
        return Environment(name)

    from_docker_build_context = from_dockerfile
    from_existing_conda_environment = from_pip_requirements

    @staticmethod
    def list(workspace: Any) -> dict[str, Environment]:
        """Returns no environments: nothing is registered."""
        return {}

    @staticmethod
    def get(workspace: Any, name: str, version: str | None = None, label: str | None = None) -> Environment:
        """Returns an environment of this name."""
        return Environment(name)

    def clone(self, new_name: str) -> Environment:
        """Returns a copy under another name."""
        other = copy.deepcopy(self)
        other.name = new_name
        return other

    def register(self, workspace: Any) -> Environment:
        """Returns itself; nothing is registered."""
        return self

    def build(self, workspace: Any, *args: Any, **kwargs: Any) -> Environment:
        """Returns itself; nothing is built."""
        return self


__getattr__ = complete(__name__)
