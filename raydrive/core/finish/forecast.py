"""What a run will have used at its end: a forecast with its error.

Durations of trials are taken as draws of one distribution, of which those that have ended are a sample of n with mean m
and variance v. For the r trials still to begin, the sum is expected to be r m, and its variance is

    r v + r^2 v / n                                                                                     (1)

the first part because trials differ, the second because m is an estimate (the variance of a prediction, as in any text
on regression). A trial that is running and has trained for a seconds continues for the mean of d - a over the durations
d > a, with their variance; for 0 s, where none was that long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outlook:
    """An estimate with one standard deviation of its error, both in the same unit, 0 or more."""

    value: float
    error: float

    def scaled(self, factor: float) -> Outlook:
        """Returns it in another unit: times a factor of 0 or more."""
        return Outlook(self.value * factor, self.error * factor)


def rest_s(durations: Sequence[float], running: Sequence[float], left: int) -> Outlook | None:
    """Returns how many seconds all trials together will still train; None where no trial has ended.

    Args:
        durations: Seconds that each trial trained which has ended.
        running: Seconds that each trial has trained which is not.
        left: Number of trials still to begin.
    """
    n = len(durations)
    if not n:
        return None
    mean, variance = _moments(durations)
    total, spread = left * mean, left * variance + left * left * variance / n
    for so_far in running:
        further, own = _moments([one - so_far for one in durations if one > so_far])
        total, spread = total + further, spread + own
    return Outlook(total, math.sqrt(spread))


def _moments(values: Sequence[float]) -> tuple[float, float]:
    """Mean and variance; of one value alone the variance is its square: nothing tells how far others are from it."""
    if not values:
        return 0.0, 0.0
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, mean * mean
    return mean, sum((value - mean) ** 2 for value in values) / (len(values) - 1)
