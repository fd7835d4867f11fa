"""Successive halving, asynchronous: the best of each rung continue, and what is not among them pauses or stops.

Notation, with that of ``curves.py``:

    r       ``min_intervals``, the first rung
    R       ``max_intervals``
    eta     ``reduction_factor``
    rung j  the interval k = r * eta^j, where that is below R
    n(k)    number of trials with k intervals or more
    place   of a trial at a rung: 1 for the best top(k)

``promote`` is ASHA (Li et al., A System for Massively Parallel Hyperparameter Tuning, arXiv:1810.05934, algorithm 2): a
trial that logs the interval of a rung pauses, and when a place is free, the best paused trial of the highest rung at
which its place is among the best floor(n/eta) continues; where there is none, a new trial begins. One that is among
them when it logs goes straight on. ``stop`` is the variant without pauses (Tune's ASHA, Syne Tune's "stopping"): a
trial continues at a rung if its rank is among the best ceil(n/eta) there are by then, or if n < eta; otherwise it is
stopped.

``brackets`` are Hyperband's (Li et al., arXiv:1603.06560, algorithm 1), side by side: a trial of bracket b = 0, 1, ...
passes the first b rungs unasked. Rungs are shared by all brackets. With s = s_max - b and s_max = floor(log_eta(R/r)),
a trial is of bracket b with a probability in proportion to ceil((s_max+1)/(s+1) * eta^s), Hyperband's number of
configurations; without R to eta^-b. Which bracket is that of trial n follows from n alone: the fractional part of
n times the golden ratio, which spreads evenly however few trials there are.

Once no new trial can come to a rung, what floor(n/eta) leaves out can never continue: it is closed. Of a rung with
fewer than eta trials the best one continues then, so that a run always trains one trial to its end.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from numbers import Integral
from typing import Any, ClassVar

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.paused_trials import PausedTrials, Promotion
from raydrive.core.early_stopping.policy_problems import is_whole, refuse, whole_problem
from raydrive.core.early_stopping.retention import PolicyNeeds
from raydrive.core.early_stopping.verdict import Verdict, halving_why
from raydrive.core.errors import Problem, show

PROMOTE, STOP = "promote", "stop"
MODES = (PROMOTE, STOP)
FARTHEST = 10**9
"""Without ``max_intervals`` no rung is beyond this interval."""
SIXTEENTH = 16
"""A first rung at such a part of a whole training is late enough to tell trials apart, on the curves of
docs/less-training.md."""
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True, slots=True)
class SuccessiveHalvingPolicy:
    """Lets the best of each rung continue; the others pause until they are among the best, or stop.

    Rungs are the intervals ``min_intervals``, times ``reduction_factor``, times its square and so on, below
    ``max_intervals``. With ``promote``, training has to save checkpoints.

    Raises:
        ConfigError: If ``mode`` is neither ``promote`` nor ``stop``.
        ConfigError: If a number is not a whole one in its range.
        ConfigError: If ``max_intervals`` is not above ``min_intervals``, or too small for the brackets.
        ConfigError: If ``restart`` or ``max_paused`` is given with ``stop``, which pauses nothing.
    """

    mode: str = PROMOTE
    """``promote``: what is not among the best pauses, and may continue later; ``stop``: it is stopped."""
    min_intervals: int | None = None
    """The first rung, 1 or more: no trial pauses or stops before it. None: a sixteenth of ``max_intervals``, or 1."""
    max_intervals: int | None = None
    """Intervals of a whole training, above ``min_intervals``: no rung is there or beyond. None: no end to the rungs."""
    reduction_factor: int = 3
    """At each rung one in this many trials continues, and each rung is this many times the previous one; 2 or more."""
    brackets: int = 1
    """Number of brackets, 1 or more: part of the trials begins to be compared one or more rungs later."""
    restart: bool = False
    """Whether a trial continues from the beginning, where training saves no checkpoint; else such a run is refused."""
    max_paused: int | None = None
    """Most paused trials, 1 or more: beyond that, those with the least prospect end, and their
    checkpoints are deleted. None: no limit."""
    TYPE: ClassVar[str] = "successive_halving"

    def __post_init__(self) -> None:
        refuse(list(self._problems()))

    def _problems(self) -> Iterator[Problem]:
        if not isinstance(self.mode, str) or self.mode not in MODES:
            yield Problem("policy.mode", show(self.mode), " or ".join(MODES))
        for name, least in (("reduction_factor", 2), ("brackets", 1)):
            yield from whole_problem(f"policy.{name}", getattr(self, name), least)
        for name in ("min_intervals", "max_intervals", "max_paused"):
            if getattr(self, name) is not None:
                yield from whole_problem(f"policy.{name}", getattr(self, name), 1)
        given: dict[str, Any] = {name: getattr(self, name) for name in ("restart", "max_paused")}
        if not isinstance(given["restart"], bool):
            yield Problem("policy.restart", show(given["restart"]), "true or false")
        if isinstance(self.mode, str) and self.mode == STOP:
            for name, value in given.items():
                if value:
                    fix = f"Remove {name}, or use mode: {PROMOTE}."
                    yield Problem(f"policy.{name}", show(value), f"nothing with mode: {STOP}", fix)
        numbers = (self.min_intervals, self.max_intervals)
        if not all(number is None or (is_whole(number) and number >= 1) for number in numbers):
            return
        if self.max_intervals is not None and self.max_intervals <= self.first_rung:
            allowed = f"more than min_intervals, which is {self.first_rung}"
            yield Problem("policy.max_intervals", show(self.max_intervals), allowed)
            return
        countable = is_whole(self.reduction_factor) and self.reduction_factor >= 2 and is_whole(self.brackets)
        if countable and self.max_intervals is not None and self.brackets > len(self.rungs) + 1:
            text = f"the rungs are at {', '.join(map(str, self.rungs))}, and the last bracket passes all of them"
            yield Problem("policy.brackets", show(self.brackets), f"at most {len(self.rungs) + 1}: {text}")

    @property
    def first_rung(self) -> int:
        """The interval of the first rung, 1 or more."""
        if self.min_intervals is not None:
            return self.min_intervals
        return 1 if self.max_intervals is None else max(1, (2 * self.max_intervals + SIXTEENTH) // (2 * SIXTEENTH))

    @property
    def rungs(self) -> tuple[int, ...]:
        """The intervals at which trials are compared, lowest first."""
        return _rungs(self.first_rung, self.max_intervals or FARTHEST, self.reduction_factor)

    def bracket(self, trial: int) -> int:
        """Returns the bracket of a trial, from 0: the number of rungs that it passes without a comparison."""
        if self.brackets == 1:
            return 0
        shares = _shares(self.brackets, len(self.rungs) if self.max_intervals is not None else 0, self.reduction_factor)
        return min(bisect_right(shares, trial * GOLDEN % 1.0), self.brackets - 1)

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        """Compares the trial with all that have reached the rung; see ``Policy.judge``."""
        rungs = self.rungs
        index = bisect_right(rungs, interval) - 1
        if index < 0 or rungs[index] != interval or index < self.bracket(trial):
            return None
        own = curves.best_until(trial, interval)
        n, worse, equal = curves.rank(trial, interval)
        rank, promotes = n - worse - equal + 1, self.mode == PROMOTE
        # As they pause one after the other, of equal trials the last one counts as the worst.
        place, best = n - worse if promotes else rank, self.most(n)
        goes_on = place <= best and (own is not None or not promotes)
        rung, cut = f"rung {index + 1}", self._cut(curves, interval, best)
        why = partial(halving_why, self.mode, own, interval, rung, place, n, best, cut, self.reduction_factor, goes_on)
        return Verdict(not goes_on and not promotes, why, pause=not goes_on)

    def most(self, n: int) -> int:
        """Returns how many of n trials at a rung continue."""
        if self.mode == PROMOTE:
            return n // self.reduction_factor
        return n if n < self.reduction_factor else -(-n // self.reduction_factor)

    @staticmethod
    def _cut(curves: Curves, interval: int, best: int) -> float | None:
        return curves.top_of(interval, best) if best else None

    # ------------------------------------------------------------------ paused trials

    def level(self, intervals: int) -> int:
        """Returns the highest rung that a trial with this many intervals has reached; 0 below the first."""
        index = bisect_right(self.rungs, intervals) - 1
        return self.rungs[index] if index >= 0 else 0

    def promote(self, paused: PausedTrials, curves: Curves, least: float) -> Promotion | None:
        """Returns the trial that continues when a place is free: the best of the highest rung that promotes one."""
        levels = paused.levels
        for level in reversed(levels):
            if not level:
                continue
            trial = paused.best(level)
            place, n = paused.position(trial)
            best = self._best(n, last=level == levels[0] and level <= least)
            own = curves.best_until(trial, level)
            if place <= best and own is not None:
                rung = f"rung {self.rungs.index(level) + 1}"
                cut = self._cut(curves, level, best)
                why = halving_why(PROMOTE, own, level, rung, place, n, best, cut, self.reduction_factor, True)
                return Promotion(trial, why)
        return None

    def hopeless(self, paused: PausedTrials, curves: Curves, least: float) -> Iterator[tuple[int, str]]:
        """Yields paused trials that never continue: of rungs that are final, and those beyond ``max_paused``."""
        gone: set[int] = set()
        for level in paused.levels:
            if not level:  # paused by the sampler before the first rung
                continue
            if level > least:
                break
            trial = paused.best(level)
            place, n = paused.position(trial)
            best = self._best(n, last=True)
            if place <= best and curves.best_until(trial, level) is not None:
                break
            for trial in paused.at(level):
                gone.add(trial)
                yield trial, self._left_out(paused, curves.best_until(trial, level), trial, level, best)
        if self.max_paused is not None:
            yield from self._too_many(paused, gone, len(paused) - len(gone) - self.max_paused)

    def _best(self, n: int, *, last: bool) -> int:
        """How many of n trials at a rung continue; at least one where no further trial will come to it."""
        return max(n // self.reduction_factor, int(last))

    def _left_out(self, paused: PausedTrials, own: float | None, trial: int, level: int, best: int) -> str:
        if own is None:
            return f"successive halving: no finite value up to interval {level}"
        place, n = paused.position(trial)
        which = f"the best {best} of {n}, and no further trial will reach interval {level}"
        return f"successive halving: place {place} at interval {level} is not among {which}"

    def _too_many(self, paused: PausedTrials, gone: set[int], number: int) -> Iterator[tuple[int, str]]:
        """Yields this many trials with the least prospect: that need the most new trials at their rung to continue."""
        if number <= 0:
            return
        left = {level: [trial for trial in paused.at(level) if trial not in gone] for level in paused.levels}
        for _ in range(number):
            places = {level: paused.position(trials[-1]) for level, trials in left.items() if trials}
            level = max(places, key=lambda level: (places[level][0] / places[level][1], -level))
            place, n = places[level]
            why = f"more than {self.max_paused} trials are paused, and this one ranks lowest"
            yield left[level].pop(), f"successive halving: {why}: place {place} of {n} at interval {level}"

    # ------------------------------------------------------------------ records

    def needs(self) -> PolicyNeeds:
        """Returns what it asks of trials that have ended: where a trial is among them at the rungs."""
        return PolicyNeeds(bests=True, at=self.rungs)

    def to_json(self) -> dict[str, Any]:
        """Returns the form that is in a sweep file."""
        found: dict[str, Any] = {"type": self.TYPE, "mode": self.mode, "restart": self.restart}
        for name in ("min_intervals", "max_intervals", "reduction_factor", "brackets", "max_paused"):
            value = getattr(self, name)
            if isinstance(value, Integral):
                found[name] = int(value)  # numpy's numbers are not JSON
        return found if self.restart else {name: value for name, value in found.items() if name != "restart"}


@lru_cache(maxsize=64)
def _rungs(first: int, end: int, factor: int) -> tuple[int, ...]:
    found = []
    while first < end:
        found.append(first)
        first *= factor
    return tuple(found)


@lru_cache(maxsize=64)
def _shares(brackets: int, rungs: int, factor: int) -> tuple[float, ...]:
    """The cumulated shares of the brackets; ``rungs`` is 0 where their number is not known."""
    if rungs:
        left = [rungs - b for b in range(brackets)]  # s of Hyperband
        sizes = [float(math.ceil((rungs + 1) / (s + 1) * float(factor) ** s)) for s in left]
    else:
        sizes = [float(factor) ** -b for b in range(brackets)]
    return tuple(math.fsum(sizes[: b + 1]) / math.fsum(sizes) for b in range(brackets))
