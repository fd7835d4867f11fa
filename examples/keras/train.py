"""Keras: a callback logs each epoch with weights and optimizer, and a lost trial goes on from them by itself."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from sklearn.datasets import load_digits

import raydrive
from raydrive.integrations.keras import RaydriveCallback


def train(params):
    keras.utils.set_random_seed(0)
    X, y = load_digits(return_X_y=True)
    hidden = keras.layers.Dense(params["width"], "relu")
    model = keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(10, "softmax")])
    optimizer = keras.optimizers.SGD(params["lr"], momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        X[:1200] / 16,
        y[:1200],
        epochs=6,
        verbose=0,
        validation_data=(X[1200:] / 16, y[1200:]),
        callbacks=[RaydriveCallback()],
    )


if __name__ == "__main__":
    run = raydrive.tune(
        train,
        {"lr": raydrive.log_range(1e-4, 1), "width": raydrive.log_int(8, 128)},
        metric="val_accuracy",
        policy={"type": "bandit", "slack_factor": 0.1, "delay_evaluation": 3},
        max_total_runs=6,
        preload=["keras", "sklearn.datasets"],
    )
    best = run.get_best_run_by_primary_metric()
    print(f"best accuracy {best.best_value:.4f} with {best.params}")
