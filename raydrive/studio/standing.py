"""How a run stands: what its journal says, and whether anybody still works on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import StorageError
from raydrive.core.summary import INTERRUPTED, Summary, summarize
from raydrive.storage.layout import RunLayout
from raydrive.studio.story import Story

SILENT_S = 30.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A run at a time."""

    state: str
    """The summary's, or Interrupted or NotResponding."""
    now: float
    """Seconds since the epoch: the time asked for, or until which somebody worked on the run."""
    summary: Summary
    beat: dict[str, Any]
    """The driver's last sign of life; empty for a run that is over."""


def standing(story: Story, now: float) -> Standing:
    """Returns how a run stands; the clock of one whose driver is gone stands still.

    Args:
        story: The run.
        now: Seconds since the epoch.
    """
    sweep = story.sweep
    if sweep.finished is not None:
        return Standing(sweep.finished.state, sweep.last_at, summarize(sweep, now), {})
    beat = heartbeat(story.layout)
    heard = float(beat.get("at", now))
    predecessors = beat.get("epoch", sweep.epoch) < sweep.epoch  # this driver has only just begun
    if predecessors:
        heard = max(heard, sweep.last_at)
    interrupted = not predecessors and beat.get("state") == INTERRUPTED
    if not interrupted and now - heard <= SILENT_S:
        summary = summarize(sweep, now)
        return Standing(summary.state, now, summary, beat)
    now = max(heard, sweep.last_at)
    summary = summarize(sweep, now, interrupted=interrupted)
    return Standing(INTERRUPTED if interrupted else "NotResponding", now, summary, beat)


def heartbeat(layout: RunLayout) -> dict[str, Any]:
    """Returns the driver's last sign of life, nothing where there is none or it cannot be read."""
    try:
        raw = layout.read_driver()
        found = json.loads(raw) if raw else {}
    except (StorageError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
