"""Arguments of other searches, so that of code that uses one of them only the name of the class is exchanged.

They are those of scikit-learn's ``RandomizedSearchCV``, ``GridSearchCV`` and ``HalvingRandomSearchCV``, of
``OptunaSearchCV``, and of tune-sklearn's ``TuneSearchCV`` and ``TuneGridSearchCV``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from raydrive.core.config.trial_spec import Resources
from raydrive.core.early_stopping.policies import Policy
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.integrations.search_cv.other_distributions import range_of

MEANT = {
    "param_distributions": "space",
    "n_iter": "n_trials",
    "n_candidates": "n_trials",
    "n_jobs": "max_concurrent_runs",
    "search_optimization": "sampling",
    "early_stopping": "policy",
    "enable_pruning": "policy",
    "max_iter": "max_iters",
    "timeout": "a limit of the search, in seconds",
    "time_budget_s": "a limit of the search, in seconds",
    "use_gpu": "resources",
    "local_dir": "storage",
}
"""Arguments of other searches, and what each is here."""
WITHOUT_EFFECT = (
    *("pre_dispatch", "loggers", "name", "pipeline_auto_early_stop", "sk_n_jobs", "study", "callbacks", "catch"),
    *("stopper", "search_kwargs", "factor", "resource", "min_resources", "max_resources", "aggressive_elimination"),
)
"""Arguments that have no counterpart."""
_SILENT = ("pre_dispatch", "loggers", "name", "pipeline_auto_early_stop", "sk_n_jobs")
"""Those that change nothing that a search finds."""
_NO_CHANGE: dict[str, Any] = {"subsample": 1.0, "mode": "max"}
"""Arguments that are accepted with these values, and None."""
NAMES = (*MEANT, *WITHOUT_EFFECT, *_NO_CHANGE)
_SAMPLINGS = {"random": "random", "bayesian": "bayesian"}
_DEFAULT_EPOCHS = 1000
"""``max_iter`` of ``OptunaSearchCV``."""
_RANGE = 2
"""Numbers of a tuple that is a range in tune-sklearn; a text for the scale may follow."""


@dataclass(frozen=True)
class SearchArguments:
    """What a search is to do, whatever its arguments were called."""

    space: Any
    n_trials: int
    sampling: Any
    policy: Policy | str | Mapping[str, Any] | None
    max_iters: int | None
    max_concurrent_runs: int | None
    resources: Resources | Mapping[str, Any] | None
    storage: str | os.PathLike[str] | None
    timeout_s: float | None = None
    """How long it may take, in seconds; None = no limit."""


def check_names(search: str, others: Mapping[str, Any]) -> None:
    """Refuses arguments that no search has.

    Raises:
        TypeError: If there is one.
    """
    unknown = sorted(set(others) - set(NAMES))
    if unknown:
        raise TypeError(f"{search}.__init__() got an unexpected keyword argument {unknown[0]!r}")


def resolved(own: SearchArguments, others: Mapping[str, Any], estimator: Any) -> SearchArguments:
    """Returns the arguments of a search, with those that were given under the names of other searches.

    What has no counterpart is told in one warning.

    Args:
        own: The arguments under their own names.
        others: Those under other names.
        estimator: What is searched for.

    Raises:
        ConfigError: If one of them has a value that means something that there is not.
    """
    given = {name: value for name, value in others.items() if value is not None}
    wrong = [
        Problem(name, show(given[name]), show(allowed), "Remove it.")
        for name, allowed in _NO_CHANGE.items()
        if given.get(name, allowed) != allowed
    ]
    if "param_distributions" in given and own.space is not None:
        wrong.append(Problem("space", "space and param_distributions", "one of them", "Remove one of them."))
    if wrong:
        raise ConfigError(wrong)
    ignored = [name for name in given if name in WITHOUT_EFFECT and name not in _SILENT]
    found = _searching(_training(replace(own, space=given.get("param_distributions", own.space)), given), given)
    if "early_stopping" in given and found.max_iters is not None and not hasattr(estimator, "partial_fit"):
        ignored.append(f"max_iters (a {type(estimator).__name__} has no partial_fit: folds are intervals)")
        found = replace(found, max_iters=None)
    if ignored:
        warnings.warn(f"without effect in a search of raydrive: {', '.join(ignored)}", UserWarning, stacklevel=4)
    return found


def _training(found: SearchArguments, given: Mapping[str, Any]) -> SearchArguments:
    """With what bears on how one candidate is trained, and on how many at a time."""
    if given.get("early_stopping") or given.get("enable_pruning"):
        found = replace(found, policy=found.policy or "median_stopping")
    if given.get("enable_pruning"):
        found = replace(found, max_iters=found.max_iters or given.get("max_iter", _DEFAULT_EPOCHS))
    if given.get("use_gpu"):
        found = replace(found, resources=found.resources or {"gpus": 1})
    jobs = given.get("n_jobs")
    if jobs is not None and found.max_concurrent_runs is None:
        cores = len(os.sched_getaffinity(0))
        found = replace(found, max_concurrent_runs=max(1, jobs if jobs > 0 else cores + 1 + jobs))
    return found


def _searching(found: SearchArguments, given: Mapping[str, Any]) -> SearchArguments:
    """With what bears on which candidates there are."""
    counts = [given[name] for name in ("n_iter", "n_candidates") if isinstance(given.get(name), int)]
    limits = [given[name] for name in ("timeout", "time_budget_s") if name in given]
    found = replace(found, n_trials=counts[0] if counts else found.n_trials)
    found = replace(
        found, timeout_s=float(min(limits)) if limits else None, storage=found.storage or given.get("local_dir")
    )
    how = given.get("search_optimization")
    if how is None:
        return found
    name = _SAMPLINGS.get(how.casefold(), "tpe") if isinstance(how, str) else "tpe"
    return replace(found, sampling=name, space=found.space if name == "random" else _with_ranges(found.space))


def _with_ranges(space: Any) -> Any:
    """A search space of tune-sklearn's, in which a tuple of two numbers is a range unless it draws at random."""
    if isinstance(space, list):
        return [_with_ranges(one) for one in space]
    if not isinstance(space, Mapping):
        return space
    return {name: range_of(*value) if _is_range(value) else value for name, value in space.items()}


def _is_range(value: Any) -> bool:
    if not isinstance(value, tuple) or len(value) not in (_RANGE, _RANGE + 1):
        return False
    numbers, scale = value[:_RANGE], value[_RANGE:]
    return all(type(one) in (int, float) for one in numbers) and scale in ((), ("uniform",), ("log-uniform",))
