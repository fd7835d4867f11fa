"""What a report changes in the state of a sweep; ``Sweep`` calls it for each one."""

from __future__ import annotations

import math

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.records import Reported
from raydrive.core.sweep.state import Best, State


def fold_report(fact: Reported, state: State, curves: Curves) -> bool:
    """Folds a report, and returns whether it carries the trial's next interval.

    Args:
        fact: The report.
        state: The sweep's; changed.
        curves: The sweep's; changed.
    """
    trial = state.trials[fact.trial]
    trial.seq, trial.heard_at = fact.seq, fact.at
    state.reports += 1
    if fact.at > state.clock.last_at:
        state.clock.last_at = fact.at
    if not fact.interval:
        if not curves.length(trial.number):
            trial.logs(fact.metrics)
        return False
    trial.logged = ()
    before, trial.valued_at = trial.valued_at, fact.at
    if before is not None:  # a measure of its pace, see saving.py
        gap_s = fact.at - before
        trial.gaps += 1
        if gap_s > 0.0:
            trial.gaps_s += gap_s
            trial.gaps_s2 += gap_s * gap_s
    value = math.nan if fact.value is None else fact.value
    if not curves.add(trial.number, fact.interval, value):
        return False  # a relaunched attempt logs an interval again: the first value stands
    if fact.step is not None or trial.steps is not None:
        trial.took(fact.step, fact.interval)
    if curves.by_best and (state.best is None or _better(value, state.best.value, curves.maximize)):
        kept = curves.values(trial.number)[-1]  # as a float, which a whole number of any size is not
        if math.isfinite(kept):
            state.best = Best(trial.number, kept, fact.interval)
    return True


def _better(left: float, right: float, maximize: bool) -> bool:
    return left > right if maximize else left < right
