"""The best value over the intervals 1..k of all trials, for every k, as a staircase that only rises."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from raydrive.core.lazy_numpy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Incumbents:
    """Intervals, ascending, at which the best value rises, with what it is there and whose."""

    __slots__ = ("_at", "_steps")

    def __init__(self) -> None:
        self._at: list[int] = []
        self._steps: list[tuple[float, float, int]] = []
        """Score, value and trial at each interval of ``_at``."""

    def at(self, k: int) -> tuple[float, int] | None:
        """Returns the best value over the intervals 1..k and the trial that had it first, None without any."""
        at = bisect_right(self._at, k)
        return self._steps[at - 1][1:] if at else None

    def add(self, interval: int, score: float, value: float, trial: int) -> None:
        """Puts a value on the staircase if it is above the edge at its interval.

        Steps to the right are kept while they are as high: they were there first, so they win the tie.

        Args:
            interval: Where it was logged, from 1.
            score: The value with its sign turned so that larger is better; finite.
            value: As it was logged.
            trial: The one that logged it.
        """
        at = bisect_right(self._at, interval)
        if at and self._steps[at - 1][0] >= score:
            return
        end = at
        while end < len(self._steps) and self._steps[end][0] < score:
            end += 1
        if at and self._at[at - 1] == interval:
            at -= 1
        self._at[at:end] = [interval]
        self._steps[at:end] = [(score, value, trial)]

    def add_all(
        self,
        trials: NDArray[np.int64],
        intervals: NDArray[np.int64],
        values: NDArray[np.float64],
        scores: NDArray[np.float64],
    ) -> None:
        """Puts finite values on the staircase in the order they were logged, as ``add`` does; all ``(n,)``."""
        if self._at:
            places = np.searchsorted(np.array(self._at), intervals, side="right")
            edge = np.array([-np.inf, *(step[0] for step in self._steps)])
            above = scores > edge[places]
            trials, intervals, values, scores = trials[above], intervals[above], values[above], scores[above]
        for row in zip(intervals.tolist(), scores.tolist(), values.tolist(), trials.tolist(), strict=True):
            self.add(*row)
