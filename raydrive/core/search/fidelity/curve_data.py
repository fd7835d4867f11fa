"""Learning curves as observations: which of their points a model sees, and on what scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.kernel import Layout
from raydrive.core.search.bayesian.target_transform import TargetTransform, rescaled, target_transform
from raydrive.core.search.fidelity.curve_kernel import CurvePoints

HELD, RUNS, OVER = "held", "runs", "over"

_ROOM = 0.2
"""The ruler of values is at least this part of the distance from the best value to the median of an even spread: where
most trials lie on one plateau, what differs between them is nothing to look at closely."""
_TYPICAL = 5
"""Curves of an even spread that tell that distance."""
_RATIO = 0.62
"""Of an interval that a model sees to the next one: values close to each other tell little more than one of them."""

_SLOW_GROWTH, _LENGTHS = 1.12, 4.0 / 3.0
"""Of the number of curves, and of a curve's length, from one fit to the next one."""


@dataclass(frozen=True)
class Curve:
    """A trial as the model sees it; smaller values are better."""

    trial: int
    row: Array
    """Of ``FeatureEncoder``."""
    values: Array
    """By interval; what is not finite is bad."""
    state: str
    """``HELD`` (it may continue), ``RUNS`` or ``OVER``."""
    until: int = 0
    """Interval that a running trial trains to."""
    typical: bool = False
    """Whether its configuration is one of an even spread."""

    @property
    def trained(self) -> int:
        """Intervals so far."""
        return len(self.values)

    @cached_property
    def best(self) -> float:
        """The best value so far, infinite where there is none."""
        finite = self.values[np.isfinite(self.values)]
        return float(finite.min()) if len(finite) else np.inf

    @cached_property
    def worst(self) -> float:
        """The worst finite value, minus infinity where there is none."""
        finite = self.values[np.isfinite(self.values)]
        return float(finite.max()) if len(finite) else -np.inf


def seen_intervals(trained: int) -> list[int]:
    """Returns the intervals of a curve that a model sees: the last, and further back in a geometric series."""
    out: list[int] = []
    t = float(trained)
    while t >= 1.0:
        if not out or round(t) < out[-1]:
            out.append(round(t))
        t *= _RATIO
    if out and out[-1] > 1:
        out.append(1)
    return out[::-1]


def curve_points(
    curves: Sequence[Curve],
    features: FeatureEncoder,
    layout: Layout,
    longest: int,
    most: int,
    of: Sequence[Curve] | None = None,
) -> tuple[CurvePoints, TargetTransform, list[int]]:
    """Returns observations, their scale, and the place in ``curves`` of each curve in them.

    Args:
        curves: Those without a value are left out.
        features: The space.
        layout: Of the features, without bent columns.
        longest: Intervals of the longest training.
        most: Observations, at most (more only where there are more curves).
        of: Curves whose values make the scale; None: of ``curves``. Hyperparameters are in its units, so a fit to
            some of the curves takes the scale of all of them.
    """
    known = [i for i, curve in enumerate(curves) if curve.trained]
    if not known:
        empty = np.empty(0)
        data = CurvePoints(np.empty((0, len(layout.owner))), layout, np.empty(0, np.intp), empty, empty)
        return data, target_transform(empty), []
    scale = _scale([curve for curve in (curves if of is None else of) if curve.trained])
    intervals = [seen_intervals(curves[i].trained) for i in known]
    count = sum(len(one) for one in intervals)
    if count > most:  # of the worst ones only the last
        for k in sorted(range(len(known)), key=lambda k: -curves[known[k]].best):
            if count <= most:
                break
            seen = intervals[k]
            intervals[k] = seen[-1:] if len(seen) <= 2 else [seen[len(seen) // 2], seen[-1]]
            count -= len(seen) - len(intervals[k])
    curve = np.repeat(np.arange(len(known)), [len(one) for one in intervals])
    time = np.concatenate([np.array(one, float) for one in intervals]) / longest
    raw = np.concatenate([curves[i].values[np.array(one) - 1] for i, one in zip(known, intervals, strict=True)])
    rows = features.tidy(np.array([curves[i].row for i in known]))
    return CurvePoints(features.features(rows), layout, curve.astype(np.intp), time, scale(raw)), scale, known


def steady_curves(curves: Sequence[Curve]) -> list[Curve]:
    """Returns curves that change seldom while a run goes on, so that a fit to them can be kept.

    Curves count up to a number that grows by 12 % at a time, and those that may still grow as far as their own length
    has come in steps of a third.

    Args:
        curves: Those without a value are left out.
    """
    known = [curve for curve in curves if curve.trained]
    steady = []
    for curve in known[: level(len(known))]:
        length = curve.trained if curve.state == OVER else _steady_length(curve.trained)
        steady.append(curve if length == curve.trained else replace(curve, values=curve.values[:length]))
    return steady


def for_fit(curves: Sequence[Curve], most: int) -> list[Curve]:
    """Returns the curves that hyperparameters are fitted to: the best, the longest, and every so many-th other one.

    A third each: the best are to be told apart, and the longest tell how curves go on.

    Args:
        curves: Each with a value.
        most: Curves, at most.
    """
    if len(curves) <= most:
        return list(curves)
    order = sorted(range(len(curves)), key=lambda k: curves[k].best)
    kept = set(order[: most // 3])
    kept.update(sorted(set(order) - kept, key=lambda k: (-curves[k].trained, k))[: most // 3])
    rest = [k for k in range(len(curves)) if k not in kept]
    kept.update(rest[k] for k in np.linspace(0, len(rest) - 1, most - len(kept)).astype(int))
    return [curves[k] for k in sorted(kept)]


def level(count: int) -> int:
    """Returns the largest number of a series that grows by 12 % and is at most ``count``."""
    found = 1
    while (above := max(found + 1, math.ceil(found * _SLOW_GROWTH))) <= count:
        found = above
    return found


def _steady_length(trained: int) -> int:
    """The largest number of a series that grows by a third and is at most ``trained``, from 1."""
    found = 1
    while (above := max(found + 1, round(found * _LENGTHS))) <= trained:
        found = above
    return found


def _scale(curves: Sequence[Curve]) -> TargetTransform:
    """From the best value of each curve; what is not finite counts as the worst value of any."""
    best = np.array([curve.best for curve in curves])
    scale = target_transform(np.where(np.isfinite(best), best, np.nan), log_offset=False)
    even = np.array([curve.best for curve in curves if curve.typical and np.isfinite(curve.best)])
    if len(even) >= _TYPICAL:
        least = _ROOM * (float(np.median(even)) - scale.best)
        if least > scale.unit:
            scale = rescaled(scale, least, best)
    worst = max(curve.worst for curve in curves)
    return replace(scale, worst=max(scale.worst, (worst - scale.best) / scale.unit))
