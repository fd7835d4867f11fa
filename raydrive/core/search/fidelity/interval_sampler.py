"""Decides by a model of all curves which trial trains next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.search.bayesian.acquisition import Effort, candidates, maximise
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.kernel import Layout
from raydrive.core.search.fidelity import curve_kernel
from raydrive.core.search.fidelity.curve_data import RUNNING, Curve, curve_points
from raydrive.core.search.fidelity.curve_posterior import CurvePosterior, EndImprovement, Places
from raydrive.core.search.fidelity.interval_plan import Step, best_step

MOST = 400
FITTED = 260


class Planner:
    def __init__(self, features: FeatureEncoder, seed: int, longest: int) -> None:
        self.features, self.seed, self.longest = features, seed, longest
        self.layout = Layout(features.owner)
        self.first = max(1, round(longest / 32))
        self.fitted_at = 0
        self.theta: Array | None = None
        self.log: list[Any] = []

    def _fit(self, curves: Sequence[Curve]) -> Array:
        amount = sum(min(c.trained, 6) for c in curves)
        if self.theta is None or amount >= self.fitted_at * 1.12 + 2:
            data, _, _ = curve_points(curves, self.features, self.layout, self.longest, FITTED)
            if len(data.values) > FITTED * 1.3:
                data = _some(data, FITTED)
            d = self.layout.dimensions
            fresh = self.theta is None or self.fitted_at < 40
            starts = [curve_kernel.start(d)] if fresh else []
            if self.theta is not None:
                starts.append(self.theta)
            self.theta = curve_kernel.fit(data, starts, 25)
            self.fitted_at = amount
        return self.theta

    def posterior(self, curves: Sequence[Curve]):
        data, scale, index = curve_points(curves, self.features, self.layout, self.longest, MOST)
        base = CurvePosterior(data, self._fit(curves))
        # running trials: as if they had reached what is expected of them
        number = {i: k for k, i in enumerate(index)}
        running = [i for i, c in enumerate(curves) if c.state == RUNNING]
        fresh = [i for i in running if i not in number]
        for i in fresh:
            number[i] = len(index)
            index = [*index, i]
        if not running:
            return base, base, scale, index
        rows = self.features.tidy(np.array([curves[i].row for i in running]))
        f = self.features.features(rows)
        which = np.array([number[i] for i in running], np.intp)
        time = np.array([curves[i].until for i in running], float) / self.longest
        mean, _ = base.at(Places(f, which, time))
        new = f[[k for k, i in enumerate(running) if i in fresh]]
        return base, base.with_points(new, which, time, mean), scale, index

    def plan(self, curves: Sequence[Curve], rng: np.random.Generator, propose: bool) -> tuple[list[Step], Array | None]:
        base, process, scale, index = self.posterior(curves)
        known = len(base.data.features)
        every = np.arange(len(index), dtype=np.intp)
        ends, spread = process.at(Places(process.data.features, every, np.ones(len(index))))
        # the best seen, and what it is expected to end at
        low = np.array([np.nanmin(np.where(np.isfinite(curves[i].values), curves[i].values, np.inf)) for i in index[:known]])
        leader = int(np.argmin(low))
        bar = float(scale(low[leader : leader + 1])[0])
        goal = float(ends[leader])
        for k, i in enumerate(index):
            if curves[i].state == RUNNING:
                goal = min(goal, float(ends[k]))
        new = None
        row = None
        if propose:
            row = self._new(process, curves, ends, float(ends.min()), rng)
            if row is not None:
                new = self.features.features(row[None, :])[0]
        steps = best_step(process, curves, index, bar, goal, new, self.longest, self.first, self.others if row is not None else None)
        self.last = dict(goal=goal, bar=bar, leader=index[leader], scale=scale)
        return steps, row

    def _new(self, process, curves, ends, goal, rng):
        f = self.features
        rows = f.tidy(np.array([c.row for c in curves]))
        tried = {r.tobytes() for r in np.nan_to_num(rows, nan=-1.0)}

        def free(rows):
            return np.array([r.tobytes() not in tried for r in np.nan_to_num(rows, nan=-1.0)], dtype=bool)

        order = np.argsort(ends, kind="stable")[:8]
        effort = Effort(spread=512, near=320, starts=4, rounds=2, iterations=16)
        score = EndImprovement(process, goal)
        known = f.tidy(np.array([curves[i].row for i in self._places(curves, process)]))
        pool = candidates(f, known[order], rng, effort)
        rows, _ = maximise(f, score, pool, free, rng, effort)
        values = score(f.features(pool))
        top = pool[np.argsort(-(values + rng.gumbel(size=len(values))), kind="stable")[:24]]
        self.others = f.features(np.vstack([top, pool[:8]]))
        return rows[0] if len(rows) else None

    def _places(self, curves, process):
        n = [i for i, c in enumerate(curves) if c.trained]
        return n + [i for i, c in enumerate(curves) if c.state == RUNNING and not c.trained]


def _some(data, most):
    n = len(data.features)
    order = np.argsort(np.minimum.reduceat(data.values, np.searchsorted(data.curve, np.arange(n))), kind="stable")
    half = order[: n // 3]
    rest = order[n // 3 :]
    per = len(data.values) / n
    keep = np.concatenate([half, rest[np.linspace(0, len(rest) - 1, max(1, min(len(rest), int(most / per) - len(half)))).astype(int)]])
    keep = np.unique(keep)
    mask = np.isin(data.curve, keep)
    return curve_kernel.CurvePoints(data.features[keep], data.layout, np.searchsorted(keep, data.curve[mask]).astype(np.intp), data.time[mask], data.values[mask])
