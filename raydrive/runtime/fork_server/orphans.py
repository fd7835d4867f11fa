"""Processes of a trial whose helper was killed: found by a mark in their environment, and ended.

As long as a helper lives, it is an ancestor of all that its jobs have started, whatever they did with sessions. When
it is killed (SIGKILL, the kernel for lack of memory), the kernel ends its children only; what they had started
continues, and would hold a GPU for ever. All of it carries the mark of the helper, which names the actor: the actor
ends them, and where that is gone too, the next one that starts on the node does.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import signal
from collections.abc import Callable

from raydrive.runtime.fork_server import process_tree

MARK = "RAYDRIVE_TREE"
"""Variable of all processes below a helper, and of the helper: process id and start of the actor, its namespace of
process ids, and what tells the actor's helpers from one another."""
HELPER_NAME = "raydrive-helper"
"""What the kernel calls a helper: its forked processes have the same command line and environment, but not this."""
_FORM = re.compile(r"(\d+)\.(\d+)\.(\d+)\.[0-9a-f]+")
_ROUNDS = 50


def new_mark() -> str:
    """Returns a mark for a helper of this process."""
    return f"{os.getpid()}.{process_tree.started(os.getpid())}.{_namespace()}.{secrets.token_hex(6)}"


def end(mark: str, group: int = 0, log_path: str = "") -> None:
    """Kills what carries a mark, and with it what is below such a process; the helper must be gone.

    Args:
        mark: As ``new_mark`` gave it.
        group: Process group of the job; 0 = none.
        log_path: The log of the job: what writes its output there belongs to it, with whatever environment.
    """

    def ours(pid: int) -> bool:
        return mark_of(pid) == mark or (bool(log_path) and _writes(pid, log_path))

    if group:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    _kill(ours)


def sweep() -> None:
    """Kills what is left on this machine of jobs whose actor and helper are both gone.

    Only processes of this user, and of this namespace of process ids, count.
    """
    _kill(_is_orphan)


def mark_of(pid: int) -> str:
    """Returns the mark that a process was started with; empty if it has none, or is another user's."""
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return ""
        with open(f"/proc/{pid}/environ", "rb") as file:
            found = file.read()
    except OSError:
        return ""
    _, _, behind = (b"\0" + found).partition(f"\0{MARK}=".encode())
    return behind.partition(b"\0")[0].decode("ascii", "replace")


def _kill(wanted: Callable[[int], bool]) -> None:
    """Stops what is wanted and all below it until no new process turns up, and kills it then."""
    seen: set[int] = set()
    for _ in range(_ROUNDS):
        new = [pid for pid in _processes() if pid not in seen and wanted(pid)]
        new += [below for pid in new for below in process_tree.descendants(pid) if below not in seen]
        if not new:
            break
        process_tree.signal_all(new, signal.SIGSTOP)
        seen.update(new)
    process_tree.signal_all(sorted(seen), signal.SIGKILL)


def _processes() -> list[int]:
    """All processes but this one; none where there is no ``/proc``."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    return []


def _is_orphan(pid: int) -> bool:
    mark = mark_of(pid)
    form = _FORM.fullmatch(mark)
    if form is None or int(form[3]) != _namespace() or process_tree.started(int(form[1])) == int(form[2]):
        return False
    above = pid
    while above > 1:
        if process_tree.name_of(above) == HELPER_NAME and mark_of(above) == mark:
            return False  # it is ending them, within their grace period
        above = process_tree.parent(above)
    return True


def _writes(pid: int, path: str) -> bool:
    """Whether a process has a file as its output."""
    for number in (1, 2):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{number}") == path:
                return True
    return False


@functools.cache
def _namespace() -> int:
    """What tells this process's namespace of process ids from others; 0 where there are none."""
    with contextlib.suppress(OSError):
        return os.stat("/proc/self/ns/pid").st_ino
    return 0
