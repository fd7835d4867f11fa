"""What a trial of a search does: fits one candidate fold by fold, or epoch by epoch, and logs its scores.

The primary metric at interval k is the mean test score over the folds, of the first k folds or after k epochs. What a
fold gave is logged beside it as ``split0_test_score``, ``split0_fit_time`` and so on, from which ``results.py`` makes
``cv_results_``.
"""

from __future__ import annotations

import math
import os
import pickle
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Number
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection._validation import _fit_and_score, _score
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from raydrive.context import Run
from raydrive.integrations.search_cv.shared_data import SharedData, load
from raydrive.integrations.search_cv.spaces import SearchSpace

ERROR_FILE = "outputs/error.pkl"
"""The exception that ended a candidate, where ``error_score`` is ``raise``."""
CHECKPOINT_AFTER_S = 2.0
"""A candidate saves a checkpoint after so much work since the last one, in seconds."""
_STATE = "state.pkl"
Result = dict[str, Any]
"""What a fold gave: ``test_scores``, ``train_scores``, ``fit_time``, ``score_time``, ``fit_error``."""


@dataclass
class _Progress:
    """What a candidate continues from: the results so far, and the estimators of the folds."""

    done: int = 0
    """Folds or epochs that are done."""
    results: list[Result] = field(default_factory=list)
    """One for each fold that has any."""
    estimators: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class CandidateTrial:
    """Evaluates a candidate; the training function of a search."""

    estimator: Any
    scorer: Any
    space: SearchSpace
    metric: str
    """Name of the primary metric."""
    main: str
    """Which of several scores it is; empty where there is one, or for the first one."""
    return_train_score: bool
    error_score: Any
    max_iters: int | None
    """Epochs of ``partial_fit``; None = each fold is fitted at once."""
    data: str = ""
    """File of the data; empty = the trial's input."""

    def __call__(self, params: dict[str, Any]) -> None:
        """Fits and scores the candidate with these hyperparameters.

        Raises:
            Exception: Whatever the estimator or the scorer raises, where ``error_score`` is ``raise``.
        """
        run, data = Run.get_context(), load(self.data)
        values = self.space.values(params)
        progress = _resumed(run)
        steps = self._folds if self.max_iters is None else self._epochs
        try:
            steps(run, data, values, progress)
        except Exception as error:
            _keep_error(run, error)
            raise

    def _folds(self, run: Run, data: SharedData, values: Mapping[str, Any], progress: _Progress) -> None:
        since = time.monotonic()
        for number in range(progress.done, len(data.splits)):
            train, test = data.splits[number]
            result = _fit_and_score(
                clone(self.estimator),
                data.X,
                data.y,
                scorer=self.scorer,
                train=train,
                test=test,
                verbose=0,
                parameters=values,
                fit_params=data.fit_params,
                score_params=data.score_params,
                return_train_score=self.return_train_score,
                return_times=True,
                error_score=self.error_score,
            )
            progress.results.append(result)
            progress.done = number + 1
            since = self._report(run, progress, {number: result}, since, last=progress.done == len(data.splits))

    def _epochs(self, run: Run, data: SharedData, values: Mapping[str, Any], progress: _Progress) -> None:
        folds = [_Fold(self, data, train, test) for train, test in data.splits]
        if not progress.estimators:
            progress.estimators = [clone(self.estimator).set_params(**clone(values, safe=False)) for _ in folds]
            progress.results = [{"fit_time": 0.0, "score_time": 0.0, "fit_error": None} for _ in folds]
        since, epochs = time.monotonic(), self.max_iters or 0
        for epoch in range(progress.done + 1, epochs + 1):
            for fold, estimator, result in zip(folds, progress.estimators, progress.results, strict=True):
                fold.advance(estimator, result, first=epoch == 1)
            progress.done = epoch
            broken = any(result["fit_error"] for result in progress.results)
            last = epoch == epochs or broken
            since = self._report(run, progress, dict(enumerate(progress.results)), since, last=last)
            if broken:
                return

    def _report(self, run: Run, progress: _Progress, new: Mapping[int, Result], since: float, *, last: bool) -> float:
        """Logs what is new, with a checkpoint where that is worth one; returns when the last one was saved."""
        message = {self.metric: float(np.mean([self._main_score(result) for result in progress.results]))}
        for number, result in new.items():
            message |= _flat(number, result)
        if last or time.monotonic() - since < CHECKPOINT_AFTER_S or run.offline:
            run.report(message, step=progress.done)
            return since
        state = Path(run.output_directory).parent / "search-state"  # the current folder may be the user's
        state.mkdir(exist_ok=True)
        (state / _STATE).write_bytes(cloudpickle.dumps(vars(progress)))
        run.report(message, step=progress.done, checkpoint=state)
        return time.monotonic()

    def _main_score(self, result: Result) -> float:
        scores = result["test_scores"]
        if isinstance(scores, Mapping):
            return float(scores[self.main] if self.main in scores else next(iter(scores.values())))
        return float(scores)


class _Fold:
    """The samples of a fold, and one epoch of ``partial_fit`` on them."""

    def __init__(self, trial: CandidateTrial, data: SharedData, train: Any, test: Any) -> None:
        self._trial = trial
        self._train = _safe_split(trial.estimator, data.X, data.y, train)
        self._test = _safe_split(trial.estimator, data.X, data.y, test, train)
        self._fit = _check_method_params(data.X, params=data.fit_params, indices=train)
        self._score = _check_method_params(data.X, params=data.score_params, indices=test)
        self._score_train = _check_method_params(data.X, params=data.score_params, indices=train)
        self._classes = {"classes": np.unique(data.y)} if is_classifier(trial.estimator) else {}

    def advance(self, estimator: Any, result: Result, *, first: bool) -> None:
        """Trains one epoch further and puts scores and times into the result.

        Raises:
            Exception: Whatever the estimator or the scorer raises, where ``error_score`` is ``raise``.
        """
        error_score, started = self._trial.error_score, time.time()
        arguments = {**self._fit, **(self._classes if first else {})}
        X, y = self._train
        try:
            estimator.partial_fit(*(X,) if y is None else (X, y), **arguments)
        except Exception:
            if not isinstance(error_score, Number):
                raise
            result["fit_error"] = traceback.format_exc()
            scorers = getattr(self._trial.scorer, "_scorers", None)
            result["test_scores"] = error_score if scorers is None else dict.fromkeys(scorers, error_score)
            if self._trial.return_train_score:
                result["train_scores"] = result["test_scores"]
            return
        fitted = time.time()
        result["test_scores"] = _score(estimator, *self._test, self._trial.scorer, self._score, error_score)
        result["fit_time"] += fitted - started
        result["score_time"] += time.time() - fitted
        if self._trial.return_train_score:
            scores = _score(estimator, X, y, self._trial.scorer, self._score_train, error_score)
            result["train_scores"] = scores


def _flat(number: int, result: Result) -> dict[str, Any]:
    """A fold's results as metrics: ``split0_test_score``, ``split0_fit_time``."""
    flat: dict[str, Any] = {f"split{number}_{name}": result[name] for name in ("fit_time", "score_time")}
    if result["fit_error"]:
        flat[f"split{number}_fit_error"] = result["fit_error"]
    for kind in ("test", "train"):
        scores = result.get(f"{kind}_scores")
        if scores is not None:
            named = scores if isinstance(scores, Mapping) else {"score": scores}
            flat |= {f"split{number}_{kind}_{name}": _number(score) for name, score in named.items()}
    return flat


def _number(score: Any) -> float:
    return float(score) if score is not None else math.nan


def _resumed(run: Run) -> _Progress:
    """What an earlier attempt saved; a new beginning without one."""
    if run.resume_from is None:
        return _Progress()
    return _Progress(**pickle.loads((Path(run.resume_from) / _STATE).read_bytes()))


def _keep_error(run: Run, error: Exception) -> None:
    """Keeps the exception for the process that searches; one that cannot be pickled is only told."""
    try:
        text = cloudpickle.dumps(error)
    except Exception:
        return
    target = Path(run.output_directory).parent / ERROR_FILE
    os.makedirs(target.parent, exist_ok=True)
    target.write_bytes(text)


def fold_results(values: Mapping[str, Any], n_splits: int) -> Sequence[tuple[int, str, Any]]:
    """Returns fold, name and value of what ``_flat`` made, of a candidate's metrics by name."""
    parts = ((name, name.partition("_")) for name in values if name.startswith("split"))
    found = [(int(head[5:]), rest, values[name]) for name, (head, _, rest) in parts if head[5:].isdigit()]
    return [one for one in found if one[0] < n_splits]
