"""Results of comparing a trial's curve with all others."""

from __future__ import annotations

from typing import NamedTuple


class Rank(NamedTuple):
    """Where a trial is among the trials that have as many intervals."""

    n: int
    """Trials compared, the trial itself included; 1 or more."""
    worse: int
    """Trials that are strictly worse."""
    equal: int
    """Trials that are equal, the trial itself included; 1 or more."""

    @property
    def rank(self) -> int:
        """1 for the best; trials that are equal share the better rank."""
        return self.n - self.worse - self.equal + 1


class RunningMedian(NamedTuple):
    """The median of the trials' running means."""

    value: float
    """Half way between the two middle means when n is even. Infinite, on the bad side, when the worse one is."""
    n: int
    """Trials compared, 1 or more."""
    better: float
    """The better of the two middle means; the median itself when n is odd."""
