"""``azureml.core.conda_dependencies``: lists of packages, installed where raydrive.toml has ``environments``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from raydrive.api.argument_types import ARGUMENTS
from raydrive.compat.azureml._names import complete
from raydrive.core.argument_checks import checks_arguments


@checks_arguments(pip_requirements=ARGUMENTS)
class CondaDependencies:
    """Packages that a script needs."""

    def __init__(self, conda_dependencies_file_path: str | None = None, **kwargs: Any) -> None:
        self.file = conda_dependencies_file_path
        self.python_version = ""
        self.pip_packages: list[str] = []
        self.conda_packages: list[str] = []
        self.conda_channels: list[str] = []

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

    def get_python_version(self) -> str:
        """Returns the version that was set; empty = none."""
        return self.python_version

    def add_channel(self, channel: str) -> None:
        """Adds a channel of conda."""
        self.conda_channels.append(channel)

    def remove_channel(self, channel: str) -> None:
        """Removes a channel of conda."""
        self.conda_channels = [one for one in self.conda_channels if one != channel]

    def set_pip_requirements(self, pip_requirements: Iterable[str]) -> None:
        """Replaces the packages of pip."""
        self.pip_packages = list(pip_requirements)

    def set_pip_option(self, pip_option: str) -> None:
        """Adds an option of pip, such as ``--pre``."""
        self.pip_packages.insert(0, pip_option)

    def set_pip_index_url(self, index_url: str) -> None:
        """Has pip look there."""
        self.set_pip_option(index_url if index_url.startswith("-") else f"--index-url {index_url}")

    def remove_pip_package(self, pip_package: str) -> None:
        """Removes a package, whatever its version."""
        self.pip_packages = [one for one in self.pip_packages if _name(one) != _name(pip_package)]

    def remove_conda_package(self, conda_package: str) -> None:
        """Removes a package, whatever its version."""
        self.conda_packages = [one for one in self.conda_packages if _name(one) != _name(conda_package)]

    def as_dict(self) -> dict[str, Any]:
        """Returns the packages as a conda file has them."""
        version = [f"python={self.python_version}"] * bool(self.python_version)
        listed = [*version, *self.conda_packages, *([{"pip": list(self.pip_packages)}] * bool(self.pip_packages))]
        return {"channels": list(self.conda_channels), "dependencies": listed}

    def save(self, path: str | None = None) -> str:
        """Writes the packages as a conda file and returns its path.

        Raises:
            OSError: If it cannot be written.
        """
        return self.save_to_file(".", path)

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
        channels = "".join(f"- {name}\n" for name in self.conda_channels)
        version = f"- python={self.python_version}\n" if self.python_version else ""
        conda = version + "".join(f"- {name}\n" for name in self.conda_packages)
        return "channels:\n" * bool(channels) + channels + "dependencies:\n" + conda + "- pip:\n" * bool(pip) + pip

    def add_pip_package(self, pip_package: str) -> None:
        """Adds a package."""
        self.pip_packages.append(pip_package)

    def add_conda_package(self, conda_package: str) -> None:
        """Adds a package."""
        self.conda_packages.append(conda_package)


def _name(package: str) -> str:
    return re.split(r"[^\w.-]", package.strip(), maxsplit=1)[0].casefold()


__getattr__ = complete(__name__)
