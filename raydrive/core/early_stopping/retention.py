"""What a long-lived sweep retains of trials that have ended: only what policy and sampler need.

The journal holds everything; readers (status, charts, the studio) replay it whole. The driver's own judge answers
policy and sampler alone, and a run may have a hundred thousand trials that have ended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PolicyNeeds:
    """What a policy needs of trials that have ended, besides the edge and each trial's length, last, best and top."""

    means: bool = False
    """``Curves.median_of_means``."""
    bests: bool = False
    """``Curves.standing``."""
    every: int = 1
    """At multiples of this interval, 1 or more."""
    first: int = 0
    """At no interval before this one."""
    at: tuple[int, ...] | None = None
    """At these intervals only, ascending; None: as ``every`` and ``first`` tell."""

    def between(self, done: int, end: int) -> Sequence[int]:
        """Returns the intervals after ``done``, ``end`` included, at which the policy asks."""
        if self.at is not None:
            return self.at[bisect_right(self.at, done) : bisect_right(self.at, end)]
        begin = max(done + 1, self.first)
        return range(-(-begin // self.every) * self.every, end + 1, self.every)


def needs_of(policy: object, sampling: object, population: object = None) -> PolicyNeeds | None:
    """Returns what the policy and the sampler of a run ask of trials that have ended; None = everything.

    A population compares whole curves.

    A policy declares it by a method ``needs``, a way of sampling by ``reads_curves = False``. One that declares nothing
    gets everything. A subclass has to declare it again, for it may ask for more than its parent.
    """
    if population is not None or vars(type(sampling)).get("reads_curves", True) or "needs" not in vars(type(policy)):
        return None
    found: PolicyNeeds | None = policy.needs()  # type: ignore[attr-defined]
    return found


@dataclass(slots=True)
class ClosedCurve:
    """What is kept of the curve of a trial that has ended."""

    length: int
    last: float
    top: float | None
    """Best value, one of an earlier run included; None without a finite one."""
    top_at: int
    best: float | None
    """Best value of this run."""
    best_at: int | None
    found: tuple[float | None, int | None] = (None, None)
    """Objective value of this run and its interval, where that is not the best point."""
    overall: float | None = None
    """Objective value, an earlier run included."""
