"""A child forked before its job is known (prefork), which becomes the main process of the next job.

While a trial trains, its helper has nothing to do: it forks the process of the next trial then, so that a fork, and
what a process does before it has its job, makes no trial wait. Until it has a job, such a process has run none
of the user's code and has no children, and it is not a part of the tree of the job that runs beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket

from raydrive.runtime.fork_server import process_tree
from raydrive.runtime.fork_server.job_order import JobOrder, ServedJob

AFTER_S = 0.05
"""Seconds that a job has run when the next one's process is forked. It would only be in the way of a shorter job: it
costs as much processor time ahead as afterwards, and half a millisecond more."""
_TAKE_S = 10.0
"""Seconds that it may need to take its job, on an overloaded machine."""
_TAKEN = b"\n"


class PreforkedChild:
    """The helper's side of a process that waits for its job.

    Args:
        pid: Its process id; a child of this process.
        connection: The socket to it.
        status: Read end of its status pipe (see ``child``).
        spared_pids: What ``guard.Tree`` leaves alone; holds the process id from now on, until there is a job or an end.
    """

    def __init__(self, pid: int, connection: socket.socket, status: int, spared_pids: set[int]) -> None:
        self.pid = pid
        self.status = status
        self._socket = connection
        self._spared_pids = spared_pids
        spared_pids.add(pid)

    def give(self, job: ServedJob) -> bool:
        """Gives it its job, the first and only one; False if it has not taken it: it has gone, or does nothing.

        Args:
            job: The job with the ``changes`` of its environment, which are all it needs of it.
        """
        if self.pid not in self._spared_pids:
            return False  # its end has been seen, and its process id may be another process's
        process_tree.signal_all([self.pid], signal.SIGCONT)  # stopped by another process, it would take nothing
        with self._socket, contextlib.suppress(OSError):
            self._socket.settimeout(_TAKE_S)
            self._socket.sendall(json.dumps({**job, "env": {}}).encode() + b"\n")
            if self._socket.recv(1) == _TAKEN:  # one that has just been killed may still have had its socket
                self._spared_pids.remove(self.pid)
                return True
        return False

    def end(self) -> None:
        """Ends it; it has nothing to tidy up."""
        self._socket.close()
        os.close(self.status)
        if self.pid in self._spared_pids:
            self._spared_pids.remove(self.pid)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def suits(job: JobOrder) -> bool:
    """Whether a process that waits can become this job: one in a forked Python, and in a separate process."""
    return not job["argv"] and not job["reuse"]


def next_job(orders: socket.socket) -> ServedJob | None:
    """Waits for the job of this process, and says that it has it; None when there will be none.

    Args:
        orders: The socket to the helper, which is closed afterwards.
    """
    with orders, orders.makefile("rb") as lines, contextlib.suppress(OSError):
        line = lines.readline()
        if line.endswith(b"\n"):
            job: ServedJob = json.loads(line)
            orders.sendall(_TAKEN)
            return job
    return None
