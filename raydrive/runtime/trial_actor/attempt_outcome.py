"""How an attempt ended, as text for its user."""

from __future__ import annotations

from collections.abc import Callable

from raydrive.runtime.trial_actor.attempt_events import METRICS, AttemptEvents
from raydrive.runtime.trial_actor.failure_reason import why_ended
from raydrive.runtime.trial_actor.files.attempt_files import Prepared
from raydrive.runtime.trial_actor.fork_client import Exit


def outcome(
    current: AttemptEvents, exit_: Exit, prepared: Prepared, nearly: Callable[[bool, bool], str], submit_dir: str = ""
) -> tuple[int | None, str]:
    """How an attempt has ended, noted where its user must not miss it.

    Args:
        current: The attempt.
        exit_: The end of its processes.
        prepared: Its files.
        nearly: Returns why what was printed holds no value of the primary metric, given whether others were
            logged, and whether to propose how to read it.
        submit_dir: Folder that the run was submitted from; empty = not known.
    """
    if exit_.renewed:
        current.note(f"the next trial gets a new process: {exit_.renewed}")
    if current.interval:
        current.note(current.nearly())
    elif exit_.code == 0:
        own = current.nearly()
        current.note(nearly(current.reader.seq > 0, not own) or own, METRICS)
    if current.reader.failed_why and exit_.code == 0:
        return 1, current.reader.failed_why
    return exit_.code, why_ended(exit_, prepared, submit_dir)
