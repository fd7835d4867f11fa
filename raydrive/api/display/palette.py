"""The colours of charts and notebooks: those of the studio's light page (``studio/static/style.css``)."""

from __future__ import annotations

from raydrive.core.records import CANCELED, COMPLETED, FAILED, QUEUED, RUNNING
from raydrive.core.views.status import DAMAGED, NOT_RESPONDING
from raydrive.core.views.summary import INTERRUPTED

STATE_COLOURS = {
    RUNNING: "#2f7ed8",
    COMPLETED: "#26997a",
    CANCELED: "#c98a04",
    FAILED: "#d1495b",
    QUEUED: "#8a94a6",
    INTERRUPTED: "#8661c1",
}
"""By the state of a trial, or of a run."""
BEST = "#0b7a4b"
ACCENT = "#2b62d9"
BAND = "rgba(43, 98, 217, 0.15)"
"""The accent, for an area."""
FAINT = "#6b7689"
"""What stands behind."""


def state_colour(state: str) -> str:
    """Returns the colour of a state: of a run that stands still by an error that of failed trials."""
    if state in (NOT_RESPONDING, DAMAGED):
        return STATE_COLOURS[FAILED]
    return STATE_COLOURS.get(state, STATE_COLOURS[QUEUED])
