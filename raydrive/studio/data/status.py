"""How the run of a story stands."""

from __future__ import annotations

from raydrive.core.views import status as core
from raydrive.storage.opening import read_heartbeat
from raydrive.studio.data.run_history import RunHistory


def standing(history: RunHistory, now: float) -> core.RunStatus:
    """Returns how a run stands; the clock of one whose driver is gone stands still.

    Args:
        history: The run.
        now: Seconds since the epoch.
    """
    beat = {} if history.sweep.finished else read_heartbeat(history.layout)
    return core.run_status(history.sweep, beat, now, damaged=history.damaged)
