"""What a model of the run expects along one hyperparameter at a time, through the best trial."""

from __future__ import annotations

from typing import Any

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.space.expressions import Choice
from raydrive.core.space.search_space import Dimension, Space
from raydrive.core.views.surrogate import Surrogate

POINTS = 41


def slices(space: Space, model: Surrogate, order: list[int], best: Array) -> list[dict[str, Any]]:
    """Returns one object for each dimension: its values ``x``, and ``mean`` and ``sd`` of the function there.

    Args:
        space: The search space.
        model: What expects.
        order: Numbers of the dimensions; those that are inactive in the best trial are left out.
        best: The best trial's row, shape ``(d,)``.
    """
    active = [index for index in order if not np.isnan(best[index])]
    if not active:
        return []
    grids = [_grid(space.dimensions[index]) for index in active]
    rows = np.vstack([_along(best, index, positions) for index, (positions, _) in zip(active, grids, strict=True)])
    mean, deviation = model.expected(rows)
    out, begin = [], 0
    for index, (positions, labels) in zip(active, grids, strict=True):
        part = slice(begin, begin + len(positions))
        begin = part.stop
        out.append(_drawn(space.dimensions[index], labels, mean[part], deviation[part]))
    return out


def _along(best: Array, index: int, positions: Array) -> Array:
    rows = np.tile(best, (len(positions), 1))
    rows[:, index] = positions
    return rows


def _drawn(dimension: Dimension, labels: list[Any], mean: Array, deviation: Array) -> dict[str, Any]:
    return {
        "name": dimension.name.lstrip("-"),
        "x": labels,
        "category": isinstance(dimension.expression, Choice),
        "log": "log" in str(dimension.expression.to_json().get("type", "")),
        "mean": [float(value) for value in mean],
        "sd": [float(value) for value in deviation],
    }


def _grid(dimension: Dimension) -> tuple[Array, list[Any]]:
    """Positions in the unit interval along a dimension and the values they stand for."""
    from raydrive.core.views.chart_axes import flat  # lazy: raydrive.core.views.chart_axes, 0.004 s

    expression = dimension.expression
    if isinstance(expression, Choice):
        count = len(expression.options() or ())
        positions = (np.arange(count) + 0.5) / count
    else:
        positions = np.linspace(0.01, 0.99, POINTS)
    labels = [flat({"x": expression.quantile(float(position))}) for position in positions]
    return positions, [label.get("x", str(label)) for label in labels]
