"""A multivariate tree-structured Parzen estimator: the cheap alternative to the Gaussian process.

The best trials (a tenth, 25 at most) give the density l, all others and those in flight the density g; of points drawn
from l the one with the largest l / g is tried next (Bergstra et al., NeurIPS 2011, section 4). Each is a mixture
with one component per trial and one uniform component; a component is a product over dimensions, so that dimensions
are judged together (Falkner et al., arXiv:1807.01774). Bandwidths follow Scott's rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from raydrive.core.arrays import Array
from raydrive.core.records import Params
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.model_sampler import ModelSampler
from raydrive.core.search.bayesian.training_data import TrainingData

_DRAWN = 64
"""Points drawn from the good density for each proposal."""
_TRIALS = 1000
"""Trials in the bad density at most; beyond that the latest ones."""


class TpeSampler(ModelSampler):
    """Arguments as in ``ModelSampler``. Costs a few milliseconds, whatever the number of trials."""

    def _propose(self, experience: TrainingData, rng: np.random.Generator) -> tuple[Params, Mapping[str, Any]] | None:
        values = np.where(np.isfinite(experience.values), experience.values, np.inf)
        order = np.argsort(values, kind="stable")
        count = min(math.ceil(0.1 * len(order)), 25)
        # what is in flight counts as bad, so that the next proposal goes elsewhere
        others = np.sort(order[count:])[-_TRIALS:]
        good = Density(self._features, experience.rows[order[:count]])
        bad = Density(self._features, np.vstack([experience.rows[others], experience.open_rows]))
        rows = self._features.tidy(good.draw(rng, _DRAWN))
        ratio = good.log(rows) - bad.log(rows)
        for i in np.argsort(-ratio, kind="stable"):
            params = self._features.params(rows[i])
            if self._new(params):
                return params, {"log_density_ratio": float(ratio[i])}
        return None


class Density:
    """A mixture of one kernel per row and the uniform density.

    Args:
        features: The space.
        rows: Tidy rows, shape ``(n, d)``; n may be 0.
    """

    def __init__(self, features: FeatureEncoder, rows: Array) -> None:
        self._features = features
        self._rows = rows
        n, d = rows.shape
        # Scott's rule, for positions in [0, 1]; never so narrow that only copies are drawn
        self._width = np.full(d, max(0.02, 0.2 * max(1, n) ** (-1.0 / (d + 4))))

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Returns points, shape ``(count, d)``, not tidy; entries that are inactive where drawn are uniform."""
        n, d = self._rows.shape
        fresh = rng.random((count, d))
        which = rng.integers(n + 1, size=count)
        if not n:
            return fresh
        centre = self._rows[np.minimum(which, n - 1)]
        low, high = ndtr(-centre / self._width), ndtr((1.0 - centre) / self._width)
        out = np.clip(centre + self._width * ndtri(low + fresh * (high - low)), 0.0, 1.0)
        stays = rng.random((count, d))
        for j, column in enumerate(self._features.columns):
            if column.unordered:
                out[:, j] = np.where(stays[:, j] < self._stay(j), centre[:, j], fresh[:, j])
        out = np.where(np.isnan(centre), fresh, out)
        return np.where((which == n)[:, None], fresh, out)

    def log(self, rows: Array) -> Array:
        """Returns the log density at tidy rows, shape ``(m,)``, relative to the uniform one."""
        n = len(self._rows)
        total = np.zeros((len(rows), n + 1))
        for j, column in enumerate(self._features.columns):
            x, centre = rows[:, j][:, None], self._rows[:, j][None, :]
            if column.unordered:
                stay, k = self._stay(j), column.count
                part = np.where(np.abs(x - centre) < 0.5 / k, math.log(stay * k + 1.0 - stay), math.log(1.0 - stay))
            else:
                width = self._width[j]
                mass = ndtr((1.0 - centre) / width) - ndtr(-centre / width)
                part = -0.5 * ((x - centre) / width) ** 2 - np.log(width * math.sqrt(2.0 * math.pi) * mass)
            total[:, :n] += np.nan_to_num(part, nan=0.0)
        top = total.max(axis=1)
        return np.asarray(top + np.log(np.mean(np.exp(total - top[:, None]), axis=1)))

    def _stay(self, j: int) -> float:
        """Probability that a choice keeps the option of its component before the uniform draw."""
        k = self._features.columns[j].count
        n = len(self._rows)
        return n / (n + k) if n else 0.5
