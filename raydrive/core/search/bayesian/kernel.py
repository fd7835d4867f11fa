"""Kernel of two configurations: on warped coordinates, with a joint term and an additive term per dimension.

Notation (p feature columns, d dimensions; a dimension owns one column or several, see ``space_features``):

    B_c(x) = 1 - (1 - x^alpha_c)^beta_c   for a number on [0, 1]; other columns stay as they are               (1)
    D_j(x, y) = w_j |B_j(x) - B_j(y)|^2   summed over the columns of dimension j
    M(D)   = (1 + r + r^2 / 3) exp(-r) with r = sqrt(5 D)                                               (2)
    k(x, y) = s M(sum_j D_j) + u / d sum_j M(D_j)                                                       (3)

(1) is the distribution function of Kumaraswamy: where a metric changes fast at one end of a range and not at the other,
it spreads the busy end (Snoek et al., arXiv:1402.0929, with a distribution function that has a closed form). (2) is
Rasmussen & Williams (2006), eq. 4.17. The second sum of (3) is the first order of an additive process (Duvenaud et
al., arXiv:1112.4394): what a dimension does by itself is learnt from all trials, not only from those close in every
dimension.

Hyperparameters are logarithms in one vector, ``theta = (w, alpha, beta, u, s, t)``, t being the noise variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from raydrive.core.arrays import Array

Columns = NDArray[np.intp]

_EDGE = 1e-6
"""Positions are kept this far from 0 and 1, where (1) may have infinite slope."""
_STRIP = 16_384
"""Covariances computed at a time."""


def _none() -> Columns:
    return np.empty(0, np.intp)


@dataclass(frozen=True)
class Layout:
    """Which feature columns belong together, and which are bent."""

    owner: Columns
    """Shape ``(p,)``, ascending: the dimension of each column."""
    warped: Columns = field(default_factory=_none)
    """Shape ``(m,)``: columns that (1) applies to, each the only one of its dimension."""

    @cached_property
    def dimensions(self) -> int:
        """Number of dimensions d."""
        return int(self.owner.max()) + 1

    @property
    def size(self) -> int:
        """Length of ``theta``: d + 2 m + 3."""
        return self.dimensions + 2 * len(self.warped) + 3

    @cached_property
    def blocks(self) -> list[slice]:
        """The columns of each dimension."""
        edges = np.searchsorted(self.owner, np.arange(self.dimensions + 1))
        return [slice(int(a), int(b)) for a, b in pairwise(edges)]

    @cached_property
    def wide(self) -> list[slice]:
        """The columns of each dimension that owns several."""
        return [block for block in self.blocks if block.stop - block.start > 1]

    def split(self, theta: Array) -> tuple[Array, Array, Array]:
        """Returns the logarithms of w, of alpha and of beta."""
        d, m = self.dimensions, len(self.warped)
        return theta[:d], theta[d : d + m], theta[d + m : d + 2 * m]

    def coordinates(self, features: Array, theta: Array) -> Array:
        """Returns B(x) times the square root of w, shape as ``features``."""
        w, alpha, beta = self.split(theta)
        out: Array = features * np.exp(0.5 * w)[self.owner]
        if len(self.warped):
            x = np.clip(features[:, self.warped], _EDGE, 1.0 - _EDGE)
            warped = -np.expm1(np.exp(beta) * np.log1p(-(x ** np.exp(alpha))))
            out[:, self.warped] = warped * np.exp(0.5 * w)[self.owner[self.warped]]
        return out

    def slopes(self, features: Array, theta: Array) -> tuple[Array, Array, Array]:
        """Returns the derivatives of B by x, by log alpha and by log beta at the bent columns, each ``(n, m)``."""
        _, log_alpha, log_beta = self.split(theta)
        alpha, beta = np.exp(log_alpha), np.exp(log_beta)
        x = np.clip(features[:, self.warped], _EDGE, 1.0 - _EDGE)
        power = x**alpha
        rest = 1.0 - power
        inner = beta * rest ** (beta - 1.0) * power
        return inner * alpha / x, inner * alpha * np.log(x), -beta * rest**beta * np.log(rest)


def matern(d: Array, out: tuple[Array, Array, Array] | None = None) -> tuple[Array, Array]:
    """Returns (2) at weighted squared distances and its derivative by them, shaped as ``d``.

    Args:
        d: Not written to.
        out: For (2), for its derivative, and one to write over; new ones unless given.
    """
    # in place, as this is where a fit spends its time
    r, slope, e = out or (np.empty_like(d), np.empty_like(d), np.empty_like(d))
    np.multiply(d, 5.0, out=r)
    np.sqrt(r, out=r)
    np.negative(r, out=e)
    np.exp(e, out=e)
    np.add(r, 1.0, out=slope)
    slope *= e
    r *= r
    r *= 1.0 / 3.0
    r *= e
    r += slope
    slope *= -5.0 / 6.0
    return r, slope


def squared_distances(a: Array, b: Array) -> Array:
    """Returns ``|a_i - b_j|^2``, shape ``(len(a), len(b))``.

    Over several columns by the binomial formula: one matrix product instead of n m p differences. What cancels is below
    1e-15, and (2) is linear in D at 0, so nothing is lost.
    """
    d: Array
    if a.shape[1] == 1:
        d = a - b[:, 0]
        d *= d
        return d
    d = a @ (-2.0 * b.T)
    d += np.einsum("ij,ij->i", a, a)[:, None]
    d += np.einsum("ij,ij->i", b, b)[None, :]
    return np.maximum(d, 0.0, out=d)


def covariance(a: Array, b: Array, layout: Layout, theta: Array) -> Array:
    """Returns (3) between coordinates (as ``Layout.coordinates`` gives them), shape ``(len(a), len(b))``."""
    out = np.empty((len(a), len(b)))
    # in strips that a processor's cache holds: this is where most of the time of a proposal goes
    rows = max(1, _STRIP // max(1, len(b)))
    for i in range(0, len(a), rows):
        _strip(a[i : i + rows], b, layout, theta, out[i : i + rows])
    return out


def _strip(a: Array, b: Array, layout: Layout, theta: Array, out: Array) -> None:
    room, more = np.empty_like(out), np.empty_like(out)
    np.sqrt(squared_distances(a, b), out=out)
    _matern_at(out, more)
    out *= math.exp(theta[-2]) * layout.dimensions / math.exp(theta[-3])
    for block in layout.blocks:
        if block.stop - block.start == 1:
            np.subtract(a[:, block], b[:, block.start], out=room)
            np.abs(room, out=room)
        else:
            np.sqrt(squared_distances(a[:, block], b[:, block]), out=room)
        _matern_at(room, more)
        out += room
    out *= math.exp(theta[-3]) / layout.dimensions


def _matern_at(distance: Array, room: Array) -> None:
    """Replaces distances by (2) at them; ``room`` is overwritten."""
    distance *= math.sqrt(5.0)
    np.multiply(distance, 1.0 / 3.0, out=room)
    room += 1.0
    room *= distance
    room += 1.0
    np.negative(distance, out=distance)
    np.exp(distance, out=distance)
    distance *= room


def with_slopes(a: Array, b: Array, layout: Layout, theta: Array) -> tuple[Array, Array]:
    """Returns (3) and its derivative by the coordinates of ``a``, shapes ``(m, n)`` and ``(m, n, p)``.

    For few points ``a``, whose dimensions are therefore done at once where they own one column.
    """
    k, slope = matern(squared_distances(a, b))
    s, share = math.exp(theta[-2]), math.exp(theta[-3]) / layout.dimensions
    k *= s
    apart = a[:, None, :] - b[None, :, :]
    alone, slopes = matern(apart * apart)
    slopes *= share
    for block in layout.wide:
        whole, of_block = matern(squared_distances(a[:, block], b[:, block]))
        alone[:, :, block] = 0.0
        alone[:, :, block.start] = whole
        slopes[:, :, block] = (share * of_block)[:, :, None]
    k += share * alone.sum(axis=2)
    slopes += s * slope[:, :, None]
    slopes *= 2.0
    slopes *= apart
    return k, slopes
