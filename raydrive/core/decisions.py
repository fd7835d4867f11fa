"""Decisions: the sweep's answers to facts; ``records.py`` makes journal lines of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.user_facts import Params

BY_PAUSE = "pause"
"""``Stop.by`` of a stop that carries out a ``Pause``: the trial is not over."""
INFEASIBLE = "infeasible"
"""``Close.outcome`` of a configuration that cannot be trained here."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Start an attempt of a trial."""

    trial: int
    attempt: int
    params: Params
    resume_from: str | None = None
    """Name of the checkpoint to continue from."""
    interval: int = 0
    """Intervals already recorded up to that checkpoint; the attempt's next one is this plus 1."""
    not_before: float | None = None
    """When to start it, seconds since the epoch: later than now after losses without progress in between."""
    recorded: int | None = None
    """Intervals that earlier attempts recorded, where each had a step and they grew: the attempt is aligned by that."""
    first_step: float | None = None
    """The step of the first of them."""
    last_step: float | None = None
    """The step of the last of them."""
    memory: float | None = None
    """Bytes of memory that it reserves; None = those of the run's resources."""
    why: str = ""
    """Why a policy lets a paused trial continue; empty for every other launch."""
    source: int | None = None
    """The trial whose checkpoint ``resume_from`` is; None = its own."""
    source_interval: int | None = None
    """Intervals that the checkpoint of another trial holds, as that one counts them."""
    last_value: float | None = None
    """The trial's last value, where the checkpoint holds all of its intervals: returned once more by an attempt that
    had nothing left to train, it is no new interval."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the running attempt of a trial now."""

    trial: int
    attempt: int
    why: str
    by: str = ""
    """What ends it: ``policy``, ``timeout``, ``user``, ``run`` when the whole run is ending, or ``pause``."""


@dataclass(frozen=True, slots=True)
class Pause:
    """End the running attempt of a trial as soon as what it has trained is in a checkpoint; it may continue later.

    A ``Stop`` by ``pause`` carries it out: in the same entry where a checkpoint of ``interval`` or later is there, else
    with the next ``Checkpointed`` of one. Once the attempt is over the trial is ``PAUSED``.
    """

    trial: int
    attempt: int
    why: str
    by: str = ""
    """What pauses it: ``policy``, ``sampler``, ``user``, or ``population``, ``exploit``, ``schedule``."""
    interval: int = 0
    """The interval that a checkpoint has to hold before the attempt ends."""
    params: Params | None = None
    """By ``exploit``: the hyperparameters that it continues with; None for every other pause."""
    resume_from: str | None = None
    """By ``exploit``: the checkpoint of ``source`` that it continues from."""
    source: int | None = None
    """By ``exploit``: the other trial."""
    source_interval: int | None = None
    """Intervals that this checkpoint holds, as that trial counts them."""


@dataclass(frozen=True, slots=True)
class Close:
    """The trial has ended."""

    trial: int
    state: str
    why: str
    by: str = ""
    """What ended a trial that was paused, as ``Stop.by``; empty for every other trial."""
    outcome: str = ""
    """``INFEASIBLE``: the configuration cannot be trained here, which is not a failure of the run. Else empty."""


@dataclass(frozen=True, slots=True)
class EndRun:
    """Start no more trials and end those that run, for a rule of the run's own; ``Finish`` follows."""

    state: str
    why: str
    rule: str = ""
    """Name of the rule, as in ``finish_when``."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """The numbers that it was judged by, by name."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The run has ended."""

    state: str
    why: str
