"""What a curve that broke off says about where it would have ended.

A trial that a policy stopped at interval k reached the value v there; what it would have reached lies below v (smaller
is better) by what trials usually still gain after interval k. Trials that went on tell: of those that were completed
and are longer than k, take the half whose value at interval k was closest to v. Then

    end = v - median(gain),    noise deviation = 1.4826 MAD(gain) + 1/4 median(gain)                      (1)

over their gains from interval k to their end. The closest half, because bad trials gain more than good ones; medians,
because some curves diverge or jump; the last term, because those that were stopped are not a random sample of all.
With fewer than three trials to compare, v stands as it is with a noise of its own. Running trials are read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_REFERENCES = 200
"""Completed trials compared with, the latest ones; more would not change a median."""
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Ending:
    """An estimate of a final value."""

    value: float
    noise: float
    """Its standard deviation, 0 where the trial ended by itself."""


class Endings:
    """Knows the completed curves and estimates the ends of others.

    Args:
        curves: Completed trials' metrics by interval, smaller is better; values that are not finite are passed over.
    """

    def __init__(self, curves: Sequence[Sequence[float]]) -> None:
        chosen = [curve for curve in curves if len(curve) > 1][-_REFERENCES:]
        self._best = [_best_so_far(curve) for curve in chosen]
        self._gains: dict[int, tuple[Array, Array]] = {}

    def estimate(self, value: float, interval: int) -> Ending:
        """Returns (1) for a trial whose best value in intervals 1 .. ``interval`` is ``value``."""
        here, gains = self._after(interval)
        if len(here) < _FEWEST:
            return Ending(value, float(np.median(gains)) if len(gains) else 0.0)
        closest = np.argsort(np.abs(here - value), kind="stable")[: max(_FEWEST, (len(here) + 1) // 2)]
        gain = gains[closest]
        typical = float(np.median(gain))
        spread = 1.4826 * float(np.median(np.abs(gain - typical)))
        return Ending(value - typical, spread + 0.25 * typical)

    def _after(self, interval: int) -> tuple[Array, Array]:
        """Values at an interval and gains after it, of all completed trials that are longer."""
        found = self._gains.get(interval)
        if found is None:
            longer = [best for best in self._best if len(best) > interval and np.isfinite(best[interval - 1])]
            here = np.array([best[interval - 1] for best in longer])
            found = here, here - np.array([best[-1] for best in longer])
            self._gains[interval] = found
        return found


def _best_so_far(curve: Sequence[float]) -> Array:
    values = np.asarray(curve, dtype=float)
    return np.minimum.accumulate(np.where(np.isfinite(values), values, np.inf))
