"""Paused trials, in the order in which a policy considers them for continuation.

A policy that pauses trials has, beside ``judge``, up to three methods; each is a pure function of what it is given:

    level(intervals)                    the interval that a trial with this many is compared at
    promote(paused, curves, least)      the trial that continues when a place is free, or None
    hopeless(paused, curves, least)     trials that can never continue, with the reason

``least`` is the fewest intervals of any trial that may still train without being paused in between: 0 while new trials
may begin, infinite when nothing trains. No trial will come newly to a level up to it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from raydrive.core.early_stopping.curves import Curves


class Promotion(NamedTuple):
    """A paused trial that continues."""

    trial: int
    why: str
    """The reason, with the numbers that were compared."""


class PausedTrials:
    """Numbers of paused trials by level, those of a level best first; of equal ones the lowest number first.

    Adding, taking out and looking at the best of a level cost O(log n) and a ``memmove``, whatever the run's length.

    Args:
        curves: The run's.
        level: Returns the level of a trial with this many intervals; None: each number of intervals is a level.
    """

    def __init__(self, curves: Curves, level: Callable[[int], int] | None = None) -> None:
        self._curves = curves
        self._level = level or (lambda intervals: intervals)
        self._ordered: dict[int, list[tuple[float, int]]] = {}
        """By level: negative score (``curves.py``) and number, ascending."""
        self._keys: dict[int, tuple[int, tuple[float, int]]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, trial: object) -> bool:
        return trial in self._keys

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def add(self, trial: int) -> None:
        """Takes a trial in that was just paused."""
        level = self._level(self._curves.length(trial))
        best = self._curves.best_until(trial, level)
        score = float("-inf") if best is None else best if self._curves.maximize else -best
        self._keys[trial] = (level, (-score, trial))
        insort(self._ordered.setdefault(level, []), (-score, trial))

    def discard(self, trial: int) -> None:
        """Takes a trial out that continues or has ended; one that is not there is no error."""
        if trial not in self._keys:
            return
        level, key = self._keys.pop(trial)
        found = self._ordered[level]
        del found[bisect_left(found, key)]
        if not found:
            del self._ordered[level]

    @property
    def levels(self) -> Sequence[int]:
        """The levels that have trials, lowest first."""
        return sorted(self._ordered)

    def at(self, level: int) -> Sequence[int]:
        """Returns the trials of a level, best first."""
        return [trial for _, trial in self._ordered.get(level, ())]

    def best(self, level: int) -> int:
        """Returns the best trial of a level that has one."""
        return self._ordered[level][0][1]

    def worst(self, level: int) -> int:
        """Returns the worst trial of a level that has one; of equal ones the highest number."""
        return self._ordered[level][-1][1]

    def position(self, trial: int) -> tuple[int, int]:
        """Returns where a paused trial is among all trials that have the intervals of its level.

        Of equal trials those that are not paused come first, then the paused ones by number: every trial has a position
        of its own, as it needs one where so many of a level continue.

        Returns:
            Its position, 1 for the best, and the number of trials compared.
        """
        level, key = self._keys[trial]
        found, rank = self._ordered[level], self._curves.rank(trial, level)
        left = bisect_left(found, (key[0], -1 << 62))
        equal = bisect_right(found, (key[0], 1 << 62)) - left
        return rank.rank + (rank.equal - equal) + (bisect_left(found, key) - left), rank.n
