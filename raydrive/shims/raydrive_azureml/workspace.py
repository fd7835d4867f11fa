"""A workspace as far as a trial has one: its inputs and where MLflow logs to. Everything else is a sentence."""

from __future__ import annotations

import os
from typing import Any

from raydrive.context_values import ExperimentName
from raydrive_azureml import data
from raydrive_azureml.absent import NotInATrial, absent


class Workspace:
    """Stands for the Azure ML workspace that a script connects to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.name = str(kwargs.get("workspace_name") or kwargs.get("name") or "raydrive")

    @classmethod
    def from_config(cls, *args: Any, **kwargs: Any) -> Workspace:
        """Returns the stand-in; no file is read, nobody is asked for a password."""
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
        from raydrive_azureml.run import Run

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
        """The workspace, for scripts that look datasets up in it.

        Raises:
            NotInATrial: The run has neither inputs nor a mapping of them: nothing could be looked up.
        """
        if isinstance(self._workspace, Workspace) or data.inputs() or data.mapping():
            return self._workspace or Workspace()
        raise NotInATrial(
            "run.experiment.workspace: there is no Azure ML workspace behind a trial of raydrive; give the data that "
            "the script looks up as inputs of the sweep (inputs: {NAME: {path: ...}}), then "
            "Dataset.get_by_name(workspace, NAME) finds it"
        )

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Says that a trial submits nothing.

        Raises:
            NotInATrial: Always.
        """
        return absent("azureml.core.Experiment.submit")()
