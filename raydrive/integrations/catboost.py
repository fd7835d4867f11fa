"""CatBoost: each boosting round is an interval; its own snapshot is the checkpoint.

    callback = RaydriveCallback()
    CatBoostClassifier(iterations=100, **callback.snapshot).fit(X, y, eval_set=valid, callbacks=[callback])

CatBoost writes its snapshot after the round that follows, so an attempt that continues may train that round again.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from raydrive.integrations.trial_report import Metrics, TrialReport

_SNAPSHOT = "snapshot.cbsnapshot"


class RaydriveCallback:
    """Logs the evaluation of each round, such as ``validation-Logloss``, with CatBoost's snapshot as a checkpoint.

    Args:
        metrics: Names to log (``None`` = all); a mapping has CatBoost's names by the names to log.
        checkpoint: Whether the snapshot is saved with each report.
        every_n: Only every n-th round is logged.
    """

    def __init__(self, metrics: Metrics = None, checkpoint: bool = True, every_n: int = 1) -> None:
        self._trial = TrialReport(metrics, checkpoint, every_n)
        self._file = os.path.abspath(_SNAPSHOT)

    @property
    def snapshot(self) -> dict[str, Any]:
        """Arguments of CatBoost's classes: that it writes its snapshot, and continues from an earlier attempt's."""
        if not self._trial.saves:
            return {}
        earlier = self._trial.saved(_SNAPSHOT)
        if earlier is not None and not os.path.exists(self._file):
            shutil.copyfile(earlier, self._file)
        return {"save_snapshot": True, "snapshot_file": self._file, "snapshot_interval": 0}

    def after_iteration(self, info: Any) -> bool:
        """Takes what CatBoost passes after a round; returns that training continues."""
        if self._trial.due():
            values = {
                f"{data}-{metric}": series[-1]
                for data, metrics in (info.metrics or {}).items()
                for metric, series in metrics.items()
            }
            there = os.path.exists(self._file)
            self._trial.report(values, info.iteration, self._save if there else None)
        return True

    def _save(self, folder: str) -> None:
        shutil.copyfile(self._file, os.path.join(folder, _SNAPSHOT))
