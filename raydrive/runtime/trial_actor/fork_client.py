"""The actor's side of its helper process: start it once, run one job after the other, stop, watch.

>>> fork_server = await ForkServerClient.start()  # doctest: +SKIP
>>> exit = await fork_server.run(Job(argv=("./train.sh",), cwd=..., env=..., log_path=..., grace_s=5))  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from raydrive import variables
from raydrive.runtime.fork_server import boot, orphans
from raydrive.runtime.fork_server.job_order import JobOrder, RankOrder, Setup

LOST = "the process that supervises the trial (pid {pid}) is gone; the trial was killed with it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One start of a training process: exactly one of ``argv``, ``function_path`` and ``script`` is given."""

    argv: tuple[str, ...] = ()
    """A program and its arguments; looked up in the PATH of ``env``, relative paths in ``cwd``."""
    function_path: str = ""
    """File with a (cloud)pickled function of one argument, called with ``params`` in a forked Python."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """What the function is called with; JSON types and tuples."""
    metric: str = ""
    """What a number that the function returns is recorded as."""
    reuse: bool = False
    """Whether the function may be called in the process that ran the job before, and the next one in this one's."""
    script: str = ""
    """Python file to run as ``__main__`` in a forked Python; relative to ``cwd``."""
    arguments: tuple[str, ...] = ()
    """Arguments of the script."""
    cwd: str
    """Working directory; has to exist."""
    env: Mapping[str, str]
    """The complete environment."""
    log_path: str
    """File that stdout and stderr are appended to; its folder has to exist."""
    grace_s: float
    """Seconds between SIGTERM and SIGKILL when the actor dies in the middle."""
    ranks: tuple[RankOrder, ...] = ()
    """Its processes where it has several on this node, each with an environment and a log of its own."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a job has ended. Nothing of its process tree is left."""

    code: int | None
    """Exit code of the main process, negative for a signal; None when it never started or its end was not seen."""
    error: str = ""
    """Why there is no code, or what is left of the tree, as a sentence; else empty."""
    cpu_s: float = 0.0
    """User and system CPU seconds of the whole tree."""
    max_rss_bytes: int = 0
    """Largest resident memory of one of its processes; at least that of the warm process it was forked from."""
    oom: bool = False
    """Whether the kernel killed for lack of memory meanwhile, and the job failed."""
    kept: bool = False
    """Whether its main process waits for the next job."""
    renewed: str = ""
    """Why its main process cannot have the next job, though it was to; else empty."""
    failed_rank: int | None = None
    """Index of the process that failed first, where the job has several; else None."""


class ForkServerClient:
    """A running helper process and its control socket; create it with ``start``.

    Belongs to the event loop it was started in, which may run in any thread. All methods are for that loop.
    """

    def __init__(self) -> None:
        self.pid = 0
        """Process id of the helper process."""
        self.problems: dict[str, str] = {}
        """Modules of ``preload`` that are not preloaded, and why."""
        self._transport: asyncio.WriteTransport | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[Exit] | None = None
        self._gone = asyncio.Event()
        self._on_begin: Callable[[int], None] | None = None
        self._begin_error: Exception | None = None
        self._main = 0
        self._log_path = ""
        self._mark = orphans.new_mark()

    @classmethod
    async def start(
        cls,
        preload: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        *,
        cwd: str = "",
        python: str | None = None,
        remove: Sequence[str] = (),
        learn: bool = True,
        forks: bool = False,
    ) -> ForkServerClient:
        """Starts the helper process and waits until it has imported what it is to import.

        Args:
            preload: Modules to import once, for forked jobs to find there.
            env: Environment of the helper, which is what libraries see that look at it when they are imported; that of
                this process when None.
            cwd: Folder with the user's code, first on the module path of functions; none when empty.
            python: The interpreter; the running one when None.
            remove: Files (sockets) that the helper deletes at its end, which comes after that of this process.
            learn: Whether later Python jobs find the installed modules already imported that the first has used.
            forks: Whether Python jobs will come, so that it gets ready for them before the first one.

        Raises:
            OSError: The interpreter cannot be started.
            RuntimeError: The helper ended before it was ready.
        """
        fork_server = cls()
        loop = asyncio.get_running_loop()
        env = {**(os.environ if env is None else env), orphans.MARK: fork_server._mark}
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                await loop.run_in_executor(None, _spawn, python or sys.executable, theirs.fileno(), env)
            except BaseException:
                ours.close()
                raise
        await loop.create_unix_connection(lambda: _Link(fork_server), sock=ours)
        setup: Setup = {
            "do": "setup",
            "preload": list(preload),
            "sys_path": [os.path.abspath(entry) for entry in sys.path],
            "code_dir": os.path.abspath(cwd) if cwd else "",
            "remove": list(remove),
            "learn": learn,
            "forks": forks,
        }
        fork_server._send(setup)
        try:
            await fork_server._ready
        except asyncio.CancelledError:
            await fork_server.close()
            raise
        return fork_server

    @property
    def alive(self) -> bool:
        """Whether the helper can take a job; one that is under way does not matter."""
        return self._transport is not None

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._ended is not None

    async def run(self, job: Job, on_begin: Callable[[int], None] | None = None) -> Exit:
        """Runs a job to its end, the end of its whole process tree. Cancelling the call kills the tree.

        Args:
            job: What to run.
            on_begin: Called with the process id once it is known; when it raises, the job is killed, the error raised.

        Raises:
            RuntimeError: A job is under way.
        """
        if self._ended is not None:
            raise RuntimeError("a job is running; a helper process runs one job at a time")
        if self._transport is None:
            return Exit(None, LOST.format(pid=self.pid))
        ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._ended = ended
        self._on_begin, self._begin_error, self._main = on_begin, None, 0
        self._log_path = job.log_path
        self._send({"do": "run", "job": _as_json(job, self._mark)})
        try:
            exit_ = await asyncio.shield(ended)
        except asyncio.CancelledError:
            self.kill()
            raise
        if self._begin_error is not None:
            raise self._begin_error
        return exit_

    async def stop(self, grace_s: float) -> None:
        """Ends the job: SIGTERM to its tree, SIGKILL after ``grace_s`` seconds; returns when nothing is left of it."""
        ended = self._ended
        if ended is None:
            return
        self._send({"do": "stop", "grace_s": grace_s})
        await asyncio.shield(ended)

    def kill(self) -> None:
        """Kills the job's tree now; ``run`` returns when it is gone."""
        self._send({"do": "stop", "grace_s": 0})

    async def close(self) -> None:
        """Kills what runs and ends the helper process; returns when it is gone."""
        self.kill()
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        await self._gone.wait()

    # ------------------------------------------------------------------ what the helper says

    def _send(self, message: Mapping[str, object]) -> None:
        if self._transport is not None:
            self._transport.write(json.dumps(message).encode() + b"\n")

    def _take(self, message: Mapping[str, Any]) -> None:
        if "began" in message:
            self._main = message["began"]
            try:
                if self._on_begin is not None:
                    self._on_begin(self._main)
            except Exception as error:
                self._begin_error = error
                self.kill()
        elif "ended" in message:
            self._finish(Exit(**message["ended"]))
        elif "ready" in message:
            self.pid, self.problems = message["ready"], message["problems"]
            if not self._ready.done():
                self._ready.set_result(None)

    def _finish(self, exit_: Exit) -> None:
        ended, self._ended = self._ended, None
        if ended is not None and not ended.done():
            ended.set_result(exit_)

    def _lost(self) -> None:
        self._transport = None
        if not self._ready.done():
            self._ready.set_exception(RuntimeError("the helper process of the trial actor ended before it was ready"))
        if self._ended is None:
            self._gone.set()
        else:
            self._clearing = asyncio.get_running_loop().create_task(self._clear())

    async def _clear(self) -> None:
        """The kernel has killed the main process with its parent; what that had started is ours to end."""
        await asyncio.get_running_loop().run_in_executor(None, orphans.end, self._mark, self._main, self._log_path)
        self._gone.set()
        self._finish(Exit(None, LOST.format(pid=self.pid)))


class _Link(asyncio.Protocol):
    """The control socket: lines in, one call each."""

    def __init__(self, fork_server: ForkServerClient) -> None:
        self._fork_server = fork_server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._fork_server._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._fork_server._take(json.loads(line))

    def connection_lost(self, error: Exception | None) -> None:
        self._fork_server._lost()


def _as_json(job: Job, mark: str) -> JobOrder:
    # Not asdict, which copies an environment name by name: half a millisecond of each trial.
    return {
        "argv": list(job.argv),
        "function_path": job.function_path,
        "params": dict(job.params),
        "tuples": variables.tuples_in(job.params),
        "metric": job.metric,
        "reuse": job.reuse,
        "script": job.script,
        "arguments": list(job.arguments),
        "cwd": job.cwd,
        "env": {**job.env, orphans.MARK: mark},
        "log_path": job.log_path,
        "grace_s": job.grace_s,
        "ranks": list(job.ranks),
    }


def _spawn(python: str, control: int, env: Mapping[str, str] | None) -> None:
    """Starts the helper and waits for the first half of its double fork."""
    command = boot.command(python, str(control))
    with subprocess.Popen(
        command, env=env, cwd="/", pass_fds=(control,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        process.wait()
