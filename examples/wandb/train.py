"""A function that W&B follows: each trial is a run of W&B in the group of the sweep; here offline, to be sent later."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import raydrive
from raydrive import Run, choice, log_range


def train(params):
    run = Run.get_context()
    X, X_valid, y, y_valid = train_test_split(*load_digits(return_X_y=True), random_state=0)
    model = SGDClassifier(alpha=params["alpha"], loss=params["loss"], random_state=0)
    for epoch in range(1, 9):
        model.partial_fit(X / 16, y, classes=np.unique(y))
        run.log("accuracy", model.score(X_valid / 16, y_valid), step=epoch)


if __name__ == "__main__":
    run = raydrive.tune(
        train,
        {"alpha": log_range(1e-6, 1), "loss": choice("hinge", "log_loss")},
        metric="accuracy",
        max_total_runs=4,
        track={"wandb": {"project": "digits", "mode": "offline"}},
        experiment="wandb-example",
        show_output=False,
    )
    files = Path(run.uri).glob("trackers/wandb/offline-run-*/*.wandb")
    print(f"{len(list(files))} runs of W&B: the sweep, and one for each of its trials")
    print(f"best accuracy {run.get_best_run_by_primary_metric().best_value:.4f}")
