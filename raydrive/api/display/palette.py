"""The colours of charts and notebooks: those of the studio's light page (``studio/static/style.css``)."""

from __future__ import annotations

from raydrive.core.records import CANCELED, COMPLETED, FAILED, PAUSED, QUEUED, RUNNING
from raydrive.core.views.status import DAMAGED, NOT_RESPONDING
from raydrive.core.views.summary import INTERRUPTED

STATE_COLOURS = {
    RUNNING: "#2f7ed8",
    COMPLETED: "#26997a",
    CANCELED: "#bd8103",
    FAILED: "#d1495b",
    QUEUED: "#838da0",
    INTERRUPTED: "#8661c1",
    PAUSED: "#1c8ca8",
}
"""Of lines and areas, by the state of a trial, or of a run: 3:1 at least on white."""
STATE_TEXT_COLOURS = {
    RUNNING: "#1f5aa3",
    COMPLETED: "#186b53",
    CANCELED: "#825900",
    FAILED: "#a83447",
    QUEUED: "#596274",
    INTERRUPTED: "#6d4aa6",
    PAUSED: "#12667b",
}
"""Of words, and of the ground of white words: 4.5:1 at least on white (WCAG 2.2, level AA)."""
BEST = "#0b7a4b"
ACCENT = "#2b62d9"
BAND = "rgba(43, 98, 217, 0.15)"
"""The accent, for an area."""
FAINT = "#5a6577"
"""What is behind."""


def state_colour(state: str) -> str:
    """Returns the colour of a state: of a run that stands still by an error that of failed trials."""
    return STATE_COLOURS[_known(state)]


def state_text_colour(state: str) -> str:
    """Returns the colour of a state's name."""
    return STATE_TEXT_COLOURS[_known(state)]


def _known(state: str) -> str:
    if state in (NOT_RESPONDING, DAMAGED):
        return FAILED
    return state if state in STATE_COLOURS else QUEUED
