"""W&B: a run for each trial, and one for the whole, in a group of the run's name."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from raydrive.core.records import COMPLETED
from raydrive.core.views.chart_axes import flat
from raydrive.trackers.protocol import About, Improved, Logged, RunEnded, TrialBegan, TrialEnded, Update

STEP = "interval"
"""What W&B's charts have as their axis."""


def folder_of(about: About) -> str:
    """Returns where W&B's files of a run are, unless its user says where: in the run's folder, where it is a local one.

    Args:
        about: The run.
    """
    if own := os.environ.get("WANDB_DIR"):
        return own
    if os.path.isdir(about.uri):
        return os.path.join(about.uri, "trackers")
    return os.path.join(tempfile.gettempdir(), f"raydrive-{os.getuid()}-wandb")


class WandbTracker:
    """Keeps a run in W&B.

    Args:
        settings: ``project``, and ``entity``, ``mode`` (``online`` or ``offline``) and ``dir``, the folder of its
            files.
        about: The run.
    """

    def __init__(self, settings: Mapping[str, str], about: About) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb  # lazy: optional dependency

        self._wandb, self._about = wandb, about
        self._settings = {"dir": folder_of(about), **settings}
        self._open: dict[int | None, Any] = {}
        """W&B's runs by the number of the trial; None = the whole."""
        os.makedirs(self._settings["dir"], exist_ok=True)

    def begin(self) -> None:
        """Makes the run of the whole, or continues it.

        Raises:
            Exception: If W&B is away.
        """
        config = {"metric": self._about.metric, "maximize": self._about.maximize, "uri": self._about.uri}
        self._run(None, {**config, **self._about.tags})

    def deliver(self, updates: Sequence[Update]) -> None:
        """Takes updates.

        Raises:
            Exception: If they did not arrive.
        """
        for update in updates:
            match update:
                case TrialBegan():
                    self._run(update.trial, flat(update.params))
                case Logged():
                    self._log(update.trial, {STEP: update.step, **update.values}, update.number)
                case Improved():
                    best = {STEP: update.step, f"best {self._about.metric}": update.value, "best trial": update.trial}
                    self._log(None, best, update.step)
                case TrialEnded() | RunEnded():
                    self._end(None if isinstance(update, RunEnded) else update.trial, update)

    def close(self) -> None:
        """Writes what is open to its files, and sends it."""
        for number in reversed(list(self._open)):
            self._open.pop(number).finish()
        self._wandb.teardown()  # its service writes the end of files later than finish() returns

    def _log(self, number: int | None, row: dict[str, Any], step: int) -> None:
        """Logs a row; with a step of its own W&B drops what is told again, as its steps only grow."""
        self._run(number).log(row, step=step, commit=True)

    def _run(self, number: int | None, config: Mapping[str, Any] | None = None) -> Any:
        """The open run of a trial or of the whole; one of the same id continues."""
        if number not in self._open:
            name = self._about.run_id if number is None else f"{self._about.run_id}_{number}"
            run = self._wandb.init(
                project=self._settings["project"],
                entity=self._settings.get("entity"),
                mode=self._settings.get("mode"),
                dir=self._settings["dir"],
                group=self._about.run_id,
                job_type="sweep" if number is None else "trial",
                id=re.sub(r"[^\w-]", "-", name)[:128],
                name=name,
                config=dict(config or {}),
                resume="allow",
                reinit="create_new",
                settings=self._wandb.Settings(console="off", x_disable_stats=True, disable_git=True, save_code=False),
            )
            run.define_metric(STEP)
            run.define_metric("*", step_metric=STEP)
            self._open[number] = run
        return self._open[number]

    def _end(self, number: int | None, update: TrialEnded | RunEnded) -> None:
        run = self._run(number)
        run.summary.update({"state": update.state, "why": update.why})
        run.finish(exit_code=0 if update.state == COMPLETED else 1)
        del self._open[number]
