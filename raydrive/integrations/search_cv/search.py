"""``RaydriveSearchCV`` and ``RaydriveGridSearchCV``: scikit-learn's search with trials of raydrive.

What they inherit from scikit-learn's ``BaseSearchCV`` is all but ``fit``: ``predict``, ``score``, routing of metadata,
tags, and how ``cv_results_`` is made.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _insert_error_scores, _warn_or_raise_about_fit_failures
from sklearn.utils import check_random_state, indexable
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_method_params, check_is_fitted

from raydrive.api.named_parts import named_sampling
from raydrive.api.run import HyperDriveRun
from raydrive.api.workspace import Workspace
from raydrive.core import records
from raydrive.core.config.trial_spec import Resources
from raydrive.core.early_stopping.policies import Policy
from raydrive.core.errors import ConfigError, Problem, RaydriveError, show
from raydrive.core.search.protocol import SamplingSpec
from raydrive.integrations.search_cv.candidate import CandidateTrial
from raydrive.integrations.search_cv.evaluation import INLINE, Search, evaluate_inline, evaluate_on_ray
from raydrive.integrations.search_cv.optuna_study import study_of
from raydrive.integrations.search_cv.other_searches import SearchArguments, check_names, resolved
from raydrive.integrations.search_cv.results import Evaluated, evaluated
from raydrive.integrations.search_cv.shared_data import SharedData
from raydrive.integrations.search_cv.spaces import SearchSpace, read_space


class _Search(BaseSearchCV):
    """What both searches have in common: ``fit``."""

    _parameter_constraints = {  # noqa: RUF012  (scikit-learn's own attribute)
        **{
            name: what
            for name, what in BaseSearchCV._parameter_constraints.items()
            if name not in ("n_jobs", "pre_dispatch")
        },
        "max_iters": [Interval(Integral, 1, None, closed="left"), None],
        "max_concurrent_runs": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        **dict.fromkeys(("n_jobs", "pre_dispatch", "policy", "resources", "storage", "address"), "no_validation"),
    }
    policy: Policy | str | Mapping[str, Any] | None
    max_iters: int | None
    max_concurrent_runs: int | None
    resources: Resources | Mapping[str, Any] | None
    storage: str | os.PathLike[str] | None
    address: str | None
    random_state: Any
    _others: tuple[str, ...] = ()
    """Arguments that were given under the names of other searches."""

    @property
    def run_(self) -> HyperDriveRun | None:
        """The run of the search, read from its storage; None where the candidates were evaluated in this process.

        Raises:
            NotFittedError: If there was no search yet.
            StorageError: If the run's folder cannot be read.
        """
        check_is_fitted(self, "_run_uri")
        return HyperDriveRun.open(self._run_uri) if self._run_uri else None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the arguments by name, those that were given under the names of other searches too.

        Args:
            deep: Whether those of the estimator are among them.
        """
        own: dict[str, Any] = super().get_params(deep)
        return own | {name: getattr(self, name) for name in self._others}

    def _asked(self) -> SearchArguments:
        """What is to be done, whatever the arguments were called."""
        own = SearchArguments(
            space=getattr(self, "space", None),
            n_trials=getattr(self, "n_trials", 0),
            sampling=getattr(self, "sampling", "grid"),
            policy=self.policy,
            max_iters=self.max_iters,
            max_concurrent_runs=self.max_concurrent_runs,
            resources=self.resources,
            storage=self.storage,
        )
        others = {name: getattr(self, name) for name in self._others}
        check_names(type(self).__name__, others)
        return resolved(own, others, self.estimator)

    def _candidates(self, asked: SearchArguments) -> tuple[SearchSpace, SamplingSpec, int]:
        """The search space, how it is sampled and how many trials there are at most."""
        raise NotImplementedError

    @_fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, **params: Any) -> _Search:
        """Searches, and fits the best candidate on all samples.

        Args:
            X: Samples, of length n_samples.
            y: Targets, of length n_samples; None without.
            **params: Further arguments of the estimator's ``fit``, the scorer and the splitter, as routed.

        Returns:
            Itself, with ``cv_results_``, ``best_estimator_``, ``best_params_``, ``best_score_``, ``best_index_``,
            ``refit_time_``, ``scorer_``, ``n_splits_`` and ``run_``.

        Raises:
            ConfigError: If the space, the policy or another argument cannot be used.
            TypeError: If an argument has a name that no search has.
            ValueError: If all fits failed.
            RaydriveError: If no candidate was evaluated to its end.
            Exception: What a candidate raised, where ``error_score`` is ``raise``.
        """
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **routed.splitter.split))
        self.n_splits_ = len(splits)
        if not splits:
            raise ValueError("No fits were performed. Was the CV iterator empty?")
        asked = self._asked()
        if asked.max_iters is not None and not hasattr(self.estimator, "partial_fit"):
            found = f"{asked.max_iters} for a {type(self.estimator).__name__}, which has no partial_fit"
            raise ConfigError(Problem("max_iters", found, "None, or an estimator with partial_fit", "Remove it."))
        data = SharedData(X, y, splits, dict(routed.estimator.fit), dict(routed.scorer.score))
        tried = self._evaluate(data, scorers, asked)
        _warn_or_raise_about_fit_failures(tried.out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(tried.out, self.error_score)
        self._conclude(tried, scorers, refit_metric)
        if self.refit:
            self._fit_best(X, y, routed.estimator.fit, asked.max_iters)
        return self

    # ------------------------------------------------------------------ candidates as trials

    def _evaluate(self, data: SharedData, scorers: Any, asked: SearchArguments) -> Evaluated:
        space, sampling, n_trials = self._candidates(asked)
        several = list(getattr(scorers, "_scorers", ()))
        main = self.refit if isinstance(self.refit, str) else several[0] if several else ""
        trial = CandidateTrial(
            estimator=clone(self.estimator),
            scorer=scorers,
            space=space,
            metric=f"mean_test_{main or 'score'}",
            main=main,
            return_train_score=self.return_train_score,
            error_score=self.error_score,
            max_iters=asked.max_iters,
        )
        search = Search(
            trial=trial,
            sampling=sampling,
            n_trials=n_trials,
            seed=int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max)),
            policy=asked.policy,
            resources=asked.resources,
            max_concurrent_runs=asked.max_concurrent_runs,
            timeout_s=asked.timeout_s,
        )
        if self.address == INLINE:
            self._run_uri, (sweep, reports) = "", evaluate_inline(search, data)
        else:
            workspace = Workspace(asked.storage, self.address)
            run = evaluate_on_ray(search, data, workspace, show_output=self.verbose > 0)
            self._run_uri, sweep, reports = run.layout.uri, run.sweep, run.reports()
        return evaluated(
            sweep,
            reports,
            space,
            self.n_splits_,
            several=bool(several),
            train=self.return_train_score,
            error_score=np.nan if self.error_score == "raise" else self.error_score,
        )

    # ------------------------------------------------------------------ what scikit-learn's searches have

    def _conclude(self, found: Evaluated, scorers: Any, refit_metric: Any) -> None:
        """Sets ``cv_results_`` and what is best in it."""
        if not found.complete:
            reasons = "; ".join(sorted(set(filter(None, found.more["why"])))[:3])
            raise RaydriveError(f"none of {len(found.params)} candidates was evaluated to its end: {reasons}")
        with warnings.catch_warnings():
            if found.stopped:  # their missing folds are NaN, and meant to be
                warnings.filterwarnings("ignore", "One or more of the", UserWarning)
            results = self._format_results(found.params, self.n_splits_, found.out, found.more)
        _rank_stopped_last(results)
        first = found.out[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first)
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        self.cv_results_ = results

    def _fit_best(self, X: Any, y: Any, fit_params: Mapping[str, Any], epochs: int | None) -> None:
        """Fits the best candidate on all samples, in as many epochs as it was scored after."""
        best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        self.best_estimator_ = best
        started = time.time()
        samples = (X,) if y is None else (X, y)
        if epochs is None:
            best.fit(*samples, **fit_params)
        else:
            classes = {"classes": np.unique(y)} if is_classifier(best) else {}
            for epoch in range(epochs):
                best.partial_fit(*samples, **fit_params, **(classes if epoch == 0 else {}))
        self.refit_time_ = time.time() - started
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_


class RaydriveSearchCV(_Search):
    """Searches hyperparameters with a sampler; a policy stops bad candidates between folds or epochs.

    Args:
        estimator: What is fitted, such as a pipeline.
        space: Parameters by name: lists, distributions of ``scipy.stats``, or expressions: ``randint(8)``. A list
            of such mappings is several spaces.
        n_trials: Candidates at most; a finite space may have fewer.
        sampling: ``random``, ``sobol``, ``bayesian``, ``tpe``; a dict as in a sweep file.
        scoring: As for ``RandomizedSearchCV``; of several scores the one of ``refit`` is searched for, else the first.
        cv: As for ``RandomizedSearchCV``. Each fold is an interval for the policy.
        refit: As for ``RandomizedSearchCV``.
        policy: Early termination: a name (``median_stopping``), a dict as in a sweep file, an object; None = none.
            Candidates that are stopped have NaN for the folds they lack, and rank last.
        max_iters: Epochs of ``partial_fit`` on each fold, each an interval for the policy; None = ``fit``.
        max_concurrent_runs: Candidates at a time; None = as many as this machine has CPUs for.
        resources: What one candidate reserves, as ``Resources`` or a dict; None = one CPU.
        storage: Folder or URI below which runs are kept; None = ``RAYDRIVE_STORAGE``, then ``~/raydrive``. X and y are
            there, too, until the search has ended.
        address: Ray address; None = the connected cluster, ``RAY_ADDRESS``, then an embedded one. ``inline`` = no
            Ray: one candidate after the other in this process, and no record.
        random_state: As for ``RandomizedSearchCV``.
        error_score: As for ``RandomizedSearchCV``. Where it is a number, a candidate whose process dies has it too.
        return_train_score: As for ``RandomizedSearchCV``.
        verbose: Above 0 the live table is shown.
        **others: Arguments of other searches by their names, such as ``n_jobs``: ``docs/integrations.md`` lists them.
    """

    _parameter_constraints = {  # noqa: RUF012
        **_Search._parameter_constraints,
        **dict.fromkeys(("space", "sampling"), "no_validation"),
        "n_trials": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any,
        space: Any = None,
        *,
        n_trials: int = 20,
        sampling: str | Mapping[str, Any] = "random",
        scoring: Any = None,
        cv: Any = None,
        refit: Any = True,
        policy: Policy | str | Mapping[str, Any] | None = None,
        max_iters: int | None = None,
        max_concurrent_runs: int | None = None,
        resources: Resources | Mapping[str, Any] | None = None,
        storage: str | os.PathLike[str] | None = None,
        address: str | None = None,
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        verbose: int = 0,
        **others: Any,
    ) -> None:
        super().__init__(
            estimator,
            scoring=scoring,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.space = space
        self.n_trials = n_trials
        self.sampling = sampling
        self.policy = policy
        self.max_iters = max_iters
        self.max_concurrent_runs = max_concurrent_runs
        self.resources = resources
        self.storage = storage
        self.address = address
        self.random_state = random_state
        self._others = tuple(others)
        self.__dict__.update(others)

    def _candidates(self, asked: SearchArguments) -> tuple[SearchSpace, SamplingSpec, int]:
        given: object = asked.sampling
        if not isinstance(given, str | Mapping):
            fix = "The search space is the argument space."
            raise ConfigError(Problem("sampling", show(given), "a name, or a dict as in a sweep file", fix))
        space = read_space(asked.space, "space")
        return space, named_sampling(given, space.expressions), asked.n_trials

    @property
    def study_(self) -> Any:
        """The candidates as a study of Optuna's, where all parameters are its distributions.

        Raises:
            NotFittedError: If there was no search yet.
            AttributeError: If a parameter is anything else.
        """
        check_is_fitted(self, "cv_results_")
        metric = f"mean_test_{self.refit if self.multimetric_ else 'score'}"
        return study_of(self._asked().space, self.cv_results_, metric)

    @property
    def trials_(self) -> list[Any]:
        """The trials of ``study_``."""
        return list(self.study_.trials)

    @property
    def best_trial_(self) -> Any:
        """The best trial of ``study_``."""
        return self.study_.best_trial


class RaydriveGridSearchCV(_Search):
    """Evaluates every candidate of a grid; a policy stops bad ones between folds or epochs.

    Args:
        estimator: What is fitted, such as a pipeline.
        param_grid: Lists by parameter name, or a list of such mappings.
        scoring: See ``RaydriveSearchCV``, for this and what follows.
        cv: Splitter.
        refit: What is fitted in the end.
        policy: Early termination.
        max_iters: Epochs of ``partial_fit``.
        max_concurrent_runs: Candidates at a time.
        resources: What one candidate reserves.
        storage: Where runs are kept.
        address: Ray address, or ``inline``.
        random_state: Matters to nothing but the seed of the run.
        error_score: Score of a fit that fails.
        return_train_score: Whether scores on the training samples are computed.
        verbose: Above 0 the live table is shown.
        **others: Arguments of other searches by their names, such as ``n_jobs``: ``docs/integrations.md`` lists them.
    """

    _parameter_constraints = {**_Search._parameter_constraints, "param_grid": [dict, list]}  # noqa: RUF012

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        cv: Any = None,
        refit: Any = True,
        policy: Policy | str | Mapping[str, Any] | None = None,
        max_iters: int | None = None,
        max_concurrent_runs: int | None = None,
        resources: Resources | Mapping[str, Any] | None = None,
        storage: str | os.PathLike[str] | None = None,
        address: str | None = None,
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        verbose: int = 0,
        **others: Any,
    ) -> None:
        super().__init__(
            estimator,
            scoring=scoring,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_grid = param_grid
        self.policy = policy
        self.max_iters = max_iters
        self.max_concurrent_runs = max_concurrent_runs
        self.resources = resources
        self.storage = storage
        self.address = address
        self.random_state = random_state
        self._others = tuple(others)
        self.__dict__.update(others)

    def _candidates(self, asked: SearchArguments) -> tuple[SearchSpace, SamplingSpec, int]:
        # Without parameters there is one candidate, as in scikit-learn: the estimator as it is.
        space = read_space(self.param_grid or [{}], "param_grid", order=True)
        sampling = named_sampling("grid", space.expressions)
        return space, sampling, sampling.space.size or 1


def _rank_stopped_last(results: dict[str, Any]) -> None:
    """Ranks candidates that a policy has stopped behind all others, whatever their scores after fewer epochs."""
    stopped = results["state"] != records.COMPLETED
    for name in [name for name in results if stopped.any() and name.startswith("rank_test_")]:
        means = np.where(stopped, np.nan, results[name.replace("rank", "mean", 1)])
        if not np.isnan(means).all():
            results[name] = rankdata(-np.nan_to_num(means, nan=np.nanmin(means) - 1), method="min").astype(np.int32)
