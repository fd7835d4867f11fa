"""Where to look next: log expected improvement, and its maximum over a mixed space.

With mean m and deviation s at a point, best value b (smaller is better) and z = (b - m) / s,

    EI = s h(z),   h(z) = phi(z) + z Phi(z),   log EI = log s + log h(z)                               (1)

log h is computed without cancellation after Ament et al., *Unexpected Improvements to Expected Improvement for Bayesian
Optimization* (arXiv:2310.20708), eq. 9. Trials in flight are fantasies: the process is conditioned on M joint draws of
their outcomes, and EI is averaged over them (Snoek et al., arXiv:1206.2944, section 3.2); the covariance does not
depend on the outcomes, so all draws share one factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import erfcx, log_ndtr

from raydrive.core.arrays import Array
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.gaussian_process import Posterior
from raydrive.core.search.bayesian.kernel import squared_distances

_C1 = 0.5 * math.log(2.0 * math.pi)
_C2 = 0.5 * math.log(0.5 * math.pi)
_FAR = -1e6
"""Below this, log h(z) is its asymptote to working precision."""
_APART = 0.02
"""Distance in feature space that proposals keep from open trials: two at once in one place answer one question."""
_SCANNED = 16
"""Ordered values up to which a local search looks at all of them, not only at neighbours."""


def log_h(z: Array) -> Array:
    """Returns log(phi(z) + z Phi(z)), exact to rounding for every z."""
    out = np.empty_like(z)
    near = z > -1.0
    x = z[near]
    out[near] = np.log(np.exp(-0.5 * x * x - _C1) + x * np.exp(log_ndtr(x)))
    x = np.maximum(z[~near], _FAR)
    # log(1 - exp(a)) with a = log(-z Phi(z) / phi(z)), which erfcx gives without overflow
    a = np.log(erfcx(-x * math.sqrt(0.5)) * -x) + _C2
    with np.errstate(divide="ignore"):
        tail = np.where(a > -math.log(2.0), np.log(-np.expm1(a)), np.log1p(-np.exp(a)))
    asymptote = -2.0 * np.log(-x)
    out[~near] = -0.5 * z[~near] ** 2 - _C1 + np.where(x > -1e3, tail, asymptote)
    return out


class Score(Protocol):
    """What is to be maximised."""

    def __call__(self, features: Array, /) -> Array:
        """Returns it at points, shape ``(m,)``."""
        ...

    def with_gradient(self, features: Array, /) -> tuple[Array, Array]:
        """Returns it ``(m,)`` and its gradient by the features ``(m, p)``."""
        ...


@dataclass(frozen=True)
class LogEI:
    """Log expected improvement under processes that differ in hyperparameters or in what they dreamt of open trials."""

    members: tuple[tuple[Posterior, Array, Array], ...]
    """Each a process, values ``(n, M)`` of its data in M fantasies, and the best value of each ``(M,)``."""

    @cached_property
    def _alphas(self) -> list[Array]:
        return [p.inverse_factor.T @ (p.inverse_factor @ values) for p, values, _ in self.members]

    def __call__(self, features: Array) -> Array:
        """Returns log EI at points, shape ``(m,)``.

        Args:
            features: Shape ``(m, p)``.
        """
        parts = []
        for (posterior, _, best), alpha in zip(self.members, self._alphas, strict=True):
            k = posterior.kernel(features)
            v = k @ posterior.inverse_factor.T
            s = _deviation(posterior, v)
            parts.append(np.log(s)[:, None] + log_h((best - k @ alpha) / s[:, None]))
        return _log_mean(np.hstack(parts))

    def with_gradient(self, features: Array) -> tuple[Array, Array]:
        """Returns log EI ``(m,)`` and its gradient by the features ``(m, p)``."""
        parts, slopes = [], []
        for (posterior, _, best), alpha in zip(self.members, self._alphas, strict=True):
            part, slope = _member(posterior, alpha, best, features)
            parts.append(part)
            slopes.append(slope)
        values = np.hstack(parts)
        total = _log_mean(values)
        # d log mean exp(v) = sum softmax(v) dv
        weights = np.exp(values - total[:, None]) / values.shape[1]
        return total, np.einsum("mk,mkp->mp", weights, np.concatenate(slopes, axis=1))


def _deviation(posterior: Posterior, v: Array) -> Array:
    variance = posterior.signal - np.einsum("ij,ij->i", v, v)
    return np.asarray(np.sqrt(np.maximum(variance, 1e-10 * posterior.signal)))


def _log_mean(values: Array) -> Array:
    if values.shape[1] == 1:
        return values[:, 0]
    top = values.max(axis=1)
    return np.asarray(top + np.log(np.mean(np.exp(values - top[:, None]), axis=1)))


def _member(posterior: Posterior, alpha: Array, best: Array, features: Array) -> tuple[Array, Array]:
    """Log EI of M fantasies, ``(m, M)``, and gradients, ``(m, M, p)``."""
    k, slopes = posterior.kernel_with_slopes(features)
    v = k @ posterior.inverse_factor.T
    s = _deviation(posterior, v)
    z = (best - k @ alpha) / s[:, None]
    log_part = log_h(z)
    value = np.log(s)[:, None] + log_part
    # h' = Phi, so d log h = Phi / h dz;  dz = -(dm + z ds) / s
    ratio = np.exp(log_ndtr(z) - log_part)
    by_mean = -ratio / s[:, None]
    by_deviation = (1.0 - ratio * z) / s[:, None]
    mean_slope = np.einsum("mnp,nk->mkp", slopes, alpha)
    # s^2 = k(x, x) - k' C^-1 k, and k(x, x) is the same everywhere
    variance_slope = -2.0 * np.einsum("mn,mnp->mp", v @ posterior.inverse_factor, slopes)
    gradient = by_mean[:, :, None] * mean_slope
    gradient += (by_deviation * (0.5 / s)[:, None])[:, :, None] * variance_slope[:, None, :]
    return value, gradient


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard the maximum is looked for."""

    spread: int = 768
    """Random points."""
    near: int = 480
    """Variations of the best known points."""
    starts: int = 6
    """Local searches."""
    rounds: int = 3
    """Alternations between gradients on continua and moves on discrete dimensions."""
    iterations: int = 24
    """Gradient steps in each round."""


def candidates(features: FeatureEncoder, incumbents: Array, rng: np.random.Generator, effort: Effort) -> Array:
    """Returns tidy rows to start from: random ones, and the incumbents varied in a few dimensions at several scales.

    Args:
        features: The space.
        incumbents: Rows ``(k, d)`` of the best known points, best first.
        rng: Where randomness comes from.
        effort: How many.
    """
    d = len(features.columns)
    rows = rng.random((effort.spread, d))
    if len(incumbents) and effort.near:
        rows = np.vstack([rows, _varied(features, incumbents, rng, effort.near)])
    return features.tidy(rows)


def free_rows(features: FeatureEncoder, tried: Array, going: Array) -> Callable[[Array], NDArray[np.bool_]]:
    """Returns what tells which rows may be proposed: none that was tried, none next to one whose result is to come.

    Args:
        features: The space.
        tried: Tidy rows, shape ``(n, d)``.
        going: Tidy rows of trials that are not over, shape ``(m, d)``.
    """
    known = {row.tobytes() for row in np.nan_to_num(tried, nan=-1.0)}
    near = features.features(going) if len(features.continuous) else np.empty((0, len(features.owner)))

    def free(rows: Array) -> NDArray[np.bool_]:
        new = np.array([row.tobytes() not in known for row in np.nan_to_num(rows, nan=-1.0)], dtype=bool)
        if len(near) and len(rows):
            new &= np.min(squared_distances(features.features(rows), near), axis=1) >= _APART**2
        return new

    return free


def _varied(features: FeatureEncoder, incumbents: Array, rng: np.random.Generator, count: int) -> Array:
    d = len(features.columns)
    base = incumbents[rng.integers(len(incumbents), size=count)]
    fresh = rng.random((count, d))
    # inactive entries may become active when the choice above them changes: give them a value
    base = np.where(np.isnan(base), fresh, base)
    share = rng.choice([1.0 / d, 0.3, 0.6, 1.0], size=(count, 1))
    change = rng.random((count, d)) < share
    change[np.arange(count), rng.integers(d, size=count)] = True
    step = rng.choice([0.003, 0.02, 0.1, 0.3], size=(count, 1)) * rng.standard_normal((count, d))
    moved = _reflected(base + step)
    for j, column in enumerate(features.columns):
        if column.unordered or (not column.continuous and column.count <= 4):
            moved[:, j] = fresh[:, j]
        elif not column.continuous:
            wide = rng.random(count) < 0.5
            moved[:, j] = np.where(wide, fresh[:, j], _reflected(base[:, j] + np.sign(step[:, j]) / column.count))
    return np.where(change, moved, base)


def _reflected(x: Array) -> Array:
    return np.abs(1.0 - np.abs(1.0 - np.mod(x, 2.0)))


def maximise(
    features: FeatureEncoder,
    score: Score,
    rows: Array,
    free: Callable[[Array], NDArray[np.bool_]],
    rng: np.random.Generator,
    effort: Effort,
) -> tuple[Array, Array]:
    """Returns rows of high score, best first, and their scores.

    Args:
        features: The space.
        score: What to maximise.
        rows: Tidy rows to choose starts from.
        free: Tells which rows may be proposed.
        rng: For the choice of starts.
        effort: How hard to try.
    """
    rows = rows[free(rows)]
    if not len(rows):
        return rows, np.empty(0)
    values = score(features.features(rows))
    starts = _distinct_starts(values, rng, effort.starts)
    found, found_values = rows[starts], values[starts]
    for round_ in range(effort.rounds):
        before = found_values.copy()
        if len(features.continuous):
            found, found_values = _climb(features, score, found, found_values, effort.iterations)
        if len(features.continuous) == len(features.columns):
            break
        found, found_values = _step(features, score, found, found_values, free, rng)
        if round_ and np.all(found_values <= before + 1e-6):
            break
    allowed = free(found)
    pool = np.vstack([found[allowed], rows[starts]])
    pool_values = np.concatenate([found_values[allowed], values[starts]])
    order = np.argsort(-pool_values, kind="stable")
    return pool[order], pool_values[order]


def _distinct_starts(values: Array, rng: np.random.Generator, count: int) -> NDArray[np.intp]:
    """The best row, and others drawn with probability proportional to EI (so that several hills are climbed)."""
    order = np.argsort(-values, kind="stable")
    best = order[: max(1, count // 2)]
    rest = order[len(best) :]
    if not len(rest):
        return best
    gumbel = values[rest] + rng.gumbel(size=len(rest))
    return np.concatenate([best, rest[np.argsort(-gumbel, kind="stable")[: count - len(best)]]])


def _climb(features: FeatureEncoder, score: Score, rows: Array, values: Array, iterations: int) -> tuple[Array, Array]:
    """Gradient ascent on the continua of all rows at once; their problems are independent, so one L-BFGS-B serves."""
    free = features.continuous
    active = ~np.isnan(rows[:, free])
    shape = active.shape
    if not active.any():
        return rows, values
    best, best_values = rows.copy(), values.copy()

    def loss(x: Array) -> tuple[float, Array]:
        trial = rows.copy()
        trial[:, free] = np.where(active, x.reshape(shape), np.nan)
        value, slope = score.with_gradient(features.features(trial))
        better = value > best_values
        best[better], best_values[better] = trial[better], value[better]
        gradient = np.where(active, features.by_position(trial, slope), 0.0)
        return -float(value.sum()), -gradient.ravel()

    x0 = np.nan_to_num(rows[:, free], nan=0.5).ravel()
    minimize(
        loss, x0, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(x0),
        options={"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 1e-9, "gtol": 1e-5, "maxcor": 20},
    )  # fmt: skip
    return best, best_values


def _step(
    features: FeatureEncoder,
    score: Score,
    rows: Array,
    values: Array,
    free: Callable[[Array], NDArray[np.bool_]],
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Moves each row to its best neighbour (one discrete dimension changed) until none is better."""
    rows, values = rows.copy(), values.copy()
    moving = np.arange(len(rows))
    for _ in range(8):
        near, of = _neighbours(features, rows[moving], rng)
        of = moving[of]
        allowed = free(near)
        near, of = near[allowed], of[allowed]
        if not len(near):
            break
        scores = score(features.features(near))
        order = np.lexsort((-scores, of))
        first = order[np.unique(of[order], return_index=True)[1]]
        # a row that may not be proposed itself must move to its best free neighbour
        held = free(rows[of[first]])
        better = first[(scores[first] > values[of[first]] + 1e-9) | ~held]
        if not len(better):
            break
        moving = of[better]
        rows[moving], values[moving] = near[better], scores[better]
    return rows, values


def _neighbours(features: FeatureEncoder, rows: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
    """All rows that differ in one discrete dimension (its values, or those nearby where many), and whose they are."""
    found, whose = [], []
    for j, column in enumerate(features.columns):
        if column.continuous or column.positions is None:
            continue
        active = np.flatnonzero(~np.isnan(rows[:, j]))
        codes = column.codes(rows[active, j])
        if column.count <= _SCANNED or column.unordered:
            targets = np.broadcast_to(np.arange(column.count), (len(active), column.count))
        else:
            jump = max(2, column.count // 8)
            steps = np.concatenate([[-2, -1, 1, 2], np.array([-2, -1, 1, 2]) * jump])
            targets = np.clip(codes[:, None] + steps, 0, column.count - 1)
        who, k = np.nonzero(targets != codes[:, None])
        near = rows[active[who]].copy()
        near[:, j] = column.positions[targets[who, k]]
        found.append(near)
        whose.append(active[who])
    if not found:
        return rows[:0], np.empty(0, np.intp)
    near = np.vstack(found)
    if any(column.dimension.parent is not None for column in features.columns):
        near = features.tidy(np.where(np.isnan(near), rng.random(near.shape), near))
    return near, np.concatenate(whose)
