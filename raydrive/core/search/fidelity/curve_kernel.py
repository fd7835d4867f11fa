"""How alike two points of learning curves are: a kernel on configuration and interval, and its fit to data.

Notation (n observations on c curves, d dimensions of the space; intervals are in units of the longest training):

    A_j    (c, c)  squared distance of two configurations in dimension j
    P      (n,)    the curve of each observation
    T(t, t') = b / (t + t' + b)                                                                         (1)
    O(t, t') = sqrt(min(t, t') / max(t, t'))                                                            (2)
    G      = s M(sum_j w_j A_j) + u / d sum_j M(w_j A_j)             where trainings end, by configuration
    H      = p + q M(sum_j v_j A_j)                                  what is still to be learned
    K      = G + H T + [same curve] (e + f T + g O) + [same observation] r                              (3)

M is Matern 5/2 (``kernel``, eq. 2). (1) is the mixture of exponential decays of Swersky, Snoek & Adams, *Freeze-Thaw
Bayesian Optimization* (arXiv:1406.3896), eq. 3.3, with alpha = 1: curves that decay at unknown rates. They give each
curve a process of its own; in (3) what is still to be learned depends on the configuration, too, so that the gain of
slow learners is predicted from other slow learners, and e lets a curve end away from what its configuration predicts,
which its own values then tell. (2) is the Ornstein-Uhlenbeck process in the logarithm of time: curves that wander.

Hyperparameters are logarithms in one vector, ``theta = (w, v, s, u, p, q, e, f, g, r, b)``, found as in
``gaussian_process``: the largest likelihood times a prior.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from raydrive.core.arrays import Array
from raydrive.core.search.bayesian.kernel import Layout, matern, squared_distances
from raydrive.core.search.bayesian.map_estimate import map_estimate

Index = NDArray[np.intp]

_LOG_2PI = math.log(2.0 * math.pi)
_LENGTH = math.log(6.0)
"""Mean of log w for one dimension, as in ``gaussian_process.Prior``."""
_LENGTH_DEVIATION = 2.0
SCALARS = ("s", "u", "p", "q", "e", "f", "g", "r", "b")
_CENTRES = np.array([0.0, -1.0, 0.0, -0.7, -3.0, -3.0, -4.0, -6.0, math.log(0.15)])
"""Means of the log-normal priors of s .. r, for standardised values, and of b."""
_SPREADS = np.array([1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 0.7])
_LOW = np.array([-5.0, -7.0, -7.0, -7.0, -9.0, -9.0, -9.0, -12.0, math.log(0.01)])
_HIGH = np.array([4.0, 4.0, 4.0, 4.0, 2.0, 2.0, 1.0, 0.5, math.log(3.0)])


@dataclass(frozen=True)
class CurvePoints:
    """Observations on curves."""

    features: Array
    """Shape ``(c, p)``: of each curve's configuration."""
    layout: Layout
    """Without bent columns."""
    curve: Index
    """Shape ``(n,)``, ascending: the curve of each observation."""
    time: Array
    """Shape ``(n,)``, above 0; 1 = the longest training."""
    values: Array
    """Shape ``(n,)``, standardised; smaller is better."""

    @cached_property
    def apart(self) -> Array:
        """A: squared distances of configurations in each dimension, shape ``(d, c, c)``."""
        out = np.empty((self.layout.dimensions, len(self.features), len(self.features)))
        for j, block in enumerate(self.layout.blocks):
            out[j] = squared_distances(self.features[:, block], self.features[:, block])
        return out

    @cached_property
    def same(self) -> Array:
        """1 where two observations are of the same curve, shape ``(n, n)``."""
        return np.asarray(self.curve[:, None] == self.curve[None, :], dtype=float)

    @cached_property
    def wander(self) -> Array:
        """(2), shape ``(n, n)``."""
        return wandering(self.time, self.time)

    def sums(self, by_point: Array) -> Array:
        """Returns an ``(n, n)`` matrix summed over the observations of each pair of curves, shape ``(c, c)``."""
        first = np.searchsorted(self.curve, np.arange(len(self.features)))
        rows: Array = np.add.reduceat(by_point, first, axis=0)
        return np.asarray(np.add.reduceat(rows, first, axis=1))


def decay(a: Array, b: Array, scale: float) -> Array:
    """Returns (1) between times, shape ``(len(a), len(b))``."""
    return np.asarray(scale / (a[:, None] + b[None, :] + scale))


def wandering(a: Array, b: Array) -> Array:
    """Returns (2) between times, shape ``(len(a), len(b))``."""
    return np.asarray(np.sqrt(np.minimum(a[:, None], b[None, :]) / np.maximum(a[:, None], b[None, :])))


@dataclass(frozen=True)
class Scales:
    """The parts of ``theta``, out of their logarithms."""

    w: Array
    v: Array
    s: float
    u: float
    p: float
    q: float
    e: float
    f: float
    g: float
    r: float
    b: float

    @classmethod
    def of(cls, theta: Array) -> Scales:
        """Returns the parts of a vector."""
        d = (len(theta) - len(SCALARS)) // 2
        return cls(np.exp(theta[:d]), np.exp(theta[d : 2 * d]), *(math.exp(x) for x in theta[2 * d :]))


def log_likelihood(theta: Array, data: CurvePoints) -> tuple[float, Array]:
    """Returns the log likelihood (``gaussian_process``, eq. 1) and its gradient by ``theta``.

    Raises:
        FloatingPointError: If the covariance is not positive definite to working precision.
    """
    k, n, d = Scales.of(theta), len(data.values), data.layout.dimensions
    ends = data.apart * k.w[:, None, None]
    whole, whole_slope = matern(ends.sum(0))
    alone, alone_slope = matern(ends)
    gains = data.apart * k.v[:, None, None]
    gain, gain_slope = matern(gains.sum(0))
    alone_sum = alone.sum(0) / d
    at = np.ix_(data.curve, data.curve)
    total = data.time[:, None] + data.time[None, :]
    t = k.b / (total + k.b)
    gain_at = gain[at]
    c = (k.s * whole + k.u * alone_sum)[at]
    c += (k.p + k.q * gain_at) * t
    c += data.same * (k.e + k.f * t + k.g * data.wander)
    c.flat[:: n + 1] += k.r
    lower = cholesky(c)
    alpha = lapack.dpotrs(lower, data.values, lower=1)[0]
    value = -0.5 * float(data.values @ alpha) - float(np.sum(np.log(np.diagonal(lower)))) - 0.5 * n * _LOG_2PI
    inverse = lapack.dpotri(lower, lower=1)[0]
    inverse = inverse + inverse.T
    inverse.flat[:: n + 1] *= 0.5
    # dL/dtheta = 1/2 tr((alpha alpha' - C^-1) dC/dtheta), R&W eq. 5.9
    g = 0.5 * (np.outer(alpha, alpha) - inverse)
    by_time = g * t
    of_ends, of_gains = data.sums(g), data.sums(by_time)
    own, own_time = g * data.same, by_time * data.same
    slope_b = by_time * (total / (total + k.b)) * (k.p + k.q * gain_at + k.f * data.same)
    scalars = [
        k.s * float(np.vdot(of_ends, whole)),
        k.u * float(np.vdot(of_ends, alone_sum)),
        k.p * float(of_gains.sum()),
        k.q * float(np.vdot(of_gains, gain)),
        k.e * float(own.sum()),
        k.f * float(own_time.sum()),
        k.g * float(np.vdot(own, data.wander)),
        k.r * float(np.trace(g)),
        float(slope_b.sum()),
    ]
    weight = of_ends * (k.s * whole_slope)
    by_w = np.array([float(np.vdot(ends[j], weight + of_ends * alone_slope[j] * (k.u / d))) for j in range(d)])
    weight = of_gains * (k.q * gain_slope)
    by_v = np.array([float(np.vdot(gains[j], weight)) for j in range(d)])
    return value, np.concatenate([by_w, by_v, scalars])


def cholesky(c: Array) -> Array:
    """Returns the lower factor; the diagonal of ``c`` grows a little where it must.

    Raises:
        FloatingPointError: If that does not help.
    """
    for jitter in (0.0, 1e-9, 1e-7):
        if jitter:
            c.flat[:: len(c) + 1] += jitter * float(np.trace(c)) / len(c)
        lower, info = lapack.dpotrf(c, lower=1, clean=1)
        if not info:
            return np.asarray(lower)
    raise FloatingPointError(f"covariance of {len(c)} points is not positive definite (pivot {info})")


def start(dimensions: int) -> Array:
    """Returns the middle of the prior, where a fit begins that knows nothing else."""
    lengths = np.full(2 * dimensions, _LENGTH - math.log(dimensions))
    return np.concatenate([lengths, _CENTRES])


def log_prior(theta: Array, dimensions: int) -> tuple[float, Array]:
    """Returns the log density of the prior up to a constant, and its gradient: all logarithms are normal."""
    spread = np.concatenate([np.full(2 * dimensions, _LENGTH_DEVIATION), _SPREADS])
    z = (theta - start(dimensions)) / spread
    return -0.5 * float(z @ z), -z / spread


def fit(data: CurvePoints, starts: Sequence[Array], iterations: int) -> Array:
    """Returns the best hyperparameters found from any of the starts, by L-BFGS-B.

    Args:
        data: Observations.
        starts: At least one.
        iterations: For each start, at most.
    """
    d = data.layout.dimensions
    low = np.concatenate([np.full(2 * d, -9.2), _LOW])
    high = np.concatenate([np.full(2 * d, 4.6 + math.log(6.0)), _HIGH])
    return map_estimate(
        lambda theta: log_likelihood(theta, data), lambda theta: log_prior(theta, d), starts, (low, high), iterations
    )[0]
