"""Which values count as finite numbers."""

from __future__ import annotations

import math
import sys


def is_number(value: object) -> bool:
    """Whether a value is a finite number; True and False are none."""
    # NaN compares as false; unlike isfinite(), this may be asked of a whole number beyond the floats.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def as_float(value: float) -> float:
    """A logged number; a whole number beyond the floats is as infinite as it gets."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
