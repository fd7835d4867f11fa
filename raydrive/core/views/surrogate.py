"""A model of a run that its charts and figures are made of, so that they do not contradict each other.

It is the Gaussian process that Bayesian sampling proposes with: its features, its kernel, its prior, its reading of
failed and stopped trials. Two things differ. Its hyperparameters come from one fit, where those of a proposal begin
from those of earlier ones. And values keep their scale (``linear_transform``): spreading the good ones makes a sampler
look closer at them, and a chart of everything else useless.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raydrive.core.arrays import Array
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import Space

if TYPE_CHECKING:
    from raydrive.core.search.bayesian.gaussian_process import Data, Posterior

MOST_TRIALS = 200
"""Trials that the model is fitted to at most: the best ones, and some of all others."""
_ITERATIONS = 30
"""Of its fit, at most."""
_FOLDS = 5
"""Parts of the trials that are left out in turn."""
_TYPICAL = 16
"""Trials from all over the space that the scale of values is taken from, or an eighth of all if that is more."""


class Surrogate:
    """A Gaussian process of the objective value over the search space.

    Args:
        space: The search space.
        trials: What the model is fitted to.
        maximize: Whether larger values are better.
    """

    def __init__(self, space: Space, trials: list[TrialRecord], maximize: bool) -> None:
        # lazy: scipy, 0.3 s
        from raydrive.core.search.bayesian import gaussian_process  # lazy: scipy, 0.3 s
        from raydrive.core.search.bayesian.features import (
            FeatureEncoder,  # lazy: raydrive.core.search.bayesian.features, 0.001 s
        )
        from raydrive.core.search.bayesian.gp_sampler import data_of  # lazy: scipy, 0.3 s
        from raydrive.core.search.bayesian.kernel import Layout  # lazy: raydrive.core.search.bayesian.kernel, 0.001 s
        from raydrive.core.search.bayesian.target_transform import (
            linear_transform,
        )  # lazy: raydrive.core.search.bayesian.target_transform, 0.001 s
        from raydrive.core.search.bayesian.training_data import (
            TrainingDataReader,  # lazy: raydrive.core.search.bayesian.training_data, 0.007 s
        )

        self._features = FeatureEncoder(space)
        layout = Layout(self._features.owner, self._features.numbers)
        read = TrainingDataReader(self._features, maximize).read(trials)
        apart = _far_apart(self._features.features(read.rows))
        self._scale = linear_transform(read.values, read.values[apart])
        data = data_of(read, self._features, layout, self._scale).thinned(MOST_TRIALS)
        start, prior = gaussian_process.start(layout), gaussian_process.Prior()

        def fit(given: Data) -> Posterior:
            return gaussian_process.Posterior(given, gaussian_process.fit(given, [start], prior, _ITERATIONS)[0])

        self._fit = fit
        self._process = fit(data)
        self._sign = -1.0 if maximize else 1.0

    def expected(self, rows: Array) -> tuple[Array, Array]:
        """Returns what the model expects of configurations, in units of the objective value.

        Args:
            rows: Configurations in the unit cube, shape ``(m, d)``; NaN where something is inactive.

        Returns:
            Mean and standard deviation of the function (without noise), each of shape ``(m,)``.
        """
        mean, deviation = self._process.predict(self._seen(rows))
        back = self._back
        return self._sign * back(mean), np.abs(back(mean + deviation) - back(mean - deviation)) / 2.0

    def mean(self, rows: Array) -> Array:
        """Returns the mean of ``expected`` alone, shape ``(m,)``: without the deviation it costs a fraction."""
        process = self._process
        return self._sign * self._back(process.kernel(self._seen(rows)) @ process.alpha)

    def predictive_r2(self) -> float:
        """Returns the share of the trials' variance that the model predicts of trials that it has not seen.

        Cross-validated over ``_FOLDS`` parts, the process fitted again without each. With its hyperparameters kept, as
        in the closed form of leaving one out (Rasmussen & Williams 2006, eq. 5.12), 20 trials of pure noise reach 0.5.
        Values are on the model's scale, where a diverged trial is near. 1 = all; 0 or less = no better than the mean.
        """
        data, fit = self._process.data, self._fit
        y, n = data.values, len(data.values)
        part = np.random.default_rng(0).permutation(n) % min(n, _FOLDS)
        missed, missed_by_mean = np.zeros(n), np.zeros(n)
        for k in range(min(n, _FOLDS)):
            out, seen = part == k, part != k
            mean = float(y[seen].mean()) if seen.any() else 0.0
            less = replace(data, features=data.features[seen], values=y[seen] - mean, extra=data.extra[seen])
            missed_by_mean[out] = y[out] - mean
            missed[out] = missed_by_mean[out] - fit(less).predict(data.features[out])[0]
        # A value estimated from a part of a curve counts as much as it is sure.
        weight = 1.0 / (1.0 + data.extra)
        whole = float(weight @ missed_by_mean**2)
        return 1.0 - float(weight @ missed**2) / whole if whole > 0.0 else 0.0

    def _seen(self, rows: Array) -> Array:
        # What becomes active along the way is in its middle.
        return self._features.features(self._features.tidy(np.nan_to_num(rows, nan=0.5)))

    def _back(self, values: Array) -> Array:
        return np.asarray(np.vectorize(self._scale.back, otypes=[float])(values))


def _far_apart(features: Array) -> NDArray[np.intp]:
    """Numbers of some points, each as far from those before it as can be: where trials cluster, few of them."""
    n = len(features)
    count = min(n, max(_TYPICAL, n // 8))
    chosen = np.zeros(count, dtype=np.intp)
    nearest = np.full(n, np.inf)
    for k in range(1, count):
        nearest = np.minimum(nearest, ((features - features[chosen[k - 1]]) ** 2).sum(axis=1))
        chosen[k] = int(np.argmax(nearest))
    return chosen
