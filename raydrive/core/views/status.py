"""The status of a run, derived from the end of its journal and its driver's last heartbeat.

| journal | heartbeat | status | live |
|---|---|---|---|
| damaged, or shorter than a heartbeat had recorded | any | Damaged | by the heartbeat |
| holds the end of the run | any | Completed, Canceled or Failed | no |
| empty | none | Queued | no |
| not over | of this epoch, ``Interrupted`` | Interrupted | no |
| not over | of this epoch, at most 30 s old | Running | yes |
| not over | of this epoch, older | NotResponding | no |
| not over | none, damaged, of an earlier epoch | Running or NotResponding by the age of the last entry | if Running |

The last line is a driver that has only just begun, or that could never write a heartbeat.
"""

from __future__ import annotations

from dataclasses import dataclass

from raydrive.core.records import CANCELED, COMPLETED, FAILED, QUEUED, RUNNING
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.heartbeat import NO_HEARTBEAT, Heartbeat
from raydrive.core.views.summary import INTERRUPTED, Summary, summarize

DAMAGED = "Damaged"
"""A run whose record cannot be read to its end, or is shorter than its driver had recorded."""
NOT_RESPONDING = "NotResponding"
"""A run whose driver has fallen silent."""
SILENT_S = 30.0
"""Seconds without a heartbeat after which a driver counts as silent."""
AT_REST = (INTERRUPTED, NOT_RESPONDING, DAMAGED)
"""A run that is not over and does not continue by itself."""


@dataclass(frozen=True, slots=True)
class JournalEnd:
    """What a run's journal holds at its end, as far as the run's status depends on it."""

    epoch: int = 0
    """Of the last driver; 0 before the first."""
    last_at: float = 0.0
    """Time of the last entry, in seconds since the epoch."""
    state: str = ""
    """What the run ended in; empty for one that is not over."""
    damaged: bool = False
    """Whether the journal is."""

    @classmethod
    def of(cls, sweep: Sweep, *, damaged: bool = False) -> JournalEnd:
        """Returns the end of the journal that a sweep was folded from."""
        state = sweep.finished.state if sweep.finished else ""
        return cls(sweep.epoch, sweep.last_at, state, damaged)

    @classmethod
    def recorded_by(cls, beat: Heartbeat) -> JournalEnd:
        """Returns the end of a journal that was not read, as its driver had last recorded it."""
        return cls(beat.epoch, beat.at, beat.state if beat.state in (COMPLETED, CANCELED, FAILED) else "")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run at a time."""

    state: str
    """The summary's, or Interrupted, NotResponding or Damaged."""
    live: bool
    """Whether a driver works on it."""
    now: float
    """Seconds since the epoch: the time asked for, or until which a driver worked on the run."""
    summary: Summary
    beat: Heartbeat
    """The driver's last one; empty for a run that has ended."""

    @property
    def interrupted(self) -> bool:
        """Whether its open trials count as interrupted: nothing trains, and nothing will before a resume."""
        return is_interrupted(self.state)


def is_interrupted(state: str) -> bool:
    """Returns whether the open trials of a run of this status count as interrupted.

    Not those of one that is not responding: they may continue.
    """
    return state in (INTERRUPTED, DAMAGED)


def status(end: JournalEnd, beat: Heartbeat, now: float) -> str:
    """Returns Queued, Running, Completed, Canceled, Failed, Interrupted, NotResponding or Damaged.

    Args:
        end: What the run's journal holds at its end.
        beat: The driver's last heartbeat.
        now: Seconds since the epoch.
    """
    if end.damaged:
        return DAMAGED
    if end.state:
        return end.state
    if _is_of_this_epoch(end, beat) and beat.state == INTERRUPTED:
        return INTERRUPTED
    if (end.epoch or beat) and _is_silent(end, beat, now):
        return NOT_RESPONDING
    return RUNNING if end.epoch else QUEUED


def is_live(end: JournalEnd, beat: Heartbeat, now: float) -> bool:
    """Returns whether a driver works on a run; the arguments are those of ``status``."""
    if end.state or not (end.epoch or beat) or _is_silent(end, beat, now):
        return False
    return beat.state == RUNNING or not _is_of_this_epoch(end, beat)


def _is_of_this_epoch(end: JournalEnd, beat: Heartbeat) -> bool:
    return beat.epoch >= end.epoch


def _is_silent(end: JournalEnd, beat: Heartbeat, now: float) -> bool:
    heard_at = beat.at if _is_of_this_epoch(end, beat) else max(beat.at, end.last_at)
    return now - heard_at > SILENT_S


def entries_due(beat: Heartbeat, now: float) -> int:
    """Returns how many entries a journal has to hold; 0 while its driver writes it.

    Args:
        beat: The driver's last heartbeat, read before the journal. A driver writes it after what it counts there is
            durable, so that a whole journal is never shorter.
        now: Seconds since the epoch.
    """
    return 0 if beat.state == RUNNING and beat.age_s(now) <= SILENT_S else beat.entries


def missing(due: int, entries: int) -> str:
    """Returns how much a journal has lost at its end; empty when nothing.

    Args:
        due: How many entries it has to hold.
        entries: How many it holds.
    """
    lost = due - entries
    if lost <= 0:
        return ""
    what = "1 entry is" if lost == 1 else f"{lost} entries are"
    return (
        f"{what} missing at the end of the journal: its driver had recorded {due}, {entries} are there. "
        "Hint: restore the journal from a backup of the storage, or resume without them: "
        f"raydrive resume RUN --up-to {entries}"
    )


def run_status(sweep: Sweep, beat: Heartbeat, now: float, *, damaged: bool = False) -> RunStatus:
    """Returns the state of a run; the clock of one that has ended, or whose driver is gone, stands still.

    Args:
        sweep: The run.
        beat: The driver's last heartbeat.
        now: Seconds since the epoch.
        damaged: Whether the run's journal is.
    """
    end = JournalEnd.of(sweep, damaged=damaged)
    state, live = status(end, beat, now), is_live(end, beat, now)
    if sweep.finished:
        now, beat = sweep.last_at, NO_HEARTBEAT
    elif state in AT_REST:
        now = max(beat.at or sweep.last_at, sweep.last_at)
    return RunStatus(state, live, now, summarize(sweep, now, interrupted=is_interrupted(state)), beat)
