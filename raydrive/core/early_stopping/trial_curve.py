"""One trial's values of the primary metric; ``curves.py`` holds those of all."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable

WORST = -math.inf
MARK = 128
"""A curve remembers its top and total at regular intervals, so that a look back is never a long walk."""


class Curve:
    """One trial's values, and what can be said of them at the last interval without looking at them again."""

    __slots__ = ("marks", "start", "top", "top_at", "total", "values")

    def __init__(self) -> None:
        self.values = array("d")
        self.top = WORST
        self.top_at = 0
        """Interval of the top, 0 when no value is finite."""
        self.total = 0.0
        """Sum of all scores, left to right."""
        self.marks: array[float] | None = None
        """top and total after 128, 256, ... intervals; most curves are shorter and have none."""
        self.start = 0
        """Values that were logged in an earlier run."""


def top_until(curve: Curve, k: int, score: Callable[[float], float]) -> float:
    """Returns the largest score of a curve over its intervals 1..k.

    Args:
        curve: The curve.
        k: From 0.
        score: Gives the score of a value.
    """
    if k >= curve.top_at:
        return curve.top
    start = k // MARK * MARK
    top = curve.marks[start // MARK * 2 - 2] if start and curve.marks is not None else WORST
    return max(top, max(map(score, curve.values[start:k]), default=WORST))


def mean_until(curve: Curve, k: int, score: Callable[[float], float]) -> float:
    """Returns the mean score of a curve over intervals 1..k, of which it has this many; arguments as ``top_until``."""
    if k == len(curve.values):
        total = curve.total
    else:
        start = k // MARK * MARK
        total = curve.marks[start // MARK * 2 - 1] if start and curve.marks is not None else 0.0
        for value in curve.values[start:k]:  # in this order, to the same bit as when it was the last interval
            total += score(value)
    # A mean is never better than the best; rounding makes it so: (0.1 + 0.1 + 0.1) / 3 > 0.1.
    return min(total / k, top_until(curve, k, score))
