"""Several training processes of one job on this node, as a launcher such as ``torchrun`` starts them.

The main process of such a job forks one process for each and waits for them. When one fails, the others get SIGTERM and
the grace period; the exit code of the one that failed first is the job's. The fork server guards the tree as any other.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import NoReturn

from raydrive.runtime.fork_server import process_tree
from raydrive.runtime.fork_server.job_order import ServedJob

FAILED = b"\0R"
"""On the status pipe: the index of the process that failed first follows, up to a zero byte."""
_LOOK_S = 0.05
_OURS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def split(job: ServedJob, status: int) -> ServedJob:
    """Forks the processes of a job; returns in each of them what it is to run, and never in the calling process.

    Args:
        job: What to run, with its ``ranks``.
        status: Write end of the pipe for what the fork server should know.

    Raises:
        OSError: If no process can be forked.
    """
    launcher, indices = os.getpid(), dict[int, int]()
    # Until each process has left this one's way of taking signals: see ``child.OURS``.
    signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
    for index, rank in enumerate(job["ranks"]):
        pid = os.fork()
        if pid == 0:
            process_tree.die_with_parent(launcher)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
            return _of_rank(job, index, rank["env"], rank["log_path"])
        indices[pid] = index
    process_tree.rename("raydrive-ranks")
    for number in _OURS:  # it ends when its processes have ended, whoever ends them
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
    _end_as(_wait(indices, job["grace_s"], status))


def read_status(pipe: int) -> tuple[bytes, int | None]:
    """Returns what a job has written to its status pipe, and the index of the process that failed first.

    Args:
        pipe: Its read end; a leftover of the job that cannot be killed may hold the other one.
    """
    os.set_blocking(pipe, False)
    told = b""
    with contextlib.suppress(BlockingIOError):
        told = os.read(pipe, 1 << 16)
    before, _, tail = told.partition(FAILED)
    index, _, after = tail.partition(b"\0")  # processes that fail later write behind it
    return before + after, int(index) if index else None


def _of_rank(job: ServedJob, index: int, env: dict[str, str], log_path: str) -> ServedJob:
    removed, changed = job.get("changes", ([], {}))
    changes = ([name for name in removed if name not in env], {**changed, **env})
    own: ServedJob = {**job, "ranks": [], "env": {**job["env"], **env}, "log_path": log_path, "changes": changes}
    own["learns"] = index == 0  # one of them names the modules that all of them have imported
    return own


def _wait(indices: dict[int, int], grace_s: float, status: int) -> int:
    """Returns how the job has ended, as ``subprocess`` tells it: the end of the process that failed first."""
    code, until = 0, float("inf")
    while indices:
        pid, raw = os.waitpid(-1, 0 if until == float("inf") else os.WNOHANG)
        if pid == 0:
            if time.monotonic() > until:
                break
            time.sleep(_LOOK_S)
            continue
        index, one = indices.pop(pid, None), os.waitstatus_to_exitcode(raw)
        if index is not None and one != 0 and code == 0:
            code, until = one, time.monotonic() + grace_s
            os.write(status, FAILED + str(index).encode() + b"\0")
            process_tree.signal_all(process_tree.descendants(os.getpid()), signal.SIGTERM)
    return code


def _end_as(code: int) -> NoReturn:
    """Ends this process as another one has ended."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
        code = 128 - code  # a signal that does not end a process
    os._exit(code)
