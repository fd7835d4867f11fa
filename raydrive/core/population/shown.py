"""Changes and schedules of a population as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from raydrive.core.population.schedule import Change, Stretch


def changes_json(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Returns the changes of a trial's hyperparameters or training, oldest first."""
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
        for one in changes
    ]


def schedule_json(parts: Sequence[Stretch]) -> dict[str, Any]:
    """Returns what a trial was trained with: ``schedule`` as ``population.schedule`` takes it, and who trained it."""
    return {
        "schedule": [{"interval": one.interval, "params": dict(one.params)} for one in parts],
        "trained_by": [{"interval": one.interval, "trial": one.trial, "why": one.why} for one in parts],
    }
