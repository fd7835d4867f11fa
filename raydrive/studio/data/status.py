"""How the run of a story stands."""

from __future__ import annotations

from raydrive.core.views import status as core
from raydrive.storage.opening import read_heartbeat
from raydrive.studio.data.run_history import Story


def standing(story: Story, now: float) -> core.Standing:
    """Returns how a run stands; the clock of one whose driver is gone stands still.

    Args:
        story: The run.
        now: Seconds since the epoch.
    """
    beat = {} if story.sweep.finished else read_heartbeat(story.layout)
    return core.standing(story.sweep, beat, now, damaged=story.damaged)
