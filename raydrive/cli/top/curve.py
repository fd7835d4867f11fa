"""Learning curves as text: dots of the Braille block, two by four in each character."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a Braille character, by row and column."""
_BLANK = 0x2800
_LABEL = 10
"""Characters of the labels of the axis."""


def plot(curves: Sequence[Sequence[float]], chosen: Sequence[float], width: int, height: int) -> Text:
    """Returns curves as lines of text, with the range of their values at the left.

    Args:
        curves: Values by interval of other trials; drawn dim. Values that are not finite are left out.
        chosen: Those of the trial that is looked at; drawn over them.
        width: Characters in total, 20 or more.
        height: Lines in total, 2 or more.
    """
    everything = [value for curve in (*curves, chosen) for value in curve if math.isfinite(value)]
    longest = max((len(curve) for curve in (*curves, chosen)), default=0)
    if not everything:
        return Text("no values yet", style="dim")
    low, high = min(everything), max(everything)
    columns, rows = 2 * max(1, width - _LABEL - 1), 4 * max(1, height)
    cells: dict[tuple[int, int], tuple[int, bool]] = {}
    for curve, bright in (*((curve, False) for curve in curves), (chosen, True)):
        for x, y in _points(curve, low, high, longest, columns, rows):
            place = (y // 4, x // 2)
            dots, lit = cells.get(place, (0, False))
            cells[place] = (dots | _DOTS[y % 4][x % 2], lit or bright)
    text = Text()
    for row in range(max(1, height)):
        label = f"{high:.4g}" if row == 0 else f"{low:.4g}" if row == height - 1 else ""
        text.append(f"{label[:_LABEL]:>{_LABEL}} ", style="dim")
        for column in range(columns // 2):
            dots, lit = cells.get((row, column), (0, False))
            text.append(chr(_BLANK + dots), style="bold cyan" if lit else "grey50")
        text.append("\n" * (row < height - 1))
    return text


def _points(
    curve: Sequence[float], low: float, high: float, longest: int, columns: int, rows: int
) -> list[tuple[int, int]]:
    """The dots of a curve, joined by lines; the first interval at the left, the longest curve to the right end."""
    span, found, before = high - low, list[tuple[int, int]](), None
    for index, value in enumerate(curve):
        if not math.isfinite(value):
            before = None
            continue
        x = 0 if longest < 2 else round(index / (longest - 1) * (columns - 1))
        share = 0.5 if span <= 0.0 else (value - low) / span
        y = round((1.0 - share) * (rows - 1))
        if before is None:
            found.append((x, y))
        else:
            steps = max(abs(x - before[0]), abs(y - before[1]), 1)
            found += [
                (before[0] + round(k * (x - before[0]) / steps), before[1] + round(k * (y - before[1]) / steps))
                for k in range(1, steps + 1)
            ]
        before = (x, y)
    return found
