"""How the run of a story stands."""

from __future__ import annotations

import json
from typing import Any

from raydrive.core import standing as core
from raydrive.core.errors import StorageError
from raydrive.storage.layout import RunLayout
from raydrive.studio.story import Story


def standing(story: Story, now: float) -> core.Standing:
    """Returns how a run stands; the clock of one whose driver is gone stands still.

    Args:
        story: The run.
        now: Seconds since the epoch.
    """
    beat = {} if story.sweep.finished else heartbeat(story.layout)
    return core.standing(story.sweep, beat, now)


def heartbeat(layout: RunLayout) -> dict[str, Any]:
    """Returns the driver's last sign of life, nothing where there is none or it cannot be read."""
    try:
        raw = layout.read_driver()
        found = json.loads(raw) if raw else {}
    except (StorageError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
