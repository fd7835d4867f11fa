"""What the entries of a run's journal mean to a tracker."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from raydrive.core.records import Close, Entry, Finish, Launch, Reported
from raydrive.core.views.portable_values import as_step
from raydrive.trackers.protocol import About, Improved, Logged, RunEnded, TrialBegan, TrialEnded, Update


class JournalUpdates:
    """Turns entries into updates; what later attempts of a trial log once more is left out.

    Args:
        about: The run.
    """

    def __init__(self, about: About) -> None:
        self._about = about
        self._intervals: dict[int, int] = {}
        """The last interval of each open trial."""
        self._logged: dict[int, dict[str, set[int]]] = {}
        """Steps of the other metrics of each open trial."""
        self._counts: dict[int, int] = {}
        """How often each trial has logged something."""
        self._best = math.nan
        self._values = 0
        """Values of the primary metric, of all trials."""

    def of(self, entry: Entry) -> Iterator[Update]:
        """Yields what an entry means."""
        fact, decisions = entry
        if isinstance(fact, Reported):
            yield from self._reported(fact)
        for decision in decisions:
            if isinstance(decision, Launch) and decision.attempt == 1:
                self._intervals[decision.trial] = decision.interval
                self._logged[decision.trial] = {}
                yield TrialBegan(fact.at, decision.trial, decision.params)
            elif isinstance(decision, Close):
                self._intervals.pop(decision.trial, None)
                self._logged.pop(decision.trial, None)
                yield TrialEnded(fact.at, decision.trial, decision.state, decision.why)
            elif isinstance(decision, Finish):
                yield RunEnded(fact.at, decision.state, decision.why)

    def _reported(self, fact: Reported) -> Iterator[Update]:
        known = self._logged.setdefault(fact.trial, {})
        values: dict[str, float] = {}
        new = fact.interval > self._intervals.get(fact.trial, 0)
        if new and fact.value is not None:
            self._intervals[fact.trial] = fact.interval
            values[self._about.metric] = float(fact.value)
        numbers = {name: number for name, value in fact.metrics.items() if (number := _number(value)) is not None}
        counts = [len(known.get(name, ())) for name in numbers]
        given = as_step(fact.step)
        step = fact.interval or (given if given is not None else max(counts, default=0) + 1)
        for name, number in numbers.items():
            steps = known.setdefault(name, set())
            if step not in steps:
                steps.add(step)
                values[name] = number
        if values:
            count = self._counts.get(fact.trial, 0)
            self._counts[fact.trial] = count + 1
            yield Logged(fact.at, fact.trial, step, values, count)
        if self._about.metric in values:
            self._values += 1
            value = values[self._about.metric]
            if math.isfinite(value) and not self._is_worse(value):
                self._best = value
                yield Improved(fact.at, fact.trial, self._values, value)

    def _is_worse(self, value: float) -> bool:
        """Whether a value is no better than the best one so far."""
        return value <= self._best if self._about.maximize else value >= self._best


def _number(value: Any) -> float | None:
    """A logged value as a number; None for texts and tables."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
