"""What an earlier run brings to a new one: which of its trials fit, and which do not and why."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Container

from raydrive.core.config.lineage import Parent
from raydrive.core.config.trial_spec import Metric
from raydrive.core.records import CANCELED, FAILED, PAUSED, Params
from raydrive.core.space.search_space import Space
from raydrive.core.sweep.state import Best
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import PriorTrial, misfit


def named(space: Space, params: Params) -> tuple[dict[str, object], list[str], list[str]]:
    """Returns hyperparameters under a space's names: ``lr`` and ``--lr`` are the same argument.

    Returns:
        The hyperparameters, in the order of the space with those it does not have at the end; the names that are
        missing; and the names that the space does not have.
    """
    given = {name.lstrip("-"): (name, value) for name, value in params.items()}
    out: dict[str, object] = {}
    missing = []
    for name in space.expressions:
        found = given.pop(name.lstrip("-"), None)
        if found is None:
            missing.append(name)
        else:
            out[name] = found[1]
    extra = [name for name, _ in given.values()]
    out.update(dict(given.values()))
    return dict(space.own(out)), missing, extra


def prior_trials_of(
    place: int,
    sweep: Sweep,
    space: Space,
    *,
    run: str,
    uri: str,
    state: str,
    learns: bool,
    going_on: Container[int],
    metric: Metric | None = None,
) -> tuple[Parent, list[PriorTrial]]:
    """Returns what an earlier run brings.

    Args:
        place: Its place among the parents.
        sweep: The run.
        space: The search space of the new run.
        run: Its id.
        uri: Its folder.
        state: Its state.
        learns: Whether the new run's sampler learns from trials.
        going_on: Trials of it that continue in the new run and so are not ancestors: the new trial has their curve.
        metric: What the new run optimises, perhaps by another value of a curve; None = as that run did.
    """
    prior_trials = []
    reasons: Counter[str] = Counter()
    ignored: dict[str, None] = {}
    for trial in sweep.trials:
        if trial.number in going_on:
            reasons["continues as a trial of this run"] += 1
            continue
        curve = array("d", sweep.curves.values(trial.number))
        params, _, extra = named(space, trial.params)
        ignored.update(dict.fromkeys(extra))
        why = "failed" if trial.state == FAILED else misfit(space, params)
        why = why or ("" if len(curve) else "never logged the primary metric")
        if why:
            reasons[why] += 1
        if not len(curve):
            continue
        kept = {name: params[name] for name in space.expressions if name in params}
        state_then = CANCELED if trial.open else trial.state
        stopped, learned = trial.stop_by == "policy" or trial.state == PAUSED, learns and not why
        prior_trials.append(PriorTrial(place, trial.number, kept, state_then, curve, stopped, learned))
    best = best_by(sweep, metric or sweep.config.metric)
    parent = Parent(
        run=run,
        experiment=sweep.config.experiment,
        uri=uri,
        state=state,
        trials=len(sweep.trials),
        compared=len(prior_trials),
        learned=sum(one.learned for one in prior_trials) if learns else None,
        left_out=dict(reasons.most_common()) if learns else {},
        ignored=tuple(ignored),
        best=best.value if best else None,
        best_trial=best.trial if best else None,
    )
    return parent, prior_trials


def best_by(sweep: Sweep, metric: Metric) -> Best | None:
    """Returns the best trial by the objective of another run, which has this one as a parent; None without one."""
    if metric.value == sweep.config.metric.value:
        return sweep.best
    best: Best | None = None
    for trial in sweep.trials:
        value, interval = metric.objective.find(sweep.curves.values(trial.number), trial.start)
        if value is None or interval is None:
            continue
        if best is None or (value > best.value if metric.maximize else value < best.value):
            best = Best(trial.number, value, interval)
    return best
