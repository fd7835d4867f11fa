"""One trial's values of the primary metric; ``curves.py`` holds those of all."""

from __future__ import annotations

import math
from array import array

WORST = -math.inf
MARK = 128
"""A curve remembers its top and total after every so many intervals, so that a look back is never a long walk."""


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
