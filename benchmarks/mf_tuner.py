"""raydrive's interval sampler as a tuner of the multi-fidelity harness."""

from __future__ import annotations

from typing import Any

import numpy as np

from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.fidelity.curve_data import OVER, PAUSED, RUNNING, Curve
from raydrive.core.search.fidelity.interval_sampler import Planner
from raydrive.core.search.random_search import _SobolPoints as SobolPoints
from raydrive.core.space.search_space import parse_space


def expression(dim: dict[str, Any]) -> Any:
    from raydrive import choice, log_int, loguniform, quniform, randint, uniform  # noqa

    raise NotImplementedError


class Intervals:
    def __init__(self, space, seed, workers, max_epochs) -> None:
        import importlib.util, pathlib

        spec = importlib.util.spec_from_file_location("bench_quality", pathlib.Path(__file__).parent / "quality.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.space = parse_space({d["name"]: module.expression(d) for d in space})
        self.features = FeatureEncoder(self.space)
        self.planner = Planner(self.features, seed, max_epochs)
        self.R, self.seed, self.workers = max_epochs, seed, workers
        self.sobol = SobolPoints(len(self.space.dimensions), seed)
        d = len(self.space.dimensions)
        self.initial = max(8, min(d + 4, 14))
        self.rows, self.values, self.state, self.until = [], [], [], []
        self.n = 0

    def _start(self, params, until):
        tid = len(self.rows)
        self.rows.append(self.features.row(params))
        self.values.append([])
        self.state.append(RUNNING)
        self.until.append(until)
        return tid, dict(params), 0, until

    def next_job(self):
        self.n += 1
        tid = len(self.rows)
        told = sum(1 for v in self.values if v)
        if tid < self.initial or told < 3:
            return self._start(self.space.at(self.sobol[tid]), self.planner.first)
        curves = [
            Curve(i, self.rows[i], np.array(self.values[i]), self.state[i], self.until[i]) for i in range(len(self.rows))
        ]
        steps, row = self.planner.plan(curves, np.random.default_rng((self.seed, self.n)), True)
        step = steps[0]
        if step.place < 0:
            return self._start(self.space.at(np.nan_to_num(row, nan=0.5)), step.until)
        i = step.place
        self.state[i], self.until[i] = RUNNING, step.until
        return i, None, len(self.values[i]), step.until

    def report(self, tid, epoch, value):
        self.values[tid].append(value)
        return "continue"

    def done(self, tid):
        self.state[tid] = OVER if len(self.values[tid]) >= self.R else PAUSED
