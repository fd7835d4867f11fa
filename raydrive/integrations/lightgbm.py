"""LightGBM: each boosting round is an interval.

    callback = RaydriveCallback()
    lightgbm.train(params, train, callback.rounds(100), valid_sets=[valid],
                   init_model=callback.model, callbacks=[callback])

With the classes of scikit-learn's kind: ``LGBMClassifier(n_estimators=callback.rounds(100))`` and ``fit(X, y,
eval_X=..., eval_y=..., init_model=callback.model, callbacks=[callback])``.
"""

from __future__ import annotations

import os
from typing import Any

import lightgbm

from raydrive.integrations.trial_report import Metrics, TrialReport

_MODEL = "model.txt"


class RaydriveCallback:
    """Logs the evaluation of each round, such as ``valid_0-auc``, with the model as a checkpoint.

    Args:
        metrics: Names to log (``None`` = all); a mapping has LightGBM's names by the names to log.
        checkpoint: Whether the model is saved with each report.
        every_n: Only every n-th round is logged.
    """

    order = 25
    """After LightGBM has recorded the evaluation, before its early stopping raises."""
    before_iteration = False

    def __init__(self, metrics: Metrics = None, checkpoint: bool = True, every_n: int = 1) -> None:
        self._trial = TrialReport(metrics, checkpoint, every_n)
        self._total: int | None = None

    @property
    def model(self) -> str | None:
        """File of the model to continue from, for ``init_model``; None at the beginning."""
        return self._trial.saved(_MODEL)

    def rounds(self, total: int) -> int:
        """Returns how many of ``total`` rounds are left; 1 at least, for LightGBM takes no less.

        Where none is left, because the trial was lost behind its last report, that round is not logged.
        """
        self._total = total
        done = 0 if self.model is None else int(lightgbm.Booster(model_file=self.model).current_iteration())
        return max(1, total - done)

    def __call__(self, env: Any) -> None:
        """Takes what LightGBM passes after a round."""
        if not self._trial.due() or (self._total is not None and env.iteration >= self._total):
            return
        values = {f"{data}-{metric}": value for data, metric, value, *_ in env.evaluation_result_list or ()}
        booster = env.model

        def save(folder: str) -> None:
            booster.save_model(os.path.join(folder, _MODEL))

        self._trial.report(values, env.iteration + 1, save if hasattr(booster, "save_model") else None)
