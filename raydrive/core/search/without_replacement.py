"""Tried and remaining configurations: sampling without replacement.

A finite space is never listed in memory. What was tried is known by its keys; what is left is found by walking the
space in a fixed order with a cursor that only moves forward, so n questions cost O(n) in total.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

from raydrive.core.records import Params
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import Space


class TriedConfigs:
    """The configurations of trials 0 .. n-1, kept up to date from a growing history."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.keys: set[Hashable] = set()
        self.lag = 0
        """Trials below the one asked for that the history does not tell about; none, unless asked out of turn."""
        self.restarts = 0
        """Raised when the history turned out to be another one, and whatever was derived from it is void."""
        self._order: list[Hashable] = []

    def update(self, number: int, history: Sequence[TrialRecord]) -> None:
        """Reads the trials below ``number`` that are new; looks at three known ones to notice another history."""
        end = min(number, len(history))
        known = len(self._order)
        probes = {0, known // 2, known - 1} if known else set()
        if known > end or any(self._key(history[i]) != self._order[i] for i in probes):
            self._order.clear()
            self.keys.clear()
            self.restarts += 1
            known = 0
        for i in range(known, end):
            key = self._key(history[i])
            self._order.append(key)
            if key is not None:
                self.keys.add(key)
        self.lag = number - end

    def _key(self, trial: TrialRecord) -> Hashable:
        """Names the configuration of a trial; None for one outside the space, which takes no place in it."""
        return None if trial.outside else self.space.key(trial.params)


class Cursor:
    """Walks a numbered list of configurations past those taken. What is taken stays so: it never walks back."""

    def __init__(self, taken: TriedConfigs) -> None:
        self._taken = taken
        self._next = 0
        self._restarts = 0

    def first(self, at: Callable[[int], Params], end: int) -> Params | None:
        """Returns the first of ``at(0) .. at(end - 1)`` that is not taken, or None."""
        if self._restarts != self._taken.restarts:
            self._next, self._restarts = 0, self._taken.restarts
        while self._next < end:
            params = at(self._next)
            if self._taken.space.key(params) not in self._taken.keys:
                return params if self._taken.lag == 0 else self._beyond(at, end)
            self._next += 1
        return None

    def _beyond(self, at: Callable[[int], Params], end: int) -> Params | None:
        """Leaves as many places free as there are trials that the history lacks."""
        for index in range(self._next + self._taken.lag, end):
            params = at(index)
            if self._taken.space.key(params) not in self._taken.keys:
                return params
        return None


class RemainingConfigs:
    """The configurations of a finite space in a fixed shuffled order, less those taken.

    The order is the affine permutation i -> (offset + i * step) mod size, so that no list is ever held and a space of
    1e12 configurations costs no more than one of 4.
    """

    def __init__(self, taken: TriedConfigs, seed: int) -> None:
        self._at = taken.space.grid_at
        self._size = taken.space.size or 0
        self._cursor = Cursor(taken)
        modulus = max(1, self._size)
        self._offset = seed % modulus
        # Steps near the golden section keep neighbours far apart; one coprime to size visits everything once.
        self._step = max(1, modulus * 618_033_988_749_895 // 10**15 + seed % 1009)
        while math.gcd(self._step, modulus) > 1:
            self._step += 1

    def first(self) -> Params | None:
        """Returns the first configuration that is not taken, or None."""
        return self._cursor.first(lambda i: self._at((self._offset + i * self._step) % self._size), self._size)
