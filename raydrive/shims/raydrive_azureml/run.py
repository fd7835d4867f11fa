"""``Run`` of a training script, as azureml has it; its experiment, and a workspace as far as a trial has one."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, Iterator, Mapping, Sequence  # noqa: UP035  (Python 3.8)

from raydrive import context, context_values
from raydrive.context_values import ExperimentName
from raydrive_azureml import data
from raydrive_azureml.absent import NotInATrial, absent
from raydrive_azureml.models import Model, register

_said: set[str] = set()


def _text(value: Any, what: str, name: Any) -> str:
    """A value as text; says once for each metric that it is kept so."""
    if not isinstance(value, str):
        note = f"raydrive: metric {name!r}: {what} of type {type(value).__name__} is kept as text"
        if note not in _said:
            _said.add(note)
            print(note, file=sys.stderr, flush=True)
    return context_values.text_of(value)


def _scalar(value: Any, name: Any) -> Any:
    """A number or text, as it is; anything else as text."""
    try:
        return context_values.scalar(value, "", "")
    except (TypeError, ValueError):
        return _text(value, "a value", name)


class Workspace:
    """Stands for the Azure ML workspace that a script connects to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.name = str(kwargs.get("workspace_name") or kwargs.get("name") or "raydrive")

    @classmethod
    def from_config(cls, *args: Any, **kwargs: Any) -> Workspace:
        """Returns the stand-in; no file is read, no password is asked for."""
        return cls()

    @classmethod
    def get(cls, name: str = "raydrive", *args: Any, **kwargs: Any) -> Workspace:
        """Returns the stand-in under a name."""
        return cls(name=name)

    def get_mlflow_tracking_uri(self, *args: Any, **kwargs: Any) -> str:
        """Returns where MLflow of this trial logs to."""
        return os.environ.get("MLFLOW_TRACKING_URI", "raydrive://trial")

    @property
    def datasets(self) -> data.Inputs:
        """The inputs of the run, by name."""
        return data.Inputs()

    def get_default_datastore(self) -> data.Datastore:
        """Returns the datastore of Azure ML's default name, for the input mapping."""
        return data.Datastore("workspaceblobstore")

    def get_default_keyvault(self) -> Any:
        """Returns an object whose ``get_secret(name)`` reads environment variables."""
        return Run()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotInATrial(
            f"workspace.{name}: there is no Azure ML workspace behind a trial of raydrive; give data as inputs of the "
            "sweep, secrets as environment variables, and register models with run.register_model"
        )


class Experiment(ExperimentName):
    """The experiment of the trial."""

    def __init__(self, workspace: Any = None, name: str = "", **kwargs: Any) -> None:
        super().__init__(name)
        self._workspace = workspace

    @property
    def workspace(self) -> Workspace:
        """The workspace, for scripts that look datasets up in it."""
        return self._workspace if isinstance(self._workspace, Workspace) else Workspace()

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Says that a trial submits nothing.

        Raises:
            NotInATrial: Always.
        """
        return absent("azureml.core.Experiment.submit")()


class Run(context.Run):
    """The trial that this process belongs to; get it with ``Run.get_context()``."""

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any) -> Run:
        """Returns the trial this process runs in, or a stand-in that prints.

        Args:
            allow_offline: Whether to return the stand-in outside a trial.
            used_for_context_manager: Accepted; nothing depends on it.
            **kwargs: Accepted; nothing depends on them.

        Raises:
            RunEnvironmentError: This is not a trial, and ``allow_offline`` is false.
        """
        run = context.Run.get_context(allow_offline)
        return _OfflineRun() if run.offline else _SubmittedRun()

    def log(self, name: Any, value: Any, description: str = "", step: float | None = None) -> None:
        """Logs one value as Azure did: what is neither a number nor a text, under any name, is kept as its text.

        Args:
            name: Name of the metric.
            value: Any value.
            description: What it is, for people.
            step: Where in training this is, such as the epoch.
        """
        super().log(_text(name, "a name", name), _scalar(value, name), description, step)

    def log_list(self, name: Any, value: Any, description: str = "") -> None:
        """Logs a list as Azure did; see ``log``.

        Args:
            name: Name of the metric.
            value: Its values.
            description: What it is, for people.
        """
        many = value if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) else [value]
        super().log_list(_text(name, "a name", name), [_scalar(each, name) for each in many], description)

    def log_row(self, name: Any, description: str = "", **kwargs: Any) -> None:
        """Logs a row as Azure did; see ``log``.

        Args:
            name: Name of the metric.
            description: What it is, for people.
            **kwargs: Columns and their values.
        """
        row = {key: _scalar(each, name) for key, each in kwargs.items()}
        super().log_row(_text(name, "a name", name), description, **row)

    # ------------------------------------------------------------------ identity

    @property
    def name(self) -> str:
        """Name of the trial: its id."""
        return self.id

    display_name = name

    @property
    def status(self) -> str:
        """``Running``, as long as the script runs."""
        return "Running"

    def get_status(self) -> str:
        """Returns ``Running``."""
        return self.status

    @property
    def tags(self) -> dict[str, str]:
        """The tags this process has set."""
        return self.get_tags()

    @property
    def properties(self) -> dict[str, str]:
        """The properties this process has set."""
        return self.get_properties()

    def get_properties(self) -> dict[str, str]:
        """Returns the properties this process has set."""
        start = "property/"
        return {key[len(start) :]: text for key, text in self.get_tags().items() if key.startswith(start)}

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Keeps properties with the trial, as tags ``property/NAME``."""
        self.set_tags({f"property/{key}": value for key, value in properties.items()})

    @property
    def experiment(self) -> Experiment:
        """The experiment: its ``name``, and the workspace as far as there is one."""
        return Experiment(None, context.Run.experiment.__get__(self).name)

    def get_details(self) -> dict[str, Any]:
        """Returns what is known about the trial, in the form of Azure ML."""
        return {"runId": self.id, "status": self.status, "runDefinition": {"hyperparameters": self.params}}

    def get_environment(self) -> Any:
        """Says that there is no environment.

        Raises:
            NotInATrial: Always.
        """
        raise NotInATrial("run.get_environment(): a trial runs in the environment of its node; no Azure ML environment")

    # ------------------------------------------------------------------ data, models, files

    @property
    def input_datasets(self) -> data.Inputs:
        """The inputs of the run by name: each is its path, and reads itself."""
        return data.Inputs()

    @property
    def output_datasets(self) -> dict[str, str]:
        """Nothing: what a trial leaves in ``./outputs`` is kept."""
        return {}

    def register_model(
        self,
        model_name: str,
        model_path: str | None = None,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        **details: Any,
    ) -> Model:
        """Keeps a model with the trial and notes its name; see ``raydrive_azureml.models.register``.

        Args:
            model_name: Name of the model.
            model_path: File or folder; relative ones below the trial's files, such as ``outputs/model.pkl``.
            tags: Noted with it.
            properties: Noted with it.
            **details: What else Azure ML takes (``description``, ``model_framework``, ...): noted with it.

        Raises:
            FileNotFoundError: There is no such file.
        """
        noted = {"tags": dict(tags or {}), "properties": dict(properties or {}), **details}
        return register(self.id, model_name, model_path or "outputs", noted)

    def get_file_names(self) -> list[str]:
        """Returns the names of the trial's files, below ``outputs`` and ``logs``."""
        root = self._files()
        found = []
        for folder in ("outputs", "logs"):
            for place, _, names in os.walk(os.path.join(root, folder)):
                found += [os.path.relpath(os.path.join(place, name), root) for name in names]
        return sorted(found)

    def download_file(self, name: str, output_file_path: str | None = None, **kwargs: Any) -> None:
        """Copies a file of the trial; see ``get_file_names``.

        Raises:
            FileNotFoundError: The trial has no such file.
        """
        target = output_file_path or os.path.basename(name)
        if os.path.isdir(target):
            target = os.path.join(target, os.path.basename(name))
        os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
        shutil.copyfile(os.path.join(self._files(), name), target)

    def _files(self) -> str:
        return os.path.dirname(self.output_directory)

    def get_secret(self, name: str) -> str:
        """Returns a secret: the environment variable of that name (dashes may be underscores, letters capitals).

        Raises:
            NotInATrial: There is none.
        """
        for variable in (name, name.replace("-", "_"), name.replace("-", "_").upper()):
            if variable in os.environ:
                return os.environ[variable]
        raise NotInATrial(
            f"run.get_secret({name!r}): there is no key vault; set the environment variable {name.replace('-', '_')} "
            "on the nodes or in environment_variables of the sweep"
        )

    # ------------------------------------------------------------------ runs below this one

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: Any = None) -> ChildRun:
        """Returns a run below this one: what it logs is kept with the trial as ``NAME/METRIC``."""
        return ChildRun(name or run_id or "child")

    def create_children(
        self, count: int | None = None, tag_key: Any = None, tag_values: Sequence[Any] | None = None
    ) -> list[ChildRun]:
        """Returns several runs below this one; see ``child_run``."""
        names = [str(value) for value in tag_values] if tag_values else [f"child-{k}" for k in range(count or 0)]
        return [ChildRun(name) for name in names]

    def submit_child(self, config: Any = None, tags: Any = None, **kwargs: Any) -> Any:
        """Says that a trial submits nothing.

        Raises:
            NotInATrial: Always.
        """
        raise NotInATrial(
            "run.submit_child(...): a trial cannot submit runs; start the other program as a process "
            "(subprocess.run: what it logs belongs to this trial), or write a separate sweep for it"
        )

    def get_children(self, **kwargs: Any) -> Iterator[Any]:
        """Returns nothing: runs below a trial leave only what they logged."""
        return iter(())

    def cancel(self) -> None:
        """Says how to end the trial.

        Raises:
            NotInATrial: Always.
        """
        raise NotInATrial("run.cancel(): end the script instead, with sys.exit() or an exception")

    def wait_for_completion(self, *args: Any, **kwargs: Any) -> Any:
        """Says that a trial cannot wait for its own end.

        Raises:
            NotInATrial: Always.
        """
        raise NotInATrial("run.wait_for_completion(): a trial cannot wait for its own end; remove the call")

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is not None and not isinstance(error, SystemExit):
            self.fail(f"{kind.__name__}: {error}")


class _SubmittedRun(Run):
    """What ``Run.get_context()`` gives in a trial; scripts compare with this name."""


class _OfflineRun(Run):
    """What ``Run.get_context()`` gives outside a trial; scripts compare with this name."""


class ChildRun(_SubmittedRun):
    """A run below the trial: its metrics and tags are the trial's, under its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    display_name = name

    @property
    def id(self) -> str:
        """Id of the trial, and the name."""
        return f"{context.Run.id.__get__(self)}/{self._name}"

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Sets tags of the trial under ``NAME/KEY``."""
        super().set_tags({f"{self._name}/{key}": value for key, value in tags.items()})

    def complete(self) -> None:
        """Does nothing: only the trial has an end."""

    def fail(self, error_details: Any = None, error_code: Any = None, **kwargs: Any) -> None:
        """Notes the failure as a tag; the trial continues."""
        self.set_tags({"failed": error_details or error_code or "failed"})

    def report(self, metrics: Mapping[str, Any], **options: Any) -> None:
        """Logs values together under ``NAME/METRIC``; see ``raydrive.Run.report``."""
        named = {f"{self._name}/{key}": value for key, value in metrics.items()}
        super().report(named, **options)

    def _log(self, kind: str, name: str, value: Any, description: str, step: float | None = None) -> None:
        super()._log(kind, f"{self._name}/{name}", value, description, step)
