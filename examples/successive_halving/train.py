"""Trains a small neural network on scikit-learn's handwritten digits, and goes on where it was paused.

    raydrive submit examples/successive_halving/sweep.yml

What successive halving asks of a training program: it saves a checkpoint with each epoch, begins with the one that it
is given, and logs once an epoch. By itself it trains from the beginning and prints what it logs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from raydrive.context import Run


def main() -> None:
    """Trains with the given hyperparameters, epoch by epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--hidden-units", type=int, default=64)
    parser.add_argument("--alpha", type=float, default=1e-4)
    parser.add_argument("--epochs", type=int, default=27)
    arguments = parser.parse_args()
    run = Run.get_context()

    images, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(images / 16, labels, random_state=0)
    model = MLPClassifier(
        (arguments.hidden_units,),
        solver="sgd",
        learning_rate_init=arguments.learning_rate,
        momentum=arguments.momentum,
        alpha=arguments.alpha,
        random_state=0,
    )
    done = 0
    if run.resume_from is not None:  # the folder that was saved last, on whatever node this is
        done, model = joblib.load(Path(run.resume_from) / "model.joblib")
    folder = Path(tempfile.mkdtemp())  # raydrive copies it; this one goes with the trial
    for epoch in range(done + 1, arguments.epochs + 1):
        model.partial_fit(train, train_labels, classes=range(10))
        joblib.dump((epoch, model), folder / "model.joblib")
        run.report({"accuracy": model.score(test, test_labels)}, step=epoch, checkpoint=folder)


if __name__ == "__main__":
    main()
