"""Searches of scikit-learn on a real cluster: processes, policies, errors, dead candidates, and what is left behind."""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import raydrive
from raydrive import RaydriveGridSearchCV, RaydriveSearchCV, Workspace

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
X, Y = load_iris(return_X_y=True)


class Odd(ClassifierMixin, BaseEstimator):
    """Raises, or ends its process."""

    def __init__(self, how: str = "") -> None:
        self.how = how

    def fit(self, X: Any, y: Any) -> Odd:
        if self.how == "raise":
            raise LookupError("odd")
        if self.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.classes_[0])


def test_a_grid_on_ray_gives_what_grid_search_gives(storage: str) -> None:
    grid = {"C": [0.1, 1.0, 10.0], "kernel": ["rbf", "linear"]}
    ours = RaydriveGridSearchCV(SVC(), grid, cv=4, storage=storage).fit(X, Y)
    theirs = GridSearchCV(SVC(), grid, cv=4).fit(X, Y)
    assert np.array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert ours.best_params_ == theirs.best_params_
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert ours.run_ is not None
    assert ours.run_.id == Workspace(storage).get_run("last").id
    assert ours.run_.get_children_sorted_by_primary_metric(top=1)[0]["best_primary_metric"] == ours.best_score_
    again = pickle.loads(pickle.dumps(ours))
    assert again.run_.id == ours.run_.id
    assert list((Path(storage) / ".search-data").iterdir()) == []


def test_policy_and_sampler_work_across_processes_on_data_that_is_mapped(storage: str) -> None:
    samples, targets = make_classification(4000, 100, n_informative=10, random_state=0)
    search = RaydriveSearchCV(
        SGDClassifier(random_state=0),
        {"alpha": raydrive.log_range(1e-6, 1e4), "penalty": ["l2", None]},
        n_trials=12,
        sampling="tpe",
        policy={"type": "median_stopping", "delay_evaluation": 2},
        max_iters=5,
        max_concurrent_runs=2,
        storage=storage,
        random_state=0,
    ).fit(samples, targets)
    states, intervals = list(search.cv_results_["state"]), list(search.cv_results_["n_intervals"])
    assert states.count("Canceled") >= 1
    assert all(count == 5 for count, state in zip(intervals, states, strict=True) if state == "Completed")
    assert min(intervals) >= 2
    assert states[search.best_index_] == "Completed"


def test_errors_come_back_and_dead_candidates_get_the_error_score(storage: str) -> None:
    with pytest.raises(LookupError, match="odd"):
        RaydriveGridSearchCV(Odd(), {"how": ["", "raise"]}, error_score="raise", storage=storage).fit(X, Y)
    with pytest.warns(FitFailedWarning, match="10 fits failed out of a total of 15") as told:
        search = RaydriveGridSearchCV(Odd(), {"how": ["", "raise", "die"]}, storage=storage).fit(X, Y)
    assert "killed by signal 9" in str(told[0].message)
    assert search.best_params_ == {"how": ""}
    assert list(np.isnan(search.cv_results_["mean_test_score"])) == [False, True, True]
    with pytest.warns(FitFailedWarning, match="5 fits failed out of a total of 10"):
        search = RaydriveGridSearchCV(Odd(), {"how": ["", "die"]}, error_score=-1.0, storage=storage).fit(X, Y)
    assert search.cv_results_["mean_test_score"][1] == -1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert search.predict(X[:2]).shape == (2,)
