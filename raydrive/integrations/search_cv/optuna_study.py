"""The candidates of a search as a study of Optuna's, for code that reads ``OptunaSearchCV``'s."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from raydrive.core.records import CANCELED, COMPLETED


def study_of(space: Any, results: Mapping[str, Any], metric: str) -> Any:
    """Returns an ``optuna.Study`` in memory, which has each candidate as a trial.

    Args:
        space: Distributions of Optuna's by parameter.
        results: ``cv_results_``.
        metric: The column with the values, such as ``mean_test_score``.

    Raises:
        AttributeError: If the space is of anything else.
    """
    known = isinstance(space, Mapping) and all(type(one).__module__.startswith("optuna.") for one in space.values())
    if not known:
        raise AttributeError("study_ is there where all parameters are distributions of Optuna's; run_ always is")
    from optuna.study import create_study  # lazy: optional dependency
    from optuna.trial import create_trial  # lazy: optional dependency

    study = create_study(direction="maximize")
    study.add_trials([create_trial(**one, distributions=space) for one in _trials(results, metric)])
    return study


def _trials(results: Mapping[str, Any], metric: str) -> Sequence[dict[str, Any]]:
    from optuna.trial import TrialState  # lazy: optional dependency

    found = []
    for params, value, state in zip(results["params"], results[metric], results["state"], strict=True):
        whole = state == COMPLETED and not math.isnan(value)
        ended = TrialState.COMPLETE if whole else TrialState.PRUNED if state == CANCELED else TrialState.FAIL
        found.append({"params": params, "state": ended, "value": float(value) if whole else None})
    return found
