"""What a script tunes, in raydrive's words, and who carries that out: a recorder, a run, or one trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from raydrive.core.errors import ConfigError, Problem

ENDED = "completed"
"""The metric of a script that compares nothing: 1, logged when a trial has ended well."""


@dataclass(slots=True, kw_only=True)
class Tuning:
    """One call of a tuner: its search space, its limits and what a trial does.

    Args:
        tool: What the tuner is called.
        train: Does what a trial does, with the values of the search space by name.
        configured: Returns the configuration of a trial from those values.
        space: Parameter expressions by name, as a sweep file has them; empty = nothing is tuned.
        metric: What is optimised; empty = nothing is compared.
        goal: ``minimize`` or ``maximize``.
        value: What of a trial's values it is ranked by.
        sampling: The sweep file's ``sampling_algorithm``.
        policy: The sweep file's ``early_termination``; empty = none.
        limits: The sweep file's ``limits``.
        own: What stands below ``raydrive:``.
        name: Name of the experiment; empty = that of the script.
        continues: What later calls go on with, such as a study; empty = each call is by itself.
        report: What does not carry over, or means something else here.
    """

    tool: str
    train: Callable[[dict[str, Any]], None]
    configured: Callable[[dict[str, Any]], dict[str, Any]] = dict
    space: dict[str, Any] = field(default_factory=dict)
    metric: str = ""
    goal: str = "minimize"
    value: str = "best"
    sampling: dict[str, Any] = field(default_factory=lambda: {"type": "random"})
    policy: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    continues: str = ""
    report: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A trial that is over.

    Args:
        number: Its number.
        params: Values of the search space by name.
        state: ``Completed``, ``Canceled`` or ``Failed``.
        why: The reason it ended.
        metrics: All values of each metric, in order.
        folder: URI of its files.
        details: What the trial left in ``outputs/tuner.json``; empty = nothing.
        checkpoint: Returns a local folder with its latest checkpoint; None where it has none.
    """

    number: int
    params: Mapping[str, Any]
    state: str
    why: str = ""
    metrics: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    folder: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Callable[[], str | None] = lambda: None

    def to_json(self) -> dict[str, Any]:
        """Returns what later trials of the same script are told of it."""
        last = {name: list(values)[-1:] for name, values in self.metrics.items()}
        return {
            "number": self.number,
            "params": dict(self.params),
            "state": self.state,
            "why": self.why,
            "metrics": last,
            "folder": self.folder,
            "details": dict(self.details),
        }


class Role(Protocol):
    """Who carries out what a script tunes."""

    def tuned(self, tuning: Tuning) -> list[Finished]:
        """Returns the trials; does not return where the script ends there."""
        ...


_roles: list[Role] = []


def take(role: Role) -> None:
    """Has a role carry out what is tuned in this process from now on."""
    _roles[:] = [role]


def carried_out(tuning: Tuning) -> list[Finished]:
    """Returns the trials of a tuner's call.

    Raises:
        ConfigError: If raydrive did not start the script: nothing carries the call out then.
    """
    if not _roles:
        fix = "Start the script with raydrive run-script, or write a sweep file of it with raydrive convert."
        raise ConfigError(Problem(tuning.tool, "a script that raydrive did not start", "raydrive run-script", fix))
    return _roles[0].tuned(tuning)
