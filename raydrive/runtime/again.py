"""Calls a function again in the process that has called it before: ``reuse_processes``.

What trials leave in the process (modules, caches, compiled code, a GPU's context) is there for the next one, which is
what it is for. The log, the working directory, the environment, signals and the state of ``random`` are each trial's
own. Only a function that returns, and leaves nothing running, is called again: after an exception, an exit, a stop, or
with threads and processes left, the process ends as any other does, and the next trial gets a new one.

The helper speaks over a socket of its own to the process, JSON lines. Out, when a job is over: ``{"cpu_s": 0.1,
"max_rss_bytes": 9e6}``. In: ``{"job": {...}}`` with the fields of ``process.Job``, or ``{"end": why}``, or its end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from raydrive.runtime import guard

END_S = 5.0
"""So long a process that gets no further job may take over its end."""
SETTLE_S = 0.1
"""So long threads have to end that the function has told to."""
_HARMLESS = "tqdm."
"""A thread of this package looks after its progress bars as long as the process lives, and touches nothing else."""
_ONE_TRIAL = {"raydrive_mlflow.ledger": "MLflow takes all that its process logs for one trial"}
"""Modules that know the trial of their process, and why they cannot have another."""

_Job = Mapping[str, Any]


class Reused:
    """The helper's side: a main process that may have further jobs.

    Args:
        pid: Its process id.
        connection: The socket to it.
    """

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.socket = connection
        self._cpu_s = 0.0

    def hear(self) -> dict[str, Any] | None:
        """Returns what the process says at the end of a job; None when it has gone, or hung up."""
        try:
            said = self.socket.recv(1 << 12)
        except ConnectionError:
            said = b""
        if not said:
            return None
        over: dict[str, Any] = json.loads(said)
        self._cpu_s += over["cpu_s"]
        return over

    def give(self, job: Mapping[str, Any]) -> guard.Tree | None:
        """Gives it a job; None if it is gone."""
        tree = guard.Tree(self.pid, job["grace_s"])
        tree.cpu_s -= self._cpu_s  # at its end the kernel counts all it has used
        if tree.step():
            return None
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
        tree = guard.Tree(self.pid, END_S)
        kill_at = time.monotonic() + END_S
        while not tree.step():
            if time.monotonic() > kill_at:
                tree.stop(0)
            time.sleep(0.001)


def left_below(main: int) -> str:
    """Why a main process cannot have a further job, whatever it says itself; empty if it can."""
    left = [pid for pid in guard.descendants(os.getpid()) if pid != main]
    return f"processes still run ({', '.join(map(str, left))})" if left else ""


def jobs(first: _Job, orders: socket.socket | None, begin: Callable[[_Job, _Job], None]) -> Iterator[_Job]:
    """Yields the job that this process was started for, and those that follow once it is over.

    Args:
        first: The job this process has begun as.
        orders: The socket to the helper; None = there is no other job.
        begin: Called with each further job and the one before it, before it is yielded.
    """
    yield first
    if orders is None:
        return
    lines = orders.makefile("rb")
    job, cpu_s = first, 0.0
    while True:
        gc.collect()  # what the function held must not be held beside what it holds next time
        why = _left_behind()
        if why:
            return _say(why)
        _tidy()
        used_s = sum(os.times()[:4])
        max_rss_bytes = guard.max_rss_bytes(resource.getrusage(resource.RUSAGE_SELF))
        over = {"cpu_s": used_s - cpu_s, "max_rss_bytes": max_rss_bytes}
        cpu_s = used_s
        try:
            orders.sendall(json.dumps(over).encode() + b"\n")
            order = json.loads(lines.readline() or b"{}")
        except OSError:
            return None  # the helper is gone, and the kernel ends this process
        if "job" not in order:
            return _say(order.get("end", ""))
        before, job = job, order["job"]
        begin(job, before)
        yield job


def _say(why: str) -> None:
    if why:
        with contextlib.suppress(OSError, ValueError):
            print(f"raydrive: the next trial gets a new process: {why}", file=sys.stderr, flush=True)


def _left_behind() -> str:
    """Why this process cannot have another trial; empty if it can."""
    for module, why in _ONE_TRIAL.items():
        if module in sys.modules:
            return why
    until = time.monotonic() + SETTLE_S
    while threads := _threads():
        if time.monotonic() > until:
            return f"threads still run ({', '.join(threads)})"
        time.sleep(0.002)
    return ""


def _threads() -> list[str]:
    """Names of other threads, which could log into the next trial."""
    if threading.active_count() == 1:
        return []
    ours = threading.current_thread()
    others = [thread for thread in threading.enumerate() if thread is not ours]
    return sorted(thread.name for thread in others if not type(thread).__module__.startswith(_HARMLESS))


def _tidy() -> None:
    """Hands over all that this trial has written, and forgets what was only its own."""
    flush()
    wire: Any = sys.modules.get("raydrive.wire")
    context: Any = sys.modules.get("raydrive.context")
    if wire is not None and context is not None:
        wire.hang_up()
        context._process = None  # with the metrics and tags that get_metrics() and get_tags() return
    signal.setitimer(signal.ITIMER_REAL, 0)


def flush() -> None:
    """Writes what the process has printed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed or replaced by the user: theirs to flush
            stream.flush()
