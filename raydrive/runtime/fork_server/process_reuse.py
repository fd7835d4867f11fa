"""Calls a function again in the process that has called it before: ``reuse_processes``, which is experimental.

What trials leave in the process (modules, caches, compiled code, a GPU's context) is there for the next one, which is
what it is for. The log, the working directory, the environment, signals and timers, and the state of ``random`` are
each trial's own (``process_reset``). Only a function that returns, and leaves nothing running, is called again: after
an exception, an exit, ``run.fail()``, a stop, with something to do at its end, or with threads and processes left, the
process ends as any other does, and the next trial gets a new one.

The helper speaks over a socket of its own to the process, JSON lines. Out, when a job has ended: ``{"cpu_s": 0.1,
"max_rss_bytes": 9e6}``, or ``{"ends": why}``. In: ``{"job": {...}}`` as ``job_order.ServedJob``, or ``{"end":
why}``, or its end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from raydrive.runtime.fork_server import process_tree
from raydrive.runtime.fork_server.job_order import ServedJob
from raydrive.runtime.fork_server.process_reset import ProcessState

TORCH = "; if they are workers of torch.compile, set TORCHINDUCTOR_COMPILE_THREADS=1, which compiles without them"
_MOST = 1_000
END_S = 5.0
"""Seconds that a process without a further job may take to end."""


class ReusedProcess:
    """The helper's side: a main process that may have further jobs.

    Args:
        pid: Its process id.
        connection: The socket to it.
        grace_s: Seconds it may take over its end, when there is no further job; at most ``END_S``.
    """

    def __init__(self, pid: int, connection: socket.socket, grace_s: float) -> None:
        self.pid = pid
        self.socket = connection
        self._grace_s = min(grace_s, END_S)
        self._cpu_s = 0.0
        self.why = ""
        """Why it ends instead of having further jobs, where it has sent that."""

    def hear(self) -> dict[str, Any] | None:
        """Returns what the process says at the end of a job; None when it has gone, hung up or says something else."""
        try:
            over: dict[str, Any] = json.loads(self.socket.recv(1 << 12))
            self.why = str(over.get("ends", ""))
            self._cpu_s += over["cpu_s"]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return over

    def last_word(self) -> str:
        """Why a process that has gone had no further job, where it has sent that; without waiting for it."""
        self.socket.setblocking(False)
        self.hear()
        return self.why

    def give(self, job: ServedJob) -> process_tree.Tree | None:
        """Gives it a job; None if it is gone."""
        tree = process_tree.Tree(self.pid, job["grace_s"])
        tree.cpu_s -= self._cpu_s  # at its end the kernel counts all it has used
        if tree.step():
            return None
        process_tree.signal_all([self.pid], signal.SIGCONT)  # stopped by another process, it would take nothing
        try:
            self.socket.sendall(json.dumps({"job": job}).encode() + b"\n")
        except OSError:
            return None
        return tree

    def refuse(self, why: str) -> None:
        """Has it end after this job.

        Args:
            why: What the trial's log says about it; may be empty.
        """
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps({"end": why}).encode() + b"\n")

    def end(self) -> None:
        """Waits until it is gone, after its socket was closed; kills it when that takes too long."""
        tree = process_tree.Tree(self.pid, self._grace_s)
        kill_at = time.monotonic() + self._grace_s
        while not tree.step():
            if time.monotonic() > kill_at:
                tree.stop(0)
            time.sleep(0.001)


def running_descendants(main: int) -> str:
    """Why a main process cannot have a further job, whatever it says itself; empty if it can."""
    left = [pid for pid in process_tree.descendants(os.getpid()) if pid != main and not process_tree.is_over(pid)]
    if not left:
        return ""
    counts = Counter(process_tree.name_of(pid) for pid in left)
    names = ", ".join(f"{count} of {name!r}" for name, count in sorted(counts.items()))
    return f"processes still run ({names}){TORCH}"


def jobs(
    first: ServedJob, orders: socket.socket | None, begin: Callable[[ServedJob, ServedJob], None]
) -> Iterator[ServedJob]:
    """Yields the job that this process was started for, and those that follow once it has ended.

    Args:
        first: The job this process has begun as.
        orders: The socket to the helper; None = there is no other job.
        begin: Called with each further job and the one before it, before it is yielded.
    """
    if orders is None:
        yield first
        return
    process_state, me, place = ProcessState(), os.getpid(), _place(orders)
    lines = orders.makefile("rb")
    job, cpu_s = first, 0.0
    while True:
        yield job
        if os.getpid() != me or _place(orders) != place:
            return  # forked by the function; or the function has closed what it did not open
        process_state.disarm_timers()
        gc.collect()  # what the function held must not be held beside what it holds next time
        why = process_state.why_not_reusable()
        if why:
            with contextlib.suppress(OSError):
                orders.sendall(json.dumps({"ends": why[:_MOST]}).encode() + b"\n")
            return _say(why, process_state)
        process_state.reset()
        used_s = sum(os.times()[:4])
        max_rss_bytes = process_tree.max_rss_bytes(resource.getrusage(resource.RUSAGE_SELF))
        over = {"cpu_s": used_s - cpu_s, "max_rss_bytes": max_rss_bytes}
        cpu_s = used_s
        try:
            orders.sendall(json.dumps(over).encode() + b"\n")
            order = json.loads(lines.readline() or b"{}")
        except OSError:
            return  # the helper is gone, and the kernel ends this process
        if "job" not in order:
            return _say(order.get("end", ""), process_state)
        before, job = job, order["job"]
        begin(job, before)


def _place(orders: socket.socket) -> tuple[int, int] | None:
    """What tells a socket from all others; None if it is closed."""
    try:
        found = os.fstat(orders.fileno())
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _say(why: str, process_state: ProcessState) -> None:
    if why:
        with contextlib.suppress(OSError, ValueError):
            print(f"raydrive: the next trial gets a new process: {why}", file=process_state.stderr, flush=True)
