"""Accounts, secrets, sizes of services, telemetry: accepted, as raydrive needs no sign-in and sends nothing."""

from __future__ import annotations

import os
from typing import Any

from raydrive.compat.azure_notices import NotHereError
from raydrive.core.argument_checks import checks_arguments
from raydrive.core.errors import show


class InteractiveLoginAuthentication:
    """Accepted; raydrive needs no sign-in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Takes what the SDK takes; nothing of it is looked at."""

    def get_authentication_header(self) -> dict[str, str]:
        """Returns no header."""
        return {}


class ServicePrincipalAuthentication(InteractiveLoginAuthentication):
    """Accepted; raydrive needs no sign-in."""


class MsiAuthentication(InteractiveLoginAuthentication):
    """Accepted; raydrive needs no sign-in."""


class AzureCliAuthentication(InteractiveLoginAuthentication):
    """Accepted; raydrive needs no sign-in."""


@checks_arguments()
class Keyvault:
    """Secrets of the workspace: environment variables of this process."""

    def get_secret(self, name: str) -> str:
        """Returns the environment variable of a name; dashes may be underscores, letters capitals.

        Raises:
            NotHereError: If there is none.
        """
        for variable in (name, name.replace("-", "_"), name.replace("-", "_").upper()):
            if variable in os.environ:
                return os.environ[variable]
        raise NotHereError(
            f"get_secret({show(name)}): there is no key vault; set the variable {name.replace('-', '_')}"
        )

    def get_secrets(self, secrets: Any) -> dict[str, str]:
        """Returns several secrets by name.

        Raises:
            NotHereError: If one is missing.
        """
        return {name: self.get_secret(name) for name in secrets}

    def set_secret(self, name: str, value: str) -> None:
        """Sets the environment variable of a name, for this process and the runs it starts on this machine."""
        os.environ[name] = value

    def list_secrets(self) -> list[dict[str, str]]:
        """Returns no names: variables that are secrets look like others."""
        return []


@checks_arguments()
class ResourceConfiguration:
    """Size of a service; kept, and not looked at.

    Args:
        cpu: Cores.
        memory_in_gb: Memory in GB.
        gpu: GPUs.
    """

    def __init__(self, cpu: float | None = None, memory_in_gb: float | None = None, gpu: int | None = None) -> None:
        self.cpu = cpu
        self.memory_in_gb = memory_in_gb
        self.gpu = gpu


def set_diagnostics_collection(*args: Any, **kwargs: Any) -> None:
    """Does nothing: nothing is sent."""
