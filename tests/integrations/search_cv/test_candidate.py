"""A candidate that is killed goes on where it was, with the same scores."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attempts import train_in_attempts, wait_for_storage
from sklearn.datasets import make_classification
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import get_scorer

from raydrive.context import Run
from raydrive.integrations.search_cv.candidate import CandidateTrial
from raydrive.integrations.search_cv.shared_data import SharedData, stored
from raydrive.integrations.search_cv.spaces import read_space

X, Y = make_classification(300, random_state=0)


class Slow(SGDClassifier):
    """Waits in its first steps, long enough for a checkpoint, and ends the process of the first attempt later."""

    def step(self) -> None:
        calls = Path(os.environ["RAYDRIVE_CHECKPOINT_DIR"]).parent / "calls"
        count = json.loads(calls.read_text()) + 1 if calls.exists() else 1
        calls.write_text(json.dumps(count))
        if Run.get_context().attempt == 1 and count == 2:
            time.sleep(2.2)
        if Run.get_context().attempt == 1 and count == 8 and self.penalty == "l1":
            wait_for_storage()
            os.kill(os.getpid(), signal.SIGKILL)

    def fit(self, X: Any, y: Any) -> Any:
        self.step()
        return super().fit(X, y)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
        self.step()
        return super().partial_fit(X, y, classes=classes)


@pytest.mark.parametrize("max_iters", [None, 5], ids=["folds", "epochs"])
def test_a_killed_candidate_has_the_same_curve(tmp_path: Path, max_iters: int | None) -> None:
    n_splits = 10 if max_iters is None else 2
    halves = [np.arange(len(Y)) % n_splits == fold for fold in range(n_splits)]
    splits = [(np.flatnonzero(~half), np.flatnonzero(half)) for half in halves]
    curves, launches = [], []
    with stored(SharedData(X, Y, splits, {}, {}), tmp_path) as place:
        for penalty in ("l2", "l1"):
            trial = CandidateTrial(
                estimator=Slow(random_state=0, l1_ratio=0.0),
                scorer=get_scorer("accuracy"),
                space=read_space({"penalty": [penalty]}, "space"),
                metric="mean_test_score",
                main="",
                return_train_score=False,
                error_score="raise",
                max_iters=max_iters,
                data=place.uri,
            )
            trained = train_in_attempts(tmp_path / penalty, trial, "mean_test_score", params={"penalty": penalty})
            assert trained.state == "Completed", trained.why
            curves.append(trained.curve)
            launches.append(trained.launches)
    steps = n_splits if max_iters is None else max_iters
    assert [len(curve) for curve in curves] == [steps, steps]
    assert [len(each) for each in launches] == [1, 2]
    assert launches[1][1].resume_from is not None
    undisturbed = SGDClassifier(random_state=0, penalty="l1", l1_ratio=0.0)
    scores = []
    for train, test in splits:
        if max_iters is None:
            undisturbed.fit(X[train], Y[train])
        else:
            undisturbed = SGDClassifier(random_state=0, penalty="l1", l1_ratio=0.0)
            for _ in range(max_iters):
                undisturbed.partial_fit(X[train], Y[train], classes=np.unique(Y))
        scores.append(undisturbed.score(X[test], Y[test]))
    assert curves[1][-1] == pytest.approx(np.mean(scores))
