"""Compute targets: names only, as trials run where the Ray cluster has room."""

from __future__ import annotations

from typing import Any

from raydrive.compat.azure_notices import note
from raydrive.compat.azureml._names import complete, stand_in
from raydrive.compat.callers import makes_what_is_missing
from raydrive.core.argument_checks import checks_arguments

_MAKERS = ("create", "provisioning_configuration")
created: set[str] = set()
"""Names of the compute targets that this process has created."""


@checks_arguments()
class ComputeTarget:
    """A name of a compute target.

    Args:
        workspace: Not looked at.
        name: The name.

    Raises:
        ComputeTargetException: If this process has not created it and the calling code creates it where that is caught.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Returns an ``AmlCompute``, as the SDK does for a cluster."""
        return object.__new__(AmlCompute if cls is ComputeTarget else cls)

    def __init__(self, workspace: Any, name: str) -> None:
        missing = stand_in("azureml.exceptions", "ComputeTargetException")
        if name not in created and makes_what_is_missing(missing, _MAKERS):
            raise missing(f"ComputeTargetNotFound: {name}")
        self.workspace = workspace
        self.name = name
        self.type = "ray"
        note(
            f"compute target {name!r}: trials run on the Ray cluster of raydrive.toml, or on this machine; the "
            "resources of each are set there too (resources)"
        )

    @staticmethod
    def create(workspace: Any, name: str, provisioning_configuration: Any) -> ComputeTarget:
        """Returns the target, whose name is known in this process from now on; nothing is created."""
        created.add(name)
        return ComputeTarget(workspace, name)

    def wait_for_completion(self, show_output: bool = False, **kwargs: Any) -> None:
        """Returns at once."""

    def get_status(self) -> Any:
        """Returns a status that says Succeeded."""
        return _Status()

    def delete(self) -> None:
        """Forgets the name."""
        created.discard(self.name)

    @staticmethod
    def list(workspace: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the targets that this process has created, or one that stands for the Ray cluster."""
        return [ComputeTarget(workspace, name) for name in sorted(created) or ["ray"]]

    @property
    def provisioning_state(self) -> str:
        """Succeeded."""
        return "Succeeded"

    def serialize(self) -> dict[str, str]:
        """Returns its name and state."""
        return {"name": self.name, "provisioningState": "Succeeded"}

    def __repr__(self) -> str:
        return f"ComputeTarget({self.name!r})"


class _Status:
    provisioning_state = allocation_state = "Succeeded"
    errors: tuple[str, ...] = ()

    def serialize(self) -> dict[str, str]:
        return {"provisioningState": self.provisioning_state}


class AmlCompute(ComputeTarget):
    """A cluster of Azure ML."""

    @staticmethod
    def provisioning_configuration(vm_size: str = "", **kwargs: Any) -> dict[str, Any]:
        """Returns what was asked for; nothing is provisioned."""
        return {"vm_size": vm_size, **kwargs}

    @staticmethod
    def supported_vmsizes(workspace: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns no sizes: machines belong to the Ray cluster."""
        return []


ComputeInstance = AmlCompute

__getattr__ = complete(__name__)
