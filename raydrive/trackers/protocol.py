"""The updates that a tracker receives, and what it has to do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The run that a tracker follows."""

    run_id: str
    experiment: str
    metric: str
    """Name of the primary metric."""
    maximize: bool
    tags: Mapping[str, str] = field(default_factory=dict)
    uri: str = ""
    """The run's folder, without keys."""


@dataclass(frozen=True, slots=True)
class TrialBegan:
    """A trial was launched for the first time."""

    at: float
    """Seconds since the epoch."""
    trial: int
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Logged:
    """A trial logged values."""

    at: float
    trial: int
    step: int
    """The interval; of a report without the primary metric its own step, or its number among such reports."""
    values: Mapping[str, float]
    """Numbers by name, the primary metric among them where the report has it."""
    number: int = 0
    """Counts what the trial logged, from 0; the same when it is told again."""


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial has ended."""

    at: float
    trial: int
    state: str
    """``Completed``, ``Canceled`` or ``Failed``."""
    why: str


@dataclass(frozen=True, slots=True)
class Improved:
    """The run has a new best value."""

    at: float
    trial: int
    step: int
    """How many values of the primary metric all trials have logged by then: each step once, and they grow."""
    value: float


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has ended."""

    at: float
    state: str
    why: str


Update = TrialBegan | Logged | TrialEnded | Improved | RunEnded


class Tracker(Protocol):
    """Keeps a run with its trials in another system: a parent and a child for each trial.

    A tracker receives everything in order, at least once. If it raises, it receives the same again, and after a restart
    another instance is: that one continues in what is there already.
    """

    def begin(self) -> None:
        """Makes the parent, or finds it; afterwards it is one that is still going on.

        Raises:
            Exception: If the other system is away.
        """

    def deliver(self, updates: Sequence[Update]) -> None:
        """Takes updates.

        Raises:
            Exception: If they did not arrive.
        """

    def close(self) -> None:
        """Lets go: what was delivered is kept, and the run may not be over."""
