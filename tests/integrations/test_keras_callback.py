"""Keras's callback on the torch backend in a real trial."""

from __future__ import annotations

import os
from typing import Any

from callback_contract import EPOCHS, CallbackContract, after_interval, needs
from sklearn.datasets import make_classification

pytestmark = needs("keras", "torch")
SAMPLES = make_classification(200, random_state=0)


def train(params: dict[str, Any]) -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import keras

    from raydrive.integrations.keras import RaydriveCallback

    class Pause(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            after_interval(params, epoch + 1)

    keras.utils.set_random_seed(0)
    X, y = SAMPLES
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        X[:150],
        y[:150],
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        validation_data=(X[150:], y[150:]),
        callbacks=[RaydriveCallback(), Pause()],
    )


class TestKeras(CallbackContract):
    train = staticmethod(train)
    metric = "val_loss"
    goal = "minimize"
    others = ("val_accuracy", "loss", "accuracy")
