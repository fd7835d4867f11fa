"""What keys of ``raydrive top`` do to runs and trials: one table, read by the screens, the footer and the tests.

A further action is a line of ``ACTIONS``: its key, its name, what it is about, what is asked before, and a function
that calls the driver and returns what was answered. Where ``prompt`` is given, a line of text is asked for, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raydrive.core.views.summary import INTERRUPTED

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun

RUN, TRIAL = "run", "trial"
"""What an action is about."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a key does."""

    key: str
    """As textual names it: ``c``, ``C``."""
    name: str
    """For the footer, and for ``Binding``."""
    about: str
    """``RUN`` or ``TRIAL``."""
    question: str
    """Asked before; ``{what}`` stands for the run or trial."""
    act: Callable[[HyperDriveRun, int | None, str], str]
    """Carries it out; gets the run, the number of the trial (None = the run) and the text that was asked for. Returns
    what the user is told. May take long, and runs in a thread of its own."""
    prompt: str = ""
    """What text is asked for; empty = none."""


def cancel(run: HyperDriveRun, trial: int | None, text: str) -> str:
    """Ends a run, or one of its trials."""
    what = f"Run {run.id}" if trial is None else f"Trial {trial}"
    if run.sweep.finished is not None or (trial is not None and not run.sweep.trials[trial].open):
        return f"{what} was over already."
    if run.get_status() == INTERRUPTED:
        return f"Run {run.id} was interrupted: nothing of it runs. raydrive resume {run.id} goes on with it."
    return f"{what} is being canceled." if run.cancel_trial(trial) else f"{what} was over already."


ACTIONS: tuple[Action, ...] = (
    Action("c", "Cancel trial", TRIAL, "End {what}? The run goes on.", cancel),
    Action("C", "Cancel run", RUN, "End {what} and all its running trials?", cancel),
)
"""All actions, in the order of the footer."""
