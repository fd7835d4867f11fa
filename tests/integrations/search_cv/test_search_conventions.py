"""The searches are what scikit-learn's own are: its estimator checks, and the same results as ``GridSearchCV``."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from scipy import sparse, stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.metrics import accuracy_score, make_scorer, recall_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from raydrive import ConfigError, RaydriveGridSearchCV, RaydriveSearchCV, log_range
from raydrive.integrations.search_cv import candidate

X, Y = load_iris(return_X_y=True)
HERE = {"address": "inline", "random_state": 0}
GRID = {"C": [0.1, 1.0, 10.0], "kernel": ["rbf", "linear"]}


class Fails(ClassifierMixin, BaseEstimator):
    """Cannot be fitted where it is told so."""

    def __init__(self, how: str = "") -> None:
        self.how = how

    def fit(self, X: Any, y: Any) -> Fails:
        if self.how:
            raise KeyError(self.how)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X), int)


SEARCHES: list[tuple[Any, Any]] = [
    (
        RaydriveGridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, **HERE),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    ),
    (
        RaydriveSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, n_trials=2, cv=2, error_score="raise", **HERE),
        GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2, error_score="raise"),
    ),
    (
        RaydriveGridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}, cv=2, **HERE
        ),
        GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}, cv=2
        ),
    ),
]


def failed_checks(estimator: Any) -> set[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(checks) > 40
    return {one["check_name"] for one in checks if one["status"] == "failed"}


@pytest.mark.parametrize(("ours", "theirs"), SEARCHES, ids=["classifier", "regressor", "pipeline"])
def test_scikit_learns_checks_hold_wherever_they_hold_for_its_own_search(ours: Any, theirs: Any) -> None:
    assert failed_checks(ours) <= failed_checks(theirs)


@pytest.mark.parametrize(
    "grid", [GRID, [GRID, {"kernel": ["poly"], "degree": [2, 3], "C": [1.0]}]], ids=["one grid", "two grids"]
)
def test_a_grid_gives_what_grid_search_gives(grid: Any) -> None:
    ours = RaydriveGridSearchCV(SVC(), grid, cv=4, return_train_score=True, **HERE).fit(X, Y)
    theirs = GridSearchCV(SVC(), grid, cv=4, return_train_score=True).fit(X, Y)
    for name, column in theirs.cv_results_.items():
        if "time" not in name:
            assert list(ours.cv_results_[name]) == list(column), name
    assert (ours.best_index_, ours.best_params_, ours.best_score_) == (
        theirs.best_index_,
        theirs.best_params_,
        theirs.best_score_,
    )
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, Y) == theirs.score(X, Y)
    assert set(ours.cv_results_) - set(theirs.cv_results_) == {"trial", "state", "why", "n_intervals"}
    assert (ours.n_splits_, ours.n_features_in_, ours.run_) == (4, 4, None)


def test_an_empty_grid_is_the_estimator_as_it_is() -> None:
    for grid in ({}, [{}, {"C": [2.0]}]):
        ours = RaydriveGridSearchCV(SVC(), grid, cv=2, **HERE).fit(X, Y)
        theirs = GridSearchCV(SVC(), grid, cv=2).fit(X, Y)
        assert list(ours.cv_results_["params"]) == list(theirs.cv_results_["params"])
        assert np.array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_several_scores_are_all_there_and_refit_chooses() -> None:
    scoring = {"accuracy": "accuracy", "recall": make_scorer(recall_score, average="macro")}
    options: dict[str, Any] = {"scoring": scoring, "refit": "recall", "cv": 3}
    ours = RaydriveGridSearchCV(SVC(), GRID, **options, **HERE).fit(X, Y)
    theirs = GridSearchCV(SVC(), GRID, **options).fit(X, Y)
    for name in ("mean_test_accuracy", "split2_test_recall", "rank_test_recall"):
        assert np.array_equal(ours.cv_results_[name], theirs.cv_results_[name])
    assert ours.best_params_ == theirs.best_params_
    assert set(ours.scorer_) == set(theirs.scorer_)


def dict_of_scores(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    found = estimator.predict(X)
    return {"first": float(accuracy_score(y, found)), "second": float(-np.abs(y - found).mean())}


def highest(results: dict[str, Any]) -> int:
    return int(results["mean_test_second"].argmax())


@pytest.mark.parametrize("refit", ["second", highest, False], ids=["name", "callable", "none"])
def test_a_callable_that_gives_several_scores(refit: Any) -> None:
    ours = RaydriveGridSearchCV(SVC(), GRID, scoring=dict_of_scores, refit=refit, cv=3, **HERE).fit(X, Y)
    theirs = GridSearchCV(SVC(), GRID, scoring=dict_of_scores, refit=refit, cv=3).fit(X, Y)
    assert np.array_equal(ours.cv_results_["mean_test_second"], theirs.cv_results_["mean_test_second"])
    assert ours.multimetric_
    assert getattr(ours, "best_params_", None) == getattr(theirs, "best_params_", None)
    assert hasattr(ours, "best_score_") == hasattr(theirs, "best_score_")


def test_a_fit_that_fails_gets_the_error_score() -> None:
    grid = {"how": ["", "one", "two"]}
    with pytest.warns(FitFailedWarning, match="4 fits failed out of a total of 6") as told:
        search = RaydriveGridSearchCV(Fails(), grid, cv=2, error_score=-1.0, **HERE).fit(X, Y)
    assert "KeyError: 'two'" in str(told[0].message)
    assert list(search.cv_results_["mean_test_score"][1:]) == [-1, -1]
    assert search.best_params_ == {"how": ""}
    with pytest.raises(ValueError, match="All the 4 fits failed"):
        RaydriveGridSearchCV(Fails(), {"how": ["one", "two"]}, cv=2, **HERE).fit(X, Y)


def test_the_error_itself_is_raised_where_that_is_asked_for() -> None:
    with pytest.raises(KeyError, match="one"):
        RaydriveGridSearchCV(Fails(), {"how": ["", "one"]}, cv=2, error_score="raise", **HERE).fit(X, Y)


def test_arguments_of_fit_are_split_with_the_samples() -> None:
    weights = np.linspace(0.1, 2, len(Y))
    groups = np.arange(len(Y)) % 5
    ours = RaydriveGridSearchCV(SVC(), GRID, cv=GroupKFold(5), **HERE)
    theirs = GridSearchCV(SVC(), GRID, cv=GroupKFold(5))
    for search in (ours, theirs):
        search.fit(X, Y, sample_weight=weights, groups=groups)
    assert np.array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_metadata_is_routed() -> None:
    weights = np.linspace(0.1, 2, len(Y))
    scorer = make_scorer(accuracy_score)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = SVC().set_fit_request(sample_weight=True)
        scoring = scorer.set_score_request(sample_weight=True)
        searches = [
            RaydriveGridSearchCV(estimator, GRID, scoring=scoring, cv=GroupKFold(3), **HERE),
            GridSearchCV(estimator, GRID, scoring=scoring, cv=GroupKFold(3)),
        ]
        for search in searches:
            search.fit(X, Y, sample_weight=weights, groups=np.arange(len(Y)) % 3)
    ours, theirs = searches
    assert np.array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_a_search_is_cloned_pickled_and_part_of_a_pipeline() -> None:
    search = RaydriveSearchCV(SVC(), {"C": log_range(0.1, 10)}, n_trials=3, sampling="sobol", cv=2, **HERE)
    assert clone(search).get_params(deep=False).keys() == search.get_params(deep=False).keys()
    with pytest.raises(NotFittedError):
        search.predict(X)
    pipeline = Pipeline([("scale", StandardScaler()), ("search", search)]).fit(X, Y)
    again = pickle.loads(pickle.dumps(pipeline))
    assert np.array_equal(again.predict(X), pipeline.predict(X))
    assert pipeline.set_params(search__n_trials=2).get_params()["search__n_trials"] == 2
    assert "RaydriveSearchCV" in pipeline._repr_html_()


def test_frames_and_sparse_matrices_arrive_as_they_are() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    search = RaydriveGridSearchCV(SVC(), {"C": [1.0]}, cv=3, **HERE).fit(frame, pandas.Series(Y))
    assert list(search.feature_names_in_) == ["a", "b", "c", "d"]
    theirs = GridSearchCV(SVC(), {"C": [1.0]}, cv=3).fit(sparse.csr_matrix(X), Y)
    ours = RaydriveGridSearchCV(SVC(), {"C": [1.0]}, cv=3, **HERE).fit(sparse.csr_matrix(X), Y)
    assert ours.best_score_ == theirs.best_score_


def test_values_that_json_does_not_have_are_found_again() -> None:
    space = {
        "scale": [StandardScaler(), MinMaxScaler(), "passthrough"],
        "svc__C": [np.float64(1.0)],
        "svc__gamma": ["scale"],
    }
    pipeline = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
    ours = RaydriveGridSearchCV(pipeline, space, cv=3, **HERE).fit(X, Y)
    theirs = GridSearchCV(pipeline, space, cv=3).fit(X, Y)
    assert [type(one["scale"]) for one in ours.cv_results_["params"]] == [StandardScaler, MinMaxScaler, str]
    assert np.array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


DISTRIBUTIONS: dict[str, tuple[Any, Callable[[Any], bool]]] = {
    "uniform": (stats.uniform(2, 3), lambda v: 2 <= v <= 5),
    "loguniform": (stats.loguniform(1e-4, 10), lambda v: 1e-4 <= v <= 10),
    "randint": (stats.randint(3, 6), lambda v: v in (3, 4, 5) and isinstance(v, int)),
    "normal": (stats.norm(5, 0.1), lambda v: 4 < v < 6),
    "gamma": (stats.gamma(2.0), lambda v: v > 0),
    "poisson": (stats.poisson(4), lambda v: isinstance(v, int) and v >= 0),
}


@pytest.mark.parametrize(("distribution", "fits"), DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_distributions_of_scipy_are_drawn_from(distribution: Any, fits: Callable[[Any], bool]) -> None:
    search = RaydriveSearchCV(Ridge(), {"alpha": distribution}, n_trials=8, cv=2, **HERE).fit(X, Y)
    drawn = [one["alpha"] for one in search.cv_results_["params"]]
    assert all(fits(value) for value in drawn), drawn
    again = RaydriveSearchCV(Ridge(), {"alpha": distribution}, n_trials=8, cv=2, **HERE).fit(X, Y)
    assert [one["alpha"] for one in again.cv_results_["params"]] == drawn


def test_what_only_draws_is_a_distribution_too() -> None:
    class Coin:
        def rvs(self, random_state: Any = None) -> Any:
            return random_state.choice([0.5, 2.0])

    search = RaydriveSearchCV(Ridge(), {"alpha": Coin()}, n_trials=8, cv=2, **HERE).fit(X, Y)
    assert {one["alpha"] for one in search.cv_results_["params"]} == {0.5, 2.0}


def test_a_policy_stops_candidates_between_folds() -> None:
    bandit = {"type": "bandit", "slack_factor": 0.1, "delay_evaluation": 1}
    search = RaydriveGridSearchCV(SVC(), {"kernel": ["rbf", "sigmoid"]}, cv=5, policy=bandit, **HERE).fit(X, Y)
    results = search.cv_results_
    assert list(results["state"]) == ["Completed", "Canceled"]
    assert list(results["n_intervals"]) == [5, 1]
    assert "bandit" in results["why"][1]
    assert np.isnan(results["split4_test_score"][1])
    assert list(results["rank_test_score"]) == [1, 2]


def test_epochs_of_partial_fit_are_intervals() -> None:
    X, y = make_classification(400, random_state=0)
    space = {"alpha": [1e-4, 1e4], "eta0": [0.01], "learning_rate": ["constant"]}
    median = {"type": "median_stopping", "delay_evaluation": 3}
    estimator = SGDClassifier(random_state=0)
    search = RaydriveGridSearchCV(estimator, space, cv=3, policy=median, max_iters=6, **HERE).fit(X, y)
    results = search.cv_results_
    assert list(results["n_intervals"]) == [6, 3]
    assert search.best_index_ == 0
    by_hand = clone(estimator).set_params(**search.best_params_)
    for epoch in range(6):
        by_hand.partial_fit(X, y, **({"classes": np.unique(y)} if epoch == 0 else {}))
    assert np.array_equal(search.best_estimator_.coef_, by_hand.coef_)


def test_a_search_in_this_process_leaves_nothing_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(candidate, "CHECKPOINT_AFTER_S", 0.0)
    search = RaydriveGridSearchCV(SVC(), GRID, cv=3, **HERE).fit(X, Y)
    assert max(search.cv_results_["n_intervals"]) == 3
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_searched_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"max_iters: found 3 for a SVC, which has no partial_fit"):
        RaydriveGridSearchCV(SVC(), GRID, max_iters=3, **HERE).fit(X, Y)
    with pytest.raises(ConfigError, match=r"space\['C'\]: found 1.0; .*Write \[1.0\]"):
        RaydriveSearchCV(SVC(), {"C": 1.0}, **HERE).fit(X, Y)
    with pytest.raises(ConfigError, match="space: found no parameters"):
        RaydriveSearchCV(SVC(), {}, **HERE).fit(X, Y)
    with pytest.raises(ConfigError, match="policy"):
        RaydriveSearchCV(SVC(), GRID, policy="bandid", **HERE).fit(X, Y)
    with pytest.raises(ValueError, match="'n_trials' parameter"):
        RaydriveSearchCV(SVC(), GRID, n_trials=0, **HERE).fit(X, Y)
