"""What a model of the run expects along one hyperparameter at a time, through the best trial.

The model is the Gaussian process that Bayesian sampling proposes with: its features, its kernel, its prior, its reading
of failed and stopped trials. Two things differ. Its hyperparameters come from one fit, where those of a proposal begin
from those of earlier ones. And good values are not spread by a logarithm: that makes a sampler look closer at them, and
a chart of everything else useless.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.expressions import Choice
from raydrive.core.space.search_space import Dimension, Space
from raydrive.core.sweep.sweep import Sweep

POINTS = 41
MOST_TRIALS = 200
"""Trials that the model is fitted to at most: the best ones, and some of all others."""
_ITERATIONS = 30
"""Of its fit, at most."""


def slices(sweep: Sweep, order: list[int], best: Array) -> list[dict[str, Any]]:
    """Returns one object for each dimension: its values ``x``, and ``mean`` and ``sd`` of the function there.

    Args:
        sweep: The run, which has some trials with a value.
        order: Numbers of the dimensions; those that are inactive in the best trial are left out.
        best: The best trial's row, shape ``(d,)``.
    """
    config = sweep.config
    space, metric = config.sampling.space, config.metric
    before = sweep.warm_start.seen(metric.maximize, metric.value) if config.sampling.learns else []
    active = [index for index in order if not np.isnan(best[index])]
    if not active:
        return []
    grids = [_grid(space.dimensions[index]) for index in active]
    rows = np.vstack([_along(best, index, positions) for index, (positions, _) in zip(active, grids, strict=True)])
    mean, deviation = expected(space, [*before, *sweep.history[:]], metric.maximize, rows)
    out, begin = [], 0
    for index, (positions, labels) in zip(active, grids, strict=True):
        part = slice(begin, begin + len(positions))
        begin = part.stop
        out.append(_drawn(space.dimensions[index], labels, mean[part], deviation[part]))
    return out


def expected(space: Space, trials: list[TrialRecord], maximize: bool, rows: Array) -> tuple[Array, Array]:
    """Returns what the model expects of configurations, in units of the objective value.

    Args:
        space: The search space.
        trials: What the model is fitted to.
        maximize: Whether larger values are better.
        rows: Configurations in the unit cube, shape ``(m, d)``; NaN where something is inactive.

    Returns:
        Mean and standard deviation of the function (without noise), each of shape ``(m,)``.
    """
    # lazy: scipy, 0.3 s
    from raydrive.core.search.bayesian import gaussian_process  # lazy: scipy, 0.3 s
    from raydrive.core.search.bayesian.features import (
        FeatureEncoder,  # lazy: raydrive.core.search.bayesian.features, 0.001 s
    )
    from raydrive.core.search.bayesian.gp_sampler import data_of  # lazy: scipy, 0.3 s
    from raydrive.core.search.bayesian.kernel import Layout  # lazy: raydrive.core.search.bayesian.kernel, 0.001 s
    from raydrive.core.search.bayesian.training_data import (
        TrainingDataReader,  # lazy: raydrive.core.search.bayesian.training_data, 0.007 s
    )

    features = FeatureEncoder(space)
    layout = Layout(features.owner, features.numbers)
    data, scale = data_of(TrainingDataReader(features, maximize).read(trials), features, layout, log_offset=False)
    data = data.thinned(MOST_TRIALS)
    start, prior = gaussian_process.start(layout), gaussian_process.Prior()
    theta, _ = gaussian_process.fit(data, [start], prior, _ITERATIONS)
    process = gaussian_process.Posterior(data, theta)
    # What becomes active along the way stands in its middle.
    mean, deviation = process.predict(features.features(features.tidy(np.nan_to_num(rows, nan=0.5))))
    back = np.vectorize(scale.back, otypes=[float])
    sign = -1.0 if maximize else 1.0
    return sign * back(mean), np.abs(back(mean + deviation) - back(mean - deviation)) / 2.0


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
