"""Trainings of ``end_to_end.py``: two models on scikit-learn's handwritten digits, the same objective for every tuner.

Each training reports its accuracy on the same validation images after each epoch, and each report is added to a
file with the time, so that time and training seconds to an accuracy are read off in the same way whatever called it.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EPOCHS = 20
"""Of a whole training."""
BATCHES = [16, 32, 64, 128, 256]


def _real(name: str, low: float, high: float, log: bool = True) -> dict[str, Any]:
    return {"name": name, "type": "float", "low": low, "high": high, "log": log, "q": None, "choices": None}


def _whole(name: str, low: int, high: int) -> dict[str, Any]:
    return {"name": name, "type": "int", "low": low, "high": high, "log": True, "q": None, "choices": None}


_BATCH = {"name": "batch", "type": "choice", "low": None, "high": None, "log": False, "q": None, "choices": BATCHES}
SPACES: dict[str, list[dict[str, Any]]] = {
    "mlp": [
        _real("lr", 1e-5, 1.0),
        _real("momentum", 0.0, 0.99, log=False),
        _real("alpha", 1e-6, 1.0),
        _whole("units", 8, 256),
        _BATCH,
    ],
    "cnn": [
        _real("lr", 1e-5, 1.0),
        _real("momentum", 0.0, 0.99, log=False),
        _real("decay", 1e-6, 1e-1),
        _real("dropout", 0.0, 0.8, log=False),
        _whole("width", 2, 24),
        _BATCH,
    ],
}
"""By task, as the tasks of ``quality.py`` write them."""


def data(copies: int) -> tuple[Any, Any, Any, Any]:
    """Returns images to train with, ``copies`` times, shifted by a pixel, their labels, and those to validate with."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 8, 8)
    train, test, train_labels, test_labels = train_test_split(images, labels, test_size=0.4, random_state=0)
    shifts = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)][:copies]
    moved = np.concatenate([np.roll(train, shift, axis=(1, 2)) for shift in shifts])
    return moved, np.tile(train_labels, copies), test, test_labels


class Mlp:
    """A network with two hidden layers by ``MLPClassifier.partial_fit``."""

    def __init__(self, params: dict[str, Any]) -> None:
        from sklearn.neural_network import MLPClassifier

        warnings.simplefilter("ignore")
        self._train, self._labels, self._test, self._test_labels = data(9)
        self._train, self._test = self._train.reshape(-1, 64), self._test.reshape(-1, 64)
        self.model = MLPClassifier(
            (round(params["units"]), round(params["units"])),
            solver="sgd",
            learning_rate_init=params["lr"],
            momentum=params["momentum"],
            alpha=params["alpha"],
            batch_size=int(params["batch"]),
            random_state=0,
        )

    def epoch(self) -> float:
        """Trains four times over the images and returns the accuracy; 0 where it diverged."""
        try:
            for _ in range(4):
                self.model.partial_fit(self._train, self._labels, classes=range(10))
            return float(self.model.score(self._test, self._test_labels))
        except ValueError:  # weights that are not finite
            return 0.0

    def save(self, path: Path) -> None:
        """Writes the model."""
        import joblib

        joblib.dump(self.model, path)

    def load(self, path: Path) -> None:
        """Takes a model that was written."""
        import joblib

        self.model = joblib.load(path)


class Cnn:
    """A small convolutional network with torch, on one thread."""

    def __init__(self, params: dict[str, Any]) -> None:
        import torch
        from torch import nn

        torch.set_num_threads(1)
        torch.manual_seed(0)
        train, labels, test, test_labels = data(5)
        self._x, self._y = torch.from_numpy(train)[:, None], torch.from_numpy(labels)
        self._test, self._test_y = torch.from_numpy(test)[:, None], torch.from_numpy(test_labels)
        width = round(params["width"])
        self._net = nn.Sequential(
            *(nn.Conv2d(1, width, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Dropout(params["dropout"]), nn.Linear(32 * width, 10)),
        )
        self._steps = torch.optim.SGD(
            self._net.parameters(), params["lr"], momentum=params["momentum"], weight_decay=params["decay"]
        )
        self._batch, self._done = int(params["batch"]), 0

    def epoch(self) -> float:
        """Trains one epoch and returns the accuracy."""
        import torch

        self._net.train()
        order = torch.randperm(len(self._x), generator=torch.Generator().manual_seed(self._done))
        for rows in order.split(self._batch):
            self._steps.zero_grad()
            torch.nn.functional.cross_entropy(self._net(self._x[rows]), self._y[rows]).backward()
            self._steps.step()
        self._done += 1
        self._net.eval()
        with torch.no_grad():
            return float((self._net(self._test).argmax(1) == self._test_y).float().mean())

    def save(self, path: Path) -> None:
        """Writes the model."""
        import torch

        torch.save((self._net.state_dict(), self._steps.state_dict(), self._done), path)

    def load(self, path: Path) -> None:
        """Takes a model that was written."""
        import torch

        weights, steps, self._done = torch.load(path)
        self._net.load_state_dict(weights)
        self._steps.load_state_dict(steps)


def train(
    task: str, params: dict[str, Any], record: str, begin_with: Path | None = None
) -> Iterator[tuple[Any, int, float]]:
    """Trains and yields the training, the epoch and the accuracy after each epoch; each is added to the record first.

    Args:
        task: ``mlp`` or ``cnn``.
        params: A configuration.
        record: File to which a line is added for each epoch: time, accuracy, seconds of the epoch, epoch.
        begin_with: A folder with ``model`` and ``epoch`` to go on from.
    """
    training: Mlp | Cnn = Mlp(params) if task == "mlp" else Cnn(params)
    done = 0
    if begin_with is not None:
        training.load(begin_with / "model")
        done = int((begin_with / "epoch").read_text())
    for epoch in range(done + 1, EPOCHS + 1):
        began = time.perf_counter()
        accuracy = training.epoch()
        seconds = time.perf_counter() - began
        line = f"{time.time()} {accuracy if math.isfinite(accuracy) else 0.0} {seconds} {epoch}\n"
        file = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())  # one call: several processes write to it
        os.close(file)
        yield training, epoch, accuracy


def save(training: Any, epoch: int, folder: Path) -> None:
    """Writes a checkpoint that ``train`` begins with."""
    folder.mkdir(exist_ok=True)
    training.save(folder / "model")
    (folder / "epoch").write_text(str(epoch))
