"""Trains a small neural network on scikit-learn's handwritten digits, epoch by epoch.

An ordinary program with ordinary arguments; raydrive appears where it logs. It runs by itself, and then prints that:

    python examples/digits/train.py --learning-rate 0.05 --hidden-units 128

What it leaves in ``outputs/`` (the model and a small report) raydrive keeps with the trial.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from raydrive.context import Run


def parse_arguments() -> argparse.Namespace:
    """Returns the hyperparameters; each has a default that trains reasonably."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--learning-rate", type=float, default=0.05, help="step size of gradient descent")
    parser.add_argument("--momentum", type=float, default=0.5, help="share of the last step kept, 0 to 1")
    parser.add_argument("--hidden-units", type=int, default=64, help="width of the hidden layer")
    parser.add_argument("--batch-size", type=int, default=32, help="images per step")
    parser.add_argument("--alpha", type=float, default=1e-4, help="strength of the L2 penalty")
    parser.add_argument("--epochs", type=int, default=30, help="passes over the training images")
    parser.add_argument("--seed", type=int, default=0, help="initial weights and order of the images")
    return parser.parse_args()


def shifted(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images and their copies moved by one pixel left, right, up and down.

    Args:
        images: Flat 8 x 8 images, shape (n, 64).
        labels: Digits, shape (n,).

    Returns:
        Images of shape (5 n, 64) and labels of shape (5 n,).
    """
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    corners = ((1, 1), (1, 0), (1, 2), (0, 1), (2, 1))
    copies = [padded[:, top : top + 8, left : left + 8].reshape(-1, 64) for top, left in corners]
    return np.concatenate(copies), np.tile(labels, len(copies))


def main() -> None:
    """Trains with the given hyperparameters and leaves the model in ``outputs``."""
    arguments = parse_arguments()
    run = Run.get_context()

    images, labels = load_digits(return_X_y=True)
    images = images / 16.0  # pixels are 0..16
    # Three parts: tuning looks at the second one only, so the third still tells how good the best model really is.
    train_x, rest_x, train_y, rest_y = train_test_split(images, labels, test_size=0.4, random_state=0, stratify=labels)
    valid_x, test_x, valid_y, test_y = train_test_split(rest_x, rest_y, test_size=0.5, random_state=0, stratify=rest_y)
    train_x, train_y = shifted(train_x, train_y)

    model = MLPClassifier(
        hidden_layer_sizes=(arguments.hidden_units,),
        solver="sgd",
        learning_rate_init=arguments.learning_rate,
        momentum=arguments.momentum,
        batch_size=arguments.batch_size,
        alpha=arguments.alpha,
        random_state=arguments.seed,
    )
    accuracy = 0.0
    for epoch in range(1, arguments.epochs + 1):
        model.partial_fit(train_x, train_y, classes=np.unique(labels))
        accuracy = float(model.score(valid_x, valid_y))
        run.log("loss", float(model.loss_), step=epoch)
        run.log("accuracy", accuracy, step=epoch)

    outputs = Path("outputs")
    outputs.mkdir(exist_ok=True)
    joblib.dump(model, outputs / "model.joblib")
    report = {
        "accuracy": accuracy,
        "test_accuracy": float(model.score(test_x, test_y)),
        "epochs": arguments.epochs,
        "arguments": vars(arguments),
    }
    (outputs / "report.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
