"""How the configurations of a run stand, kept up to date: one more trial costs no more late in a run than early.

What is kept follows from the trials alone: the same trials give the same answers. Sums are exact, so that it does not
matter in which order trials ended.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from functools import partial

from raydrive.core.records import QUEUED, RUNNING, TERMINAL, Params
from raydrive.core.repeats.groups import Group, Noise, key_of
from raydrive.core.repeats.race import quantile, stays
from raydrive.core.repeats.rules import Repeats
from raydrive.core.search.trial_record import TrialRecord

_UNIT = 1 << 1074
"""Every finite float is a whole number of 2 to the -1074."""
_Entry = tuple[float, int]
"""Badness of a mean, smaller is better, and the group's place."""


class Standing:
    """The configurations of the first trials of a run.

    Args:
        rule: How often each is tried.
        maximize: Whether larger values are better.
        alone: Number of first trials that are tried once whatever comes of them.
    """

    def __init__(self, rule: Repeats, maximize: bool, alone: int) -> None:
        self.members: list[list[int]] = []
        """Trials of each configuration, ascending; configurations in the order of their first trials."""
        self.groups: list[Group] = []
        """What they say together."""
        self._rule = rule
        self._sign = 1.0 if maximize else -1.0
        self._alone = alone
        self._places: dict[str, int] = {}
        self._place_of: list[int] = []
        """Of each trial the place of its configuration."""
        self._unsettled: list[int] = []
        """Trials that were not over when they were looked at."""
        self._trains = False
        self._all, self._sound = _Pool(), _Pool()
        self._leaders: list[_Entry] = []
        """A heap with an entry of each configuration that may lead; those that changed are left out late."""
        self._open: dict[int, list[_Entry]] = {}
        """By number of trials the configurations that may be tried again, as heaps of the same kind."""

    def update(self, history: Sequence[TrialRecord], number: int) -> None:
        """Looks at trials that are new, and at those that were not over.

        Args:
            history: The same trials as before, and more; what is over has not changed.
            number: How many of them count, not fewer than before.
        """
        known, changed = len(self._place_of), dict[int, None]()
        still: list[int] = []
        self._trains = False
        for trial in [*self._unsettled, *range(known, number)]:
            record = history[trial]
            if trial >= known:
                self._place_of.append(self._place(trial, record.params))
                self.members[self._place_of[trial]].append(trial)
            if record.state not in TERMINAL:
                still.append(trial)
            changed[self._place_of[trial]] = None
            self._trains = self._trains or record.state in (QUEUED, RUNNING)
        self._unsettled = still
        for place in changed:
            self._regroup(place, history)

    def again(self) -> int | None:
        """Returns the place of the configuration that is tried again: of those with the fewest trials the best one."""
        leader = self._first(self._leaders, self._lead_entry)
        noise = self._sound.noise()
        limit = quantile(noise.freedom) if self._rule.race and noise.freedom else math.nan
        for count in sorted(self._open):
            place = self._first(self._open[count], partial(self._open_entry, count))
            if place is None:
                del self._open[count]
            elif not self._rule.race or (leader is not None and self._may_be_best(place, leader, noise, limit)):
                return place
        return None

    def _may_be_best(self, place: int, leader: int, noise: Noise, limit: float) -> bool:
        if not noise.freedom:
            return place == leader
        return stays(self.groups[place], self.groups[leader], noise, limit, self._sign)

    @property
    def trials(self) -> int:
        """How many trials were looked at."""
        return len(self._place_of)

    @property
    def trains(self) -> bool:
        """Whether any of them is queued or running."""
        return self._trains

    @property
    def noise(self) -> Noise:
        """The deviation within all configurations."""
        return self._all.noise()

    def _place(self, trial: int, params: Params) -> int:
        key = f"{trial}:" if trial < self._alone else key_of(params, self._rule.parameter)
        place = self._places.setdefault(key, len(self.groups))
        if place == len(self.groups):
            self.groups.append(Group())
            self.members.append([])
        return place

    def _regroup(self, place: int, history: Sequence[TrialRecord]) -> None:
        before, group = self.groups[place], Group()
        for trial in self.members[place]:
            record = history[trial]
            group.take(trial, record.value, record.state)
        self.groups[place] = group
        self._all.exchange(before, group)
        self._sound.exchange(None if before.unsound else before, None if group.unsound else group)
        if (entry := self._lead_entry(place)) is not None:
            heapq.heappush(self._leaders, entry)
        count = len(group.trials)
        if (entry := self._open_entry(count, place)) is not None:
            heapq.heappush(self._open.setdefault(count, []), entry)

    def _lead_entry(self, place: int) -> _Entry | None:
        group = self.groups[place]
        return (-self._sign * group.mean, place) if group.values and not group.unsound else None

    def _open_entry(self, count: int, place: int) -> _Entry | None:
        group = self.groups[place]
        if place < self._alone or len(group.trials) != count or count >= self._rule.max or group.unsound:
            return None
        if not self._rule.race:
            return 0.0, place
        return None if group.running else self._lead_entry(place)

    @staticmethod
    def _first(heap: list[_Entry], entry: Callable[[int], _Entry | None]) -> int | None:
        """The place of the best entry that is still so; what is not is left out."""
        while heap:
            if entry(heap[0][1]) == heap[0]:
                return heap[0][1]
            heapq.heappop(heap)
        return None


class _Pool:
    """The pooled variance of groups that come and go: an exact sum."""

    def __init__(self) -> None:
        self._squares = 0
        self._freedom = 0

    def exchange(self, before: Group | None, after: Group | None) -> None:
        """Takes a group in place of another one."""
        for group, sign in ((before, -1), (after, 1)):
            if group is not None and group.values:
                self._freedom += sign * (len(group.values) - 1)
                numerator, denominator = group.squares.as_integer_ratio()
                self._squares += sign * numerator * (_UNIT // denominator)

    def noise(self) -> Noise:
        """Returns the deviation, as ``Noise.of`` of the groups."""
        if not self._freedom:
            return Noise(math.nan, 0)
        return Noise(math.sqrt(self._squares / _UNIT / self._freedom), self._freedom)
