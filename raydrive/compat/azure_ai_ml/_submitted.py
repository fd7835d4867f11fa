"""A job that was submitted: a run of raydrive, or one of its trials, under the SDK's names."""

from __future__ import annotations

from typing import Any

from raydrive.compat.azureml._runs import HyperDriveRun
from raydrive.core.errors import ConfigError, Problem


class SubmittedJob:
    """A run or a trial; what it tells is what holds now.

    Args:
        run: The run or trial.
    """

    type = "sweep"

    def __init__(self, run: Any) -> None:
        self.run = run
        self.name = run.id
        self.id = run.id
        self.services: dict[str, Any] = {}

    @property
    def whole_run(self) -> Any:
        """The run that it is, or that it is a trial of."""
        return self.run if isinstance(self.run, HyperDriveRun) else self.run.parent

    @property
    def status(self) -> str:
        """Its state."""
        return str(self.run.get_status())

    @property
    def display_name(self) -> str:
        """What it is called."""
        return self.whole_run.config.display_name or str(self.name)

    @property
    def experiment_name(self) -> str:
        """Its experiment."""
        return str(self.whole_run.config.experiment)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the run."""
        return dict(self.whole_run.tags)

    @property
    def properties(self) -> dict[str, Any]:
        """What the run has found; ``best_child_run_id`` is its best trial, once there is one."""
        found = dict(self.run.get_details()["properties"])
        if isinstance(self.run, HyperDriveRun):
            best = self.run.get_best_run_by_primary_metric()
            if best is not None:
                found["best_child_run_id"] = best.id
                found["score"] = str(best.best_value)
        return found

    @property
    def studio_url(self) -> str:
        """The command that shows it in a browser."""
        return f"raydrive studio {self.whole_run.id}"

    def trial(self) -> Any:
        """Returns the trial that it is, or the best of the run.

        Raises:
            ConfigError: If no trial has a value.
        """
        if not isinstance(self.run, HyperDriveRun):
            return self.run
        best = self.run.get_best_run_by_primary_metric()
        if best is None:
            raise ConfigError(Problem(self.name, "no trial with a value", "a run with a best trial"))
        return best

    def __repr__(self) -> str:
        return f"SubmittedJob({self.name!r}, status={self.status!r}, experiment_name={self.experiment_name!r})"
