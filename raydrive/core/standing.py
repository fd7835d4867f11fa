"""How a run stands: what its journal says, and whether anybody still works on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.records import QUEUED, RUNNING
from raydrive.core.summary import INTERRUPTED, Summary, summarize
from raydrive.core.sweep import Sweep

NOT_RESPONDING = "NotResponding"
"""A run whose driver has fallen silent."""
SILENT_S = 30.0
"""So long a driver may give no sign of life."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A run at a time."""

    state: str
    """The summary's, or Interrupted or NotResponding."""
    now: float
    """Seconds since the epoch: the time asked for, or until which somebody worked on the run."""
    summary: Summary
    beat: Mapping[str, Any]
    """The driver's last sign of life; empty for none."""


def status(sweep: Sweep, beat: Mapping[str, Any], now: float) -> str:
    """Returns Queued, Running, Completed, Canceled, Failed, Interrupted or NotResponding.

    Args:
        sweep: The run.
        beat: The driver's last sign of life, as in ``driver.json``; empty for none.
        now: Seconds since the epoch.
    """
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


def standing(sweep: Sweep, beat: Mapping[str, Any], now: float) -> Standing:
    """Returns how a run stands; the clock of one that is over, or whose driver is gone, stands still.

    Args:
        sweep: The run.
        beat: As for ``status``.
        now: Seconds since the epoch.
    """
    state = status(sweep, beat, now)
    if sweep.finished:
        now = sweep.last_at
    elif state in (INTERRUPTED, NOT_RESPONDING):
        now = max(float(beat.get("at") or sweep.last_at), sweep.last_at)
    return Standing(state, now, summarize(sweep, now, interrupted=state == INTERRUPTED), beat)
