"""Which hyperparameters matter, and what a model of the run expects along each of them.

Importance is functional ANOVA (``fanova``): the share of the differences between trials that a hyperparameter explains
by itself, in numbers that compare with Optuna's. Values far outside the middle half of all are pulled in first, so that
one diverged trial does not decide everything. ``explained`` is the forest's out-of-bag R^2: below about 0.1 the ranking
is noise, and the page says so.

Slices (``slices``) are drawn beside it, for the most important ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.fanova import main_effects
from raydrive.core.views.slices import slices

FEWEST = 8
"""Trials with a value below which nothing is said."""
MOST = 1500
"""Trials that importance is computed from at most, the newest ones."""
MOST_SLICES = 12
_FENCE = 3.0
"""Quartile distances beyond the quartiles where a value is pulled in: Tukey's fence of what is far out."""


def analyse(sweep: Sweep) -> dict[str, Any]:
    """Returns the importance of each hyperparameter and one slice each, or why there are none.

    Args:
        sweep: The run; nothing in it is changed.

    Returns:
        ``importance``: ``[name, share]`` by share, descending, shares adding up to 1 (or all 0); ``explained``: R^2;
        ``slices``: one object per hyperparameter; ``note``: what to know, empty when there is nothing.
    """
    space, curves = sweep.config.sampling.space, sweep.curves
    found = [(trial.params, curves.objective(trial.number)) for trial in sweep.trials]
    known = [(params, value) for params, value in found if value is not None]
    if len(known) < FEWEST:
        note = f"{len(known)} of the {FEWEST} trials with a value that are needed"
        return {"importance": [], "explained": None, "slices": [], "note": note, "trials": len(known)}
    values = np.array([value for _, value in known])
    units = np.array([space.unit(params) for params, _ in known]).reshape(len(known), -1)
    names = [dimension.name.lstrip("-") for dimension in space.dimensions]
    if not names or float(np.ptp(values)) == 0.0:
        note = "all trials have the same value" if names else "the search space has no hyperparameters"
        return {"importance": [], "explained": None, "slices": [], "note": note, "trials": len(known)}
    shares, explained = importance(units[-MOST:], values[-MOST:])
    ranked = sorted(zip(names, shares, strict=True), key=lambda item: -item[1])
    note = (
        "the hyperparameters explain little of the metric so far; read the order with care" if explained < 0.1 else ""
    )
    order = sorted(range(len(names)), key=lambda index: -shares[index])[:MOST_SLICES]
    best = units[int(np.argmax(values) if curves.maximize else np.argmin(values))]
    return {
        "importance": [[name, float(share)] for name, share in ranked],
        "explained": explained,
        "slices": slices(sweep, order, best),
        "note": note,
        "trials": len(known),
    }


def importance(units: Array, values: Array) -> tuple[list[float], float]:
    """Returns the share of each dimension, adding up to 1 (or all 0), and the out-of-bag R^2.

    Args:
        units: Positions in the unit cube, shape ``(n, d)``; NaN where a dimension is inactive.
        values: Shape ``(n,)``.
    """
    missing = np.isnan(units).mean(axis=0)
    # Inactive is a value of its own, beside the unit interval, and as wide as it is frequent.
    beside = np.where(missing < 1.0, missing / np.maximum(1.0 - missing, 1e-9), 0.0)
    x = np.where(np.isnan(units), -beside / 2.0, units)
    ranges = np.column_stack([-beside, np.where(missing < 1.0, 1.0, 0.0)])
    shares, explained = main_effects(x, _without_far_out(values), ranges)
    return [float(share) for share in shares], explained


def _without_far_out(values: Array) -> Array:
    low, high = np.quantile(values, (0.25, 0.75))
    reach = _FENCE * (high - low)
    return np.clip(values, low - reach, high + reach) if reach > 0.0 else values
