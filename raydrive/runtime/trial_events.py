"""The events of an attempt, as a trial actor sends them, and the facts that they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raydrive.core.records import Began, Checkpointed, Ended, Fact, Lost, Noted, Reported

_FACTS: dict[str, type[Any]] = {
    "began": Began,
    "report": Reported,
    "checkpoint": Checkpointed,
    "note": Noted,
    "lost": Lost,
    "ended": Ended,
}


def to_facts(trial: int, attempt: int, events: Sequence[tuple[Any, ...]]) -> list[Fact]:
    """Returns what a trial actor sent, as facts.

    Args:
        trial: Number of the trial.
        attempt: Number of the attempt.
        events: Tuples of a kind, a time and the other fields of its fact.

    Raises:
        KeyError: If a kind is unknown, as of a newer raydrive on one of the nodes.
    """
    return [_FACTS[kind](at, trial, attempt, *rest) for kind, at, *rest in events]
