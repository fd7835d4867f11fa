"""LightGBM: each boosting round is an interval; policies stop bad ones, a lost trial goes on from its last round."""

import lightgbm
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import raydrive
from raydrive.integrations.lightgbm import RaydriveCallback


def train(params):
    X, y = load_breast_cancer(return_X_y=True)
    X, X_valid, y, y_valid = train_test_split(X, y, test_size=0.3, random_state=0)
    callback = RaydriveCallback(metrics={"loss": "valid-binary_logloss"})
    lightgbm.train(
        {"objective": "binary", "metric": "binary_logloss", "verbosity": -1, "num_threads": 1, **params},
        lightgbm.Dataset(X, y),
        callback.rounds(60),
        valid_sets=[lightgbm.Dataset(X_valid, y_valid)],
        valid_names=["valid"],
        init_model=callback.model,
        callbacks=[callback],
    )


if __name__ == "__main__":
    run = raydrive.tune(
        train,
        {"learning_rate": raydrive.log_range(0.01, 0.5), "num_leaves": raydrive.log_int(4, 64)},
        metric="loss",
        goal="minimize",
        policy={"type": "median_stopping", "delay_evaluation": 20},
        max_total_runs=12,
        preload=["lightgbm", "sklearn.datasets"],
    )
    best = run.get_best_run_by_primary_metric()
    print(f"best loss {best.best_value:.4f} with {best.params}")
