"""``Workspace``: the storage and cluster of the nearest raydrive.toml, under the SDK's names."""

from __future__ import annotations

import os
from typing import Any

from raydrive.api.workspace import Workspace as Native
from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml._accounts import Keyvault
from raydrive.compat.azureml._models import Model
from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml._runs import Experiment, Run
from raydrive.compat.azureml.core.compute import ComputeTarget
from raydrive.compat.azureml.core.dataset import Datasets
from raydrive.compat.azureml.core.datastore import Datastore, Datastores
from raydrive.compat.azureml.core.environment import Environments
from raydrive.core.argument_checks import ANYTHING, TEXT, checks_arguments
from raydrive.sweepfile.site_settings import here


@checks_arguments(run=TEXT, subscription_id=ANYTHING, resource_group=ANYTHING)
class Workspace(Native):
    """Where runs are kept and executed, as ``RAYDRIVE_STORAGE``, ``RAY_ADDRESS`` or raydrive.toml say.

    Args:
        subscription_id: Kept; not looked at.
        resource_group: Kept; not looked at.
        workspace_name: Kept as ``name``.
        auth: Not looked at.
        **kwargs: Not looked at.
    """

    def __init__(
        self,
        subscription_id: str = "",
        resource_group: str = "",
        workspace_name: str = "raydrive",
        auth: Any = None,
        **kwargs: Any,
    ) -> None:
        own, self.mapping = here()
        super().__init__(
            os.environ.get("RAYDRIVE_STORAGE") or own.storage,
            os.environ.get("RAY_ADDRESS") or own.address,
            own.plain_ray,
        )
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.name = workspace_name
        self.location = "ray"
        self.tags: dict[str, str] = {}
        self.sku = "Basic"
        self.discovery_url = ""

    @classmethod
    def from_config(
        cls, path: str | os.PathLike[str] | None = None, auth: Any = None, _logger: Any = None, _file_name: Any = None
    ) -> Workspace:
        """Returns the workspace of raydrive.toml; a ``config.json`` of Azure is not needed, nor looked at."""
        return cls()

    @staticmethod
    def get(name: str, auth: Any = None, subscription_id: str = "", resource_group: str = "", **kw: Any) -> Workspace:
        """Returns the workspace of raydrive.toml under a name."""
        return Workspace(subscription_id, resource_group, name)

    @staticmethod
    def create(name: str, *args: Any, **kwargs: Any) -> Workspace:
        """Returns the workspace of raydrive.toml under a name; nothing is created."""
        return Workspace(workspace_name=name)

    def write_config(self, path: str | None = None, file_name: str | None = None) -> None:
        """Does nothing: raydrive.toml is the configuration."""

    def get_run(self, run: str) -> Any:
        """Returns a run, or a trial, by its id."""
        return Run.get(self, run)

    def get_default_datastore(self) -> Datastore:
        """Returns the default datastore."""
        return Datastore(self)

    def get_mlflow_tracking_uri(self, *args: Any, **kwargs: Any) -> str:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError("trials log to raydrive automatically; remove mlflow.set_tracking_uri(...)")

    @property
    def compute_targets(self) -> _Targets:
        """Compute targets by name: those that this process has created, and every other name that is asked for."""
        return _Targets(self)

    @property
    def environments(self) -> Environments:
        """Environments by name: those that this process has registered, and every other name that is asked for."""
        return Environments()

    @property
    def datasets(self) -> Datasets:
        """Datasets by name: the registered ones, and those of ``input_mapping``."""
        return Datasets(self)

    @property
    def datastores(self) -> Datastores:
        """Datastores by name; every name is one."""
        return Datastores(self)

    @property
    def models(self) -> dict[str, Model]:
        """The newest version of each registered model by name.

        Raises:
            StorageError: If the storage cannot be read.
        """
        return {model.name: model for model in Model.list(self, latest=True)}

    @property
    def experiments_by_name(self) -> dict[str, Experiment]:
        """The experiments by name.

        Raises:
            StorageError: If the storage cannot be read.
        """
        return {name: Experiment(self, name) for name in self.experiments()}

    def get_details(self) -> dict[str, Any]:
        """Returns name, storage and address."""
        return {
            "id": f"/raydrive/{self.name}",
            "name": self.name,
            "location": self.location,
            "storageAccount": str(self.storage),
            "address": self.address,
        }

    def get_default_keyvault(self) -> Keyvault:
        """Returns the secrets: environment variables of this process."""
        return Keyvault()

    def get_default_compute_target(self, type: str = "CPU") -> ComputeTarget:
        """Returns a compute target; trials run where the Ray cluster has room."""
        return ComputeTarget(self, "default")

    def set_default_datastore(self, name: str) -> None:
        """Does nothing: the default datastore lies below the storage."""

    @staticmethod
    def list(*args: Any, **kwargs: Any) -> Any:
        """Returns the workspace of raydrive.toml by its name."""
        ours = Workspace()
        return {ours.name: [ours]}

    def delete(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: runs stay in the storage.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError("workspace.delete(): raydrive deletes no runs; remove the storage folder yourself")

    def __repr__(self) -> str:
        return f"Workspace({self.name!r}, storage={self.storage!r}, address={self.address!r})"


class _Targets(dict[str, ComputeTarget]):
    """Every name is a compute target; those that were created can be listed."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__({target.name: target for target in ComputeTarget.list(workspace)})
        self._workspace = workspace

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __missing__(self, name: str) -> ComputeTarget:
        return ComputeTarget(self._workspace, name)


__getattr__ = complete(__name__)
