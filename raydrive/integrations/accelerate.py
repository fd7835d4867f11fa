"""Accelerate: a loop of your own, whose state ``Accelerator`` saves and loads.

trial = RaydriveTrial(accelerator)           # after accelerator.prepare(...)
for epoch in range(trial.resume(), 20):      # the epochs that are done: 0 at the beginning
    ...
    trial.report({"loss": loss}, step=epoch + 1)
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from raydrive.integrations.trial_report import TrialReport

_STATE, _STEP = "state", "step.json"


class RaydriveTrial:
    """Logs from the main process, with the state of the accelerator as a checkpoint.

    Args:
        accelerator: The ``Accelerator``.
        checkpoint: Whether its state is saved with each report.
        every_n: Only every n-th report is logged.
    """

    def __init__(self, accelerator: Any, checkpoint: bool = True, every_n: int = 1) -> None:
        self._accelerator = accelerator
        self._trial = TrialReport(None, checkpoint, every_n)

    def resume(self) -> int:
        """Loads the state to continue from; returns the step it was saved at, 0 at the beginning."""
        state, step = self._trial.saved(_STATE), self._trial.saved(_STEP)
        if state is None or step is None:
            return 0
        self._accelerator.load_state(state)
        with open(step, encoding="utf-8") as file:
            return int(json.load(file))

    def report(self, metrics: Mapping[str, Any], step: int) -> None:
        """Logs values with the state; every process calls it.

        Args:
            metrics: Numbers by name, the same in every process.
            step: Where in training this is, such as the epoch, from 1.
        """
        if not self._trial.due():
            return
        if not self._trial.saves:
            self._trial.report(metrics, step)
            return
        state = os.path.abspath("raydrive-state")
        self._accelerator.save_state(state)  # each process saves its part
        self._accelerator.wait_for_everyone()

        def save(folder: str) -> None:
            shutil.move(state, os.path.join(folder, _STATE))
            with open(os.path.join(folder, _STEP), "w", encoding="utf-8") as file:
                json.dump(step, file)

        if self._accelerator.is_main_process:
            self._trial.report(metrics, step, save)
        self._accelerator.wait_for_everyone()
