"""Curves as a page draws them: fewer points where there are very many, and numbers that JSON has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def short(value: float | None) -> float | None:
    """Returns a number to seven significant digits for drawing; None for what cannot be drawn."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.7g}")


def thin(values: Sequence[float], most: int) -> tuple[list[int], list[float]]:
    """Returns indices and values of a curve with at most about ``most`` points.

    Of each stretch the lowest and the highest value are kept, so no peak is lost; the ends are kept too.

    Args:
        values: The curve.
        most: Points wanted, 4 or more.
    """
    count = len(values)
    if count <= most:
        return list(range(count)), list(values)
    chosen = {0, count - 1}
    stretches = max(1, (most - 2) // 2)
    for part in range(stretches):
        indices = range(part * count // stretches, (part + 1) * count // stretches)
        finite = [i for i in indices if math.isfinite(values[i])]
        if finite:
            chosen.add(min(finite, key=values.__getitem__))
            chosen.add(max(finite, key=values.__getitem__))
    kept = sorted(chosen)
    return kept, [values[i] for i in kept]


def curve_json(values: Sequence[float], most: int, at: Sequence[float] | None = None) -> Any:
    """Returns a curve for the page: a list of values for intervals 1, 2, ..., or ``{"k": [...], "v": [...]}``."""
    indices, kept = thin(values, most)
    shown = [short(value) for value in kept]
    if at is None and len(indices) == len(values):
        return shown
    return {"k": [short(at[i]) if at is not None else i + 1 for i in indices], "v": shown}
