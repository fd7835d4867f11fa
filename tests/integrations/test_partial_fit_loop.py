"""Loops over scikit-learn's partial_fit in a real trial."""

from __future__ import annotations

from typing import Any

import numpy as np
from callback_contract import EPOCHS, CallbackContract, after_interval
from sklearn.datasets import make_classification
from sklearn.linear_model import SGDClassifier

from raydrive.integrations.sklearn import PartialFitLoop

SAMPLES = make_classification(300, random_state=0)


def train(params: dict[str, Any]) -> None:
    X, y = SAMPLES
    loop = PartialFitLoop(SGDClassifier(loss="log_loss", random_state=0), epochs=EPOCHS)
    for epoch in loop:
        loop.model.partial_fit(X[:200], y[:200], classes=np.unique(y))
        margin = float(np.abs(loop.model.decision_function(X[200:])).mean())
        loop.report({"accuracy": loop.model.score(X[200:], y[200:]), "margin": margin})
        after_interval(params, epoch)


class TestPartialFitLoop(CallbackContract):
    train = staticmethod(train)
    metric = "margin"
    others = ("accuracy",)
