"""The events of an attempt: what a trial actor sends to its driver, and the facts that the driver makes of them.

An event is a named tuple; between two processes it is a plain tuple, its kind first, which pickles fifty times faster
and depends on no class. A detached trial actor outlives its driver, so the two may be of different releases: the kinds
and the order of their fields stay as they are, and a new field comes last, with a default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from raydrive.core.errors import UnknownEventError, show
from raydrive.core.reports.attempt_reports import ReportEvent, record_types

if TYPE_CHECKING:
    from raydrive.core.records import Began, Checkpointed, Ended, Fact, Lost, Noted


class BeganEvent(NamedTuple):
    """The training process runs."""

    at: float
    node: str
    pid: int
    gpus: str
    actor: str
    nodes: Sequence[str] = ()

    def to_fact(self, trial: int, attempt: int) -> Began:
        """Returns the fact that this event is."""
        at, *rest, nodes = self
        fact: Began = record_types().Began(at, trial, attempt, *rest, tuple(nodes))
        return fact


class CheckpointEvent(NamedTuple):
    """A checkpoint is in the storage."""

    at: float
    interval: int
    name: str

    def to_fact(self, trial: int, attempt: int) -> Checkpointed:
        """Returns the fact that this event is."""
        fact: Checkpointed = record_types().Checkpointed(self.at, trial, attempt, self.interval, self.name)
        return fact


class NoteEvent(NamedTuple):
    """A notice for the trial's user."""

    at: float
    text: str
    about: str = ""

    def to_fact(self, trial: int, attempt: int) -> Noted:
        """Returns the fact that this event is."""
        fact: Noted = record_types().Noted(self.at, trial, attempt, self.text, self.about)
        return fact


class LoggedEvent(NamedTuple):
    """A message of a process on another node of the trial; goes to the trial's first actor, not to the driver."""

    seq: int
    """Counts those of one node and attempt from 1."""
    node: int
    """Number of the node."""
    message: dict[str, Any]
    """As the wire has it."""


class ExitedEvent(NamedTuple):
    """The processes on another node of the trial are gone; to the trial's first actor, not to the driver."""

    at: float
    node: int
    """Number of the node."""
    exit_code: int | None
    why: str
    """Why they failed, with the rank of the process; empty where they did not fail by themselves."""


class LostEvent(NamedTuple):
    """The attempt cannot continue, through no fault of the trial; the last event."""

    at: float
    why: str

    def to_fact(self, trial: int, attempt: int) -> Lost:
        """Returns the fact that this event is."""
        fact: Lost = record_types().Lost(self.at, trial, attempt, self.why)
        return fact


class EndedEvent(NamedTuple):
    """The training process is gone; the last event."""

    at: float
    exit_code: int | None
    error: str = ""
    usage: Mapping[str, float] | None = None
    """What it used of its GPUs; None = not known, and no field of the event."""

    def to_fact(self, trial: int, attempt: int) -> Ended:
        """Returns the fact that this event is."""
        fact: Ended = record_types().Ended(self.at, trial, attempt, self.exit_code, self.error, dict(self.usage or {}))
        return fact


FactEvent = BeganEvent | ReportEvent | CheckpointEvent | NoteEvent | LostEvent | EndedEvent
"""What a trial actor sends to its driver."""
TrialEvent = FactEvent | LoggedEvent | ExitedEvent
WireEvent = tuple[Any, ...]
"""An event between two processes: its kind, then its fields."""

_CLASSES: dict[str, type[Any]] = {
    "began": BeganEvent,
    "report": ReportEvent,
    "checkpoint": CheckpointEvent,
    "note": NoteEvent,
    "lost": LostEvent,
    "ended": EndedEvent,
    "logged": LoggedEvent,
    "exited": ExitedEvent,
}
_KINDS = {event: kind for kind, event in _CLASSES.items()}


def pack(events: Iterable[TrialEvent]) -> list[WireEvent]:
    """Returns events as they go from process to process."""
    # What is not known is not a field: actors of earlier releases send none, and their drivers expect none.
    return [
        (_KINDS[type(event)], *(event[:-1] if type(event) is EndedEvent and event.usage is None else event))
        for event in events
    ]


def unpack(events: Sequence[WireEvent]) -> list[TrialEvent]:
    """Returns the events that have come from another process.

    Raises:
        UnknownEventError: If one is of an unknown kind, or has not the fields of its kind.
    """
    try:
        return [_CLASSES[event[0]](*event[1:]) for event in events]
    except (LookupError, TypeError):
        for event in events:
            _check(event)
        raise


def to_facts(trial: int, attempt: int, events: Sequence[WireEvent]) -> list[Fact]:
    """Returns what a trial actor sent, as facts.

    Args:
        trial: Number of the trial.
        attempt: Number of the attempt.
        events: As they came.

    Raises:
        UnknownEventError: If one is of an unknown kind, or has not the fields of its kind.
    """
    # Those between the actors of a trial never come here; to look at each event would cost more than the rest.
    return [event.to_fact(trial, attempt) for event in cast("list[FactEvent]", unpack(events))]


def _check(event: Any) -> None:
    """Looks at what may be an event.

    Raises:
        UnknownEventError: If this release has no event of its kind.
    """
    fix = "The trial actor runs another version of raydrive: install the same version on all nodes"
    kind = event[0] if isinstance(event, tuple | list) and event else None
    if not isinstance(kind, str):
        raise UnknownEventError(f"its trial actor sent {show(event)}, which is not an event. {fix}")
    event_class = _CLASSES.get(kind)
    if event_class is None:
        known = ", ".join(_CLASSES)
        raise UnknownEventError(f"its trial actor sent an event of the kind {show(kind)}; known kinds: {known}. {fix}")
    try:
        event_class(*event[1:])
    except TypeError:
        found, known = len(event) - 1, ", ".join(event_class._fields)
        raise UnknownEventError(
            f"its trial actor sent an event of the kind {kind!r} with {found} fields; known fields: {known}. {fix}"
        ) from None
