"""A Gaussian process whose kernel is a Matern 5/2 on weighted squared distances.

Notation (shapes in parentheses; n observations, p feature columns, d dimensions):

    F     (n, p)  features; a dimension owns one column or several (``space_features``)
    w     (d,)    weight of a dimension, its inverse squared length scale
    s, t          signal and noise variance
    D     (n, n)  D_ab = sum_j w_j |F_j(a) - F_j(b)|^2
    K     (n, n)  s (1 + r + r^2 / 3) exp(-r) with r = sqrt(5 D)                                       (1)
    C     (n, n)  K + diag(t + extra); extra is known additional noise of single observations
    L     log p(y) = -1/2 y' C^-1 y - 1/2 log det C - n/2 log 2 pi                                     (2)

(1) is Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), eq. 4.17; (2) is eq. 2.30, its gradient
eq. 5.9. Hyperparameters are logarithms, ``theta = (log w, log s, log t)``, and maximise L plus a log prior (MAP).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

Array = NDArray[np.float64]

NOISE_FLOOR = 1e-6
"""Smallest noise variance of standardised values; keeps C well conditioned where points nearly coincide."""
_LOG_2PI = math.log(2.0 * math.pi)
_JITTER = 1e-10


@dataclass(frozen=True, slots=True)
class Prior:
    """A weak belief about the hyperparameters of standardised values on the unit cube."""

    both_ends: float = 0.1
    """Strength of -(b / w + b w): neither flat nor rough without evidence (as in Optuna's GPSampler)."""
    scale: tuple[float, float] = (2.0, 1.0)
    """Shape and rate of the gamma density of the signal variance."""
    noise: tuple[float, float] = (1.1, 30.0)
    """Shape and rate of the gamma density of the noise variance: most metrics repeat well."""

    def log_density(self, theta: Array) -> tuple[float, Array]:
        """Returns the log density up to a constant, and its gradient by ``theta``, shape ``(d + 2,)``."""
        w, s, t = np.exp(theta[:-2]), math.exp(theta[-2]), math.exp(theta[-1])
        gradient = np.empty_like(theta)
        gradient[:-2] = self.both_ends / w - self.both_ends * w
        value = -self.both_ends * float(np.sum(1.0 / w + w))
        for i, x, (shape, rate) in ((-2, s, self.scale), (-1, t, self.noise)):
            value += (shape - 1.0) * math.log(x) - rate * x
            gradient[i] = shape - 1.0 - rate * x
        return value, gradient


@dataclass(frozen=True)
class Data:
    """Observations a process is conditioned on."""

    features: Array
    """Shape ``(n, p)``."""
    owner: NDArray[np.intp]
    """Shape ``(p,)``: the dimension each column belongs to."""
    values: Array
    """Shape ``(n,)``, standardised."""
    extra: Array
    """Shape ``(n,)``: noise variance beyond the common one, 0 or more."""

    @property
    def dimensions(self) -> int:
        """Number of dimensions, so of weights."""
        return int(self.owner.max()) + 1


def matern(d: Array) -> tuple[Array, Array]:
    """Returns the Matern 5/2 correlation at weighted squared distances and its derivative by them, shaped as ``d``."""
    r = np.sqrt(5.0 * d)
    e = np.exp(-r)
    slope = (1.0 + r) * e
    return slope + (5.0 / 3.0) * d * e, (-5.0 / 6.0) * slope


def squared_distances(a: Array, b: Array) -> Array:
    """Returns ``|a_i - b_j|^2``, shape ``(len(a), len(b))``.

    By the binomial formula: one matrix product instead of n m p differences. What cancels is below 1e-15, and (1) is
    linear in D at 0, so nothing is lost.
    """
    d: Array = a @ (-2.0 * b.T)
    d += np.einsum("ij,ij->i", a, a)[:, None]
    d += np.einsum("ij,ij->i", b, b)[None, :]
    return np.maximum(d, 0.0, out=d)


def log_likelihood(theta: Array, data: Data) -> tuple[float, Array]:
    """Returns (2) and its gradient by ``theta``, shape ``(d + 2,)``.

    Raises:
        FloatingPointError: If C is not positive definite to working precision.
    """
    w, s, t = np.exp(theta[:-2]), math.exp(theta[-2]), math.exp(theta[-1])
    n = len(data.values)
    scaled = data.features * np.sqrt(w)[data.owner]
    d = squared_distances(scaled, scaled)
    d.flat[:: n + 1] = 0.0
    k, slope = matern(d)
    c = s * k
    c.flat[:: n + 1] += t + data.extra
    lower = _cholesky(c)
    alpha = lapack.dpotrs(lower, data.values, lower=1)[0]
    half_log_det = float(np.sum(np.log(np.diagonal(lower))))
    value = -0.5 * float(data.values @ alpha) - half_log_det - 0.5 * n * _LOG_2PI
    inverse = lapack.dpotri(lower, lower=1)[0]
    inverse = inverse + inverse.T  # the upper triangle was zero, so only the diagonal is doubled
    inverse.flat[:: n + 1] *= 0.5
    # dL/dtheta = 1/2 tr((alpha alpha' - C^-1) dC/dtheta), R&W eq. 5.9
    g = 0.5 * (np.outer(alpha, alpha) - inverse)
    gradient = np.empty_like(theta)
    gradient[-1] = t * float(np.sum(np.diagonal(g)))
    gradient[-2] = s * float(np.vdot(g, k))
    # sum_ab h_ab (f_a - f_b)^2 = 2 (sum_a f_a^2 h_a. - f' H f), for all columns at once
    h = g * slope
    columns = 2.0 * s * (h.sum(1) @ scaled**2 - np.einsum("ij,ij->j", scaled, h @ scaled))
    gradient[:-2] = np.bincount(data.owner, columns, minlength=len(w))
    return value, gradient


def _cholesky(c: Array) -> Array:
    """Lower factor, upper triangle zero."""
    lower, info = lapack.dpotrf(c, lower=1, clean=1)
    if info:
        c.flat[:: len(c) + 1] += _JITTER * float(np.trace(c)) / len(c)
        lower, info = lapack.dpotrf(c, lower=1, clean=1)
        if info:
            raise FloatingPointError(f"covariance of {len(c)} points is not positive definite (pivot {info})")
    factor: Array = lower
    return factor


def bounds(dimensions: int) -> list[tuple[float, float]]:
    """Returns the box of ``theta``: length scales of 0.01 to 100 ranges, noise from its floor to twice the variance."""
    return [(-9.2, 9.2)] * dimensions + [(-4.6, 4.6), (math.log(NOISE_FLOOR), 0.7)]


def start(dimensions: int) -> Array:
    """Returns the hyperparameters a fit begins from without other knowledge: lengths and signal 1, a little noise."""
    return np.array([0.0] * dimensions + [0.0, math.log(1e-2)])


def fit(data: Data, starts: list[Array], prior: Prior, iterations: int = 60) -> tuple[Array, float]:
    """Returns the best hyperparameters found from any of the starts, and minus their log posterior density.

    Args:
        data: Observations; n = 0 gives the mode of the prior near the first start.
        starts: Each of shape ``(d + 2,)``; clipped into ``bounds``.
        prior: Added to the likelihood.
        iterations: Of L-BFGS-B (Byrd et al. 1995), at most, for each start.
    """
    box = bounds(data.dimensions)
    low, high = np.array(box).T

    def loss(theta: Array) -> tuple[float, Array]:
        belief, slope = prior.log_density(theta)
        try:
            fitness, gradient = log_likelihood(theta, data)
        except FloatingPointError:
            return 1e25, np.zeros_like(theta)
        return -fitness - belief, -gradient - slope

    best, best_loss = np.clip(starts[0], low, high), math.inf
    for first in starts:
        found = minimize(
            loss,
            np.clip(first, low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=box,
            options={"maxiter": iterations, "ftol": 1e-6, "gtol": 1e-3},
        )
        if found.fun < best_loss:
            best, best_loss = found.x, float(found.fun)
    return best, best_loss


@dataclass(frozen=True)
class Process:
    """The posterior given data and hyperparameters."""

    data: Data
    theta: Array
    """Shape ``(d + 2,)``."""

    @cached_property
    def weights(self) -> Array:
        """Square roots of w by feature column, shape ``(p,)``."""
        return np.asarray(np.exp(0.5 * self.theta[:-2])[self.data.owner])

    @cached_property
    def signal(self) -> float:
        """Signal variance s."""
        return math.exp(self.theta[-2])

    @cached_property
    def noise(self) -> float:
        """Noise variance t."""
        return math.exp(self.theta[-1])

    @cached_property
    def scaled(self) -> Array:
        """Features times ``weights``, shape ``(n, p)``."""
        return self.data.features * self.weights

    @cached_property
    def inverse_factor(self) -> Array:
        """Inverse of the lower Cholesky factor of C, shape ``(n, n)``: points are many, so products beat solves."""
        n = len(self.data.values)
        d = squared_distances(self.scaled, self.scaled)
        d.flat[:: n + 1] = 0.0
        c = self.signal * matern(d)[0]
        c.flat[:: n + 1] += self.noise + self.data.extra
        inverse: Array = lapack.dtrtri(_cholesky(c), lower=1)[0]
        return inverse

    @cached_property
    def alpha(self) -> Array:
        """C^-1 y, shape ``(n,)``."""
        return np.asarray(self.inverse_factor.T @ (self.inverse_factor @ self.data.values))

    def kernel(self, features: Array) -> tuple[Array, Array]:
        """Returns the covariance of points with the data and its derivative by D, each of shape ``(m, n)``."""
        k, slope = matern(squared_distances(features * self.weights, self.scaled))
        return self.signal * k, self.signal * slope

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Returns mean and deviation of the function (without noise) at points.

        Args:
            features: Shape ``(m, p)``.

        Returns:
            Two arrays of shape ``(m,)``; R&W eqs. 2.25 and 2.26.
        """
        k, _ = self.kernel(features)
        v = k @ self.inverse_factor.T
        variance = self.signal - np.einsum("ij,ij->i", v, v)
        return k @ self.alpha, np.sqrt(np.maximum(variance, 1e-12 * self.signal))

    def joint(self, features: Array) -> tuple[Array, Array]:
        """Returns mean ``(m,)`` and covariance ``(m, m)`` of the function at points."""
        k, _ = self.kernel(features)
        v = k @ self.inverse_factor.T
        scaled = features * self.weights
        prior = self.signal * matern(squared_distances(scaled, scaled))[0]
        return k @ self.alpha, prior - v @ v.T

    def with_points(self, features: Array, values: Array) -> Process:
        """Returns the posterior after further observations, hyperparameters kept."""
        data = replace(
            self.data,
            features=np.vstack([self.data.features, features]),
            values=np.concatenate([self.data.values, values]),
            extra=np.concatenate([self.data.extra, np.zeros(len(values))]),
        )
        return Process(data, self.theta)


def spread(process: Process, prior: Prior, members: int, rng: np.random.Generator) -> list[Array]:
    """Returns the hyperparameters of a process and further ones from around them, ``members`` in all.

    They are drawn from the Laplace approximation of the posterior (its curvature by differences of the gradient), with
    deviations of at most 1, a factor of e.

    Args:
        process: Fitted, so that its hyperparameters are a mode.
        prior: As in the fit.
        members: 1 or more; 1 costs nothing.
        rng: Where randomness comes from.
    """
    theta = process.theta
    if members == 1:
        return [theta]

    def gradient(at: Array) -> Array:
        return log_likelihood(at, process.data)[1] + prior.log_density(at)[1]

    step, size = 1e-2, len(theta)
    curvature = np.array([gradient(theta + e) - gradient(theta - e) for e in step * np.eye(size)]) / (-2.0 * step)
    values, vectors = np.linalg.eigh(0.5 * (curvature + curvature.T))
    draws = rng.standard_normal((members - 1, size)) / np.sqrt(np.maximum(values, 1.0))
    low, high = np.array(bounds(process.data.dimensions)).T
    return [theta, *np.clip(theta + draws @ vectors.T, low, high)]
