"""From trials to numbers a model can learn from: failures, early-stopped trials, scales.

Everything here is for minimisation; the caller turns the sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LEVELS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Where log(z + c) bends, in units of the distance from the best to the median value."""


@dataclass(frozen=True)
class Scale:
    """How values become standardised ones."""

    best: float
    unit: float
    """Distance from the best to the median value, the ruler of the clip and of the bend."""
    bend: float
    """The c of log(z + c) with z = (value - best) / unit; infinity = no bend."""
    mean: float
    deviation: float

    def __call__(self, values: Array) -> Array:
        """Returns standardised values; whatever is not finite counts as the worst."""
        z = (np.where(np.isfinite(values), values, np.inf) - self.best) / self.unit
        return (_bent(np.minimum(z, 2.0), self.bend) - self.mean) / self.deviation

    def slope(self, values: Array) -> Array:
        """Returns the derivative of the standardised by the raw value; turns raw noise into standardised noise."""
        z = np.clip((values - self.best) / self.unit, 0.0, 2.0)
        inner = 1.0 if np.isinf(self.bend) else 1.0 / (z + self.bend)
        return np.asarray(inner / (self.unit * self.deviation))

    def back(self, value: float) -> float:
        """Returns the raw value of a standardised one."""
        y = value * self.deviation + self.mean
        z = y if np.isinf(self.bend) else float(np.exp(min(y, 50.0))) - self.bend
        return self.best + self.unit * z


def _bent(z: Array, bend: float) -> Array:
    return z if np.isinf(bend) else np.log(np.maximum(z, -0.5 * bend) + bend)


def scale_of(values: Array, bend: bool = True) -> Scale:
    """Returns the scale for values of which some may not be finite.

    Values beyond the median by more than the distance from the best to the median are clipped: how bad a bad trial was
    teaches nothing about the good ones. Where good values lie close together beside a long bad tail, log(z + c)
    spreads them; c is chosen by the normal likelihood with its Jacobian, as Box and Cox (1964) choose their power. It
    is concave, so the good end is never compressed.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Scale(0.0, 1.0, np.inf, 2.0, 1.0)
    best = float(finite.min())
    unit = float(np.median(finite)) - best
    if unit <= 1e-12 * max(1.0, abs(best)):
        unit = float(np.mean(finite)) - best
    if unit <= 1e-12 * max(1.0, abs(best)):
        unit = 1.0
    z = np.minimum((np.where(np.isfinite(values), values, np.inf) - best) / unit, 2.0)
    chosen, fitness = np.inf, _normality(z, np.inf)
    if bend and len(finite) >= 5:
        for level in _LEVELS:
            here = _normality(z, level)
            if here > fitness + 1.0:
                chosen, fitness = level, here
    y = _bent(z, chosen)
    deviation = float(y.std())
    return Scale(best, unit, chosen, float(y.mean()), deviation if deviation > 1e-9 else 1.0)


def _normality(z: Array, bend: float) -> float:
    inner = z[z < 2.0]
    y = _bent(z, bend)
    jacobian = (
        0.0 if np.isinf(bend) else -float(np.sum(np.log(inner + bend))) - (len(z) - len(inner)) * np.log(2 + bend)
    )
    return -0.5 * len(z) * float(np.log(max(float(y.var()), 1e-12))) + jacobian
