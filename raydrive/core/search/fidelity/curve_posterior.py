"""Posterior of points of learning curves, given the observed ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import lapack
from scipy.special import log_ndtr

from raydrive.core.arrays import Array
from raydrive.core.search.bayesian.acquisition import log_h
from raydrive.core.search.bayesian.kernel import Layout, covariance, matern, squared_distances, with_slopes
from raydrive.core.search.fidelity.curve_kernel import CurvePoints, Index, Scales, cholesky, decay


@dataclass(frozen=True)
class Places:
    """Points of curves to ask about."""

    features: Array
    """Shape ``(m, p)``."""
    curve: Index
    """Shape ``(m,)``: the curve each lies on, as ``CurvePoints`` numbers them; -1 - k is the k-th new one."""
    time: Array
    """Shape ``(m,)``."""


@dataclass(frozen=True)
class CurvePosterior:
    """The posterior given data and hyperparameters."""

    data: CurvePoints
    """In any order of curves."""
    theta: Array
    factor: Array | None = None
    """``inverse_factor`` where it is known."""

    @cached_property
    def scales(self) -> Scales:
        """The hyperparameters."""
        return Scales.of(self.theta)

    @cached_property
    def _thetas(self) -> tuple[Array, Array]:
        """Those of G and of M(v), as ``kernel`` takes them; M(v) has no part of single dimensions."""
        d = self.data.layout.dimensions
        ends = np.concatenate([self.theta[:d], [self.theta[2 * d + 1], self.theta[2 * d], 0.0]])
        return ends, np.concatenate([self.theta[d : 2 * d], [-np.inf, 0.0, 0.0]])

    def _by_configuration(self, a: Array, b: Array) -> tuple[Array, Array]:
        """G and M(v) between features."""
        layout, (ends, gains) = self.data.layout, self._thetas
        whole = covariance(layout.coordinates(a, ends), layout.coordinates(b, ends), layout, ends)
        return whole, matern(squared_distances(layout.coordinates(a, gains), layout.coordinates(b, gains)))[0]

    @cached_property
    def inverse_factor(self) -> Array:
        """Inverse of the lower Cholesky factor of the covariance of the data, shape ``(n, n)``."""
        if self.factor is not None:
            return self.factor
        c = self._between(self._own, self._own)
        c.flat[:: len(c) + 1] += self.scales.r
        return np.asarray(lapack.dtrtri(cholesky(c), lower=1)[0])

    @cached_property
    def alpha(self) -> Array:
        """C^-1 y, shape ``(n,)``."""
        return np.asarray(self.inverse_factor.T @ (self.inverse_factor @ self.data.values))

    @property
    def _own(self) -> Places:
        return Places(self.data.features, self.data.curve, self.data.time)

    def _between(self, a: Places, b: Places) -> Array:
        """K without noise between points; features of ``Places`` are by curve where they are the data's own."""
        k = self.scales
        ends, gains = self._by_configuration(a.features, b.features)
        if len(a.features) != len(a.time):
            ends, gains = ends[a.curve], gains[a.curve]
        if len(b.features) != len(b.time):
            ends, gains = ends[:, b.curve], gains[:, b.curve]
        t = decay(a.time, b.time, k.b)
        out: Array = ends
        out += (k.p + k.q * gains) * t
        i, j = np.nonzero(a.curve[:, None] == b.curve[None, :])
        ta, tb = a.time[i], b.time[j]
        wander = np.sqrt(np.minimum(ta, tb) / np.maximum(ta, tb))
        out[i, j] += k.e + k.f * t[i, j] + k.g * wander
        return out

    def joint(self, places: Places) -> tuple[Array, Array]:
        """Returns mean ``(m,)`` and covariance ``(m, m)`` of the curves, without noise of single values."""
        k = self._between(places, self._own)
        v = k @ self.inverse_factor.T
        return k @ self.alpha, self._between(places, places) - v @ v.T

    def at(self, places: Places) -> tuple[Array, Array]:
        """Returns mean and deviation of the curves at points, each of shape ``(m,)``."""
        k = self._between(places, self._own)
        v = k @ self.inverse_factor.T
        s = self.scales
        prior = s.s + s.u + s.e + s.g + (s.p + s.q + s.f) * s.b / (2.0 * places.time + s.b)
        return k @ self.alpha, np.sqrt(np.maximum(prior - np.einsum("ij,ij->i", v, v), 1e-10))

    def with_points(self, features: Array, curve: Index, time: Array, values: Array) -> CurvePosterior:
        """Returns the posterior after further observations; curves beyond the known ones are new, in this order.

        Args:
            features: Of the new curves, shape ``(k, p)``.
            curve: Shape ``(m,)``; c is the first of the new ones.
            time: Shape ``(m,)``.
            values: Shape ``(m,)``.
        """
        n, whole = len(self.data.values), np.vstack([self.data.features, features])
        more = Places(whole[curve], curve, time)
        covariance = self._between(more, more)
        covariance.flat[:: len(time) + 1] += self.scales.r
        # the factor grows by a block: [[L, 0], [B, D]] with B = k L'^-1 and D D' = covariance - B B'
        below = self._between(more, self._own) @ self.inverse_factor.T
        corner = lapack.dtrtri(cholesky(covariance - below @ below.T), lower=1)[0]
        factor = np.zeros((n + len(time), n + len(time)))
        factor[:n, :n], factor[n:, n:] = self.inverse_factor, corner
        factor[n:, :n] = -corner @ (below @ self.inverse_factor)
        data = replace(
            self.data,
            features=whole,
            curve=np.concatenate([self.data.curve, curve]),
            time=np.concatenate([self.data.time, time]),
            values=np.concatenate([self.data.values, values]),
        )
        return CurvePosterior(data, self.theta, factor)


@dataclass(frozen=True)
class EndImprovement:
    """Log expected improvement of a new curve's end, for ``acquisition.maximise``."""

    process: CurvePosterior
    best: float
    """Standardised; what is to be improved on."""

    @cached_property
    def _weights(self) -> tuple[Array, Array]:
        """Of G and of M(v) in the covariance of an end with the data, given that of the curves; ``(n,)``."""
        s = self.process.scales
        t = s.b / (1.0 + self.process.data.time + s.b)
        return s.p * t, s.q * t

    @property
    def _variance(self) -> float:
        s = self.process.scales
        return s.s + s.u + s.e + s.g + (s.p + s.q + s.f) * s.b / (2.0 + s.b)

    def __call__(self, features: Array) -> Array:
        """Returns it at points, shape ``(m,)``."""
        process = self.process
        ends, gains = process._by_configuration(features, process.data.features)
        common, by_gain = self._weights
        k = ends[:, process.data.curve] + common + by_gain * gains[:, process.data.curve]
        v = k @ process.inverse_factor.T
        s = np.sqrt(np.maximum(self._variance - np.einsum("ij,ij->i", v, v), 1e-10))
        return np.asarray(np.log(s) + log_h((self.best - k @ process.alpha) / s))

    def with_gradient(self, features: Array) -> tuple[Array, Array]:
        """Returns it ``(m,)`` and its gradient by the features ``(m, p)``."""
        process, layout = self.process, self.process.data.layout
        common, by_gain = self._weights
        parts = []
        for theta, slopes_of in zip(process._thetas, (with_slopes, _whole_slopes), strict=True):
            x, y = layout.coordinates(features, theta), layout.coordinates(process.data.features, theta)
            value, slopes = slopes_of(x, y, layout, theta)
            slopes *= np.exp(0.5 * theta[layout.owner])[None, None, :]
            parts.append((value[:, process.data.curve], slopes))
        k = parts[0][0] + common + by_gain * parts[1][0]
        v = k @ process.inverse_factor.T
        s = np.sqrt(np.maximum(self._variance - np.einsum("ij,ij->i", v, v), 1e-10))
        z = (self.best - k @ process.alpha) / s
        log_part = log_h(z)
        ratio = np.exp(log_ndtr(z) - log_part)
        # weights of the observations in the gradient, summed over those of a curve: slopes are by configuration
        by_point = -(ratio / s)[:, None] * process.alpha - (1.0 - ratio * z)[:, None] / (s * s)[:, None] * (
            v @ process.inverse_factor
        )
        of_curve = (process.data.curve[:, None] == np.arange(len(process.data.features))).astype(float)
        of_ends, of_gains = by_point @ of_curve, (by_point * by_gain) @ of_curve
        gradient = np.einsum("mc,mcp->mp", of_ends, parts[0][1]) + np.einsum("mc,mcp->mp", of_gains, parts[1][1])
        return np.log(s) + log_part, gradient


def _whole_slopes(a: Array, b: Array, layout: Layout, theta: Array) -> tuple[Array, Array]:
    """Returns M of all dimensions together and its derivative by the coordinates of ``a``; as ``with_slopes``."""
    k, slope = matern(squared_distances(a, b))
    return k, 2.0 * slope[:, :, None] * (a[:, None, :] - b[None, :, :])
