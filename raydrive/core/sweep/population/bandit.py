"""``pb2``: new hyperparameters where a model of past gains predicts the largest gain or is most uncertain.

Source: Parker-Holder et al. 2020, "Provably Efficient Online Hyperparameter Optimization with Population-Based
Bandits", arXiv:2002.02518. The model is a Gaussian process on what a block of training gained (y), by the
hyperparameters x of the block, the value v that it began with and its time t in blocks:

    k = s exp(-1/2 sum_j w_j D_j(x, x') - 1/2 w_v (v - v')^2) (1 - epsilon)^(|t - t'| / 2),   C = K + n I          (1)

(1) is section 4.1 of the paper: what has been seen long ago counts less. At the time and value of the training that is
taken over it maximises the mean plus sqrt(beta) deviations, beta = 0.2 log(0.4 n) of n blocks. The deviation is that of
a process which has also seen the blocks that other members train now, whose gains are not known yet: members do not
choose the same (the paper's eq. 6).

Beyond the paper: a weight w_j for each hyperparameter instead of one for all; hyperparameters are chosen on the scale
of the search space (a learning rate on its logarithm), choices among them by their features; s, w and epsilon are those
that the data make most probable; with fewer than four blocks, the first values are perturbed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raydrive.core.errors import ConfigError
from raydrive.core.lazy_numpy import np
from raydrive.core.population.exploration import Perturbation
from raydrive.core.population.protocol import Begun, Block, Explored, Taken
from raydrive.core.population.rules import Bandit, Perturb
from raydrive.core.records import Params
from raydrive.core.space.search_space import Space

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from raydrive.core.arrays import Array, Mask
    from raydrive.core.search.bayesian.features import FeatureEncoder

    Places = NDArray[np.intp]

LEAST_BLOCKS = 4
"""With fewer there is no model."""
MOST_BLOCKS = 150
"""The newest of them: a driver decides this between two reports."""
_ANYWHERE, _NEAR, _CLOSE = 512, 256, 256
"""Candidates drawn from the whole space, around the training's own values, and around the best candidate."""
_CLIP = 2.0
"""Deviations beyond which a gain counts no more: one collapse must not hide all differences."""
_JITTER = 1e-8


@dataclass(frozen=True, slots=True)
class PopulationBandit:
    """Chooses by the model; ``Bandit`` is its user's part."""

    rules: Bandit

    def explored(self, taken: Taken, rng: Generator) -> Explored:
        """Returns hyperparameters that the model expects most of, deviations counted in."""
        from raydrive.core.search.bayesian.features import FeatureEncoder  # lazy: numpy, 0.1 s

        encoder = FeatureEncoder(taken.space)
        free, own = self._free(taken.params, taken.space), _row(taken.params, taken.space)
        blocks = [(block, row) for block in taken.blocks() if (row := _row(block.params, taken.space)) is not None]
        if len(blocks) < LEAST_BLOCKS or own is None or not free.any():
            perturb = Perturb(parameters=self.rules.parameters)
            return Perturbation(perturb).explored(taken, rng)
        seen = Seen.of(encoder, blocks[-MOST_BLOCKS:], taken)
        if not seen.varies:
            return Perturbation(Perturb(parameters=self.rules.parameters)).explored(taken, rng)
        begun = [(one, row) for one in taken.begun() if (row := _row(one.params, taken.space)) is not None]
        process = seen.fitted()
        wide = process.with_begun(seen, begun)
        beta = max(0.0, 0.2 * math.log(0.4 * len(seen.gains)))

        def worth(rows: Array) -> tuple[Array, Array, Array]:
            at = seen.here(rows)
            mean, deviation = process.predict(at)[0], wide.predict(at)[1]
            return mean + math.sqrt(beta) * deviation, mean, deviation

        rows = _candidates(encoder, own, free, rng)
        best = rows[int(np.argmax(worth(rows)[0]))]
        rows = encoder.tidy(np.vstack([best, _around(best, free, (0.01, 0.05), _CLOSE, rng)]))
        values, mean, deviation = worth(rows)
        place = int(np.argmax(values))
        params = dict(taken.params) | {
            name: value
            for name, value in encoder.params(rows[place]).items()
            if free[_dimensions(taken.space, name)].any()
        }
        expected, error = (seen.spread * float(each[place]) for each in (mean, deviation))
        centre = seen.centre + expected
        return Explored(params, f"the model expects {centre:+.3g} ({error:.2g}) of {taken.every} intervals with them")

    def _free(self, params: Params, space: Space) -> Mask:
        """Which dimensions are chosen."""
        wanted = {name.lstrip("-") for name in self.rules.parameters}
        free = np.zeros(len(space.dimensions), bool)
        for name, expression in space.expressions.items():
            chosen = not wanted or name.lstrip("-") in wanted
            free[_dimensions(space, name)] = chosen and name in params and expression.contains(params[name])
        return free


@dataclass(frozen=True)
class Seen:
    """Blocks as the model sees them."""

    encoder: FeatureEncoder
    every: int
    rows: Array
    """Shape ``(n, d)``, of the unit cube."""
    values: Array
    """Shape ``(n,)``: what the blocks began with, 0 to 1."""
    times: Array
    """Shape ``(n,)``, in blocks."""
    gains: Array
    """Shape ``(n,)``, standardised."""
    centre: float
    spread: float
    """Mean and deviation of the gains."""
    low: float
    width: float
    """Of the values before."""
    taken: Taken

    @classmethod
    def of(cls, encoder: FeatureEncoder, blocks: Sequence[tuple[Block, Array]], taken: Taken) -> Seen:
        """Returns blocks, each with the row of its hyperparameters; a gain that is no number counts as the worst."""
        gains = np.array([block.change for block, _ in blocks])
        known = gains[np.isfinite(gains)]
        gains = np.where(np.isfinite(gains), gains, known.min() if len(known) else 0.0)
        before = np.array([block.before for block, _ in blocks])
        centre, spread = float(gains.mean()), float(gains.std())
        low, width = float(before.min()), float(np.ptp(before))
        return cls(
            encoder,
            taken.every,
            encoder.tidy(np.nan_to_num(np.array([row for _, row in blocks]), nan=0.5)),
            (before - low) / (width or 1.0),
            np.array([block.interval / taken.every for block, _ in blocks]),
            np.clip((gains - centre) / (spread or 1.0), -_CLIP, _CLIP),
            centre,
            spread,
            low,
            width or 1.0,
            taken,
        )

    @property
    def varies(self) -> bool:
        """Whether there is something to learn."""
        return self.spread > 0.0 and math.isfinite(self.spread)

    def points(self, rows: Array, values: Array, times: Array) -> Points:
        """Returns rows as points of the model."""
        return Points(self.encoder.features(rows), np.asarray(values), np.asarray(times))

    def here(self, rows: Array) -> Points:
        """Returns hyperparameters as points at the time and value of the training that is taken over."""
        value = (self.taken.value - self.low) / self.width if math.isfinite(self.taken.value) else 0.5
        ones = np.ones(len(rows))
        return self.points(rows, value * ones, self.taken.interval / self.every * ones)

    def of_begun(self, begun: Sequence[tuple[Begun, Array]]) -> Points:
        """Returns what others train now as points."""
        rows = self.encoder.tidy(np.nan_to_num(np.array([row for _, row in begun]), nan=0.5))
        values = np.array([one.before for one, _ in begun])
        values = np.where(np.isfinite(values), (values - self.low) / self.width, 0.5)
        return self.points(rows, values, np.array([one.interval / self.every for one, _ in begun]))

    def fitted(self) -> Process:
        """Returns the process whose hyperparameters the gains make most probable."""
        from raydrive.core.search.bayesian.map_estimate import map_estimate  # lazy: scipy, 0.3 s

        points = self.points(self.rows, self.values, self.times)
        likelihood = Likelihood(points, self.gains, self.encoder.owner)
        theta, _ = map_estimate(likelihood, likelihood.prior, [likelihood.start], likelihood.bounds, 30)
        return Process(points, self.gains, theta, self.encoder.owner)


@dataclass(frozen=True)
class Points:
    """Where the process is looked at."""

    features: Array
    """Shape ``(n, p)``."""
    values: Array
    """Shape ``(n,)``."""
    times: Array
    """Shape ``(n,)``."""

    def and_(self, other: Points) -> Points:
        """Returns both."""
        return Points(
            np.vstack([self.features, other.features]),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.times, other.times]),
        )


def _apart(one: Points, other: Points, owner: Places) -> list[Array]:
    """Squared distances by hyperparameter, of the values, and distances of the times; each ``(n, m)``."""
    count = int(owner[-1]) + 1 if len(owner) else 0
    apart = []
    for j in range(count):
        mine = owner == j
        x, y = one.features[:, mine], other.features[:, mine]
        apart.append(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1))
    apart.append((one.values[:, None] - other.values[None, :]) ** 2)
    apart.append(np.abs(one.times[:, None] - other.times[None, :]))
    return apart


def _covariance(apart: Sequence[Array], theta: Array) -> Array:
    """The kernel of (1); ``theta`` is log w of each hyperparameter and the value, log rate of time, log s, log n."""
    exponent = sum(0.5 * math.exp(w) * d for w, d in zip(theta[:-3], apart[:-1], strict=True))
    exponent = exponent + math.exp(theta[-3]) * apart[-1]  # (1 - epsilon)^(|t - t'| / 2) = exp(-rate |t - t'|)
    found: Array = math.exp(theta[-2]) * np.exp(-exponent)
    return found


class Likelihood:
    """The log likelihood of gains, and what is believed about hyperparameters of the process before.

    Args:
        points: Where they were seen.
        gains: Shape ``(n,)``, standardised.
        owner: The hyperparameter of each feature.
    """

    def __init__(self, points: Points, gains: Array, owner: Places) -> None:
        self._apart = _apart(points, points, owner)
        self._gains = gains
        size = len(self._apart) - 1
        # Lengths of half the range, time that counts less by a tenth a block, as much noise as a tenth of the variance.
        self.start = np.array([math.log(4.0)] * size + [math.log(0.05), 0.0, math.log(0.1)])
        self._deviations = np.array([2.0] * size + [1.0, 1.0, 1.5])
        low = [-4.6] * size + [math.log(1e-3), -3.0, math.log(1e-3)]
        high = [6.0] * size + [math.log(0.35), 2.0, math.log(2.0)]
        self.bounds = (np.array(low), np.array(high))
        """epsilon is at most one half, as in the authors' own programs."""

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Returns it and its gradient; Rasmussen & Williams 2006, eqs. 2.30 and 5.9.

        Raises:
            FloatingPointError: If the covariance is not positive definite to working precision.
        """
        k = _covariance(self._apart, theta)
        inverse, half_log_det = _inverse(k + np.eye(len(k)) * (math.exp(theta[-1]) + _JITTER))
        alpha = inverse @ self._gains
        g = 0.5 * (np.outer(alpha, alpha) - inverse)
        by_k = g * k
        slopes = [-0.5 * math.exp(w) * float(np.sum(by_k * d)) for w, d in zip(theta[:-3], self._apart, strict=False)]
        slopes.append(-math.exp(theta[-3]) * float(np.sum(by_k * self._apart[-1])))
        slopes += [float(np.sum(by_k)), math.exp(theta[-1]) * float(np.trace(g))]
        return -0.5 * float(self._gains @ alpha) - half_log_det, np.array(slopes)

    def prior(self, theta: Array) -> tuple[float, Array]:
        """Returns the log density of a normal belief up to a constant, and its gradient."""
        z = (theta - self.start) / self._deviations
        return -0.5 * float(z @ z), -z / self._deviations


def _inverse(c: Array) -> tuple[Array, float]:
    """The inverse of a covariance, and half the logarithm of its determinant."""
    from scipy.linalg import lapack  # lazy: scipy, 0.3 s

    lower, info = lapack.dpotrf(c, lower=1, clean=1)
    if info:
        raise FloatingPointError(f"covariance of {len(c)} blocks is not positive definite (pivot {info})")
    inverse = lapack.dpotri(lower, lower=1)[0]
    inverse = inverse + np.tril(inverse, -1).T
    return inverse, float(np.log(np.diagonal(lower)).sum())


@dataclass(frozen=True)
class Process:
    """The process given gains."""

    points: Points
    gains: Array
    theta: Array
    owner: Places

    def with_begun(self, seen: Seen, begun: Sequence[tuple[Begun, Array]]) -> Process:
        """Returns the process that has also seen what others train now; its deviations alone mean something."""
        if not begun:
            return self
        points = self.points.and_(seen.of_begun(begun))
        return Process(points, np.concatenate([self.gains, np.zeros(len(begun))]), self.theta, self.owner)

    def predict(self, at: Points) -> tuple[Array, Array]:
        """Returns mean and deviation of the gain at points, without noise, shape ``(m,)`` each; R&W eqs. 2.25, 2.26."""
        k = _covariance(_apart(at, self.points, self.owner), self.theta)
        c = _covariance(_apart(self.points, self.points, self.owner), self.theta)
        inverse, _ = _inverse(c + np.eye(len(c)) * (math.exp(self.theta[-1]) + _JITTER))
        s = math.exp(self.theta[-2])
        variance = s - np.einsum("ij,jk,ik->i", k, inverse, k, optimize=True)
        return k @ (inverse @ self.gains), np.sqrt(np.maximum(variance, 1e-12 * s))


def _row(params: Params, space: Space) -> Array | None:
    """A configuration on the unit cube; None for one that is not of the space."""
    try:
        return space.unit(params)
    except ConfigError:
        return None


def _dimensions(space: Space, name: str) -> slice:
    """The dimensions of a hyperparameter: it is followed by those nested in it."""
    start = 0
    for other, expression in space.expressions.items():
        count = len(Space({other: expression}).dimensions)
        if other == name:
            return slice(start, start + count)
        start += count
    raise KeyError(name)


def _candidates(encoder: FeatureEncoder, own: Array, free: Mask, rng: Generator) -> Array:
    """Configurations to choose from; what is not free stays as it is."""
    anywhere = rng.random((_ANYWHERE, len(own)))
    near = _around(own, free, (0.05, 0.2), _NEAR, rng)
    rows = np.vstack([own, anywhere, near])
    rows[:, ~free] = own[~free]
    return encoder.tidy(np.nan_to_num(rows, nan=0.5))


def _around(row: Array, free: Mask, deviations: Sequence[float], count: int, rng: Generator) -> Array:
    """Configurations around one."""
    width = rng.choice(np.asarray(deviations), size=(count, 1))
    moved = np.nan_to_num(row, nan=0.5) + width * rng.standard_normal((count, len(row))) * free
    return np.clip(moved, 0.0, 1.0)
