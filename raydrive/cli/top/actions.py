"""What keys of ``raydrive top`` do to runs and trials: one table, read by the screens, the footer and the tests.

A further action is a line of ``ACTIONS``: its key, its name, what it is about, what is asked before, and a function
that calls the driver and returns what was answered. Where ``prompt`` is given, a line of text is asked for, too.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raydrive.api.user_requests.request_methods import edit_run
from raydrive.core.user_requests.edit_checks import effective
from raydrive.sweepfile.edits.patches import patch_of_settings
from raydrive.sweepfile.edits.points import values_of_settings

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun
    from raydrive.api.user_requests.steer import Answer

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
    act: Callable[[HyperDriveRun, int | None, str, str | None], str]
    """Carries it out; gets the run, the number of the trial (None = the run), the text that was asked for, and the
    address of a dashboard, if any. Returns what the user is told. May take long, and runs in a thread of its own."""
    prompt: str = ""
    """What text is asked for; empty = none."""


def cancel(run: HyperDriveRun, trial: int | None, text: str, address: str | None) -> str:
    """Ends a run, or one of its trials."""
    what = f"Run {run.id}" if trial is None else f"Trial {trial}"
    return f"{what} is being canceled." if run.cancel_trial(trial, address=address) else f"{what} had already ended."


def pause(run: HyperDriveRun, trial: int | None, text: str, address: str | None) -> str:
    """Pauses a run, or continues a paused one."""
    run.refresh()
    return told(run.unpause(address=address) if run.sweep.steering.paused else run.pause(address=address))


def pause_now(run: HyperDriveRun, trial: int | None, text: str, address: str | None) -> str:
    """Pauses a run with what it trains."""
    return told(run.pause(now=True, address=address))


def stop(run: HyperDriveRun, trial: int | None, text: str, address: str | None) -> str:
    """Stops a trial as a policy does."""
    return told(run.stop_trial(trial or 0, text, address=address))


def retry(run: HyperDriveRun, trial: int | None, text: str, address: str | None) -> str:
    """Retries a trial that has ended."""
    return told(run.retry(trial or 0, address=address))


def add(run: HyperDriveRun, trial: int | None, text: str, address: str | None) -> str:
    """Tries a configuration next: the given values, and others as in the best trial."""
    values = values_of_settings(shlex.split(text), run.sweep.config.sampling.space)
    return told(run.add_trials([values], like="best", address=address))


def edit(run: HyperDriveRun, trial: int | None, text: str, address: str | None) -> str:
    """Changes the configuration by keys of a sweep file."""
    run.refresh()
    request = {"patch": patch_of_settings(effective(run.sweep), shlex.split(text)), "expect_revision": run.revision}
    return told(edit_run(run.reader, request, dry_run=False, address=address))


def told(answer: Answer) -> str:
    """Returns an answer in a line: what was recorded, and when it takes effect."""
    return f"{'; '.join((*answer.recorded, *answer.notes))}. It takes effect {answer.effect}."


ACTIONS: tuple[Action, ...] = (
    Action("p", "Pause / continue", RUN, "Pause {what}, or continue it if it is paused?", pause),
    Action("P", "Pause now", RUN, "Pause {what} and all its running trials?", pause_now),
    Action("k", "Stop trial", TRIAL, "Stop {what} as a policy would. Why?", stop, "the reason"),
    Action("t", "Try again", TRIAL, "Try {what} again, from its last checkpoint?", retry),
    Action("a", "Add trial", RUN, "A configuration for {what}; other values as in the best trial.", add, "lr=0.003"),
    Action("e", "Edit", RUN, "Change {what}: keys of a sweep file.", edit, "limits.max_concurrent_trials=4"),
    Action("c", "Cancel trial", TRIAL, "End {what}? The run continues.", cancel),
    Action("C", "Cancel run", RUN, "End {what} and all its running trials?", cancel),
)
"""All actions, in the order of the footer."""
