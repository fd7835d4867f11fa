"""What members of a population were trained with: for charts, and as a schedule that another run can train."""

from __future__ import annotations

from typing import Any

from raydrive.core.sweep.sweep import Sweep


def schedule_of(sweep: Sweep, trial: int, interval: int) -> dict[str, Any]:
    """Returns the hyperparameters that a trial was trained with, sources followed back, as JSON.

    Args:
        sweep: The run.
        trial: An existing trial.
        interval: Up to this interval of its curve.
    """
    parts = sweep.trained_with(trial, interval)
    return {
        "trial": trial,
        "metric": sweep.config.metric.name,
        "value": sweep.curves.objective(trial),
        "interval": interval,
        "schedule": [{"interval": one.interval, "params": dict(one.params)} for one in parts],
        "trained_by": [{"interval": one.interval, "trial": one.trial, "why": one.why} for one in parts],
    }


def changes_json(sweep: Sweep, trial: int) -> list[dict[str, Any]]:
    """Returns the changes of a trial's hyperparameters or training, oldest first, as JSON."""
    return [
        {
            "interval": one.interval,
            "source": one.source,
            "source_interval": one.source_interval if one.source is not None else None,
            "params": dict(one.params),
            "attempt": one.attempt,
            "at": one.at,
            "why": one.why,
        }
        for one in sweep.changes.get(trial, ())
    ]


def population_json(sweep: Sweep) -> dict[str, Any] | None:
    """Returns what a chart of hyperparameters over intervals shows, as JSON; None for a run without a population.

    ``members`` has a list for each trial: from which interval of its curve on, which hyperparameters, the trial whose
    training it took over (or None), and why.
    """
    rules = sweep.config.rules.population
    if rules is None:
        return None
    members = []
    for trial in sweep.trials:
        changes = sweep.changes.get(trial.number, ())
        first = sweep.trained_with(trial.number, 0)[0].params if changes else trial.params
        begun: list[list[Any]] = [[0, dict(first), None, ""]]
        members.append(begun + [[one.interval, dict(one.params), one.source, one.why] for one in changes])
    return {
        "every": rules.every,
        "parameters": list(sweep.config.sampling.space.expressions),
        "scheduled": bool(rules.schedule),
        "members": members,
    }
