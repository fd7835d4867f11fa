"""Runs of pipelines: those of their steps that tune, and the steps that are not run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raydrive.compat.azure_notices import NotHereError

_NOT_RUN = "step {!r} of the pipeline was not run: raydrive runs the steps that tune"


class StepRun:
    """A step of a submitted pipeline; one that tunes has everything of its run.

    Args:
        name: Name of the step.
        run: Its ``HyperDriveRun``; None = the step is not run.
        outputs: What the step writes.
        metrics_output: What stands for the metrics of its trials.
    """

    def __init__(self, name: str, run: Any, outputs: Sequence[Any] = (), metrics_output: Any = None) -> None:
        self.name = self.display_name = name
        self.hyperdrive_run = run
        self.outputs = [*outputs, *([metrics_output] if metrics_output is not None else [])]

    def get_children(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yields the tuning run, as in Azure; of a step that is not run, nothing."""
        return iter(() if self.hyperdrive_run is None else (self.hyperdrive_run,))

    def get_status(self) -> str:
        """Returns the status of its run, or NotStarted."""
        return "NotStarted" if self.hyperdrive_run is None else str(self.hyperdrive_run.get_status())

    def wait_for_completion(self, *args: Any, **kwargs: Any) -> Any:
        """Waits for its run, if it has one."""
        return {} if self.hyperdrive_run is None else self.hyperdrive_run.wait_for_completion(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self.hyperdrive_run is None:
            raise NotHereError(_NOT_RUN.format(self.name))
        return getattr(self.hyperdrive_run, name)

    def __repr__(self) -> str:
        return f"StepRun({self.name!r}, {self.get_status()})"


class HyperDriveStepRun:
    """The tuning run of a step.

    Args:
        step_run: What ``pipeline_run.find_step_run(name)[0]`` is.
    """

    def __new__(cls, step_run: Any) -> Any:
        """Returns the ``HyperDriveRun``.

        Raises:
            NotHereError: If the step was not run.
        """
        if not isinstance(step_run, StepRun):
            return step_run
        if step_run.hyperdrive_run is None:
            raise NotHereError(_NOT_RUN.format(step_run.name))
        return step_run.hyperdrive_run


class PipelineRun:
    """A submitted pipeline.

    Args:
        experiment: Its experiment.
        run_id: The steps as they were submitted; a pipeline is not found again by an id.

    Raises:
        NotHereError: If ``run_id`` is an id.
    """

    def __init__(self, experiment: Any, run_id: Any) -> None:
        if isinstance(run_id, str):
            raise NotHereError(f"pipeline run {run_id}: only the runs of steps that tune are kept: raydrive list")
        self.experiment = experiment
        self.steps: list[StepRun] = run_id
        self.id = self._runs()[0].id

    @property
    def hyperdrive_run(self) -> Any:
        """The run of the first step that tunes."""
        return self._runs()[0]

    def _runs(self) -> list[Any]:
        return [step.hyperdrive_run for step in self.steps if step.hyperdrive_run is not None]

    @staticmethod
    def get(*args: Any, **kwargs: Any) -> Any:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError("only the runs of steps that tune are kept: HyperDriveRun(experiment, ID), raydrive list")

    def wait_for_completion(self, show_output: bool = False, **kwargs: Any) -> str:
        """Waits for the steps that tune, and returns the status."""
        for run in self._runs():
            run.wait_for_completion(show_output=show_output)
        return self.get_status()

    def get_status(self) -> str:
        """Returns the status of the steps that tune: that of the first that is not Completed."""
        states = [str(run.get_status()) for run in self._runs()]
        return next((state for state in states if state != "Completed"), "Completed")

    @property
    def status(self) -> str:
        """As ``get_status()``."""
        return self.get_status()

    def get_steps(self, *args: Any, **kwargs: Any) -> Iterator[StepRun]:
        """Yields the steps."""
        return iter(self.steps)

    get_children = get_steps

    def find_step_run(self, name: str) -> list[StepRun]:
        """Returns the steps of a name."""
        return [step for step in self.steps if step.name == name]

    def get_pipeline_output(self, pipeline_output_name: str) -> StepOutput:
        """Returns what a step that tunes left.

        Raises:
            NotHereError: If no step that was run writes it.
        """
        for step in self.steps:
            for output in step.outputs:
                if pipeline_output_name in (output.pipeline_output_name, output.name) and step.hyperdrive_run:
                    return StepOutput(output, step.hyperdrive_run)
        raise NotHereError(f"output {pipeline_output_name!r} of the pipeline is not of a step that tunes")

    def cancel(self) -> None:
        """Cancels the steps that tune."""
        for run in self._runs():
            run.cancel()

    def get_portal_url(self) -> str:
        """Returns the command that shows the run."""
        return str(self._runs()[0].get_portal_url())

    def get_details(self) -> dict[str, Any]:
        """Returns its id and status."""
        return {"runId": self.id, "status": self.get_status()}

    def __repr__(self) -> str:
        return f"PipelineRun({self.id!r}, {self.get_status()})"


class StepOutput:
    """What a step that tunes left: the metrics of its trials, or files of the best one.

    Args:
        output: The ``PipelineData``.
        run: The run of the step.
    """

    def __init__(self, output: Any, run: Any) -> None:
        self.name = str(output.name)
        self._output = output
        self._run = run
        self._path_on_datastore = f"azureml/{run.id}/{self.name}"

    def download(self, local_path: str, *args: Any, **kwargs: Any) -> int:
        """Copies it below a folder, to the path that ``_path_on_datastore`` has, and returns how many files it copied.

        Args:
            local_path: The folder.
            *args: Not looked at.
            **kwargs: Not looked at.

        Raises:
            StorageError: If something cannot be read.
        """
        target = Path(local_path, self._path_on_datastore)
        kind = self._output.training_output
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind is not None and kind.type == "Metrics":
            target.write_text(json.dumps(_listed(self._run.get_metrics())), encoding="utf-8")
            return 1
        best = self._run.get_best_run_by_primary_metric()
        if kind is not None and kind.model_file:
            best.download_file(kind.model_file, str(target))
            return 1
        best.download_files(f"outputs/{self.name}", str(target))
        return sum(one.is_file() for one in target.rglob("*"))


def _listed(metrics: Any) -> dict[str, dict[str, list[Any]]]:
    """The metrics of trials, each a list of its values, as Azure writes them."""
    return {
        trial: {name: value if isinstance(value, list) else [value] for name, value in values.items()}
        for trial, values in metrics.items()
    }
