"""A Gaussian process with the kernel of ``kernel``: fitting its hyperparameters, and predicting.

Notation (shapes in parentheses; n observations):

    F      (n, p)  features (``space_features``)
    K      (n, n)  k(F, F), eq. 3 of ``kernel``
    t              noise variance
    C      (n, n)  K + diag(t + extra); extra is known additional noise of single observations
    L      log p(y) = -1/2 y' C^-1 y - 1/2 log det C - n/2 log 2 pi                                     (1)

(1) is Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), eq. 2.30, its gradient eq. 5.9.
Hyperparameters are logarithms and maximise L plus a log prior (MAP).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from raydrive.core.arrays import Array
from raydrive.core.search.bayesian.kernel import Layout, covariance, matern, squared_distances, with_slopes
from raydrive.core.search.bayesian.map_estimate import map_estimate

NOISE_FLOOR = 1e-6
"""Smallest noise variance of standardised values; keeps C well conditioned where points nearly coincide."""
_LOG_2PI = math.log(2.0 * math.pi)
_JITTER = 1e-10
_AT_ONCE = 65_536
"""Numbers that fit a processor's cache: fewer are worth fewer, larger steps."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed about the hyperparameters of standardised values on the unit cube."""

    length: tuple[float, float] = (math.sqrt(1.0 / 6.0), 1.0)
    """Length scales are log-normal: median for one dimension, growing with sqrt(d) as distances do (Hvarfner et al.,
    arXiv:2402.02229), and the deviation of the logarithm."""
    warp_deviation: float = 0.35
    """Deviation of log alpha and log beta: straight without evidence."""
    alone: tuple[float, float] = (1.0, 1.0)
    """Shape and rate of the gamma density of u."""
    scale: tuple[float, float] = (2.0, 1.0)
    """Shape and rate of the gamma density of s."""
    noise: tuple[float, float] = (1.1, 30.0)
    """Shape and rate of the gamma density of t: most metrics repeat well."""

    def log_density(self, theta: Array, layout: Layout) -> tuple[float, Array]:
        """Returns the log density up to a constant, and its gradient by ``theta``."""
        d = layout.dimensions
        gradient = np.empty_like(theta)
        # w = length^-2, so log w is normal too
        z = (theta[:d] - self.centre(d)) / (2.0 * self.length[1])
        gradient[:d] = -z / (2.0 * self.length[1])
        warps = theta[d:-3] / self.warp_deviation
        gradient[d:-3] = -warps / self.warp_deviation
        value = -0.5 * float(z @ z) - 0.5 * float(warps @ warps)
        for i, (shape, rate) in ((-3, self.alone), (-2, self.scale), (-1, self.noise)):
            x = math.exp(theta[i])
            value += (shape - 1.0) * theta[i] - rate * x
            gradient[i] = shape - 1.0 - rate * x
        return value, gradient

    def centre(self, dimensions: int) -> float:
        """Returns the mean of log w."""
        return -2.0 * math.log(self.length[0]) - math.log(dimensions)


@dataclass(frozen=True)
class Data:
    """Observations a process is conditioned on."""

    features: Array
    """Shape ``(n, p)``."""
    layout: Layout
    values: Array
    """Shape ``(n,)``, standardised."""
    extra: Array
    """Shape ``(n,)``: noise variance beyond the common one, 0 or more."""

    def thinned(self, most: int) -> Data:
        """Returns at most ``most`` observations: the best half of that, and of the others every so many-th."""
        n = len(self.values)
        if n <= most:
            return self
        order = np.argsort(self.values, kind="stable")
        best, rest = order[: most // 2], order[most // 2 :]
        some = rest[np.linspace(0, len(rest) - 1, most - len(best)).astype(int)]
        keep = np.sort(np.concatenate([best, some]))
        return Data(self.features[keep], self.layout, self.values[keep], self.extra[keep])


def log_likelihood(theta: Array, data: Data) -> tuple[float, Array]:
    """Returns (1) and its gradient by ``theta``.

    Raises:
        FloatingPointError: If C is not positive definite to working precision.
    """
    layout, n = data.layout, len(data.values)
    share, s, t = math.exp(theta[-3]) / layout.dimensions, math.exp(theta[-2]), math.exp(theta[-1])
    f = layout.coordinates(data.features, theta)
    apart = _squared_distances(f, layout)
    alone_sum, alone_slope = _alone(apart)
    whole, whole_slope = matern(apart.sum(0))
    c = s * whole + share * alone_sum
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
    gradient[-2] = s * float(np.vdot(g, whole))
    gradient[-3] = share * float(np.vdot(g, alone_sum))
    # dL/dD_j; D_j is proportional to w_j
    by_distance = alone_slope
    by_distance *= share
    by_distance += s * whole_slope
    by_distance *= g
    gradient[: layout.dimensions] = np.einsum("jab,jab->j", by_distance, apart)
    gradient[layout.dimensions : -3] = _by_warps(theta, data, f, by_distance)
    return value, gradient


def _squared_distances(f: Array, layout: Layout) -> Array:
    """Squared distances in each dimension, shape ``(d, n, n)``."""
    first = [block.start for block in layout.blocks]
    x = f.T[first]
    apart: Array = x[:, :, None] - x[:, None, :]
    apart *= apart
    for block in layout.wide:
        j = layout.owner[block.start]
        apart[j] = squared_distances(f[:, block], f[:, block])
        apart[j].flat[:: len(f) + 1] = 0.0
    return apart


def _alone(apart: Array) -> tuple[Array, Array]:
    """The sum of M over dimensions, ``(n, n)``, and its slopes ``(d, n, n)``."""
    if apart.size <= _AT_ONCE:
        alone, slopes = matern(apart)
        return alone.sum(axis=0), slopes
    slopes = np.empty_like(apart)
    total = np.zeros(apart.shape[1:])
    for j, d in enumerate(apart):
        alone, slopes[j] = matern(d)
        total += alone
    return total, slopes


def _by_warps(theta: Array, data: Data, f: Array, by_distance: Array) -> Array:
    """The gradient by log alpha and log beta, shape ``(2 m,)``."""
    layout = data.layout
    if not len(layout.warped):
        return np.empty(0)
    _, by_alpha, by_beta = layout.slopes(data.features, theta)
    own = layout.owner[layout.warped]
    h = by_distance[own]
    # dL/df_a = 4 sum_b h_ab (f_a - f_b), as h is symmetric and D_ab = (f_a - f_b)^2
    x = f[:, layout.warped].T
    by_f = 4.0 * (h.sum(2) * x - np.einsum("jab,jb->ja", h, x)) * np.exp(0.5 * theta[own])[:, None]
    return np.concatenate([np.einsum("ja,aj->j", by_f, by_alpha), np.einsum("ja,aj->j", by_f, by_beta)])


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


def bounds(layout: Layout) -> list[tuple[float, float]]:
    """Returns the box of ``theta``: length scales of 0.01 to 100 ranges, noise from its floor to twice the variance."""
    warps = [(-1.2, 1.2)] * (2 * len(layout.warped))
    return [(-9.2, 9.2)] * layout.dimensions + warps + [(-7.0, 4.6), (-4.6, 4.6), (math.log(NOISE_FLOOR), 0.7)]


def start(layout: Layout) -> Array:
    """Returns the hyperparameters a fit begins from without other knowledge: lengths and signal 1, a little noise."""
    return np.array([0.0] * (layout.size - 3) + [-1.0, 0.0, math.log(1e-2)])


def fit(data: Data, starts: list[Array], prior: Prior, iterations: int = 60) -> tuple[Array, float]:
    """Returns the best hyperparameters found from any of the starts, and minus their log posterior density.

    Args:
        data: Observations; n = 0 gives the mode of the prior near the first start.
        starts: Clipped into ``bounds``.
        prior: Added to the likelihood.
        iterations: Of L-BFGS-B (Byrd et al. 1995), at most, for each start.
    """
    low, high = np.array(bounds(data.layout)).T
    return map_estimate(
        lambda theta: log_likelihood(theta, data),
        lambda theta: prior.log_density(theta, data.layout),
        starts,
        (low, high),
        iterations,
    )


@dataclass(frozen=True)
class Posterior:
    """The posterior given data and hyperparameters."""

    data: Data
    theta: Array

    @cached_property
    def coordinates(self) -> Array:
        """``Layout.coordinates`` of the data, shape ``(n, p)``."""
        return self.data.layout.coordinates(self.data.features, self.theta)

    @cached_property
    def signal(self) -> float:
        """Variance of the function before any data, s + u."""
        return math.exp(self.theta[-2]) + math.exp(self.theta[-3])

    @cached_property
    def inverse_factor(self) -> Array:
        """Inverse of the lower Cholesky factor of C, shape ``(n, n)``: points are many, so products beat solves."""
        n = len(self.data.values)
        c = covariance(self.coordinates, self.coordinates, self.data.layout, self.theta)
        c.flat[:: n + 1] = self.signal + math.exp(self.theta[-1]) + self.data.extra
        inverse: Array = lapack.dtrtri(_cholesky(c), lower=1)[0]
        return inverse

    @cached_property
    def alpha(self) -> Array:
        """C^-1 y, shape ``(n,)``."""
        return np.asarray(self.inverse_factor.T @ (self.inverse_factor @ self.data.values))

    def kernel(self, features: Array) -> Array:
        """Returns the covariance of points with the data, shape ``(m, n)``."""
        layout = self.data.layout
        return covariance(layout.coordinates(features, self.theta), self.coordinates, layout, self.theta)

    def kernel_with_slopes(self, features: Array) -> tuple[Array, Array]:
        """Returns the covariance of points with the data, ``(m, n)``, and its derivative by features, ``(m, n, p)``."""
        layout = self.data.layout
        k, slopes = with_slopes(layout.coordinates(features, self.theta), self.coordinates, layout, self.theta)
        chain = np.ones(features.shape)
        if len(layout.warped):
            chain[:, layout.warped] = layout.slopes(features, self.theta)[0]
        slopes *= (chain * np.exp(0.5 * self.theta[layout.owner]))[:, None, :]
        return k, slopes

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Returns mean and deviation of the function (without noise) at points.

        Args:
            features: Shape ``(m, p)``.

        Returns:
            Two arrays of shape ``(m,)``; R&W eqs. 2.25 and 2.26.
        """
        k = self.kernel(features)
        v = k @ self.inverse_factor.T
        variance = self.signal - np.einsum("ij,ij->i", v, v)
        return k @ self.alpha, np.sqrt(np.maximum(variance, 1e-12 * self.signal))

    def joint(self, features: Array) -> tuple[Array, Array]:
        """Returns mean ``(m,)`` and covariance ``(m, m)`` of the function at points."""
        k = self.kernel(features)
        v = k @ self.inverse_factor.T
        layout = self.data.layout
        x = layout.coordinates(features, self.theta)
        prior = covariance(x, x, layout, self.theta)
        return k @ self.alpha, prior - v @ v.T

    def with_points(self, features: Array, values: Array) -> Posterior:
        """Returns the posterior after further observations, hyperparameters kept."""
        data = replace(
            self.data,
            features=np.vstack([self.data.features, features]),
            values=np.concatenate([self.data.values, values]),
            extra=np.concatenate([self.data.extra, np.zeros(len(values))]),
        )
        return Posterior(data, self.theta)


def spread(process: Posterior, prior: Prior, members: int, rng: np.random.Generator) -> list[Array]:
    """Returns the hyperparameters of a process and further ones from around them, ``members`` in total.

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
        return log_likelihood(at, process.data)[1] + prior.log_density(at, process.data.layout)[1]

    step, size = 1e-2, len(theta)
    curvature = np.array([gradient(theta + e) - gradient(theta - e) for e in step * np.eye(size)]) / (-2.0 * step)
    values, vectors = np.linalg.eigh(0.5 * (curvature + curvature.T))
    draws = rng.standard_normal((members - 1, size)) / np.sqrt(np.maximum(values, 1.0))
    low, high = np.array(bounds(process.data.layout)).T
    return [theta, *np.clip(theta + draws @ vectors.T, low, high)]
