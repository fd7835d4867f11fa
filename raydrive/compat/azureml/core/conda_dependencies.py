"""``azureml.core.conda_dependencies``: lists of packages, installed where raydrive.toml has ``environments``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from raydrive.compat.azureml._names import complete
from raydrive.core.argument_checks import checks_arguments


@checks_arguments()
class CondaDependencies:
    """Packages that a script needs."""

    def __init__(self, conda_dependencies_file_path: str | None = None, **kwargs: Any) -> None:
        self.file = conda_dependencies_file_path
        self.python_version = ""
        self.pip_packages: list[str] = []
        self.conda_packages: list[str] = []

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: Iterable[str] | None = None,
        conda_packages: Iterable[str] | None = None,
        python_version: str = "",
        **kwargs: Any,
    ) -> CondaDependencies:
        """Returns a list of packages."""
        made = CondaDependencies()
        made.pip_packages = list(pip_packages or ())
        made.conda_packages = list(conda_packages or ())
        made.python_version = python_version
        return made

    def set_python_version(self, version: str) -> None:
        """Keeps the version; trials use the Python of raydrive.toml."""
        self.python_version = version

    def add_channel(self, channel: str) -> None:
        """Is kept nowhere: nothing is installed."""

    def save_to_file(self, base_directory: str, conda_file_path: str | None = None) -> str:
        """Writes the packages as a conda file and returns its path.

        Raises:
            OSError: If it cannot be written.
        """
        path = Path(base_directory, conda_file_path or "conda_dependencies.yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.serialize_to_string(), encoding="utf-8")
        return str(path)

    def serialize_to_string(self) -> str:
        """Returns the packages as the text of a conda file."""
        pip = "".join(f"  - {name}\n" for name in self.pip_packages)
        return "dependencies:\n" + "".join(f"- {name}\n" for name in self.conda_packages) + "- pip:\n" * bool(pip) + pip

    def add_pip_package(self, pip_package: str) -> None:
        """Adds a package."""
        self.pip_packages.append(pip_package)

    def add_conda_package(self, conda_package: str) -> None:
        """Adds a package."""
        self.conda_packages.append(conda_package)


__getattr__ = complete(__name__)
