"""From what the trials of a search logged to scikit-learn's results, one dict for each fold of each candidate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.records import COMPLETED, FAILED, Reported
from raydrive.core.sweep.sweep import Sweep
from raydrive.integrations.search_cv.candidate import fold_results
from raydrive.integrations.search_cv.spaces import SearchSpace

_SCORES = ("test", "train")


@dataclass
class Evaluated:
    """The candidates of a search, in the order of their trials."""

    params: list[dict[str, Any]] = field(default_factory=list)
    """Arguments of ``set_params``."""
    out: list[dict[str, Any]] = field(default_factory=list)
    """One dict for each fold of each candidate, as ``_fit_and_score`` gives it; scores that are missing are NaN."""
    more: dict[str, list[Any]] = field(default_factory=lambda: {"trial": [], "state": [], "why": [], "n_intervals": []})
    """Further columns of ``cv_results_``: number, state, reason and intervals of the trial."""

    @property
    def complete(self) -> int:
        """How many candidates were evaluated to their end."""
        return self.more["state"].count(COMPLETED)

    @property
    def stopped(self) -> bool:
        """Whether some candidate lacks folds."""
        return self.complete < len(self.params)


def evaluated(
    sweep: Sweep,
    reports: Iterable[Reported],
    space: SearchSpace,
    n_splits: int,
    *,
    several: bool,
    train: bool,
    error_score: float,
) -> Evaluated:
    """Returns the candidates of a run that has ended.

    Args:
        sweep: The run.
        reports: All that its trials logged, in order.
        space: What the hyperparameters stand for.
        n_splits: Number of folds.
        several: Whether the scorer gives several scores by name, whatever the names are.
        train: Whether scores on the training samples were asked for.
        error_score: The score of a fold whose fit ended the process, or that was not reached for that.
    """
    logged: dict[int, dict[str, Any]] = {}
    for report in reports:
        logged.setdefault(report.trial, {}).update(report.metrics)
    names = _score_names(logged.values(), n_splits)
    several = several or (bool(names) and names != ["score"])
    found = Evaluated()
    for trial in sweep.trials:
        folds = _folds(logged.get(trial.number, {}), n_splits, names or ["score"], train)
        if trial.state == FAILED:  # its process died
            for fold in (fold for fold in folds if math.isnan(fold["fit_time"])):
                fold.update({name: error_score for name in fold if name.startswith(("test_", "train_"))})
                fold["fit_error"] = trial.why
        out = [_as_sklearn(fold, several) for fold in folds]
        found.params.append(space.values(trial.params))
        found.out += out
        columns = (trial.number, str(trial.state), trial.why, sweep.curves.length(trial.number))
        for column, value in zip(found.more.values(), columns, strict=True):
            column.append(value)
    return found


def _score_names(candidates: Iterable[Mapping[str, Any]], n_splits: int) -> list[str]:
    """Names of the scores, in the order in which they were logged."""
    names: dict[str, None] = {}
    for values in candidates:
        for _, rest, _ in fold_results(values, n_splits):
            kind, _, name = rest.partition("_")
            if kind == "test":
                names[name] = None
    return list(names) if len(names) < 2 or "score" not in names else [name for name in names if name != "score"]


def _folds(values: Mapping[str, Any], n_splits: int, names: list[str], train: bool) -> list[dict[str, Any]]:
    kinds = _SCORES if train else _SCORES[:1]
    empty = {f"{kind}_{name}": math.nan for kind in kinds for name in names}
    folds = [{**empty, "fit_time": math.nan, "score_time": math.nan, "fit_error": None} for _ in range(n_splits)]
    for number, rest, value in fold_results(values, n_splits):
        kind, _, name = rest.partition("_")
        if kind in _SCORES and name == "score" and names != ["score"]:  # the error score of a fold without names
            folds[number].update({f"{kind}_{one}": value for one in names})
        elif rest in folds[number]:
            folds[number][rest] = value
    return folds


def _as_sklearn(fold: Mapping[str, Any], several: bool) -> dict[str, Any]:
    result: dict[str, Any] = {name: fold[name] for name in ("fit_time", "score_time", "fit_error")}
    for kind in _SCORES:
        scores = {name[len(kind) + 1 :]: value for name, value in fold.items() if name.startswith(f"{kind}_")}
        if scores:
            result[f"{kind}_scores"] = scores if several else next(iter(scores.values()))
    return result
