"""What samplers with a model have in common: given points first, then an even spread, then the model; never twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raydrive.core.json_values import copied
from raydrive.core.records import Params
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.training_data import TrainingData, TrainingDataReader
from raydrive.core.search.random_search import _SobolPoints as SobolPoints
from raydrive.core.search.trial_record import Suggestion, TrialRecord
from raydrive.core.search.without_replacement import Cursor, RemainingConfigs, TriedConfigs
from raydrive.core.space.search_space import Space

_FEWEST = 3
"""Results below which a model would only guess: with many trials in flight the even spread continues."""
_TRIES = 64
"""Draws that may hit known configurations; an endless space may have options that are configurations as a whole."""


class Beginning:
    """What comes before a model: given points, an even spread, and drawing without repeating anything.

    Args:
        space: Where to search.
        seed: Non-negative.
        points: Configurations to try first, in this order.
        initial: Trials before the model is asked; None = 8 to 14, by the number of dimensions.
    """

    cheap = False

    def __init__(self, space: Space, seed: int, *, points: Sequence[Params] = (), initial: int | None = None) -> None:
        self._space = space
        self._seed = seed
        self._features = FeatureEncoder(space)
        self._points = tuple(points)
        d = len(space.dimensions)
        self._initial = max(8, min(d + 4, 14)) if initial is None else initial
        self._taken = TriedConfigs(space)
        self._rest = RemainingConfigs(self._taken, seed)
        self._given = Cursor(self._taken)
        self._spread = SobolPoints(d, seed)

    def _new(self, params: Params) -> bool:
        return self._space.key(params) not in self._taken.keys

    def _evenly(self, number: int) -> Suggestion | None:
        params = self._space.at(self._spread[number])
        if self._new(params):
            return Suggestion(params, "initial")
        return self._fallback(np.random.default_rng((self._seed, number)))

    def _fallback(self, rng: np.random.Generator) -> Suggestion | None:
        for _ in range(_TRIES):
            params: Params | None = self._space.sample(rng)
            if params is not None and self._new(params):
                return Suggestion(params, "random")
        if self._space.size is not None:
            params = self._rest.first()
        return None if params is None else Suggestion(params, "random")


class ModelSampler(Beginning, ABC):
    """A function of the trials so far; randomness of trial n comes from ``default_rng((seed, n))``.

    Args:
        space: Where to search.
        seed: Non-negative.
        maximize: Whether larger metrics are better.
        points: Configurations to try first, in this order.
        initial: Trials before the model is asked; those of earlier runs count.
        before: Trials of earlier runs.
    """

    bounds_gain = False
    """Whether a proposal of the model is to tell what any other configuration could gain, as ``GAIN`` in its details.

    Only the Gaussian process can.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        maximize: bool,
        *,
        points: Sequence[Params] = (),
        initial: int | None = None,
        before: Sequence[TrialRecord] = (),
    ) -> None:
        super().__init__(space, seed, points=points, initial=initial)
        self._sign = -1.0 if maximize else 1.0
        self._reader = TrainingDataReader(self._features, maximize, before)

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        """Returns the configuration of trial ``number``, or None when the space is exhausted."""
        self._taken.update(number, history)
        size = self._space.size
        if size is not None and len(self._taken.keys) + self._taken.lag >= size:
            return None
        given = self._given.first(lambda i: self._points[i], len(self._points))
        if given is not None:
            return Suggestion(copied(given), "initial")
        trials = history[:number]
        inherited = self._reader.inherited
        if number + inherited < self._initial:
            return self._evenly(number)
        experience = self._reader.read(trials)
        if len(experience.values) < min(_FEWEST, self._initial):
            return self._evenly(number)
        rng = np.random.default_rng((self._seed, number))
        proposal = self._propose(experience, rng)
        if proposal is None:
            return self._fallback(rng)
        return Suggestion(proposal[0], "model", proposal[1])

    @abstractmethod
    def _propose(self, experience: TrainingData, rng: np.random.Generator) -> tuple[Params, Mapping[str, Any]] | None:
        """Returns a configuration that was not tried, and the numbers behind it; None when it finds none."""
