"""Transforms results of trials into targets of a model: failures, long tails, scales.

Everything here is for minimisation; the caller turns the sign.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from raydrive.core.arrays import Array

_LEVELS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Where log(z + c) bends, in units of the distance from the best to the median value."""

_FAR = 4.0
"""Distances from the best to the median value beyond which a value counts by the logarithm in a linear scale."""


@dataclass(frozen=True)
class TargetTransform:
    """How values become standardised ones."""

    best: float
    unit: float
    """Distance from the best to the median value, the ruler of the tail and of the bend."""
    worst: float
    """The z of the worst finite value, which is what failures count as; z = (value - best) / unit."""
    log_offset: float
    """The c of log(z + c); infinity = no bend."""
    mean: float
    deviation: float

    def __call__(self, values: Array) -> Array:
        """Returns standardised values; whatever is not finite counts as the worst."""
        z = np.where(np.isfinite(values), (values - self.best) / self.unit, self.worst)
        return (_log_offset(_softened(z), self.log_offset) - self.mean) / self.deviation

    def slope(self, values: Array) -> Array:
        """Returns the derivative of the standardised by the raw value; turns raw noise into standardised noise."""
        z = np.maximum((values - self.best) / self.unit, 0.0)
        inner = 1.0 / np.maximum(z, 1.0)
        if np.isfinite(self.log_offset):
            inner = inner / (_softened(z) + self.log_offset)
        return np.asarray(inner / (self.unit * self.deviation))

    def back(self, value: float) -> float:
        """Returns the raw value of a standardised one."""
        y = value * self.deviation + self.mean
        z = y if np.isinf(self.log_offset) else float(np.exp(min(y, 50.0))) - self.log_offset
        return self.best + self.unit * (z if z <= 1.0 else float(np.exp(min(z - 1.0, 50.0))))


def _softened(z: Array) -> Array:
    """Returns z up to 1, the median; 1 + log z beyond."""
    return np.asarray(np.where(z > 1.0, 1.0 + np.log(np.maximum(z, 1.0)), z))


def _log_offset(z: Array, log_offset: float) -> Array:
    return z if np.isinf(log_offset) else np.log(np.maximum(z, -0.5 * log_offset) + log_offset)


def target_transform(values: Array, log_offset: bool = True) -> TargetTransform:
    """Returns the scale for values of which some may not be finite.

    Values worse than the median enter by the logarithm: how bad a bad trial was says little about the good ones, but
    which way things get better says much. Where good values lie close together beside a long bad tail, log(z + c)
    spreads them; c is chosen by the normal likelihood with its Jacobian, as Box and Cox (1964) choose their power.
    Both are concave, so the good end is never compressed.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return TargetTransform(0.0, 1.0, 0.0, np.inf, 0.0, 1.0)
    best = float(finite.min())
    # halves, so that the difference of two huge numbers is one too
    unit = 2.0 * (float(np.median(finite / 2.0)) - best / 2.0)
    if unit <= 1e-12 * max(1.0, abs(best)):
        unit = 2.0 * (float(np.mean(finite / 2.0)) - best / 2.0)
    if unit <= 1e-12 * max(1.0, abs(best)) or not np.isfinite(unit):
        unit = 1.0
    worst = max(2.0, float((finite.max() - best) / unit))
    z = np.where(np.isfinite(values), (values - best) / unit, worst)
    z = _softened(z)
    chosen, fitness = np.inf, _normality(z, np.inf)
    if log_offset and len(finite) >= 5:
        for level in _LEVELS:
            here = _normality(z, level)
            if here > fitness + 1.0:
                chosen, fitness = level, here
    y = _log_offset(z, chosen)
    deviation = float(y.std())
    return TargetTransform(best, unit, worst, chosen, float(y.mean()), deviation if deviation > 1e-9 else 1.0)


def rescaled(scale: TargetTransform, unit: float, values: Array) -> TargetTransform:
    """Returns a scale with another unit and without a bend, that standardises ``values``; NaN counts as the worst."""
    changed = replace(scale, unit=unit, log_offset=np.inf, mean=0.0, deviation=1.0)
    finite = values[np.isfinite(values)]
    changed = replace(changed, worst=max(2.0, float((finite.max() - scale.best) / unit)))
    y = changed(values)
    deviation = float(y.std())
    return replace(changed, mean=float(y.mean()), deviation=deviation if deviation > 1e-9 else 1.0)


def linear_transform(values: Array, typical: Array) -> TargetTransform:
    """Returns the scale that leaves values as they are, and only those far beyond the typical ones by the logarithm.

    For a model of the whole space, where the scale of ``target_transform`` looks closely at the best: as more trials
    come to lie close to the best one, so does the median, and everything else becomes a long tail.

    Args:
        values: All values, NaN where a trial has no usable one.
        typical: Some of them, from all over the space. What is farther from the best than ``_FAR`` times their median
            is far beyond.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return TargetTransform(0.0, 1.0, 0.0, np.inf, 0.0, 1.0)
    best, typical = float(finite.min()), typical[np.isfinite(typical)]
    unit = 0.0
    for usual in (np.median(typical / 2.0) if len(typical) else 0.0, np.mean(finite / 2.0)):
        unit = unit or 2.0 * _FAR * (float(usual) - best / 2.0)
        unit = unit if np.isfinite(unit) and unit > 1e-12 * max(1.0, abs(best)) else 0.0
    unit = unit or 1.0
    worst = max(1.0 / _FAR, float((finite.max() - best) / unit))
    y = _softened(np.where(np.isfinite(values), (values - best) / unit, worst))
    deviation = float(y.std())
    return TargetTransform(best, unit, worst, np.inf, float(y.mean()), deviation if deviation > 1e-12 else 1.0)


def _normality(z: Array, log_offset: float) -> float:
    """Log likelihood of values cut at 2, where the bad tail tells nothing about the good end."""
    inner = z[z < 2.0]
    y = _log_offset(np.minimum(z, 2.0), log_offset)
    jacobian = (
        0.0
        if np.isinf(log_offset)
        else -float(np.sum(np.log(inner + log_offset))) - (len(z) - len(inner)) * np.log(2 + log_offset)
    )
    return -0.5 * len(z) * float(np.log(max(float(y.var()), 1e-12))) + jacobian
