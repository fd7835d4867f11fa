"""Trains a linear classifier on scikit-learn's handwritten digits, and goes on from the checkpoint that it is given.

    raydrive submit examples/population/sweep.yml

What a population asks of a training program: it saves a checkpoint with each epoch, begins with the one that it is
given, with the hyperparameters of its arguments, and logs once an epoch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from raydrive.context import Run


def main() -> None:
    """Trains with the given hyperparameters, epoch by epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--alpha", type=float, default=1e-5, help="strength of the L2 penalty")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    run = Run.get_context()

    images, labels = load_digits(return_X_y=True)
    features = RBFSampler(gamma=0.02, n_components=1000, random_state=0).fit_transform(images / 4)
    train, test, train_labels, test_labels = train_test_split(features, labels, test_size=0.4, random_state=0)
    model, done = SGDClassifier(loss="log_loss", learning_rate="constant", random_state=arguments.seed), 0
    if run.resume_from is not None:  # perhaps another trial's: its weights go on with this one's hyperparameters
        done, model = joblib.load(Path(run.resume_from) / "model.joblib")
    model.set_params(eta0=arguments.learning_rate, alpha=arguments.alpha)
    folder = Path("checkpoint")
    folder.mkdir(exist_ok=True)
    for epoch in range(done + 1, arguments.epochs + 1):
        began = time.perf_counter()
        model.partial_fit(train, train_labels, classes=range(10))
        seconds = time.perf_counter() - began
        joblib.dump((epoch, model), folder / "model.joblib")
        values = {"accuracy": model.score(test, test_labels), "seconds": seconds}
        run.report(values, step=epoch, checkpoint=folder)


if __name__ == "__main__":
    main()
