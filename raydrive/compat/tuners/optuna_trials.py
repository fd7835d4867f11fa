"""What became of the trials of a run, as trials of the study that they belong to."""

from __future__ import annotations

import math
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from raydrive.compat.tuners.tuner_calls import Finished
from raydrive.core.records import COMPLETED, FAILED

_CONSTRAINTS = "constraints"
"""Where Optuna's samplers keep what their ``constraints_func`` returned."""


def add(study: Any, one: Finished, metric: str) -> FrozenTrial:
    """Adds a trial to a study, and returns it as the study has it; one of ``enqueue_trial`` waits there already.

    Args:
        study: The study.
        one: The trial.
        metric: The name under which the objective's first value was logged.
    """
    frozen = _frozen(one, len(study.directions), metric)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    enqueued = next((each for each in waiting if _fixed(each).items() <= frozen.params.items()), None)
    frozen.number = enqueued.number if enqueued is not None else len(study.get_trials(deepcopy=False))
    limits = getattr(study.sampler, "_constraints_func", None)
    if limits is not None and frozen.state in (TrialState.COMPLETE, TrialState.PRUNED):
        frozen.system_attrs[_CONSTRAINTS] = tuple(limits(frozen))
    if enqueued is None:
        study.add_trial(frozen)
    else:
        _end(study._storage, enqueued._trial_id, frozen)
    found: FrozenTrial = study.get_trials(deepcopy=False)[frozen.number]
    return found


def _fixed(trial: FrozenTrial) -> dict[str, Any]:
    """The values that ``enqueue_trial`` gave to a trial."""
    return dict(trial.system_attrs.get("fixed_params", {}))


def _end(storage: Any, waiting: int, frozen: FrozenTrial) -> None:
    """Gives a trial that waits in a study what it became."""
    storage.set_trial_state_values(waiting, TrialState.RUNNING)
    for name, distribution in frozen.distributions.items():
        storage.set_trial_param(waiting, name, distribution.to_internal_repr(frozen.params[name]), distribution)
    for step, value in frozen.intermediate_values.items():
        storage.set_trial_intermediate_value(waiting, step, value)
    for name, value in frozen.user_attrs.items():
        storage.set_trial_user_attr(waiting, name, value)
    for name, value in frozen.system_attrs.items():
        storage.set_trial_system_attr(waiting, name, value)
    storage.set_trial_state_values(waiting, frozen.state, frozen.values)


def _frozen(one: Finished, objectives: int, metric: str) -> FrozenTrial:
    """A trial of raydrive as one of the study."""
    about = one.details
    distributions = {
        name: optuna.distributions.json_to_distribution(text) for name, text in about.get("distributions", {}).items()
    }
    params = {name: distributions[name].to_external_repr(value) for name, value in about.get("params", {}).items()}
    names = [metric, *(f"{metric}_{index}" for index in range(1, objectives))]
    last = [list(one.metrics.get(name, ()))[-1:] for name in names]
    values = [float(each[0]) for each in last if each]
    good = len(values) == objectives and not any(math.isnan(value) for value in values)
    state = TrialState.PRUNED
    if one.state == FAILED or (one.state == COMPLETED and not good):
        state = TrialState.FAIL
    elif one.state == COMPLETED and about.get("state") != "PRUNED":
        state = TrialState.COMPLETE
    return create_trial(
        state=state,
        params=params,
        distributions=distributions,
        values=values if state == TrialState.COMPLETE or (state == TrialState.PRUNED and good) else None,
        intermediate_values={int(step): value for step, value in about.get("intermediate", {}).items()},
        user_attrs={**about.get("user_attrs", {}), "raydrive_trial": one.number},
        system_attrs=dict(about.get("system_attrs", {})),
    )
