"""Keras's callback on each of its backends in a real trial."""

from __future__ import annotations

import os
from typing import Any

from callback_contract import EPOCHS, CallbackContract, after_interval, needs
from sklearn.datasets import make_classification

SAMPLES = make_classification(200, random_state=0)


def train(params: dict[str, Any], backend: str) -> None:
    os.environ |= {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
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


def on_torch(params: dict[str, Any]) -> None:
    train(params, "torch")


def on_jax(params: dict[str, Any]) -> None:
    train(params, "jax")


def on_tensorflow(params: dict[str, Any]) -> None:
    train(params, "tensorflow")


class KerasContract(CallbackContract):
    metric = "val_loss"
    goal = "minimize"
    others = ("val_accuracy", "loss", "accuracy")


class TestKerasOnTorch(KerasContract):
    pytestmark = needs("keras", "torch")
    train = staticmethod(on_torch)


class TestKerasOnJax(KerasContract):
    pytestmark = needs("keras", "jax")
    train = staticmethod(on_jax)


class TestKerasOnTensorFlow(KerasContract):
    pytestmark = needs("keras", "tensorflow")
    train = staticmethod(on_tensorflow)
