"""Transformers: each evaluation of its ``Trainer`` is an interval; its own checkpoints are the trial's.

callback = RaydriveCallback()
trainer = Trainer(model, TrainingArguments(eval_strategy="epoch", save_strategy="epoch"), ..., callbacks=[callback])
trainer.train(resume_from_checkpoint=callback.ckpt_path)
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from raydrive.integrations.trial_report import Metrics, TrialReport

_CHECKPOINT = "checkpoint"


class RaydriveCallback(TrainerCallback):
    """Logs the metrics of each evaluation; one that the trainer saves a checkpoint after is logged together with that.

    Args:
        metrics: Names to log (``None`` = all), such as ``eval_loss``; a mapping has Transformers' names by the names
            to log.
        checkpoint: Whether the trainer's checkpoints are saved with the reports.
        every_n: Only every n-th evaluation is logged.
    """

    def __init__(self, metrics: Metrics = None, checkpoint: bool = True, every_n: int = 1) -> None:
        self._trial = TrialReport(metrics, checkpoint, every_n)
        self._waiting: dict[str, Any] = {}

    @property
    def ckpt_path(self) -> str | None:
        """Folder of the checkpoint to continue from, for ``trainer.train``; None at the beginning."""
        return self._trial.saved(_CHECKPOINT)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Takes the metrics of an evaluation."""
        if not state.is_world_process_zero or not self._trial.due():
            return
        if control.should_save and self._trial.saves:
            self._waiting = dict(metrics or {})
        else:
            self._trial.report(metrics or {}, state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Logs what was evaluated at this step, with the checkpoint that the trainer has just saved."""
        waiting, self._waiting = self._waiting, {}
        folder = os.path.join(args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}")
        if waiting:

            def save(target: str) -> None:
                shutil.copytree(folder, os.path.join(target, _CHECKPOINT))

            self._trial.report(waiting, state.global_step, save if os.path.isdir(folder) else None)
