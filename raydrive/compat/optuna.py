"""Any Optuna sampler behind raydrive's protocol: ``pip install 'raydrive[optuna]'``.

Each proposal comes from a study made afresh from the history, by a sampler seeded with (seed, number of the trial). The
answer depends on nothing else, as the protocol asks, and trials in flight are there as running trials.

Some samplers keep more than values. CMA-ES writes its distribution, genetic algorithms write generations and
quasi-random sequences their place into the study when they are asked. For these the study is *replayed*: each trial
asked for again, in order of number, and given what it really was and became. One after the other that is what Optuna
itself does; with trials in flight a result counts by its number, not by when it came. Grids are walked by number.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.records import COMPLETED, FAILED, TERMINAL, Params
from raydrive.core.search.protocol import Sampler, SamplingSpec
from raydrive.core.search.trial_record import Suggestion, TrialRecord
from raydrive.core.search.without_replacement import RemainingConfigs, TriedConfigs
from raydrive.core.space.expressions import Choice
from raydrive.core.space.search_space import Dimension, Space, space_from_json

_REPLAYED = ("CmaEsSampler", "NSGAIISampler", "NSGAIIISampler", "QMCSampler")
_SEQUENCES = ("GridSampler", "QMCSampler")
"""They walk one sequence that a seed gives: the same seed for all trials, and no trial is passed over."""
_FINITE = ("BruteForceSampler", "GridSampler")
_NEEDED = {"CmaEsSampler": "cmaes", "GPSampler": "torch"}
"""Packages beyond Optuna's own requirements."""
_LARGEST_GRID = 100_000
"""Optuna lists a grid as a whole."""
_TRIES = 16
"""Proposals that may repeat a known configuration before an untried one is taken instead."""


class OptunaParameterSampling(SamplingSpec):
    """Proposes what an Optuna sampler proposes.

    Args:
        parameter_space: Parameter expressions by name.
        properties: HyperDrive's dict of extras; ``seed`` may stand there.
        seed: Non-negative; None = the seed of the run.
        sampler: Name of a class in ``optuna.samplers``.
        options: Its arguments, as JSON values; the seed is given by raydrive.

    Raises:
        ConfigError: If Optuna or what the sampler needs is not installed, or Optuna has no such sampler.
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
        if importlib.util.find_spec("optuna") is None:
            return [Problem("sampling.type", "optuna", "an installed package", "pip install 'raydrive[optuna]'")]
        usable = _samplers()
        if self.sampler == "PartialFixedSampler":
            fix = "fix a parameter in the space: choice(value)"
            return [
                Problem("sampler", f"{self.sampler}, a wrapper around another one", "a sampler without a wrapper", fix)
            ]
        if self.sampler not in usable:
            fix = did_you_mean(str(self.sampler), usable)
            return [Problem("sampler", show(self.sampler), f"one of {', '.join(usable)}", fix)]
        package = _NEEDED.get(self.sampler)
        if package is not None and importlib.util.find_spec(package) is None:
            found = f"{self.sampler}, but the package {package} that it needs is missing"
            return [Problem("sampler", found, "an installed package", f"pip install {package}")]
        if self.sampler == "GridSampler" and "search_space" in self.options:
            return [Problem("options.search_space", "a grid of its own", "none: the grid is that of the search space")]
        try:
            _made(self.sampler, {**self.options, **({"search_space": {}} if self.sampler == "GridSampler" else {})}, 0)
        except (TypeError, ValueError, ImportError) as error:
            return [Problem("options", show(self.options), f"arguments of {self.sampler} ({error})")]
        return []

    def _refused(self, space: Space) -> list[Problem]:
        if self.sampler not in _FINITE:
            return []
        size, problems = 1, []
        for dimension in space.dimensions:
            count = _count(dimension)
            if count is None:
                fix = "give it steps (quniform), or use another sampler"
                problems.append(
                    Problem(dimension.name, "infinitely many values", f"finitely many: {self.sampler}", fix)
                )
            else:
                size *= count
        if not problems and self.sampler == "GridSampler" and size > _LARGEST_GRID:
            allowed = f"at most {_LARGEST_GRID:,}, because Optuna lists them all"
            problems.append(Problem("sampler", f"a grid of {size:,} points", allowed, "sampling: grid has no limit"))
        return problems

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

    def build(self, seed: int, maximize: bool, before: Sequence[TrialRecord] = ()) -> Sampler:
        """Returns the sampler; see ``SamplingSpec.build``.

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
        before: Sequence[TrialRecord] = (),
    ) -> None:
        self._space = space
        self._before = tuple(before)
        self._seed = seed
        self._direction: Any = "maximize" if maximize else "minimize"
        self._worst = -math.inf if maximize else math.inf
        self._sampler = sampler
        self._options = options
        if sampler == "GridSampler":
            grid = {dimension.name: list(range(_count(dimension) or 0)) for dimension in space.dimensions}
            self._options = {**options, "search_space": grid}
        self._past: tuple[list[tuple[int, _Fate]], Any] | None = None
        self._taken = TriedConfigs(space)
        self._rest = RemainingConfigs(self._taken, seed)

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        """Returns what the sampler suggests for trial ``number``; on finite spaces something not tried yet."""
        self._taken.update(number, history)
        if self._space.size is not None and len(self._taken.keys) + self._taken.lag >= self._space.size:
            return None
        with _quiet():
            study = self._study([*self._before, *history[:number]])
            study.sampler = self._seeded(len(self._before) + number)
            for _ in range(_TRIES):
                params = self._suggested(study.ask())
                if self._space.key(params) not in self._taken.keys:
                    return Suggestion(params, self._sampler)
        rest = self._rest.first() if self._space.size is not None else params
        return None if rest is None else Suggestion(rest, "random")

    def _seeded(self, number: int) -> Any:
        # one word of 32 bits from both: Optuna takes no more
        entropy = self._seed if self._sampler in _SEQUENCES else (self._seed, number)
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        return _made(self._sampler, self._options, seed)

    def _empty(self) -> Any:
        import optuna  # lazy: optional dependency

        return optuna.create_study(sampler=optuna.samplers.RandomSampler(0), direction=self._direction)

    def _study(self, history: Sequence[TrialRecord]) -> Any:
        fates = [(number, fate) for number, seen in enumerate(history) if (fate := self._fate(seen)) is not None]
        if self._sampler not in _REPLAYED:
            study = self._empty()
            study.add_trials([_trial(fate) for _, fate in fates])
            return study
        # what no result to come can change is replayed once and kept; a fresh sampler arrives at the same
        still_open = (place for place, (_, fate) in enumerate(fates) if fate[2] is None)
        settled = len(fates) if self._sampler in _SEQUENCES else next(still_open, len(fates))
        known, past = self._past or ([], self._empty())
        if known != fates[: len(known)] or len(known) > settled:
            known, past = [], self._empty()
        self._replay(past, fates[len(known) : settled])
        self._past = fates[:settled], past
        study = copy.deepcopy(past)
        self._replay(study, [entry for entry in fates[settled:] if entry[1][2] is not None])
        study.add_trials([_trial(fate) for _, fate in fates[settled:] if fate[2] is None])
        return study

    def _replay(self, study: Any, fates: Sequence[tuple[int, _Fate]]) -> None:
        """Asks for trials again, so that the sampler notes down what it does, and says what they really became."""
        for number, (params, kinds, value) in fates:
            study.sampler = self._seeded(number)
            study.enqueue_trial(params)
            trial = study.ask()
            relative = list(trial.relative_params)  # computed when looked at, and only then noted down
            for name, kind in kinds.items():
                trial._suggest(name, kind)
            if value is not None:
                # where the sampler meant to go before it met a step (CMA-ES with margin): it went elsewhere
                if "x_for_tell" in study._storage.get_trial_system_attrs(trial._trial_id):
                    meant = [_share(kinds[name], params[name]) for name in relative]
                    study._storage.set_trial_system_attr(trial._trial_id, "x_for_tell", meant)
                study.tell(trial, value)

    def _fate(self, seen: TrialRecord) -> _Fate | None:
        """What Optuna gets of a trial; None when that is nothing."""
        try:
            unit = self._space.unit(seen.params)
        except ConfigError:  # resumed from a run with another space
            return None
        params, kinds = {}, {}
        for dimension, u in zip(self._space.dimensions, unit, strict=True):
            # a joint distribution of what is always there; under an option these samplers draw one by one
            if not math.isnan(u) and (dimension.parent is None or self._sampler not in _REPLAYED):
                kinds[dimension.name] = _distribution(dimension)
                params[dimension.name] = _internal(dimension, float(u))
        if self._sampler in _SEQUENCES or seen.state not in TERMINAL:
            return params, kinds, None
        if seen.state != FAILED and seen.value is None and seen.state != COMPLETED:
            return None
        value = seen.value
        if value is None or not math.isfinite(value) or seen.state == FAILED:
            value = self._worst
        return params, kinds, value

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


_Fate = tuple[dict[str, Any], dict[str, Any], float | None]
"""Internal values of a trial's active dimensions, their distributions, and its final value; None while it is open."""


@contextmanager
def _quiet() -> Iterator[None]:
    import optuna  # lazy: optional dependency

    verbosity = optuna.logging.get_verbosity()
    # samplers made for one proposal would give the same advice each time
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _samplers() -> list[str]:
    """The names of samplers that can be asked by themselves."""
    import optuna  # lazy: optional dependency

    kinds = {name: getattr(optuna.samplers, name) for name in optuna.samplers.__all__ if name.endswith("Sampler")}
    return sorted(
        name for name, kind in kinds.items() if not inspect.isabstract(kind) and name != "PartialFixedSampler"
    )


def _trial(fate: _Fate) -> Any:
    import optuna  # lazy: optional dependency

    params, kinds, value = fate
    state = optuna.trial.TrialState.RUNNING if value is None else optuna.trial.TrialState.COMPLETE
    return optuna.trial.create_trial(state=state, value=value, params=params, distributions=kinds)


def _count(dimension: Dimension) -> int | None:
    """The number of values of a dimension, None when there is no end."""
    expression = dimension.expression
    return len(expression.values) if isinstance(expression, Choice) else expression.count


def _share(distribution: Any, value: float) -> float:
    """Where a value lies between the bounds of its distribution."""
    return float((value - distribution.low) / (distribution.high - distribution.low))


def _made(sampler: str, options: Mapping[str, Any], seed: int) -> Any:
    import optuna  # lazy: optional dependency

    with warnings.catch_warnings():
        # samplers under test at Optuna say so each time; here each proposal makes one
        warnings.simplefilter("ignore")
        return getattr(optuna.samplers, sampler)(**{**options, "seed": seed})


def _distribution(dimension: Dimension) -> Any:
    """Options and finite numbers by their number, everything else by its position in [0, 1]."""
    from optuna.distributions import (  # lazy: optional dependency
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

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
