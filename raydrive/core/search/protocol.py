"""Samplers: which configuration to try next.

A sampler is a function of the trial's number and the trials before it. Randomness comes from a counter, trial n draws
from ``default_rng((seed, n))``, so there is nothing to save and a resumed run proposes the same configurations. A
sampler may cache what it derived from the history, as long as a fresh one gives the same answer.

Finite spaces are sampled without replacement and end when every configuration was tried, as HyperDrive's are.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from raydrive.core.call_text import call_text, mapping_text, told
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.search.trial_record import Continuation, Later, Suggestion, TrialRecord
from raydrive.core.space.search_space import Space, parse_space
from raydrive.core.user_classes import constructor_arguments, type_name

RESERVED = ("type", "space", "seed", "learns", "parameter_space", "properties")
"""Keys of a recorded sampling that are not parameters of its own, and arguments that every sampling has."""


@runtime_checkable
class Sampler(Protocol):
    """Proposes configurations, one by one."""

    @property
    def cheap(self) -> bool:
        """Whether ``ask`` answers within milliseconds, so that it may be called on the report path."""
        ...

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | Continuation | None:
        """Returns the configuration of trial ``number``, or None when the space is exhausted.

        One whose ``SamplingSpec.continues`` is True may return a paused trial to continue with instead. Where no
        further trial may begin, it is asked by ``go_on(history)``, which returns a ``Continuation``, or None when
        nothing is worth continuing: then the paused trials end. ``LATER`` waits for a trial that runs.

        Args:
            number: From 0.
            history: ``history[i]`` is trial i, for all trials below ``number``; later ones are not looked at.
        """
        ...


class PatientSampler(Protocol):
    """What a run asks: a ``Sampler``, or one that may wait for trials that run."""

    @property
    def cheap(self) -> bool:
        """As that of ``Sampler``."""
        ...

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | Continuation | Later | None:
        """Returns what ``Sampler.ask`` does, or ``LATER``: it is asked again when a trial has ended."""
        ...


@runtime_checkable
class BoundsGain(Protocol):
    """A sampler that can tell, where it is asked to, what any further configuration could gain."""

    bounds_gain: bool
    """Whether to put ``trial_record.GAIN`` among the details of proposals; set before the first question."""


class SamplingSpec(ABC):
    """What the user asks for: a search space and a way to search it.

    Args:
        parameter_space: Parameter expressions by name.
        properties: HyperDrive's dict of extras, which may contain ``seed``.
        seed: Non-negative; None = the seed of the run.

    Raises:
        ConfigError: If the space or an option cannot be used; all problems at once.
    """

    name: str = ""
    """The ``type`` in JSON and YAML, of raydrive's own; any other class is recorded as ``module:QualName``."""
    learns: bool = False
    """Whether ``build`` also takes ``before``, trials of earlier runs to learn from (a sequence of ``TrialRecord``)."""
    reads_curves: ClassVar[bool] = True
    """Whether the sampler reads ``TrialRecord.curve``. If False, curves of trials that have ended are dropped."""
    continues: bool = False
    """Whether the sampler chooses when a paused trial continues; see ``Sampler.ask``."""
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

    def to_json(self) -> dict[str, Any]:
        """Returns everything needed to build an equal object, as JSON.

        A class that does not define it is recorded with the arguments of its constructor.
        """
        return {
            "type": type_name(type(self)),
            **constructor_arguments(self, RESERVED, "sampling"),
            "seed": self.seed,
            "space": self.space.to_json(),
        }

    @abstractmethod
    def build(self, seed: int, maximize: bool) -> Sampler:
        """Returns the sampler.

        Args:
            seed: The seed of the run, used when this object has none of its own.
            maximize: Whether larger metrics are better.
        """

    def __repr__(self) -> str:
        """The call that makes it, defaults left out: ``GridParameterSampling({'units': choice(16, 32)})``."""
        try:
            options = {name: value for name, value in self.to_json().items() if name not in ("type", "space")}
            space = mapping_text(self.space.expressions)
        except (ConfigError, AttributeError):  # half made, or a class that cannot be recorded
            return object.__repr__(self)
        return call_text(type(self).__name__, [space], told(type(self).__init__, options))

    def __eq__(self, other: object) -> bool:
        """The same way of searching the same space."""
        if type(other) is not type(self) or not isinstance(other, SamplingSpec):
            return NotImplemented
        return self.space == other.space and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        """Consistent with ``==``."""
        return hash((self.name, self.space))


def _seed_of(seed: Any, properties: Any) -> tuple[int | None, list[Problem]]:
    """The seed from the argument or from HyperDrive's properties, and what is wrong with either."""
    problems = []
    if properties is not None and not isinstance(properties, Mapping):
        problems.append(Problem("properties", show(properties), "a dict, or None"))
        properties = None
    extras = dict(properties or {})
    other = extras.pop("seed", None)
    for key, value in extras.items():
        fix = did_you_mean(str(key), ["seed"]) or "Pass other options as separate arguments."
        problems.append(Problem(f"properties.{key}", show(value), "no such property; the only one is seed", fix))
    if seed is not None and other is not None and seed != other:
        problems.append(Problem("properties.seed", show(other), f"the same as seed={seed!r}", "Pass only one of them."))
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


# --- reading configurations ------------------------------------------------------------------------------------------
