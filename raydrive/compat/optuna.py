"""Any Optuna sampler behind raydrive's protocol: ``pip install 'raydrive[optuna]'``.

Each proposal comes from a study made afresh from the history, by a sampler seeded with (seed, number of the trial). The
answer depends on nothing else, as the protocol asks, and trials in flight are there as running trials. Samplers that
keep what they need in the study rather than in its trials' values cannot work that way and are refused by name.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raydrive.core.errors import ConfigError, Problem, did_you_mean
from raydrive.core.expressions import Choice, show
from raydrive.core.records import COMPLETED, FAILED, TERMINAL, Params
from raydrive.core.samplers import Sampler, Sampling, register_sampling
from raydrive.core.space import Dimension, Space, space_from_json
from raydrive.core.unseen import Rest, Seen, Suggestion, Taken

_STATEFUL = ("CmaEsSampler", "GridSampler", "NSGAIISampler", "NSGAIIISampler", "PartialFixedSampler", "QMCSampler")
_TRIES = 16
"""Proposals that may repeat a known configuration before an untried one is taken instead."""


class OptunaParameterSampling(Sampling):
    """Proposes what an Optuna sampler proposes.

    Args:
        parameter_space: Parameter expressions by name.
        properties: HyperDrive's dict of extras; ``seed`` may stand there.
        seed: Non-negative; None = the seed of the run.
        sampler: Name of a class in ``optuna.samplers``.
        options: Its arguments, as JSON values; the seed is given by raydrive.

    Raises:
        ConfigError: If Optuna is not installed, has no such sampler, or the sampler keeps state of its own.
        ConfigError: If the space or the options cannot be used.
    """

    name = "optuna"
    learns = True

    def __init__(
        self,
        parameter_space: Mapping[str, Any] | Space,
        properties: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        sampler: str = "TPESampler",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.sampler = sampler
        self.options: dict[str, Any] = dict(options or {})
        super().__init__(parameter_space, properties, seed=seed)

    def _bad_options(self) -> list[Problem]:
        try:
            import optuna
        except ModuleNotFoundError as error:
            if error.name != "optuna":
                raise
            return [Problem("sampling.type", "optuna", "an installed package", "pip install 'raydrive[optuna]'")]
        names = [name for name in optuna.samplers.__all__ if name.endswith("Sampler") and name != "BaseSampler"]
        usable = sorted(set(names) - set(_STATEFUL))
        if self.sampler in _STATEFUL:
            found = f"{self.sampler}, which keeps its state outside the trials"
            return [Problem("sampler", found, f"one of {', '.join(usable)}")]
        if self.sampler not in usable:
            fix = did_you_mean(str(self.sampler), usable)
            return [Problem("sampler", show(self.sampler), f"one of {', '.join(usable)}", fix)]
        try:
            _made(self.sampler, self.options, 0)
        except (TypeError, ValueError, ImportError) as error:
            return [Problem("options", show(self.options), f"arguments of {self.sampler} ({error})")]
        return []

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "optuna", "sampler": ..., "options": {...}, "seed": ..., "space": {...}}``."""
        return {
            "type": "optuna",
            "sampler": self.sampler,
            "options": self.options,
            "seed": self.seed,
            "space": self.space.to_json(),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> OptunaParameterSampling:
        """Returns what ``to_json`` wrote.

        Raises:
            ConfigError: If it was edited into something invalid.
        """
        space, options = space_from_json(raw.get("space")), raw.get("options")
        return cls(space, seed=raw.get("seed"), sampler=raw.get("sampler", "TPESampler"), options=options)

    def build(self, seed: int, maximize: bool, before: Sequence[Seen] = ()) -> Sampler:
        """Returns the sampler; see ``Sampling.build``.

        Args:
            seed: The seed of the run, used when this object has none of its own.
            maximize: Whether larger metrics are better.
            before: Trials of earlier runs to learn from.
        """
        chosen = seed if self.seed is None else self.seed
        return OptunaSampler(self.space, chosen, maximize, self.sampler, self.options, before)


class OptunaSampler:
    """One Optuna sampler as a function of the history."""

    cheap = False

    def __init__(
        self,
        space: Space,
        seed: int,
        maximize: bool,
        sampler: str,
        options: Mapping[str, Any],
        before: Sequence[Seen] = (),
    ) -> None:
        self._space = space
        self._before = tuple(before)
        self._seed = seed
        self._direction: Any = "maximize" if maximize else "minimize"
        self._worst = -math.inf if maximize else math.inf
        self._sampler = sampler
        self._options = options
        self._taken = Taken(space)
        self._rest = Rest(self._taken, seed)

    def ask(self, number: int, history: Sequence[Seen]) -> Suggestion | None:
        """Returns what the sampler suggests for trial ``number``; on finite spaces something not tried yet."""
        self._taken.update(number, history)
        if self._space.size is not None and len(self._taken.keys) + self._taken.lag >= self._space.size:
            return None
        study = self._study(number, history[:number])
        for _ in range(_TRIES):
            params = self._suggested(study.ask())
            if self._space.key(params) not in self._taken.keys:
                return Suggestion(params, self._sampler)
        rest = self._rest.first() if self._space.size is not None else params
        return None if rest is None else Suggestion(rest, "random")

    def _study(self, number: int, history: Sequence[Seen]) -> Any:
        import optuna

        # one word of 32 bits from both: Optuna takes no more
        seed = int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0])
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            study = optuna.create_study(sampler=_made(self._sampler, self._options, seed), direction=self._direction)
            study.add_trials([trial for trial in map(self._trial, [*self._before, *history]) if trial is not None])
        finally:
            optuna.logging.set_verbosity(verbosity)
        return study

    def _trial(self, seen: Seen) -> Any:
        import optuna

        try:
            unit = self._space.unit(seen.params)
        except ConfigError:  # resumed from a run with another space
            return None
        params, kinds = {}, {}
        for dimension, u in zip(self._space.dimensions, unit, strict=True):
            if not math.isnan(u):
                kinds[dimension.name] = _distribution(dimension)
                params[dimension.name] = _internal(dimension, float(u))
        state, value = optuna.trial.TrialState.RUNNING, None
        if seen.state in TERMINAL:
            if seen.state != FAILED and seen.value is None and seen.state != COMPLETED:
                return None
            state, value = optuna.trial.TrialState.COMPLETE, seen.value
            if value is None or not math.isfinite(value) or seen.state == FAILED:
                value = self._worst
        return optuna.trial.create_trial(state=state, value=value, params=params, distributions=kinds)

    def _suggested(self, trial: Any) -> Params:
        """Asks for the dimensions that are active, parents first."""
        unit = np.full(len(self._space.dimensions), 0.5)
        chosen: dict[int, int] = {}
        for j, dimension in enumerate(self._space.dimensions):
            if dimension.parent is not None and chosen.get(dimension.parent) != dimension.option:
                continue
            given = trial._suggest(dimension.name, _distribution(dimension))
            if isinstance(dimension.expression, Choice):
                chosen[j] = int(given)
                unit[j] = (given + 0.5) / len(dimension.expression.values)
            elif dimension.expression.count is not None:
                unit[j] = dimension.expression.position(dimension.expression.option_at(int(given)))
            else:
                unit[j] = given
        return self._space.at(unit)


def _made(sampler: str, options: Mapping[str, Any], seed: int) -> Any:
    import optuna

    with warnings.catch_warnings():
        # samplers under test at Optuna say so each time; here each proposal makes one
        warnings.simplefilter("ignore")
        return getattr(optuna.samplers, sampler)(**{**options, "seed": seed})


def _distribution(dimension: Dimension) -> Any:
    """Options and finite numbers by their number, everything else by its position in [0, 1]."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    expression = dimension.expression
    if isinstance(expression, Choice):
        return CategoricalDistribution(tuple(range(len(expression.values))))
    if expression.count is not None:
        return IntDistribution(0, expression.count - 1)
    return FloatDistribution(0.0, 1.0)


def _internal(dimension: Dimension, u: float) -> float | int:
    expression = dimension.expression
    if isinstance(expression, Choice):
        return expression.index(u)
    count = expression.count
    if count is None:
        return u
    # values ascend, so a bisection finds the number of one without a list of all
    low, high, value = 0, count - 1, expression.quantile(u)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if expression.option_at(middle) < value else (low, middle)
    return low


register_sampling("optuna", "raydrive.compat.optuna:OptunaParameterSampling")
