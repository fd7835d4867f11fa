"""Kernel of two points of learning curves: on configuration and interval, and its fit to data.

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
curve its own process; in (3) what is still to be learned depends on the configuration, too, so that the gain of
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
from raydrive.core.search.bayesian.kernel import Layout, matern
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
    def pairs(self) -> tuple[Index, Index]:
        """Each pair of curves once, a curve with itself too: m = c (c + 1) / 2 pairs, two of shape ``(m,)``."""
        first, second = np.tril_indices(len(self.features))
        return first, second

    @cached_property
    def pair_at(self) -> Index:
        """The pair of curves of two observations, shape ``(n, n)``."""
        a, b = np.maximum.outer(self.curve, self.curve), np.minimum.outer(self.curve, self.curve)
        return np.asarray(a * (a + 1) // 2 + b)

    @cached_property
    def apart(self) -> Array:
        """A: squared distances of configurations in each dimension, by pair, shape ``(d, m)``."""
        first, second = self.pairs
        out = np.empty((self.layout.dimensions, len(first)))
        for j, block in enumerate(self.layout.blocks):
            columns = self.features[:, block]
            out[j] = ((columns[first] - columns[second]) ** 2).sum(axis=1)
        return out

    @cached_property
    def same(self) -> Array:
        """1 where two observations are of the same curve, shape ``(n, n)``."""
        return np.asarray(self.curve[:, None] == self.curve[None, :], dtype=float)

    @cached_property
    def wander(self) -> Array:
        """(2) where two observations are of the same curve, 0 elsewhere, shape ``(n, n)``."""
        return wandering(self.time, self.time) * self.same

    @cached_property
    def total(self) -> Array:
        """Sums of two times, shape ``(n, n)``."""
        return np.asarray(self.time[:, None] + self.time[None, :])

    @cached_property
    def room(self) -> tuple[Array, Array]:
        """Arrays that a likelihood writes over, ``(4, d, m)`` and ``(6, n, n)``: new ones would cost as much again."""
        return np.empty((4, *self.apart.shape)), np.empty((6, *self.pair_at.shape))

    def sums(self, by_point: Array) -> Array:
        """Returns an ``(n, n)`` matrix summed over the observations of each pair of curves, shape ``(m,)``."""
        first = np.searchsorted(self.curve, np.arange(len(self.features)))
        whole = np.add.reduceat(np.add.reduceat(by_point, first, axis=0), first, axis=1)
        whole = whole + whole.T
        whole.flat[:: len(whole) + 1] *= 0.5
        return np.asarray(whole[self.pairs])


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
    (ends, alone, alone_slope, spare), (t, h, c, g, x, y) = data.room
    np.multiply(data.apart, k.w[:, None], out=ends)
    whole, whole_slope = matern(ends.sum(0))
    matern(ends, (alone, alone_slope, spare))
    alone_sum = alone.sum(0) / d
    gains = np.multiply(data.apart, k.v[:, None], out=alone)
    gain, gain_slope = matern(gains.sum(0))
    np.add(data.total, k.b, out=t)
    np.divide(k.b, t, out=t)
    np.take(k.p + k.q * gain, data.pair_at, out=h, mode="clip")
    np.take(k.s * whole + k.u * alone_sum, data.pair_at, out=c, mode="clip")
    c += np.multiply(h, t, out=x)
    np.multiply(t, k.f, out=x)
    x += k.e
    x *= data.same
    x += np.multiply(data.wander, k.g, out=y)
    c += x
    c.flat[:: n + 1] += k.r
    lower = cholesky(c)
    alpha = lapack.dpotrs(lower, data.values, lower=1)[0]
    value = -0.5 * float(data.values @ alpha) - float(np.sum(np.log(np.diagonal(lower)))) - 0.5 * n * _LOG_2PI
    # g = dL/dK = 1/2 (alpha alpha' - K^-1), R&W eq. 5.9
    np.multiply.outer(alpha, 0.5 * alpha, out=g)
    inverse = lapack.dpotri(lower, lower=1, overwrite_c=1)[0]
    inverse *= 0.5
    g -= inverse
    inverse.flat[:: n + 1] = 0.0
    g -= inverse.T
    by_time = np.multiply(g, t, out=y)
    of_ends, of_gains = data.sums(g), data.sums(by_time)
    np.multiply(data.same, k.f, out=x)
    x += h
    x *= by_time
    scalars = [
        k.s * float(of_ends @ whole),
        k.u * float(of_ends @ alone_sum),
        k.p * float(of_gains.sum()),
        k.q * float(of_gains @ gain),
        k.e * float(np.vdot(g, data.same)),
        k.f * float(np.vdot(by_time, data.same)),
        k.g * float(np.vdot(g, data.wander)),
        k.r * float(np.trace(g)),
        float(x.sum() - np.vdot(x, t)),  # b dT/db = T (1 - T)
    ]
    alone_slope *= k.u / d
    alone_slope += k.s * whole_slope
    alone_slope *= of_ends
    by_w = np.einsum("jm,jm->j", ends, alone_slope)
    by_v = gains @ (of_gains * (k.q * gain_slope))
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
