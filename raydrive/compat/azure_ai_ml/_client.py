"""``MLClient``: jobs are runs of raydrive, assets are kept as given, and calls of services raise an error."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raydrive.compat.azure_ai_ml import _assets
from raydrive.compat.azure_ai_ml._jobs import submission_of
from raydrive.compat.azure_ai_ml._nodes import ENVIRONMENTS, Node
from raydrive.compat.azure_ai_ml._submitted import SubmittedJob
from raydrive.compat.azure_ai_ml.entities import Data, Entity, Environment, Model
from raydrive.compat.azure_ai_ml.exceptions import JobException
from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml._runs import Experiment, HyperDriveRun, Run
from raydrive.compat.azureml.core.workspace import Workspace
from raydrive.compat.callers import makes_what_is_missing
from raydrive.core.records import FAILED
from raydrive.sweepfile.site_settings import here

_MAKERS = ("create_or_update", "begin_create_or_update")
_SERVE = "raydrive serves no models: ml_client.jobs.download(...) copies the files, which Ray Serve can serve"
_SERVICES = {
    **dict.fromkeys(("online_endpoints", "online_deployments", "batch_endpoints", "batch_deployments"), _SERVE),
    "schedules": "there are no schedules here: put `raydrive submit` into cron or a similar tool",
}
_ELSE = "only Azure's service does this; raydrive runs only the sweep"


class JobOperations:
    """``ml_client.jobs``.

    Args:
        workspace: Where its runs are kept and executed.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def create_or_update(
        self, job: Any, *, experiment_name: str | None = None, tags: dict[str, str] | None = None, **kwargs: Any
    ) -> SubmittedJob:
        """Starts a sweep, the sweep of a pipeline, or a command alone, and returns at once.

        Args:
            job: The job.
            experiment_name: Its experiment; None = as the job says.
            tags: Kept with the run.
            **kwargs: Not looked at.

        Raises:
            ConfigError: With everything that is wrong.
            ClusterError: If Ray cannot be reached or could never satisfy the request.
        """
        if isinstance(job, SubmittedJob):
            return job
        submission = submission_of(job, experiment_name)
        experiment = Experiment(self._workspace, submission.config.experiment)
        return SubmittedJob(experiment.submit(submission, tags=tags))

    def validate(self, job: Any, **kwargs: Any) -> Entity:
        """Checks a job and starts nothing.

        Raises:
            ConfigError: With everything that is wrong.
        """
        submission_of(job)
        return Entity(passed=True, error_messages={})

    def get(self, name: str) -> SubmittedJob:
        """Returns a run, or a trial, by its id.

        Raises:
            RunNotFoundError: If there is none.
        """
        return SubmittedJob(Run.get(self._workspace, name))

    def list(self, *, parent_job_name: str | None = None, **kwargs: Any) -> Iterator[SubmittedJob]:
        """Yields the runs, newest first, or the trials of one."""
        if parent_job_name is None:
            return (
                SubmittedJob(HyperDriveRun.of(run, Experiment(self._workspace, ""))) for run in self._workspace.runs()
            )
        return (SubmittedJob(child) for child in self._run(parent_job_name).get_children())

    def stream(self, name: str, **kwargs: Any) -> None:
        """Shows a run until it ends.

        Raises:
            JobException: If it has failed.
        """
        run = self._run(name)
        run.wait_for_completion(show_output=True, raise_on_error=False)
        if run.get_status() == FAILED:
            raise JobException(f"run {run.id} has failed: {run.why}")

    def download(
        self,
        name: str,
        *,
        download_path: str | os.PathLike[str] = ".",
        output_name: str | None = None,
        all: bool = False,
    ) -> None:
        """Copies what a trial, or the best trial of a run, left behind.

        Args:
            name: Id of the trial or run.
            download_path: Where to; files come into ``artifacts`` and ``named-outputs/NAME`` below it.
            output_name: Only the output of this name.
            all: Both the artifacts and the named outputs.

        Raises:
            ConfigError: If there is nothing of this name.
            StorageError: If something cannot be read.
        """
        _assets.download(self.get(name).trial(), Path(download_path), output_name, all)

    def begin_cancel(self, name: str, **kwargs: Any) -> Poller:
        """Ends a run, or one trial."""
        self.get(name).run.cancel()
        return Poller(None)

    cancel = begin_cancel

    def archive(self, name: str, **kwargs: Any) -> None:
        """Does nothing: runs stay listed."""

    restore = archive

    def show_services(self, name: str, **kwargs: Any) -> dict[str, Any]:
        """Returns nothing: no services are opened into trials."""
        return {}

    def _run(self, name: str) -> Any:
        found = self.get(name).run
        return found if isinstance(found, HyperDriveRun) else found.parent


class AssetOperations:
    """Operations on one kind of asset: it is kept in this process, and found again by its name.

    Args:
        client: The client.
        kind: Class of what is found that was never made.
        what: Its word in sentences.
    """

    def __init__(self, client: MLClient, kind: type[Entity], what: str) -> None:
        self._client = client
        self._kind = kind
        self._what = what
        self._kept: dict[str, Any] = {}

    def create_or_update(self, entity: Any = None, **kwargs: Any) -> Any:
        """Keeps something under its name and returns it; it may be given by name, such as ``model=``."""
        entity = _given(entity, kwargs)
        if getattr(entity, "name", None) is None and isinstance(entity, Entity):
            entity.name = f"{self._what}-{len(self._kept) + 1}"
        entity.version = getattr(entity, "version", None) or "1"
        if isinstance(entity, Entity):
            entity.id = f"azureml:{entity.name}:{entity.version}"
        self._kept[str(entity.name)] = entity
        if isinstance(entity, Environment):
            ENVIRONMENTS[str(entity.name)] = entity
        if isinstance(entity, Data):
            _assets.REGISTERED[str(entity.name)] = str(entity.path)
        if isinstance(entity, Model):
            _assets.keep_model(self._client.workspace, entity)
        return entity

    def begin_create_or_update(self, entity: Any = None, **kwargs: Any) -> Poller:
        """As ``create_or_update``; its result is there at once."""
        return Poller(self.create_or_update(entity, **kwargs))

    def get(self, name: str, version: str | None = None, label: str | None = None, **kwargs: Any) -> Any:
        """Returns what has this name, or what stands for it.

        Raises:
            ResourceNotFoundError: If this process has not made it and the calling code does so where that is caught.
        """
        if name in self._kept:
            return self._kept[name]
        mapped = self._kind is Data and here()[1].resolve(f"azureml:{name}") is not None
        missing = _missing()
        if not mapped and makes_what_is_missing(missing, _MAKERS):
            raise missing(f"no {self._what} {name!r}: this process has not created it")
        reference = f"azureml:{name}" + (f":{version}" if version else f"@{label}" if label else "")
        if self._kind is Data:
            return Data(name=name, path=reference, version=version or "1", id=reference)
        return self._kind(name=name, version=version or "1", id=reference)

    def list(self, **kwargs: Any) -> Iterator[Any]:
        """Yields what was made."""
        return iter(list(self._kept.values()))

    def get_default(self, **kwargs: Any) -> Any:
        """Returns the default one."""
        return self.get("workspaceblobstore")

    def archive(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing."""

    def begin_delete(self, name: str, **kwargs: Any) -> Poller:
        """Forgets something."""
        return Poller(self._kept.pop(name, None))

    delete = begin_delete

    def begin_start(self, name: str, **kwargs: Any) -> Poller:
        """Does nothing: the Ray cluster is there."""
        return Poller(None)

    begin_stop = begin_restart = begin_start


def _missing() -> type[Exception]:
    """``azure.core.exceptions.ResourceNotFoundError``: Azure's own where it is installed, and ours elsewhere."""
    try:
        found: type[Exception] = importlib.import_module("azure.core.exceptions").ResourceNotFoundError
    except ImportError:  # the mirror under its own name
        return KeyError
    return found


class Models(AssetOperations):
    """``ml_client.models``."""

    def download(self, name: str, version: str | None = None, download_path: str = ".", **kwargs: Any) -> None:
        """Copies the files of a model.

        Raises:
            NotHereError: If there is none of this name.
        """
        _assets.model(self._client.workspace, name, version).download(str(Path(download_path) / name))


class Absent:
    """Operations of a service that raydrive does not have.

    Args:
        name: Their name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def answer(*args: Any, **kwargs: Any) -> Any:
            raise NotHereError(f"ml_client.{self._name}.{name}: {_SERVICES.get(self._name, _ELSE)}")

        return answer


class Poller:
    """The result of something that took no time.

    Args:
        result: The result.
    """

    def __init__(self, result: Any) -> None:
        self._result = result

    def result(self, timeout: float | None = None) -> Any:
        """Returns it."""
        return self._result

    wait = result

    def done(self) -> bool:
        """Returns True."""
        return True

    def status(self) -> str:
        """Returns how it ended."""
        return "Succeeded"


class MLClient:
    """The storage and cluster of the nearest raydrive.toml, under the SDK's names.

    Args:
        credential: Not looked at: nothing is signed in to.
        subscription_id: Kept; not looked at.
        resource_group_name: Kept; not looked at.
        workspace_name: Kept.
        registry_name: Kept.
        **kwargs: Not looked at.
    """

    def __init__(
        self,
        credential: Any = None,
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        registry_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.subscription_id = subscription_id
        self.resource_group_name = resource_group_name
        self.workspace_name = workspace_name or "raydrive"
        self.workspace = Workspace(subscription_id or "", resource_group_name or "", self.workspace_name)
        self.jobs = JobOperations(self.workspace)
        self.data = AssetOperations(self, Data, "data")
        self.environments = AssetOperations(self, Environment, "environment")
        self.models = Models(self, Model, "model")
        for name in ("compute", "components", "datastores", "connections"):
            setattr(self, name, AssetOperations(self, Entity, name.removesuffix("s")))
        self.workspaces = Workspaces(self)

    @classmethod
    def from_config(cls, credential: Any = None, **kwargs: Any) -> MLClient:
        """Returns the client of raydrive.toml; a ``config.json`` of Azure is not needed, nor looked at."""
        return cls(credential)

    def create_or_update(self, entity: Any, **kwargs: Any) -> Any:
        """Starts a job, or keeps an asset."""
        if isinstance(entity, Node | SubmittedJob):
            return self.jobs.create_or_update(entity, **kwargs)
        return self._operations(entity).create_or_update(entity)

    def begin_create_or_update(self, entity: Any, **kwargs: Any) -> Poller:
        """As ``create_or_update``; its result is there at once."""
        return Poller(self.create_or_update(entity, **kwargs))

    def _operations(self, entity: Any) -> Any:
        for kind, operations in ((Data, self.data), (Environment, self.environments), (Model, self.models)):
            if isinstance(entity, kind):
                return operations
        words = re.findall(r"[A-Z][a-z]+", type(entity).__name__)
        for word, name in (
            ("Endpoint", "online_endpoints"),
            ("Deployment", "online_deployments"),
            ("Schedule", "schedules"),
        ):
            if word in words:
                return Absent(name)
        return self.compute

    def __getattr__(self, name: str) -> Any:
        """Returns the operations of a service; each of them answers."""
        if name.startswith("_"):
            raise AttributeError(name)
        return Absent(name)

    def __repr__(self) -> str:
        return f"MLClient(workspace_name={self.workspace_name!r}, storage={self.workspace.storage!r})"


class Workspaces(AssetOperations):
    """``ml_client.workspaces``.

    Args:
        client: The client.
    """

    def __init__(self, client: MLClient) -> None:
        super().__init__(client, Entity, "workspace")

    def get(self, name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Returns the workspace of raydrive.toml under a name."""
        client = self._client
        return Entity(
            name or client.workspace_name,
            location="ray",
            resource_group=client.resource_group_name,
            mlflow_tracking_uri=f"raydrive-runs:{client.workspace.storage}",
        )


def _given(entity: Any, named: dict[str, Any]) -> Any:
    """What a method of the SDK was given, by position or by name.

    Raises:
        TypeError: If it was given nothing.
    """
    for value in (entity, *named.values()):
        if value is not None:
            return value
    raise TypeError("create_or_update() missing 1 required argument")
