"""Which hyperparameters matter, and what a model of the run expects along each of them.

Importance is permutation importance on out-of-bag trials of a random forest (Breiman, *Random Forests*, 2001, section
10): how much worse the forest predicts trials it was not grown on when one hyperparameter is shuffled. Values are
replaced by their ranks first, so that one diverged trial does not decide everything. ``explained`` is the forest's
out-of-bag R^2: below about 0.1 the ranking is noise, and the page says so.

Slices are a Gaussian process (Matern 5/2 kernel, one length scale per hyperparameter, and noise) along one
hyperparameter at a time through the best trial: mean and a band of two standard deviations of the mean function.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raydrive.core.space.expressions import Choice
from raydrive.core.space.search_space import Dimension, Space
from raydrive.core.sweep.sweep import Sweep

Array = NDArray[np.float64]
FEWEST = 8
"""Trials with a value below which nothing is said."""
MOST_FOR_FOREST = 1500
MOST_FOR_PROCESS = 150
TREES = 64
SHUFFLES = 2
SLICE_POINTS = 41
MOST_SLICES = 12


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
    shares, explained = _importance(units[-MOST_FOR_FOREST:], values[-MOST_FOR_FOREST:])
    ranked = sorted(zip(names, shares, strict=True), key=lambda item: -item[1])
    note = (
        "the hyperparameters explain little of the metric so far; read the order with care" if explained < 0.1 else ""
    )
    order = sorted(range(len(names)), key=lambda index: -shares[index])[:MOST_SLICES]
    slices = _slices(space, order, units, values, curves.maximize)
    return {
        "importance": [[name, float(share)] for name, share in ranked],
        "explained": explained,
        "slices": slices,
        "note": note,
        "trials": len(known),
    }


def _filled(units: Array) -> Array:
    """Inactive dimensions as a value of their own, outside the cube, which a tree can split off."""
    return np.where(np.isnan(units), -1.0, units)


def _importance(units: Array, values: Array) -> tuple[list[float], float]:
    """Returns the share of each dimension and the out-of-bag R^2."""
    from sklearn.tree import DecisionTreeRegressor

    x, n = _filled(units), len(values)
    y = np.argsort(np.argsort(values, kind="stable"), kind="stable") / max(1, n - 1)
    rng = np.random.default_rng(0)
    total, hits = np.zeros(n), np.zeros(n)
    worse = np.zeros(x.shape[1])
    for tree in range(TREES):
        drawn = rng.integers(n, size=n)
        out = np.setdiff1d(np.arange(n), drawn, assume_unique=False)
        if not len(out):
            continue
        model = DecisionTreeRegressor(min_samples_leaf=2, random_state=tree)
        model.fit(x[drawn], y[drawn])
        predicted = model.predict(x[out])
        total[out] += predicted
        hits[out] += 1
        error = float(np.mean((predicted - y[out]) ** 2))
        for column in range(x.shape[1]):
            for _ in range(SHUFFLES):
                mixed = x[out].copy()
                mixed[:, column] = rng.permutation(mixed[:, column])
                worse[column] += float(np.mean((model.predict(mixed) - y[out]) ** 2)) - error
    seen = hits > 0
    residual = float(np.mean((total[seen] / hits[seen] - y[seen]) ** 2))
    explained = 1.0 - residual / float(np.var(y[seen])) if np.var(y[seen]) else 0.0
    gains = np.maximum(worse, 0.0)
    shares = gains / gains.sum() if gains.sum() > 0 else gains
    return [float(share) for share in shares], explained


def _slices(space: Space, order: list[int], units: Array, values: Array, maximize: bool) -> list[dict[str, Any]]:
    """Returns mean and deviation along each dimension in ``order`` through the best trial."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    best = int(np.argmax(values) if maximize else np.argmin(values))
    keep = _spread(values, best, maximize)
    # Winsorised: a diverged trial at 1e9 would leave no room for the rest.
    low, high = np.quantile(values, (0.02, 0.98))
    clipped = np.clip(values, low - 3 * (high - low), high + 3 * (high - low))
    mean, scale = float(np.mean(clipped[keep])), float(np.std(clipped[keep])) or 1.0
    x = _features(space, units)
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern([0.5] * x.shape[1], (0.05, 20.0), nu=2.5) + WhiteKernel(
        0.05, (1e-4, 1.0)
    )
    process = GaussianProcessRegressor(kernel, normalize_y=False, random_state=0, n_restarts_optimizer=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bound reached by a length scale: the parameter is flat
        process.fit(x[keep], (clipped[keep] - mean) / scale)
    noise = float(process.kernel_.k2.noise_level)
    out = []
    for index in order:
        dimension = space.dimensions[index]
        if np.isnan(units[best, index]):
            continue  # not a part of the best configuration
        positions, labels = _grid(dimension)
        rows = np.tile(units[best], (len(positions), 1))
        rows[:, index] = positions
        mu, sigma = process.predict(_features(space, rows), return_std=True)
        sigma = np.sqrt(np.maximum(sigma**2 - noise, 0.0))
        out.append(
            {
                "name": dimension.name.lstrip("-"),
                "x": labels,
                "category": isinstance(dimension.expression, Choice),
                "log": "log" in str(dimension.expression.to_json().get("type", "")),
                "mean": [float(mean + scale * value) for value in mu],
                "sd": [float(scale * value) for value in sigma],
            }
        )
    return out


def _spread(values: Array, best: int, maximize: bool) -> NDArray[np.intp]:
    """The trials a process is fitted on: all; of many, the best for half of the places and an even spread beyond."""
    n = len(values)
    if n <= MOST_FOR_PROCESS:
        return np.arange(n)
    ranked = np.argsort(-values if maximize else values, kind="stable")
    half = MOST_FOR_PROCESS // 2
    rest = ranked[half:][np.linspace(0, n - half - 1, MOST_FOR_PROCESS - half).astype(int)]
    return np.unique(np.concatenate([[best], ranked[:half], rest]))


def _features(space: Space, units: Array) -> Array:
    """Numbers as their position, choices one-hot; inactive dimensions in the middle."""
    columns: list[Array] = []
    for index, dimension in enumerate(space.dimensions):
        column = units[:, index]
        if isinstance(dimension.expression, Choice):
            count = len(dimension.expression.options() or ())
            code = np.clip(np.nan_to_num(column, nan=0.0) * count, 0, count - 1).astype(int)
            hot = np.zeros((len(column), count))
            hot[np.arange(len(column)), code] = np.where(np.isnan(column), 0.0, 0.7)
            columns.extend(hot.T)
        else:
            columns.append(np.nan_to_num(column, nan=0.5))
    features: Array = np.array(columns).T
    return features


def _grid(dimension: Dimension) -> tuple[Array, list[Any]]:
    """Positions in the unit interval along a dimension and the values they stand for."""
    from raydrive.core.views.chart_axes import flat

    expression = dimension.expression
    if isinstance(expression, Choice):
        count = len(expression.options() or ())
        positions = (np.arange(count) + 0.5) / count
    else:
        positions = np.linspace(0.01, 0.99, SLICE_POINTS)
    labels = [flat({"x": expression.quantile(float(position))}) for position in positions]
    return positions, [label.get("x", str(label)) for label in labels]
