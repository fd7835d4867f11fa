"""scikit-learn: loops over ``partial_fit``, each turn of which is an interval.

    loop = PartialFitLoop(SGDClassifier(), epochs=20)
    for epoch in loop:
        loop.model.partial_fit(X, y, classes=classes)
        loop.report({"accuracy": loop.model.score(X_valid, y_valid)})

Whole searches inside scikit-learn are ``raydrive.RaydriveSearchCV``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Iterator  # noqa: UP035  (Python 3.8)

import joblib

from raydrive.integrations.trial_report import TrialReport

_MODEL = "model.joblib"


class PartialFitLoop:
    """Epochs of ``partial_fit`` that continue where an earlier attempt was killed.

    Args:
        model: The estimator; ``loop.model`` is the one to train, which may come from a checkpoint.
        epochs: How many epochs there are in total.
        checkpoint: Whether the model is saved with each report.
        every_n: Only every n-th report is logged.
    """

    def __init__(self, model: Any, epochs: int, checkpoint: bool = True, every_n: int = 1) -> None:
        self._trial = TrialReport(None, checkpoint, every_n)
        self.model = model
        self.epochs = epochs
        self.epoch = 0
        """The present epoch, from 1."""
        saved = self._trial.saved(_MODEL)
        if saved is not None:
            self.epoch, self.model = joblib.load(saved)

    def __iter__(self) -> Iterator[int]:
        """Yields the epochs that are left, from 1."""
        while self.epoch < self.epochs:
            self.epoch += 1
            yield self.epoch

    def report(self, metrics: Mapping[str, Any]) -> None:
        """Logs the values of the present epoch, with the model as a checkpoint.

        Args:
            metrics: Numbers by name.
        """
        if self._trial.due():
            self._trial.report(metrics, self.epoch, self._save)

    def _save(self, folder: str) -> None:
        joblib.dump((self.epoch, self.model), os.path.join(folder, _MODEL))
