"""``HyperDriveRun`` with the SDK's signature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raydrive.api.argument_types import RUN_OBJECT
from raydrive.api.run import HyperDriveRun as Native
from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml.core.run import Run
from raydrive.compat.azureml.wants import EXPERIMENT
from raydrive.core.argument_checks import checks_arguments
from raydrive.core.config.trial_spec import PrimaryMetricGoal
from raydrive.storage.run_layout import RunLayout, find_run


@checks_arguments(experiment=EXPERIMENT, run=RUN_OBJECT)
class HyperDriveRun(Native):
    """A tuning run.

    Args:
        experiment: Its experiment.
        run_id: Its id.
        hyperdrive_config: What it was started with; None = not known.
        **kwargs: Not looked at.

    Raises:
        RunNotFoundError: If there is no such run.
    """

    def __init__(self, experiment: Any, run_id: str, hyperdrive_config: Any = None, **kwargs: Any) -> None:
        super().__init__(RunLayout.open(find_run(experiment.workspace.storage, run_id).uri))
        self._of_experiment = experiment
        self.hyperdrive_config = hyperdrive_config

    @classmethod
    def of(cls, run: Native, experiment: Any) -> HyperDriveRun:
        """Returns a run under the SDK's names."""
        made = cls.__new__(cls)
        Native.__init__(made, run.layout)
        made._of_experiment = experiment
        made.hyperdrive_config = None
        return made

    @property
    def experiment(self) -> Any:
        """The experiment."""
        from raydrive.compat.azureml.core.experiment import Experiment

        return Experiment(self._of_experiment.workspace, self.config.experiment)

    @property
    def status(self) -> str:
        """As ``get_status()``."""
        return self.get_status()

    @property
    def type(self) -> str:
        """Kind of the run."""
        return "hyperdrive"

    @property
    def properties(self) -> dict[str, Any]:
        """What stands under properties in ``get_details()``."""
        return dict(self.get_details()["properties"])

    def get_tags(self) -> dict[str, str]:
        """Returns the tags."""
        return dict(self.tags)

    def get_children(self, *args: Any, **kwargs: Any) -> Iterator[Run]:
        """Yields the trials by number."""
        return (Run.of(child) for child in super().get_children())

    def get_child(self, number: int) -> Run:
        """Returns one trial.

        Raises:
            TrialError: If the run has no such trial.
        """
        return Run.of(super().get_child(number))

    def get_best_run_by_primary_metric(
        self, include_failed: bool = True, include_canceled: bool = True, include_resume_from_runs: bool = True
    ) -> Run | None:
        """Returns the trial with the best value over everything it logged, None when none has one."""
        best = super().get_best_run_by_primary_metric(include_failed, include_canceled, include_resume_from_runs)
        if best is None:
            return None
        if not isinstance(best.parent, HyperDriveRun):
            best.parent = HyperDriveRun.of(best.parent, self._of_experiment)
        return Run.of(best)

    def fail(self, *args: Any, **kwargs: Any) -> None:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError("a run cannot be made to fail, in HyperDrive neither: run.cancel() ends it")

    def get_diagnostics(self, *args: Any, **kwargs: Any) -> None:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError(f"raydrive report {self.id} writes a run with all its logs into one file")

    def get_portal_url(self) -> str:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError(f"there is no portal: raydrive studio {self.id} shows the run in a browser")


__all__ = ["HyperDriveRun", "PrimaryMetricGoal"]
