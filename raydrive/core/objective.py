"""The value of a trial's curve that counts as its result: the best, last or worst, or the mean of the last few.

Trials are ranked by it, the run's best trial is the one where it is best, and samplers learn from it. Policies compare
bests, as HyperDrive's do, whatever the objective is.

A trial that still trains has the value of what it logged so far. The best point passes over values that are no finite
number; the last value, the worst one and a mean that one of them is a part of are then no value at all, and the trial
ranks behind those that have one.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BEST, LAST, WORST_POINT, MEAN = "best", "last", "worst", "mean"
NAMES = ("best", "last", "min", "max", "mean_last_5")
"""Names to offer; any number of 1 to 999999 may stand for the 5."""
ALLOWED = "best, last, min, max, or mean_last_N such as mean_last_5"
PATTERN = (
    "^([bB][eE][sS][tT]|[lL][aA][sS][tT]|[mM][iI][nN]|[mM][aA][xX]|[mM][eE][aA][nN]_[lL][aA][sS][tT]_[1-9][0-9]{0,5})$"
)
"""What a sweep file may have, in any case."""
_MEAN_LAST = re.compile(r"mean_last_([1-9][0-9]{0,5})")

Found = tuple[float | None, int | None]
"""An objective value and the interval it belongs to; None and None for a trial without one."""


def is_objective(name: object) -> bool:
    """Whether a name is that of an objective value."""
    return isinstance(name, str) and (name in ("best", "last", "min", "max") or bool(_MEAN_LAST.fullmatch(name)))


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective value, towards a goal."""

    kind: str
    """``best``, ``last``, ``worst`` or ``mean``; ``min`` and ``max`` are the best or the worst point, by the goal."""
    maximize: bool
    window: int = 1
    """How many values a mean is taken of."""

    @classmethod
    def of(cls, name: str, maximize: bool) -> Objective:
        """Returns the objective of a name.

        Raises:
            ValueError: If it is none.
        """
        match = _MEAN_LAST.fullmatch(name)
        if match:
            return cls(MEAN, maximize, int(match[1]))
        if name in ("min", "max"):
            return cls(BEST if (name == "max") == maximize else WORST_POINT, maximize)
        if name not in (BEST, LAST):
            raise ValueError(f"found {name!r}; allowed: {ALLOWED}")
        return cls(name, maximize)

    def find(self, values: Sequence[float], start: int = 0) -> Found:
        """Returns the objective value of a curve, and its interval.

        Args:
            values: The curve, interval 1 first.
            start: How many of its first values do not count.
        """
        length = len(values)
        if length <= start:
            return None, None
        if self.kind == LAST:
            return (values[-1], length) if math.isfinite(values[-1]) else (None, None)
        if self.kind == MEAN:
            mean = _mean(values[max(start, length - self.window) :])
            return (mean, length) if math.isfinite(mean) else (None, None)
        best = self.kind == BEST
        found: Found = (None, None)
        for interval in range(start + 1, length + 1):
            value = values[interval - 1]
            if not math.isfinite(value):
                if best:
                    continue
                return None, None
            if found[0] is None or (value > found[0] if best == self.maximize else value < found[0]):
                found = value, interval
        return found


def _mean(values: Sequence[float]) -> float:
    if not all(map(math.isfinite, values)):
        return math.nan
    try:
        return math.fsum(values) / len(values)
    except OverflowError:  # the sum is beyond the floats, the mean is not
        return math.fsum(value / len(values) for value in values)


class Results:
    """The objective values of a run's trials while their curves grow, and which of them is the best.

    Of equal ones that of the lower number. It depends on the present values alone and not on how they came about, so
    that a replayed run has the same best trial as the live one.

    Args:
        objective: What the results are; no best point, which is known as values arrive.
        find: Gives the result of any trial of the run, also of one whose curve is gone.
    """

    def __init__(self, objective: Objective, find: Callable[[int], Found]) -> None:
        self.objective = objective
        self._find = find
        self._worst: dict[int, tuple[int, Found]] = {}
        """Of worst points, by trial: how many values were looked at, and what was found."""
        self._changed: set[int] = set()
        self._scores: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []
        """Negative scores and numbers of trials; some are out of date."""

    def touch(self, trial: int) -> None:
        """Takes a trial that has logged; earlier runs' trials, which have negative numbers, do not count."""
        if trial >= 0:
            self._changed.add(trial)

    def of(self, trial: int, values: Sequence[float], start: int) -> Found:
        """Returns the result of a curve, without its first ``start`` values."""
        if self.objective.kind != WORST_POINT:
            return self.objective.find(values, start)
        seen, found = self._worst.get(trial, (start, (None, None)))
        if len(values) > seen and (found[0] is not None or seen == start):
            later = self.objective.find(values, seen)
            if found[0] is None or later[0] is None or self._score(later[0]) < self._score(found[0]):
                found = later
        self._worst[trial] = (len(values), found)
        return found

    def forget(self, trial: int) -> None:
        """Drops what was kept of a curve that is gone."""
        self._worst.pop(trial, None)

    def _score(self, value: float) -> float:
        """A value with its sign turned so that larger is better."""
        return value if self.objective.maximize else -value

    def leader(self) -> tuple[int, float, int] | None:
        """Returns the trial with the best result, that and its interval; None while no trial has one."""
        for trial in self._changed:
            value, _ = self._find(trial)
            score = None if value is None else self._score(value)
            if score is None:
                self._scores.pop(trial, None)
            elif self._scores.get(trial) != score:
                self._scores[trial] = score
                heapq.heappush(self._heap, (-score, trial))
        self._changed.clear()
        if len(self._heap) > 64 + 2 * len(self._scores):
            self._heap = [(-score, trial) for trial, score in self._scores.items()]
            heapq.heapify(self._heap)
        while self._heap and self._scores.get(self._heap[0][1]) != -self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return None
        trial = self._heap[0][1]
        value, interval = self._find(trial)
        return None if value is None or interval is None else (trial, value, interval)
