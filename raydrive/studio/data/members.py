"""The members of a population, for the chart of hyperparameters over intervals."""

from __future__ import annotations

from typing import Any

from raydrive.core.sweep.sweep import Sweep


def members_json(sweep: Sweep) -> dict[str, Any] | None:
    """Returns what the chart shows; None for a run without a population.

    ``members`` has a list for each trial: from which interval of its curve on, which hyperparameters, the trial whose
    training it took over (or None), and why.
    """
    rules = sweep.config.rules.population
    if rules is None:
        return None
    members = []
    for trial in sweep.trials:
        changes = sweep.changes.get(trial.number, ())
        first = sweep.began_with(trial.number)
        later = [[one.interval, dict(one.params), one.source, one.why] for one in changes]
        members.append([[0, dict(first), None, ""], *later])
    return {
        "every": rules.every,
        "parameters": list(sweep.config.sampling.space.expressions),
        "scheduled": bool(rules.schedule),
        "members": members,
    }
