"""Keras 3, on TensorFlow, JAX or torch: each epoch is an interval.

model.fit(X, y, epochs=20, validation_data=valid, callbacks=[RaydriveCallback()])
"""

from __future__ import annotations

import json
import os
from typing import Any

import keras

from raydrive.integrations.trial_report import Metrics, TrialReport

_WEIGHTS, _EPOCH = "state.weights.h5", "epoch.json"


class RaydriveCallback(keras.callbacks.Callback):
    """Logs ``logs`` at the end of each epoch, with weights and optimizer as a checkpoint; continues from one by itself.

    Args:
        metrics: Names to log (``None`` = all); a mapping has Keras's names by the names to log.
        checkpoint: Whether weights and optimizer are saved with each report.
        every_n: Only every n-th epoch is logged.
    """

    def __init__(self, metrics: Metrics = None, checkpoint: bool = True, every_n: int = 1) -> None:
        super().__init__()
        self._trial = TrialReport(metrics, checkpoint, every_n)

    def on_train_begin(self, logs: Any = None) -> None:
        """Loads the checkpoint to continue from, and leaves out the epochs that are done."""
        weights, epoch = self._trial.saved(_WEIGHTS), self._trial.saved(_EPOCH)
        if weights is None or epoch is None:
            return
        if not self.model.built:
            raise ValueError(
                "RaydriveCallback: the model has no weights yet into which to load a checkpoint; add an Input layer, "
                "or call model.build(shape) before fit"
            )
        if getattr(self.model, "optimizer", None) is not None and not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        self.model.load_weights(weights)
        with open(epoch, encoding="utf-8") as file:
            # As keras.callbacks.BackupAndRestore: fit() begins with the epoch that it finds here.
            self.model._initial_epoch = json.load(file)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Takes what Keras passes after an epoch."""
        if not self._trial.due():
            return
        model = self.model

        def save(folder: str) -> None:
            model.save_weights(os.path.join(folder, _WEIGHTS))
            with open(os.path.join(folder, _EPOCH), "w", encoding="utf-8") as file:
                json.dump(epoch + 1, file)

        self._trial.report(logs or {}, epoch + 1, save)
