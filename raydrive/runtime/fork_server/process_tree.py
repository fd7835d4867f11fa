"""Watches one process tree and ends all of it, regardless of its sessions, process groups and signal handlers.

The process that runs this code is a *child subreaper*: a descendant whose parent dies becomes its child, so "no
children left" means that the tree is gone, daemons included. Ending goes: SIGTERM to every process, a grace period,
then SIGSTOP to all until no new one turns up (a stopped process cannot fork, so no race is left), then SIGKILL.

Linux is the tested platform. Without ``prctl`` and ``/proc`` (macOS) only the process group of the main process is
ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import resource
import signal
import sys
import time
from collections.abc import Collection

KILL_PATIENCE_S = 10.0
"""Seconds for which SIGKILL is repeated; what is still there then hangs in the kernel (a dead GPU or file server)."""
_RETRY_S = 0.01

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def become_subreaper() -> bool:
    """Makes this process the parent of every orphan among its descendants; False where that does not exist."""
    return _libc is not None and _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def die_with_parent(parent: int) -> None:
    """Asks the kernel to SIGKILL this process when its parent dies; ends it at once when that has happened already.

    Args:
        parent: Process id of the parent, from before the fork.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(137)


def rename(name: str) -> None:
    """Gives this process another name in the kernel's lists, of 15 characters at most."""
    if _libc is not None:
        _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def descendants(root: int) -> list[int]:
    """Every process below ``root``, parents first; empty where there is no ``/proc``."""
    found: list[int] = []
    queue = [root]
    table: dict[int, list[int]] | None = None
    while queue:
        pid = queue.pop(0)
        if table is None:
            try:
                below = _children(pid)
            except FileNotFoundError:
                if os.path.exists(f"/proc/{pid}/task/{pid}/stat"):  # a kernel without these files
                    table = _scan()
                below = []
        if table is not None:
            below = table.get(pid, [])
        found += below
        queue += below
    return found


def _children(pid: int) -> list[int]:
    """Children of all threads of ``pid``: two small files instead of a look at every process of the machine."""
    below: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError), open(f"/proc/{pid}/task/{thread}/children") as file:
            below += map(int, file.read().split())
    return below


def _scan() -> dict[int, list[int]]:
    """Parent to children, from the ``stat`` file of every process."""
    table: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                table.setdefault(int(_stat(int(name))[1]), []).append(int(name))
    return table


def _stat(pid: int) -> list[str]:
    """State, parent and the rest of what the kernel says of a process.

    Raises:
        OSError: If there is none.
    """
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()  # the name of the program, in parentheses, may hold anything


def name_of(pid: int) -> str:
    """What the kernel calls a process; empty where there is none."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as file:
        return file.read().rstrip("\n")
    return ""


def started(pid: int) -> int:
    """When a process started, in ticks since the machine did; 0 where there is none. With its id it is unique."""
    try:
        return int(_stat(pid)[19])
    except (OSError, IndexError, ValueError):
        return 0


def parent(pid: int) -> int:
    """The parent's process id; 0 where there is none."""
    try:
        return int(_stat(pid)[1])
    except (OSError, IndexError, ValueError):
        return 0


def is_over(pid: int) -> bool:
    """Whether a process has ended, though its end may not have been collected yet."""
    try:
        return _stat(pid)[0] in ("Z", "X")
    except OSError:
        return not os.path.exists(f"/proc/{pid}")


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Sends a signal to each process that is still there and ours."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_below(root: int, but: Collection[int] = ()) -> None:
    """Kills every process below ``root``, except those of ``but``; those in the middle of forking included."""
    seen = set(but)
    for _ in range(100):
        new = [pid for pid in descendants(root) if pid not in seen]
        if not new:
            break
        signal_all(new, signal.SIGSTOP)
        seen.update(new)
    signal_all(sorted(seen.difference(but)), signal.SIGKILL)


@functools.cache
def sees_children() -> bool:
    """Whether the kernel lists the children of a process, so that each of them can be looked at."""
    return os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")


def oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory, in this control group or else on this machine."""
    for path, key in oom_files():
        with contextlib.suppress(OSError, ValueError), open(path) as file:
            for line in file:
                name, _, count = line.partition(" ")
                if name == key:
                    return int(count)
    return 0


def max_rss_bytes(usage: resource.struct_rusage) -> int:
    """Largest resident memory in what the kernel says of a process."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@functools.cache
def oom_files() -> list[tuple[str, str]]:
    """Files that may hold the count, the most local one first."""
    files = []
    with contextlib.suppress(OSError), open("/proc/self/cgroup") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if not controllers:
                files.append((f"/sys/fs/cgroup{path.rstrip('/')}/memory.events", "oom_kill"))
            elif "memory" in controllers.split(","):
                files.append((f"/sys/fs/cgroup/memory{path.rstrip('/')}/memory.oom_control", "oom_kill"))
    return [*files, ("/proc/vmstat", "oom_kill")]


class Tree:
    """The process tree of one job, from its main process on.

    The owner calls ``step`` whenever a child has changed state or ``wait_s`` has ended, until it returns True.

    Args:
        main: Process id of the main process, a child of this process and the leader of its process group.
        grace_s: Seconds between SIGTERM and SIGKILL, unless ``stop`` says otherwise.
        spared_pids: Children of this process that are no part of the tree and have no children; one whose end is seen
            is taken out. Only where ``sees_children``.
    """

    def __init__(self, main: int, grace_s: float, spared_pids: set[int] | None = None) -> None:
        self.main = main
        self.grace_s = grace_s
        self._spared_pids = spared_pids if spared_pids is not None else set()
        self.code: int | None = None
        self.cpu_s = 0.0
        self.max_rss_bytes = 0
        self.left: list[int] = []
        self.stopped = False
        self._kill_at = float("inf")
        self._give_up_at = float("inf")
        self._empty = False

    def stop(self, grace_s: float | None = None) -> None:
        """Sends SIGTERM to the whole tree now and SIGKILL after the grace period; a second call can only hasten it."""
        grace_s = self.grace_s if grace_s is None else grace_s
        kill_at = time.monotonic() + grace_s
        if not self.stopped and grace_s > 0:
            signal_all(self._members(), signal.SIGTERM)
            # A stopped process gets its SIGTERM only when it continues.
            signal_all(self._members(), signal.SIGCONT)
        self.stopped = True
        self._kill_at = min(self._kill_at, kill_at)

    def step(self) -> bool:
        """Reaps what has ended and carries on with ending the rest.

        Returns:
            Whether it has ended: the tree is gone, or (``left`` names them) some of it cannot be killed.
        """
        self._reap()
        if self._empty:
            return True
        now = time.monotonic()
        if self.code is not None and not self.stopped:
            self._kill_at = now  # the main process is the job; what it leaves behind has no say
        if now < self._kill_at:
            return False
        self._give_up_at = min(self._give_up_at, now + KILL_PATIENCE_S)
        self._kill()
        self._reap()
        if now > self._give_up_at and not self._empty:
            self.left = self._members()
            return True
        return self._empty

    def wait_s(self) -> float | None:
        """Seconds until ``step`` is due even when no child changes state; None for no such time."""
        if self._give_up_at != float("inf"):
            return _RETRY_S
        if self._kill_at == float("inf"):
            return None
        return max(0.0, self._kill_at - time.monotonic())

    def _members(self) -> list[int]:
        try:
            below = [pid for pid in descendants(os.getpid()) if pid not in self._spared_pids]
        except OSError:  # no descriptor to look with
            below = []
        return below or ([] if self.code is not None else [self.main])

    def _kill(self) -> None:
        try:
            kill_below(os.getpid(), self._spared_pids)
        except OSError:  # no descriptor to look with: again in a moment
            signal_all(self._members(), signal.SIGKILL)
        if _libc is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.main, signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._empty = True
                return
            if pid == 0:
                self._empty = self.code is not None and bool(self._spared_pids) and self._is_alone()
                return
            if pid in self._spared_pids:
                self._spared_pids.remove(pid)
                continue
            self.cpu_s += usage.ru_utime + usage.ru_stime
            self.max_rss_bytes = max(self.max_rss_bytes, max_rss_bytes(usage))
            if pid == self.main:
                self.code = os.waitstatus_to_exitcode(status)

    def _is_alone(self) -> bool:
        """Whether what waits beside the tree is all that this process has of children."""
        try:
            # Children leave the kernel's list only when their end is seen, which is in _reap.
            return self._spared_pids.issuperset(_children(os.getpid()))
        except OSError:  # no descriptor to look with: then nothing may wait, and the end of all children tells
            signal_all(sorted(self._spared_pids), signal.SIGKILL)
            return False
