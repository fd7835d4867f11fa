"""How a run stands: what its journal says, and whether anybody still works on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.records import QUEUED, RUNNING
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.heartbeat import age_s
from raydrive.core.views.summary import INTERRUPTED, Summary, summarize

DAMAGED = "Damaged"
"""A run whose record cannot be read to its end, or is shorter than its driver had recorded."""
NOT_RESPONDING = "NotResponding"
"""A run whose driver has fallen silent."""
SILENT_S = 30.0
"""So long a driver may give no sign of life."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run at a time."""

    state: str
    """The summary's, or Interrupted, NotResponding or Damaged."""
    now: float
    """Seconds since the epoch: the time asked for, or until which somebody worked on the run."""
    summary: Summary
    beat: Mapping[str, Any]
    """The driver's last sign of life; empty for none."""


def status(sweep: Sweep, beat: Mapping[str, Any], now: float, *, damaged: bool = False) -> str:
    """Returns Queued, Running, Completed, Canceled, Failed, Interrupted, NotResponding or Damaged.

    Args:
        sweep: The run.
        beat: The driver's last sign of life, as ``parse_heartbeat`` gives it; empty for none.
        now: Seconds since the epoch.
        damaged: Whether the record of the run is.
    """
    if damaged:
        return DAMAGED
    if sweep.finished:
        return sweep.finished.state
    if beat:
        heard = float(beat.get("at", 0.0))
        if beat.get("epoch", 0) < sweep.epoch:  # its predecessor's: this driver has only just begun
            heard = max(heard, sweep.last_at)
        elif beat.get("state") == INTERRUPTED:
            return INTERRUPTED
        if now - heard > SILENT_S:
            return NOT_RESPONDING
    return RUNNING if sweep.epoch else QUEUED


def is_live(beat: Mapping[str, Any], now: float) -> bool:
    """Returns whether a driver has been heard of lately and works on its run."""
    return beat.get("state") == RUNNING and age_s(beat, now) <= SILENT_S


def missing(beat: Mapping[str, Any], entries: int) -> str:
    """Returns how much a journal has lost at its end, by what its driver had recorded; empty when nothing.

    A driver writes its heartbeat after what it counts there is durable, so that a whole journal is never shorter.

    Args:
        beat: As for ``status``.
        entries: How many entries the journal holds.
    """
    lost = int(beat.get("entries", 0)) - entries
    if lost <= 0:
        return ""
    what = "1 entry is" if lost == 1 else f"{lost} entries are"
    return (
        f"{what} missing at the end of the journal: its driver had recorded {entries + lost}, {entries} are there. "
        "Hint: restore the journal from a backup of the storage, or go on without them: "
        f"raydrive resume RUN --up-to {entries}"
    )


def run_status(sweep: Sweep, beat: Mapping[str, Any], now: float, *, damaged: bool = False) -> RunStatus:
    """Returns how a run stands; the clock of one that is over, or whose driver is gone, stands still.

    Args:
        sweep: The run.
        beat: As for ``status``.
        now: Seconds since the epoch.
        damaged: As for ``status``.
    """
    state = status(sweep, beat, now, damaged=damaged)
    if sweep.finished:
        now = sweep.last_at
    elif state in (INTERRUPTED, NOT_RESPONDING, DAMAGED):
        now = max(float(beat.get("at") or sweep.last_at), sweep.last_at)
    return RunStatus(state, now, summarize(sweep, now, interrupted=state in (INTERRUPTED, DAMAGED)), beat)
