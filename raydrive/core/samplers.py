"""Samplers: which configuration to try next.

A sampler is a function of the trial's number and the trials before it. Randomness comes from a counter, trial n draws
from ``default_rng((seed, n))``, so there is nothing to save and a resumed run proposes the same configurations. A
sampler may cache what it derived from the history, as long as a fresh one gives the same answer.

Finite spaces are sampled without replacement and end when every configuration was tried, as HyperDrive's are.
"""

from __future__ import annotations

import importlib
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.expressions import Choice, RandInt
from raydrive.core.late import np
from raydrive.core.space import Dimension, Space, parse_space, space_from_json
from raydrive.core.unseen import Cursor, Rest, Seen, Suggestion, Taken

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRIES = 32
"""Random draws that may hit known configurations before the rest of the space is listed instead."""
_BLOCK = 64
"""Sobol points computed at a time."""
_SOBOL_DIMENSIONS = 21_201
"""Joe and Kuo's direction numbers, which scipy has, end here."""


@runtime_checkable
class Sampler(Protocol):
    """Proposes configurations, one by one."""

    @property
    def cheap(self) -> bool:
        """Whether ``ask`` answers within milliseconds, so that it may be called on the report path."""
        ...

    def ask(self, number: int, history: Sequence[Seen]) -> Suggestion | None:
        """Returns the configuration of trial ``number``, or None when the space is exhausted.

        Args:
            number: From 0.
            history: ``history[i]`` is trial i, for all trials below ``number``; later ones are not looked at.
        """
        ...


class Sampling(ABC):
    """What the user asks for: a search space and a way to search it.

    Args:
        parameter_space: Parameter expressions by name.
        properties: HyperDrive's dict of extras; ``seed`` may stand there.
        seed: Non-negative; None = the seed of the run.

    Raises:
        ConfigError: If the space or an option cannot be used; all problems at once.
    """

    name: ClassVar[str]
    """The ``type`` in JSON and YAML."""
    learns: ClassVar[bool] = False
    """Whether ``build`` also takes ``before``, trials of earlier runs to learn from (a sequence of ``Seen``)."""
    reads_curves: ClassVar[bool] = True
    """Whether the sampler looks at ``Seen.curve``. Those of trials that are over go where a class says False."""
    space: Space
    seed: int | None

    def __init__(
        self,
        parameter_space: Mapping[str, Any] | Space,
        properties: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        self.seed, problems = _seed_of(seed, properties)
        problems.extend(self._bad_options())
        try:
            self.space = parse_space(parameter_space)
        except ConfigError as error:
            problems = [*error.problems, *problems]
        else:
            problems = [*self._refused(self.space), *problems]
        if problems:
            raise ConfigError(problems)

    def _bad_options(self) -> list[Problem]:
        """What is wrong with options that a subclass set before calling the constructor of this class."""
        return []

    def _refused(self, space: Space) -> list[Problem]:
        """What this way of searching cannot do with a valid space."""
        return []

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Returns everything needed to build an equal object, as JSON."""

    @abstractmethod
    def build(self, seed: int, maximize: bool) -> Sampler:
        """Returns the sampler.

        Args:
            seed: The seed of the run, used when this object has none of its own.
            maximize: Whether larger metrics are better.
        """

    def __eq__(self, other: object) -> bool:
        """The same way of searching the same space."""
        if type(other) is not type(self) or not isinstance(other, Sampling):
            return NotImplemented
        return self.space == other.space and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        """Consistent with ``==``."""
        return hash((self.name, self.space))


class RandomParameterSampling(Sampling):
    """Draws configurations independently (``rule="random"``) or evenly spread (``rule="sobol"``).

    Args:
        parameter_space: Parameter expressions by name.
        properties: HyperDrive's dict of extras; ``seed`` may stand there.
        seed: Non-negative; None = the seed of the run.
        rule: ``random``, or ``sobol`` for a scrambled Sobol sequence.

    Raises:
        ConfigError: If the space cannot be used, or rule or seed is something else; all problems at once.
    """

    name = "random"
    reads_curves = False

    def __init__(
        self,
        parameter_space: Mapping[str, Any] | Space,
        properties: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        rule: str = "random",
    ) -> None:
        self.rule = rule.casefold() if isinstance(rule, str) else rule
        super().__init__(parameter_space, properties, seed=seed)

    def _bad_options(self) -> list[Problem]:
        if isinstance(self.rule, str) and self.rule in ("random", "sobol"):
            return []
        fix = did_you_mean(self.rule, ["random", "sobol"]) if isinstance(self.rule, str) else ""
        return [Problem("rule", show(self.rule), "random or sobol", fix)]

    def _refused(self, space: Space) -> list[Problem]:
        if not isinstance(self.rule, str) or self.rule != "sobol" or len(space.dimensions) <= _SOBOL_DIMENSIONS:
            return []
        found = f"{len(space.dimensions):,} dimensions"
        return [Problem("search_space", found, f"at most {_SOBOL_DIMENSIONS:,} with rule sobol", "Use rule random.")]

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "random", "rule": ..., "seed": ..., "space": {...}}``."""
        return {"type": "random", "rule": self.rule, "seed": self.seed, "space": self.space.to_json()}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> RandomParameterSampling:
        """Returns what ``to_json`` wrote.

        Raises:
            ConfigError: If it was edited into something invalid.
        """
        return cls(space_from_json(raw.get("space")), seed=raw.get("seed"), rule=raw.get("rule", "random"))

    def build(self, seed: int, maximize: bool) -> Sampler:
        """Returns a random or Sobol sampler; the goal does not matter to either."""
        chosen = seed if self.seed is None else self.seed
        return SobolSampler(self.space, chosen) if self.rule == "sobol" else RandomSampler(self.space, chosen)


class GridParameterSampling(Sampling):
    """Every combination of the options, the last listed parameter varying fastest.

    Args:
        parameter_space: ``choice`` and ``randint`` expressions by name, nested ones included.
        properties: HyperDrive's dict of extras; a ``seed`` there is accepted and does not matter.

    Raises:
        ConfigError: If the space cannot be used, or holds other expressions; all problems at once.
    """

    name = "grid"
    reads_curves = False

    def __init__(self, parameter_space: Mapping[str, Any] | Space, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(parameter_space, properties)

    def _refused(self, space: Space) -> list[Problem]:
        return [
            Problem(f"search_space.{dimension.name}", dimension.expression.kind, _GRID_ALLOWED, _as_choice(dimension))
            for dimension in space.dimensions
            if not isinstance(dimension.expression, Choice | RandInt)
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "grid", "space": {...}}``."""
        return {"type": "grid", "space": self.space.to_json()}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> GridParameterSampling:
        """Returns what ``to_json`` wrote.

        Raises:
            ConfigError: If it was edited into something invalid.
        """
        return cls(space_from_json(raw.get("space")))

    def build(self, seed: int, maximize: bool) -> Sampler:
        """Returns a grid sampler; neither seed nor goal matters to it."""
        return GridSampler(self.space)


_GRID_ALLOWED = "choice or randint, as a grid lists every value"


def _as_choice(dimension: Dimension) -> str:
    """How to put an expression on a grid."""
    listed = dimension.expression.options()
    if listed is not None and len(listed) <= 12:
        return f"Write choice({', '.join(map(str, listed))}), or sample at random."
    some = [f"{dimension.expression.quantile(u):.3g}" for u in (0.1, 0.5, 0.9)]
    return f"List the values, such as choice({', '.join(some)}), or sample at random."


def _seed_of(seed: Any, properties: Any) -> tuple[int | None, list[Problem]]:
    """The seed from the argument or from HyperDrive's properties, and what is wrong with either."""
    problems = []
    if properties is not None and not isinstance(properties, Mapping):
        problems.append(Problem("properties", show(properties), "a dict, or None"))
        properties = None
    extras = dict(properties or {})
    other = extras.pop("seed", None)
    for key, value in extras.items():
        fix = did_you_mean(str(key), ["seed"]) or "Other options are arguments of their own."
        problems.append(Problem(f"properties.{key}", show(value), "no such property; there is seed", fix))
    if seed is not None and other is not None and seed != other:
        problems.append(Problem("properties.seed", show(other), f"the same as seed={seed!r}", "Give one of the two."))
    where, chosen = ("seed", seed) if seed is not None else ("properties.seed", other)
    if chosen is None:
        return None, problems
    try:
        whole = -1 if isinstance(chosen, bool) else operator.index(chosen)
    except TypeError:
        whole = -1
    if whole < 0:
        problems.append(Problem(where, show(chosen), "a whole number of 0 or more, or None"))
    return whole, problems


# --- samplers --------------------------------------------------------------------------------------------------------


class RandomSampler:
    """Independent draws; on a finite space each configuration once."""

    cheap = True

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._taken = Taken(space)
        self._rest = Rest(self._taken, seed)

    def ask(self, number: int, history: Sequence[Seen]) -> Suggestion | None:
        """Returns a draw from ``default_rng((seed, number))`` that no earlier trial had."""
        rng = np.random.default_rng((self._seed, number))
        if self._space.size is None:
            return Suggestion(self._space.sample(rng), "random")
        self._taken.update(number, history)
        for _ in range(_TRIES):
            params = self._space.sample(rng)
            if self._space.key(params) not in self._taken.keys:
                return Suggestion(params, "random")
        rest = self._rest.first()
        return None if rest is None else Suggestion(rest, "random")


class SobolSampler:
    """A scrambled Sobol sequence: point n for trial n; on a finite space the first point not tried yet."""

    cheap = True

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._points = _SobolPoints(len(space.dimensions), seed)
        self._taken = Taken(space)
        self._rest = Rest(self._taken, seed)
        self._cursor = Cursor(self._taken)

    def ask(self, number: int, history: Sequence[Seen]) -> Suggestion | None:
        """Returns the next point of the sequence that no earlier trial had."""
        if self._space.size is None:
            return Suggestion(self._space.at(self._points[number]), "sobol")
        self._taken.update(number, history)
        # How far to look depends on the number alone, so that a sampler built later gives up at the same place.
        params = self._cursor.first(lambda index: self._space.at(self._points[index]), 4 * number + 1024)
        params = self._rest.first() if params is None else params
        return None if params is None else Suggestion(params, "sobol")


class _SobolPoints:
    """Point n of a scrambled Sobol sequence; cheap where n is asked in order."""

    def __init__(self, dimensions: int, seed: int) -> None:
        self._dimensions = dimensions
        self._seed = seed
        self._start = -1
        self._block: NDArray[np.float64] = np.empty((0, dimensions))
        self._engine: Any = None

    def __getitem__(self, index: int) -> NDArray[np.float64]:
        start = index - index % _BLOCK
        if start != self._start:
            self._move_to(start)
        point: NDArray[np.float64] = self._block[index - start]
        return point

    def _move_to(self, start: int) -> None:
        from scipy.stats import qmc

        if self._engine is None or self._engine.num_generated > start:
            rng = np.random.default_rng(self._seed)
            self._engine = qmc.Sobol(self._dimensions, scramble=True, rng=rng)
        ahead = start - self._engine.num_generated
        if ahead:
            self._engine.fast_forward(ahead)
        self._block = self._engine.random(_BLOCK)
        self._start = start


class GridSampler:
    """All combinations in product order, less those tried already (by resumed trials)."""

    cheap = True

    def __init__(self, space: Space) -> None:
        self._space = space
        self._taken = Taken(space)
        self._cursor = Cursor(self._taken)

    def ask(self, number: int, history: Sequence[Seen]) -> Suggestion | None:
        """Returns the first combination that no earlier trial had: ``grid_at(number)`` where all come from here."""
        self._taken.update(number, history)
        params = self._cursor.first(self._space.grid_at, self._space.size or 0)
        return None if params is None else Suggestion(params, "grid")


# --- reading configurations ------------------------------------------------------------------------------------------

_SAMPLINGS: dict[str, str] = {
    "random": "raydrive.core.samplers:RandomParameterSampling",
    "grid": "raydrive.core.samplers:GridParameterSampling",
    "bayesian": "raydrive.core.bayes:BayesianParameterSampling",
    "optuna": "raydrive.compat.optuna:OptunaParameterSampling",
}
"""Where the class of each type lives; imported when first needed, as a model brings scikit-learn along."""


def register_sampling(name: str, target: str) -> None:
    """Makes a further type known to ``sampling_from_json``.

    Args:
        name: The ``type`` in its JSON.
        target: ``module:class`` of a ``Sampling`` with a class method ``from_json(raw)``.
    """
    _SAMPLINGS[name] = target


def sampling_from_json(raw: Mapping[str, Any]) -> Sampling:
    """Returns the sampling object that ``to_json`` wrote.

    Raises:
        ConfigError: If the type is unknown, or the object was edited into something invalid.
    """
    kind = raw.get("type") if isinstance(raw, Mapping) else raw
    folded = kind.casefold() if isinstance(kind, str) else ""
    found = _sampling_class(folded)
    if found is None:
        known = [name for name in _SAMPLINGS if _sampling_class(name) is not None]
        fix = did_you_mean(folded, known)
        if folded == "sobol":
            fix = 'Sobol is a rule of random sampling: {"type": "random", "rule": "sobol"}.'
        raise ConfigError(Problem("sampling.type", show(kind), f"one of {', '.join(known)}", fix))
    made: Sampling = found.from_json(raw)
    return made


def _sampling_class(name: str) -> Any:
    module, _, attribute = _SAMPLINGS.get(name, "").partition(":")
    if not module:
        return None
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None
