"""How much better than the best known configuration any other one could be: a bound of the regret.

With mean m and deviation s of the process (smaller is better), the observed points X_t and the whole space X,

    r = min_{x in X_t} (m(x) + sqrt(beta) s(x)) - min_{x in X} (m(x) - sqrt(beta) s(x))                 (1)

bounds the simple regret with probability 1 - delta: Makarova et al., *Automatic Termination for Hyperparameter
Optimization* (AutoML-Conf 2022, arXiv:2104.08166), section 3, with

    beta = 2 log(d t^2 pi^2 / (6 delta))                                                                (2)

for t observations of d dimensions (Srinivas et al., *Gaussian Process Optimization in the Bandit Setting*, ICML 2010,
theorem 1). (2) counts dimensions where the theorem counts points of the space, as implementations do. Without the
factor 1 / 5 of both papers' experiments, with which it held less often. On functions that it was not chosen on (24
bowls with a wave, 24 samples of a process, two parameters, 24 trials each) the truth was within a single bound in 86 %
of the cases, and within the largest of five in a row, at which the rule looks (``finish.progress``), in 90 %: what
delta promises where the process describes the metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.search.bayesian.gaussian_process import Posterior

LEAST = 10
"""Observations below which nothing is bounded: the process is mostly its prior."""
DELTA = 0.1
"""The bound may be wrong with this probability."""


def beta(dimensions: int, observations: int) -> float:
    """Returns (2)."""
    inside = max(dimensions, 1) * max(observations, 1) ** 2 * math.pi**2 / (6.0 * DELTA)
    return 2.0 * math.log(inside)


@dataclass(frozen=True)
class LowerBound:
    """The negative lower confidence bound of a process, to be maximised: what is promised where little is known."""

    posterior: Posterior
    root_beta: float

    def __call__(self, features: Array) -> Array:
        """Returns ``sqrt(beta) s - m`` at points, shape ``(m,)``."""
        mean, deviation = self.posterior.predict(features)
        return np.asarray(self.root_beta * deviation - mean)

    def with_gradient(self, features: Array) -> tuple[Array, Array]:
        """Returns the values ``(m,)`` and their gradient by the features ``(m, p)``."""
        posterior = self.posterior
        k, slopes = posterior.kernel_with_slopes(features)
        v = k @ posterior.inverse_factor.T
        variance = posterior.signal - np.einsum("ij,ij->i", v, v)
        s = np.sqrt(np.maximum(variance, 1e-10 * posterior.signal))
        mean_slope = np.einsum("mnp,n->mp", slopes, posterior.alpha)
        # s^2 = k(x, x) - k' C^-1 k, and k(x, x) is the same everywhere
        variance_slope = -2.0 * np.einsum("mn,mnp->mp", v @ posterior.inverse_factor, slopes)
        gradient = self.root_beta * (0.5 / s)[:, None] * variance_slope - mean_slope
        return self.root_beta * s - k @ posterior.alpha, gradient


def least_upper(posterior: Posterior, root_beta: float) -> float:
    """Returns the first part of (1), over the data of the process."""
    mean, deviation = posterior.predict(posterior.data.features)
    return float((mean + root_beta * deviation).min())
