"""XGBoost: each boosting round is an interval.

    callback = RaydriveCallback()
    xgboost.train(params, train, callback.rounds(100), evals=[(valid, "valid")],
                  xgb_model=callback.model, callbacks=[callback])

With the classes of scikit-learn's kind: ``XGBClassifier(n_estimators=callback.rounds(100), callbacks=[callback])`` and
``fit(X, y, eval_set=[...], xgb_model=callback.model)``.
"""

from __future__ import annotations

import os
from typing import Any

import xgboost

from raydrive.integrations.trial_report import Metrics, TrialReport

_MODEL = "model.ubj"


class RaydriveCallback(xgboost.callback.TrainingCallback):
    """Logs the evaluation of each round, such as ``valid-logloss``, with the model as a checkpoint.

    Args:
        metrics: Names to log (``None`` = all); a mapping has XGBoost's names by the names to log.
        checkpoint: Whether the model is saved with each report.
        every_n: Only every n-th round is logged.
    """

    def __init__(self, metrics: Metrics = None, checkpoint: bool = True, every_n: int = 1) -> None:
        super().__init__()
        self._trial = TrialReport(metrics, checkpoint, every_n)

    @property
    def model(self) -> str | None:
        """File of the model to continue from, for ``xgb_model``; None at the beginning."""
        return self._trial.saved(_MODEL)

    def rounds(self, total: int) -> int:
        """Returns how many of ``total`` rounds are left."""
        if self.model is None:
            return total
        return max(0, total - int(xgboost.Booster(model_file=self.model).num_boosted_rounds()))

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Takes what XGBoost passes after a round; returns False: training continues."""
        if self._trial.due():
            values = {
                f"{data}-{metric}": series[-1][0] if isinstance(series[-1], tuple) else series[-1]
                for data, metrics in evals_log.items()
                for metric, series in metrics.items()
            }

            def save(folder: str) -> None:
                model.save_model(os.path.join(folder, _MODEL))

            self._trial.report(values, model.num_boosted_rounds(), save)
        return False
