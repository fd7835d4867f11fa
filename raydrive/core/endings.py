"""What a curve that broke off says about where it would have ended.

Let b(k) be a trial's best value after interval k (smaller is better). A trial that a policy stopped at interval k would
have ended below b(k) by some gain. How much trials gain after k differs with what they gained before it: a diverged or
flat curve stays where it is. So the completed trials j that are longer than k give

    rho_j = (b_j(k) - b_j(end)) / (b_j(k / 2) - b_j(k)),                                                (1)

gain after k for each unit of recent gain, and with r the recent gain of the stopped trial itself,

    end = b(k) - r median(rho),    noise deviation = r (1.4826 MAD(rho) + median(rho) / 4)              (2)

Medians, because some curves jump; the last term, because those that were stopped are not a random sample of all. No
estimate gains more than any completed trial did. With fewer than three trials to compare, b(k) stands, with r as its
noise. Running trials are read alike.
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
        self._ratios: dict[int, tuple[Array, float]] = {}

    def estimate(self, curve: Sequence[float]) -> Ending | None:
        """Returns (2) for a trial that logged ``curve``; None when it logged no finite value."""
        best = _best_so_far(curve)
        if not len(best) or not np.isfinite(best[-1]):
            return None
        value, recent = float(best[-1]), _recent(best, len(best))
        ratios, most = self._after(len(best))
        if len(ratios) < _FEWEST:
            return Ending(value, recent)
        typical = float(np.median(ratios))
        spread = 1.4826 * float(np.median(np.abs(ratios - typical)))
        return Ending(value - min(recent * typical, most), recent * (spread + 0.25 * typical))

    def _after(self, interval: int) -> tuple[Array, float]:
        """Ratios (1) of the completed trials that are longer, and the largest gain among them."""
        found = self._ratios.get(interval)
        if found is None:
            longer = [best for best in self._best if len(best) > interval and np.isfinite(best[interval - 1])]
            gains = np.array([best[interval - 1] - best[-1] for best in longer])
            recent = np.array([_recent(best, interval) for best in longer])
            moved = recent > 0.0
            found = gains[moved] / recent[moved], float(gains.max(initial=0.0))
            self._ratios[interval] = found
        return found


def _recent(best: Array, interval: int) -> float:
    """What a trial gained in the second half of intervals 1 .. ``interval``; 0 when nothing is known."""
    before = best[max(0, (interval + 1) // 2 - 1)]
    return float(before - best[interval - 1]) if np.isfinite(before) else 0.0


def _best_so_far(curve: Sequence[float]) -> Array:
    values = np.asarray(curve, dtype=float)
    return np.minimum.accumulate(np.where(np.isfinite(values), values, np.inf))
