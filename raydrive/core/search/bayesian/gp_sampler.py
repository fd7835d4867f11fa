"""Gaussian-process search: fits a GP, imputes pending trials with fantasies, maximises log expected improvement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.records import Params
from raydrive.core.search.bayesian import gaussian_process
from raydrive.core.search.bayesian.acquisition import Effort, LogEI, candidates, free_rows, maximise
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.kernel import Layout
from raydrive.core.search.bayesian.model_sampler import ModelSampler
from raydrive.core.search.bayesian.regret_bound import LEAST, LowerBound, beta, least_upper
from raydrive.core.search.bayesian.target_transform import TargetTransform, target_transform
from raydrive.core.search.bayesian.training_data import TrainingData
from raydrive.core.search.trial_record import GAIN, TrialRecord
from raydrive.core.space.search_space import Space

_FIRST = 8
"""Observations of the smallest of the nested fits."""
_WHOLE = 2048
"""Finite spaces up to this size are looked at as a whole."""
_EACH = 32
"""Observations up to which hyperparameters are fitted for each proposal; beyond it for every eighth of a level."""
_FRESH = 48
"""Observations up to which the fit at a level also begins from scratch."""
_FITTED = 200
"""Observations that hyperparameters are fitted to at most."""
_AT_LEVEL = 30
"""Iterations of a fit that others start from, at most."""
_BETWEEN = 20
"""Iterations of any other fit, at most."""
_CACHED = 64


@dataclass(frozen=True, slots=True)
class GpOptions:
    """The choices of the method; ``docs/bayesian.md`` says what each of them buys."""

    effort: Effort = field(default_factory=Effort)
    prior: gaussian_process.Prior = field(default_factory=gaussian_process.Prior)
    fantasies: int = 1
    """Dreams of what is in flight; 1 = its expected value."""
    members: int = 1
    """Hyperparameter settings averaged over; 1 = the most likely one."""
    log_offset: bool = True
    """Whether values beside a long bad tail are spread by a logarithm."""
    plugin: bool = True
    """Whether improvement counts from the best predicted, not the best observed value."""
    exact: int = 500
    """Observations up to which all are used."""
    subset: int = 240
    """Observations used beyond that."""


def _level(count: int) -> int:
    """The largest of 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 2048, ... that is at most ``count`` (8 if none is).

    Two a doubling, then one, then one in two: a fresh sampler, which has fitted none of them, has few to go through.
    """
    exponent = int(math.log2(max(count, _FIRST)))
    power = 1 << (exponent if exponent < 10 else exponent - (exponent - 9) % 2)
    return power + power // 2 if power < 128 and count >= power + power // 2 else power


def _fitted(count: int) -> int:
    """The number of observations, at most ``count``, whose hyperparameters serve ``count`` ones."""
    return count if count <= _EACH else count - count % (_level(count) // 8)


def data_of(
    experience: TrainingData, features: FeatureEncoder, layout: Layout, scale: TargetTransform
) -> gaussian_process.Data:
    """Returns what a process is conditioned on.

    Args:
        experience: The observations.
        features: The space.
        layout: What belongs to which feature.
        scale: How values become standardised ones.
    """
    values, noise = experience.values, experience.noise
    extra = np.where(noise > 0.0, (np.nan_to_num(noise) * scale.slope(np.nan_to_num(values, nan=scale.best))) ** 2, 0.0)
    return gaussian_process.Data(features.features(experience.rows), layout, scale(values), np.minimum(extra, 4.0))


class GpSampler(ModelSampler):
    """Log expected improvement under a Gaussian process; arguments of ``ModelSampler``, and options."""

    def __init__(
        self,
        space: Space,
        seed: int,
        maximize: bool,
        *,
        points: Sequence[Params] = (),
        initial: int | None = None,
        before: Sequence[TrialRecord] = (),
        options: GpOptions = GpOptions(),
    ) -> None:
        super().__init__(space, seed, maximize, points=points, initial=initial, before=before)
        self._options = options
        self._fits: dict[tuple[bytes, ...], Array] = {}
        self._all: Array | None = None
        self._layout = Layout(self._features.owner, self._features.numbers)

    def _propose(self, experience: TrainingData, rng: np.random.Generator) -> tuple[Params, Mapping[str, Any]] | None:
        f, effort = self._features, self._options.effort
        posterior, chosen, scale = self._process(experience)
        gain = self._gain(posterior, chosen, scale) if self.bounds_gain and len(chosen.values) >= LEAST else {}
        score = self._score(posterior, chosen, rng)
        free = free_rows(f, np.vstack([experience.rows, experience.open_rows]), experience.open_rows)
        order = np.argsort(posterior.data.values, kind="stable")
        if self._space.size is not None and self._space.size <= _WHOLE:
            rows = self._everything()
            rows = rows[free(rows)]
            scores = score(f.features(rows)) if len(rows) else np.empty(0)
            best_first = np.argsort(-scores, kind="stable")
            rows, scores = rows[best_first], scores[best_first]
        else:
            pool = candidates(f, chosen.rows[order[:8]], rng, effort)
            rows, scores = maximise(f, score, pool, free, rng, effort)
        for row, value in zip(rows, scores, strict=True):
            params = f.params(row)
            if self._new(params):
                return params, {**self._details(posterior, scale, f.features(row[None, :]), float(value)), **gain}
        return None

    def _gain(
        self, posterior: gaussian_process.Posterior, experience: TrainingData, scale: TargetTransform
    ) -> dict[str, float]:
        """A bound of what any other configuration gains; see ``regret_bound``. Random numbers are of its own."""
        f, rng = self._features, np.random.default_rng((self._seed, len(experience.values), 1))
        lower = LowerBound(posterior, math.sqrt(beta(posterior.data.layout.dimensions, len(posterior.data.values))))
        if self._space.size is not None and self._space.size <= _WHOLE:
            found = lower(f.features(self._everything()))
        else:
            order = np.argsort(posterior.data.values, kind="stable")
            pool = candidates(f, experience.rows[order[:8]], rng, self._options.effort)
            found = maximise(f, lower, pool, lambda rows: np.ones(len(rows), bool), rng, self._options.effort)[1]
        upper = least_upper(posterior, lower.root_beta)
        best = max(float(found.max(initial=-math.inf)), float(lower(posterior.data.features).max()))
        return {GAIN: max(0.0, scale.back(upper) - scale.back(-best))}

    def _details(
        self, posterior: gaussian_process.Posterior, scale: TargetTransform, features: Array, score: float
    ) -> dict[str, float]:
        mean, deviation = (float(x[0]) for x in posterior.predict(features))
        raw = scale.back(mean)
        ahead = abs(scale.back(mean + deviation) - scale.back(mean - deviation)) / 2.0
        return {"predicted_mean": self._sign * raw, "predicted_deviation": ahead, "log_expected_improvement": score}

    def _everything(self) -> Array:
        if self._all is None:
            rows = [self._features.row(self._space.grid_at(i)) for i in range(self._space.size or 0)]
            self._all = self._features.tidy(np.array(rows))
        return self._all

    # --- the model ---------------------------------------------------------------------------------------------------

    def _chosen(self, experience: TrainingData) -> TrainingData:
        """All observations, or where they are many: the best, those around the best one, and some from everywhere."""
        n, m = len(experience.values), self._options.subset
        if n <= self._options.exact:
            return experience
        order = np.argsort(np.where(np.isfinite(experience.values), experience.values, np.inf), kind="stable")
        best = order[: m // 3]
        rest = order[m // 3 :]
        features = self._features.features(experience.rows)
        away = np.sum((features[rest] - features[order[0]]) ** 2, axis=1)
        near = rest[np.argsort(away, kind="stable")[: m // 3]]
        others = np.setdiff1d(rest, near)
        some = others[np.random.default_rng((self._seed, n // 16)).permutation(len(others))[: m // 3]]
        keep = np.sort(np.concatenate([best, near, some]))
        return experience.taken(keep)

    def _data(self, experience: TrainingData, count: int) -> tuple[gaussian_process.Data, TargetTransform]:
        first = experience.taken(slice(count))
        scale = target_transform(first.values, self._options.log_offset)
        return data_of(first, self._features, self._layout, scale), scale

    def _process(self, experience: TrainingData) -> tuple[gaussian_process.Posterior, TrainingData, TargetTransform]:
        """The model of a proposal, the observations in it, and how their values are scaled."""
        chosen = self._chosen(experience)
        data, scale = self._data(chosen, len(chosen.values))
        return gaussian_process.Posterior(data, self._theta(experience, len(experience.values))), chosen, scale

    def _theta(self, experience: TrainingData, count: int) -> Array:
        """Hyperparameters of the first ``count`` observations, warm from those of the level below.

        So the warm start is a function of the history too, and of few fits: a fresh sampler arrives at the same numbers
        as one that remembers them.
        """
        count = _fitted(count)
        level = _level(count)
        key = tuple(part[:count].tobytes() for part in (experience.rows, experience.values, experience.noise))
        found = self._fits.get(key)
        if found is None:
            starts = []
            if count > _FIRST:
                starts.append(self._theta(experience, level if level < count else _level(level - 1)))
            if count <= _FIRST or (count == level and count <= _FRESH):
                starts.append(gaussian_process.start(self._layout))  # the warm one may sit in a lesser mode
            data = self._data(experience, count)[0].thinned(_FITTED)
            found, _ = gaussian_process.fit(
                data, starts, self._options.prior, _AT_LEVEL if count == level else _BETWEEN
            )
            while len(self._fits) >= _CACHED:
                self._fits.pop(next(iter(self._fits)))
            self._fits[key] = found
        return found

    # --- the acquisition ---------------------------------------------------------------------------------------------

    def _score(
        self, posterior: gaussian_process.Posterior, experience: TrainingData, rng: np.random.Generator
    ) -> LogEI:
        thetas = gaussian_process.spread(posterior, self._options.prior, self._options.members, rng)
        best = self._best(posterior, experience)
        return LogEI(
            tuple(self._member(gaussian_process.Posterior(posterior.data, t), experience, best, rng) for t in thetas)
        )

    def _best(self, posterior: gaussian_process.Posterior, experience: TrainingData) -> float:
        settled = experience.settled
        if not settled.any():
            return float(posterior.data.values.min())
        if self._options.plugin:
            return float(posterior.predict(posterior.data.features[settled])[0].min())
        return float(posterior.data.values[settled].min())

    def _member(
        self, posterior: gaussian_process.Posterior, experience: TrainingData, best: float, rng: np.random.Generator
    ) -> tuple[gaussian_process.Posterior, Array, Array]:
        observed, draws = posterior.data.values[:, None], self._options.fantasies
        if not len(experience.open_rows):
            return posterior, observed, np.array([best])
        features = self._features.features(experience.open_rows)
        mean, covariance = posterior.joint(features)
        fantasies = mean[:, None]
        if draws > 1:
            root = np.linalg.cholesky(covariance + 1e-8 * posterior.signal * np.eye(len(mean)))
            half = root @ rng.standard_normal((len(mean), draws // 2))
            fantasies = mean[:, None] + np.hstack([half, -half])
        values = np.vstack([np.repeat(observed, fantasies.shape[1], axis=1), fantasies])
        # an open trial that is expected to win raises the bar: else all would go where it went
        return posterior.with_points(features, mean), values, np.minimum(best, fantasies.min(axis=0))
