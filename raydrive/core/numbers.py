"""Which values count as finite numbers."""

from __future__ import annotations

import math
import numbers
import sys
from typing import TypeGuard


def is_number(value: object) -> bool:
    """Whether a value is a finite number that JSON can hold: an int or a float, no larger than floats go; no bool.

    Of numpy's numbers only ``float64`` is one, which is a float.
    """
    # NaN compares as false; unlike isfinite(), this may be asked of a whole number beyond the floats.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_whole(value: object, least: int) -> TypeGuard[int]:
    """Whether a value is an int of ``least`` or more; True and False are none, nor are numpy's."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_real(value: object) -> bool:
    """Whether a value is a finite number of any kind, numpy's too, as ``is_number`` otherwise.

    For arguments that are made an int or a float before they are kept.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the floats
        return False


def as_float(value: float) -> float:
    """A logged number; a whole number beyond the floats is as infinite as it gets."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
