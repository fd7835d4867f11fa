"""Distributions of Optuna and Ray Tune as lists, expressions or things that draw; nothing of either is imported.

They are told by the modules of their classes, and read by their public attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from raydrive.core.space.search_space import int_range, log_int, log_range, quniform, uniform

_MOST_STEPS = 1000
"""Values of a range with steps that are written one by one."""


@dataclass(frozen=True)
class Draws:
    """A domain of Ray Tune's that only draws, with the method that scipy's distributions have."""

    domain: Any

    def rvs(self, random_state: Any = None) -> Any:
        """Returns a value."""
        return self.domain.sample(random_state=random_state)


def read_other(raw: Any) -> Any:
    """Returns what a parameter may be here; what is of none of these libraries is returned as it is."""
    library = type(raw).__module__.partition(".")[0]
    if library == "optuna" and type(raw).__name__.endswith("Distribution"):
        return _of_optuna(raw)
    if library == "ray" and hasattr(raw, "sample"):
        return _of_ray_tune(raw)
    return raw


def range_of(low: float, high: float, scale: str = "uniform") -> Any:
    """Returns what tune-sklearn means by ``(low, high)`` and ``(low, high, "log-uniform")``."""
    whole = type(low) is int and type(high) is int
    if scale == "log-uniform":
        return log_int(int(low), int(high)) if whole else log_range(low, high)
    return int_range(int(low), int(high)) if whole else uniform(float(low), float(high))


def _of_optuna(raw: Any) -> Any:
    choices = getattr(raw, "choices", None)
    if choices is not None:
        return list(choices)
    low, high, step = raw.low, raw.high, raw.step
    if low == high:
        return [low]
    if type(raw).__name__.startswith("Int"):
        if raw.log:
            return log_int(low, high)
        return int_range(low, high) if step == 1 else list(range(low, high + 1, step))
    if raw.log:
        return log_range(low, high)
    return uniform(low, high) if step is None else _stepped(low, high, step)


def _of_ray_tune(raw: Any) -> Any:
    categories = getattr(raw, "categories", None)
    if categories is not None:
        return list(categories)
    kind = type(raw.get_sampler()).__name__
    if kind not in ("_Uniform", "_LogUniform") or not hasattr(raw, "lower"):  # quantized, normal, functions
        return Draws(raw)
    low, high = raw.lower, raw.upper
    if not np.isfinite([low, high]).all():
        return Draws(raw)
    if type(raw).__name__ == "Integer":  # the upper bound is not drawn
        return (
            [low] if high - low < 2 else log_int(low, high - 1) if kind == "_LogUniform" else int_range(low, high - 1)
        )
    return log_range(low, high) if kind == "_LogUniform" else uniform(low, high)


def _stepped(low: float, high: float, step: float) -> Any:
    """The numbers from ``low`` to ``high``, ``step`` apart."""
    count = int((high - low) / step + 1e-9) + 1
    if count > _MOST_STEPS:
        return uniform(low, high) if abs(low / step - round(low / step)) > 1e-9 else quniform(low, high, step)
    return [float(f"{low + index * step:.12g}") for index in range(count)]
