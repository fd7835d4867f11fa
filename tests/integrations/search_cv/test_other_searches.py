"""Code that was written for another search, with the class's name exchanged and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from raydrive import RaydriveGridSearchCV, RaydriveSearchCV
from raydrive.core.errors import ConfigError

X, Y = load_iris(return_X_y=True)
HERE: dict[str, Any] = {"address": "inline", "random_state": 0}
FLOAT, INT = optuna.distributions.FloatDistribution, optuna.distributions.IntDistribution


def drawn(search: Any) -> list[dict[str, Any]]:
    return list(search.cv_results_["params"])


def test_arguments_of_scikit_learns_searches() -> None:
    search = RaydriveSearchCV(
        SVC(),
        param_distributions={"C": stats.loguniform(0.1, 10)},
        n_iter=3,
        n_jobs=-1,
        pre_dispatch="2*n_jobs",
        **HERE,
    ).fit(X, Y)
    assert len(drawn(search)) == 3
    grid = RaydriveGridSearchCV(SVC(), param_grid={"C": [0.1, 1.0]}, n_jobs=2, cv=2, **HERE).fit(X, Y)
    assert [one["C"] for one in drawn(grid)] == [0.1, 1.0]


def test_they_are_cloned_set_and_shown() -> None:
    search = RaydriveSearchCV(SVC(), param_distributions={"C": [0.1, 1.0, 10.0]}, n_iter=2, cv=2, **HERE)
    again = clone(search)
    assert again.get_params(deep=False)["n_iter"] == 2
    assert "n_iter=2" in repr(again)
    assert len(drawn(again.set_params(n_iter=3).fit(X, Y))) == 3


def test_arguments_of_optunas_search() -> None:
    space = {
        "alpha": FLOAT(1e-5, 1e-1, log=True),
        "eta0": FLOAT(0.25, 1.0, step=0.25),
        "average": INT(1, 9, step=4),
        "n_iter_no_change": INT(3, 8),
        "penalty": optuna.distributions.CategoricalDistribution(("l1", "l2")),
    }
    search = RaydriveSearchCV(
        SGDClassifier(random_state=0), space, n_trials=4, enable_pruning=True, max_iter=3, timeout=600, **HERE
    ).fit(X, Y)
    assert list(search.cv_results_["n_intervals"]) == [3] * 4
    for one in drawn(search):
        assert 1e-5 <= one["alpha"] <= 1e-1
        assert one["eta0"] in (0.25, 0.5, 0.75, 1.0)
        assert one["average"] in (1, 5, 9)
        assert one["n_iter_no_change"] in range(3, 9)
        assert one["penalty"] in ("l1", "l2")


def test_results_of_optunas_search() -> None:
    space = {"C": FLOAT(1e-3, 1e3, log=True), "degree": INT(1, 5)}
    search = RaydriveSearchCV(SVC(), space, n_trials=5, policy={"type": "bandit", "slack_factor": 0.01}, **HERE)
    assert not hasattr(search, "study_")
    search.fit(X, Y)
    assert search.study_.best_trial.value == search.best_score_
    assert search.study_.best_params == search.best_params_
    assert search.best_trial_.number == search.best_index_
    states = {"Completed": "COMPLETE", "Canceled": "PRUNED"}
    assert [one.state.name for one in search.trials_] == [states[one] for one in search.cv_results_["state"]]
    assert not hasattr(RaydriveSearchCV(SVC(), {"C": [1.0]}, **HERE).fit(X, Y), "study_")


def test_arguments_of_tune_sklearn() -> None:
    search = RaydriveSearchCV(
        SGDClassifier(random_state=0),
        {"alpha": (1e-4, 1.0, "log-uniform"), "epsilon": (0.01, 0.1), "random_state": (0, 1, 2)},
        search_optimization="hyperopt",
        early_stopping=True,
        max_iters=3,
        n_trials=4,
        loggers=None,
        use_gpu=False,
        **HERE,
    ).fit(X, Y)
    assert max(search.cv_results_["n_intervals"]) == 3
    assert all(1e-4 <= one["alpha"] <= 1.0 and 0.01 <= one["epsilon"] <= 0.1 for one in drawn(search))
    assert len({one["epsilon"] for one in drawn(search)}) == 4, "a tuple is a range, not two values"


def test_early_stopping_without_partial_fit_is_by_folds_and_told() -> None:
    with pytest.warns(UserWarning, match=r"without effect .* max_iters \(a LogisticRegression has no partial_fit"):
        grid = RaydriveGridSearchCV(
            LogisticRegression(max_iter=1000), {"C": [1e-4, 1.0]}, early_stopping=True, max_iters=10, cv=3, **HERE
        ).fit(X, Y)
    assert len(drawn(grid)) == 2


def test_what_has_no_counterpart_is_told_and_what_means_something_else_is_refused() -> None:
    with pytest.warns(UserWarning, match="without effect in a search of raydrive: factor, resource"):
        RaydriveSearchCV(SVC(), {"C": [1.0]}, factor=3, resource="n_samples", n_candidates="exhaust", **HERE).fit(X, Y)
    with pytest.raises(ConfigError) as told:
        RaydriveSearchCV(SVC(), {"C": [1.0]}, param_distributions={}, subsample=0.5, mode="min", **HERE).fit(X, Y)
    assert [problem.where for problem in told.value.problems] == ["subsample", "mode", "space"]
    with pytest.raises(TypeError, match=r"RaydriveSearchCV.__init__\(\) got an unexpected keyword argument 'n_inter'"):
        RaydriveSearchCV(SVC(), {"C": [1.0]}, n_inter=3, **HERE).fit(X, Y)


def test_objects_of_every_one_of_several_grids_are_found_again() -> None:
    pipeline = Pipeline([("scale", StandardScaler()), ("reduce", "passthrough"), ("svc", SVC())])
    spaces = [{"scale": [MinMaxScaler(), StandardScaler()]}, {"reduce": [PCA(2), PCA(3)]}]
    grid = RaydriveGridSearchCV(pipeline, spaces, cv=2, **HERE).fit(X, Y)
    found = [next(iter(one.values())) for one in drawn(grid)]
    assert [type(one) for one in found] == [MinMaxScaler, StandardScaler, PCA, PCA]
    assert not np.isnan(grid.cv_results_["mean_test_score"]).any()
