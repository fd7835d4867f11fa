"""What a sampler is asked with, the trials so far, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from raydrive.core.records import QUEUED, Params

GAIN = "gain_bound"
"""Name among the details of a suggestion: no configuration is better than the best known one by more than this, by the
sampler's model, in units of the metric, 0 or more."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A trial as a sampler sees it, whatever its state."""

    number: int
    params: Params
    value: float | None = None
    """Objective value so far (``objective`` says what that is); None = nothing finite logged yet."""
    state: str = QUEUED
    """``records.QUEUED``, ``RUNNING``, ``PAUSED``, ``COMPLETED``, ``CANCELED`` or ``FAILED``."""
    curve: Sequence[float] = ()
    """The primary metric by interval; may be empty or hold NaN."""
    stopped: bool = False
    """Whether a policy ended it."""
    objective: str = "best"
    """What of ``curve`` is ``value``: ``best``, ``last``, ``min``, ``max`` or ``mean_last_N``."""
    until: int | None = None
    """The interval at which it pauses; None: it trains to its end."""
    noise: float | None = None
    """Standard error of ``value``, where it is the mean of several trials; None = of one trial, or not known."""
    outside: bool = False
    """Whether its configuration is not a point of the search space, which an edit of the run has changed since."""


class TrialView(Sequence[TrialRecord], ABC):
    """Trials by number as a sampler sees them, each made when it is asked for."""

    mark: object | None = None
    """The same object as long as trials that are over stay as they were; None where that is not known."""

    @abstractmethod
    def at(self, number: int) -> TrialRecord:
        """Returns a trial."""

    @overload
    def __getitem__(self, index: int) -> TrialRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[TrialRecord]: ...
    def __getitem__(self, index: int | slice) -> TrialRecord | list[TrialRecord]:
        if isinstance(index, slice):
            return [self.at(number) for number in range(*index.indices(len(self)))]
        return self.at(index)


class FrozenTrials(tuple[TrialRecord, ...]):
    """A copy of trials, with the ``mark`` of what they were copied from."""

    mark: object | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A configuration to try."""

    params: Params
    origin: str
    """Where it comes from: ``random``, ``sobol``, ``grid``, ``initial``, ``model``."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Numbers behind the proposal, as JSON values."""
    until: int | None = None
    """The interval at which the trial pauses, 1 or more; None: it trains to its end."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """A paused trial to continue with, in place of a new configuration."""

    trial: int
    """Its number; its state is ``records.PAUSED``."""
    until: int | None = None
    """The interval at which it pauses again, beyond those that it has; None: it trains to its end."""
    origin: str = ""
    """What chose it, as ``Suggestion.origin``."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Numbers behind the choice, as JSON values."""


@dataclass(frozen=True, slots=True)
class Later:
    """There is nothing to try now; a sampler may be asked again when a trial that runs has ended."""


LATER = Later()
