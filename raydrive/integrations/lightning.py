"""Lightning: each validation, or each epoch of training, is an interval.

callback = RaydriveCallback()
trainer = Trainer(max_epochs=20, callbacks=[callback])
trainer.fit(model, train, valid, ckpt_path=callback.ckpt_path)
"""

from __future__ import annotations

import os
import shutil
from typing import Any

try:
    from lightning.pytorch import Callback
except ModuleNotFoundError:  # the package of its own
    from pytorch_lightning import Callback

from raydrive.integrations.trial_report import Metrics, TrialReport

_CHECKPOINT = "checkpoint.ckpt"
_HOOKS = ("validation_end", "train_epoch_end")


class RaydriveCallback(Callback):
    """Logs ``trainer.callback_metrics`` with Lightning's checkpoint, and leaves out the sanity check.

    Args:
        metrics: Names to log (``None`` = all); a mapping has Lightning's names by the names to log.
        on: ``validation_end`` or ``train_epoch_end``.
        checkpoint: Whether a checkpoint is saved with each report.
        every_n: Only every n-th of them is logged.

    Raises:
        ValueError: ``on`` is neither.
    """

    def __init__(
        self, metrics: Metrics = None, on: str = "validation_end", checkpoint: bool = True, every_n: int = 1
    ) -> None:
        if on not in _HOOKS:
            raise ValueError(f"on: found {on!r}; expected {' or '.join(map(repr, _HOOKS))}")
        super().__init__()
        self._trial = TrialReport(metrics, checkpoint, every_n)
        self._on = on

    @property
    def ckpt_path(self) -> str | None:
        """File of the checkpoint to continue from, for ``trainer.fit``; None at the beginning."""
        return self._trial.saved(_CHECKPOINT)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Takes what Lightning has after a validation."""
        if self._on == "validation_end" and not trainer.sanity_checking and trainer.state.fn == "fit":
            self._report(trainer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Takes what Lightning has after an epoch of training."""
        if self._on == "train_epoch_end":
            self._report(trainer)

    def _report(self, trainer: Any) -> None:
        if not self._trial.due():
            return
        mid_epoch = self._on == "validation_end" and trainer.val_check_batch < trainer.num_training_batches
        step = trainer.global_step if mid_epoch else trainer.current_epoch + 1
        if not self._trial.saves:
            self._trial.report(trainer.callback_metrics, step)
            return
        # Every rank takes part in saving; only rank 0 logs.
        path = os.path.join(trainer.default_root_dir, f"raydrive-{_CHECKPOINT}")
        trainer.save_checkpoint(path)

        def save(folder: str) -> None:
            shutil.move(path, os.path.join(folder, _CHECKPOINT))

        if trainer.is_global_zero:
            self._trial.report(trainer.callback_metrics, step, save)
