"""``azureml.core.conda_dependencies``: lists of packages, kept and not installed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raydrive.core.argument_checks import checks_arguments


@checks_arguments()
class CondaDependencies:
    """Packages that a script needs."""

    def __init__(self, conda_dependencies_file_path: str | None = None, **kwargs: Any) -> None:
        self.file = conda_dependencies_file_path
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
        return made

    def add_pip_package(self, pip_package: str) -> None:
        """Adds a package."""
        self.pip_packages.append(pip_package)

    def add_conda_package(self, conda_package: str) -> None:
        """Adds a package."""
        self.conda_packages.append(conda_package)
