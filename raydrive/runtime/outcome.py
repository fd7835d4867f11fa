"""How an attempt has ended, in words for its user."""

from __future__ import annotations

import signal

from raydrive.runtime.attempt import METRICS, Attempt
from raydrive.runtime.process import Exit
from raydrive.runtime.workspace import Prepared


def outcome(current: Attempt, exit_: Exit, prepared: Prepared, nearly: str) -> tuple[int | None, str]:
    """How an attempt has ended, noted where its user must not miss it.

    Args:
        current: The attempt.
        exit_: The end of its processes.
        prepared: Its files.
        nearly: Why what was printed holds no value of the primary metric, where there is a reason.
    """
    if exit_.renewed:
        current.note(f"the next trial gets a new process: {exit_.renewed}")
    if exit_.code == 0 and not current.interval and (nearly := nearly or current.nearly()):
        current.note(nearly, METRICS)
    if current.said_failed and exit_.code == 0:
        return 1, current.said_failed
    return exit_.code, why_ended(exit_, prepared)


def why_ended(exit_: Exit, prepared: Prepared) -> str:
    """The last words of a failed process."""
    if exit_.code == 0:
        return ""
    words = exit_.error or prepared.last_words()
    if exit_.oom and exit_.code in (-signal.SIGKILL, 128 + signal.SIGKILL):  # itself, or below a shell
        return "out of memory: the kernel killed it"
    # A process of its tree, or another one of the node: what the script itself says of its end is not hidden.
    return f"{words} (meanwhile the kernel killed a process for want of memory)" if exit_.oom else words
