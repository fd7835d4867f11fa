"""``Experiment`` with the SDK's signature."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from raydrive.api.config import HyperDriveConfig as NativeConfig
from raydrive.api.submit.submission import Submission
from raydrive.api.workspace import Experiment as Native
from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml.wants import TAGS, WORKSPACE
from raydrive.core.argument_checks import checks_arguments

if TYPE_CHECKING:
    from raydrive.compat.azureml.train.hyperdrive.run import HyperDriveRun


@checks_arguments(workspace=WORKSPACE, tags=TAGS)
class Experiment(Native):
    """A name that groups runs.

    Args:
        workspace: Where its runs are kept and executed.
        name: Its name.
        **kwargs: Not looked at.
    """

    recorder: Callable[[Submission], None] | None = None
    """What ``submit`` calls instead of starting a run; set by `raydrive convert`."""
    submitted: list[HyperDriveRun] = []  # noqa: RUF012 - of the process, for `raydrive run-script`
    """The runs that this process has started."""

    def __init__(self, workspace: Any, name: str, **kwargs: Any) -> None:
        super().__init__(workspace, name)

    def submit(self, config: Any, tags: Mapping[str, str] | None = None, **kwargs: Any) -> HyperDriveRun:
        """Starts a run and returns at once.

        Args:
            config: A ``HyperDriveConfig``.
            tags: Kept with the run.
            **kwargs: Not looked at.

        Raises:
            NotHereError: If it is no ``HyperDriveConfig``.
            ConfigError: If the configuration cannot be used.
        """
        if not isinstance(config, NativeConfig | Submission):
            raise NotHereError(
                f"submit takes a HyperDriveConfig here, found {type(config).__name__}; for a single run give it a "
                "search space of one choice and max_total_runs=1"
            )
        submission = config if isinstance(config, Submission) else config.to_submission(self.name)
        if tags:
            merged = dataclasses.replace(submission.config, tags={**submission.config.tags, **tags})
            submission = dataclasses.replace(submission, config=merged)
        if Experiment.recorder is not None:
            Experiment.recorder(submission)
        from raydrive.compat.azureml.train.hyperdrive.run import HyperDriveRun

        run = HyperDriveRun.of(super().submit(submission), self)
        run.hyperdrive_config = config
        Experiment.submitted.append(run)
        return run

    def get_runs(self, *args: Any, **kwargs: Any) -> Iterator[HyperDriveRun]:
        """Yields the runs of the experiment, newest first."""
        from raydrive.compat.azureml.train.hyperdrive.run import HyperDriveRun

        return (HyperDriveRun.of(run, self) for run in super().get_runs())

    @staticmethod
    def list(workspace: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the experiments of a workspace."""
        return [Experiment(workspace, name) for name in workspace.experiments()]

    def __str__(self) -> str:
        return self.name
