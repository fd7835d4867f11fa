"""Schedules of hyperparameters: how a member came to what it is, and what another run may train the same way.

A *setting* is hyperparameters from an interval on. What a member has been trained with is the settings of the trials
whose checkpoints it continued from, up to these, and then its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.numbers import is_whole
from raydrive.core.records import Params

SCHEMA: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["interval", "params"],
        "properties": {"interval": {"type": "integer", "minimum": 0}, "params": {"type": "object"}},
    },
}
"""As JSON Schema, for editors."""


_ALL = 1 << 62


@dataclass(frozen=True, slots=True)
class Setting:
    """Hyperparameters from an interval on."""

    interval: int
    """They hold after this many intervals of training; 0 = from the beginning."""
    params: Params

    def to_json(self) -> dict[str, Any]:
        """Returns it as a schedule's file has it."""
        return {"interval": self.interval, "params": dict(self.params)}


@dataclass(frozen=True, slots=True)
class Change:
    """The training of a trial continued with other hyperparameters, or from a checkpoint of another trial."""

    number: int
    """Counts the changes of a run."""
    at: float
    """When, seconds since the epoch."""
    attempt: int
    """The first attempt with them."""
    interval: int
    """The trial had this many intervals; its next ones are with them."""
    params: Params
    source: int | None
    """The trial whose checkpoint it continued from; None = its own."""
    source_interval: int
    """Intervals that the checkpoint holds, as the source counts them."""
    stepped: bool
    """Whether the intervals have steps, by which the ones that are trained a second time are known."""
    why: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of what a member has been trained with."""

    interval: int
    """Intervals of training before it."""
    params: Params
    trial: int
    """The trial that trained it."""
    why: str
    """Why the hyperparameters were changed; empty at the beginning."""


def stretches(
    trial: int, interval: int, changes: Mapping[int, Sequence[Change]], first: Callable[[int], Params]
) -> list[Stretch]:
    """Returns what a trial was trained with up to an interval, sources followed back to the beginning.

    The intervals of the answer count training: where a member continued from a checkpoint with more or fewer intervals
    than its own, they differ from those of its curve.

    Args:
        trial: Its number.
        interval: As its curve counts them.
        changes: The changes of each trial, oldest first.
        first: Returns the hyperparameters that a trial began with.
    """
    return _stretches(trial, interval, changes, first, _ALL)[0]


def _stretches(
    trial: int, interval: int, changes: Mapping[int, Sequence[Change]], first: Callable[[int], Params], before: int
) -> tuple[list[Stretch], int]:
    """The same, and the length of that training, of changes with a number below ``before``."""
    past = [one for one in changes.get(trial, ()) if one.interval <= interval and one.number < before]
    taken = next((place for place in reversed(range(len(past))) if past[place].source is not None), None)
    if taken is None:
        found, length, counted = [Stretch(0, first(trial), trial, "")], 0, 0
    else:
        one = past[taken]
        source = one.source if one.source is not None else trial
        found, length = _stretches(source, one.source_interval, changes, first, one.number)
        _extend(found, Stretch(length, one.params, trial, one.why))
        # Of intervals that were trained again the curve has the first ones only, where steps tell which they are.
        length += max(0, one.interval - one.source_interval) if one.stepped else 0
        counted, past = one.interval, past[taken + 1 :]
    for one in past:
        length, counted = length + one.interval - counted, one.interval
        _extend(found, Stretch(length, one.params, trial, one.why))
    return found, length + interval - counted


def _extend(found: list[Stretch], one: Stretch) -> None:
    """Adds a stretch; one that nothing was trained with is replaced."""
    while found and found[-1].interval >= one.interval:
        found.pop()
    found.append(one)


def settings_of(given: object, where: str = "schedule") -> tuple[Setting, ...]:
    """Returns the settings of a schedule as a file has it: a list, or what ``raydrive best --schedule`` prints.

    Args:
        given: ``[{"interval": 0, "params": {...}}, ...]``, or a mapping with that under ``schedule``.
        where: Path of it, for errors.

    Raises:
        ConfigError: If it is something else; all problems at once.
    """
    if isinstance(given, Mapping) and "schedule" in given:
        given = given["schedule"]
    allowed = "a list such as [{interval: 0, params: {lr: 0.1}}, {interval: 10, params: {lr: 0.01}}]"
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise ConfigError(Problem(where, show(given), allowed, "Use the output of raydrive best --schedule."))
    problems, found = [], list[Setting]()
    for place, one in enumerate(given):
        here = f"{where}[{place}]"
        if isinstance(one, Setting):
            found.append(one)
            continue
        if not isinstance(one, Mapping) or not isinstance(one.get("params"), Mapping) or not one["params"]:
            problems.append(Problem(here, show(one), "a mapping such as {interval: 10, params: {lr: 0.01}}"))
            continue
        interval = one.get("interval")
        if not is_whole(interval, 0):
            problems.append(Problem(f"{here}.interval", show(interval), "a whole number of 0 or more"))
            continue
        found.append(Setting(interval, dict(one["params"])))
    intervals = [one.interval for one in found]
    if not problems and (intervals[0] != 0 or sorted(set(intervals)) != intervals):
        problems.append(Problem(where, f"intervals {show(intervals)}", "increasing intervals, starting at 0"))
    if problems:
        raise ConfigError(problems)
    return tuple(found)
