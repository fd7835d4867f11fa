"""Learning-curve extrapolation: the expected final value of a curve that was cut short.

Let b(k) be a trial's best value after interval k (smaller is better). A trial that a policy stopped at interval k would
have ended below b(k) by some gain. How much trials gain after k differs with what they gained before it: a diverged or
flat curve stays where it is. So the completed trials j that are longer than k give

    rho_j = (b_j(k) - b_j(end)) / (b_j(k / 2) - b_j(k)),                                                (1)

gain after k for each unit of recent gain, and with r the recent gain of the stopped trial itself,

    end = b(k) - r median(rho),    noise deviation = r (1.4826 MAD(rho) + median(rho) / 4)              (2)

Medians, because some curves jump; the last term, because those that were stopped are not a random sample of all. No
estimate gains more than any completed trial did. With fewer than three trials to compare, b(k) stands, with r as its
noise. Running trials are read alike.

Where a trial's value is not its best point, it may get worse again, and gains say nothing. With v(k) the value after k
intervals, the completed trials that are longer then give

    end = v(k) + median(v_j(end) - v_j(k)),    noise deviation = 1.4826 MAD + |median| / 4              (3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.objective import BEST, LAST, MEAN, Objective

_REFERENCES = 200
"""Completed trials compared with, the latest ones; more would not change a median."""
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """An estimate of a final value."""

    value: float
    noise: float
    """Its standard deviation, 0 where the trial ended by itself."""


class CurveExtrapolation:
    """Stores the completed curves and estimates the final values of others.

    Args:
        curves: Completed trials' metrics by interval, smaller is better; values that are not finite are passed over.
        objective: What of a curve is its trial's value; None = the best point.
    """

    def __init__(self, curves: Sequence[Sequence[float]], objective: Objective | None = None) -> None:
        chosen = [curve for curve in curves if len(curve) > 1][-_REFERENCES:]
        self._objective = objective if objective is not None and objective.kind != BEST else None
        self._best = [self._so_far(curve) for curve in chosen]
        self._ratios: dict[int, tuple[Array, float]] = {}

    def estimate(self, curve: Sequence[float]) -> Extrapolation | None:
        """Returns (2), or (3), for a trial that logged ``curve``; None when it has no finite value."""
        best = self._so_far(curve)
        if not len(best) or not np.isfinite(best[-1]):
            return None
        if self._objective is not None:
            return self._moved(best)
        value, recent = float(best[-1]), _recent(best, len(best))
        ratios, most = self._after(len(best))
        if len(ratios) < _FEWEST:
            return Extrapolation(value, recent)
        typical = float(np.median(ratios))
        spread = 1.4826 * float(np.median(np.abs(ratios - typical)))
        return Extrapolation(value - min(recent * typical, most), recent * (spread + 0.25 * typical))

    def _so_far(self, curve: Sequence[float]) -> Array:
        """What the trial's value was after each interval; infinite while it had none."""
        if self._objective is None:
            return best_so_far(curve)
        return value_so_far(np.asarray(curve, dtype=float), self._objective)

    def _moved(self, so_far: Array) -> Extrapolation:
        """Ending (3)."""
        interval, value = len(so_far), float(so_far[-1])
        longer = [one for one in self._best if len(one) > interval and np.isfinite([one[interval - 1], one[-1]]).all()]
        if len(longer) < _FEWEST:
            before = so_far[max(0, (interval + 1) // 2 - 1)]
            return Extrapolation(value, abs(value - float(before)) if np.isfinite(before) else 0.0)
        shifts = np.array([one[-1] - one[interval - 1] for one in longer])
        typical = float(np.median(shifts))
        spread = 1.4826 * float(np.median(np.abs(shifts - typical)))
        return Extrapolation(value + typical, spread + 0.25 * abs(typical))

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


def best_so_far(curve: Sequence[float]) -> Array:
    """Returns the smallest finite value up to each interval; infinite before the first."""
    values = np.asarray(curve, dtype=float)
    return np.minimum.accumulate(np.where(np.isfinite(values), values, np.inf))


def value_so_far(values: Array, objective: Objective) -> Array:
    """Returns values, smaller is better, after each interval: the last, the largest, or the mean of the last few."""
    finite = np.where(np.isfinite(values), values, np.inf)
    if objective.kind == LAST:
        return finite
    if objective.kind == MEAN:
        ends = np.arange(1, len(values) + 1)
        begins = np.maximum(0, ends - objective.window)
        sums = np.concatenate(([0.0], np.cumsum(np.where(np.isfinite(values), values, 0.0))))
        odd = np.concatenate(([0], np.cumsum(~np.isfinite(values))))
        return np.where(odd[ends] > odd[begins], np.inf, (sums[ends] - sums[begins]) / (ends - begins))
    return np.maximum.accumulate(finite)
