"""A folder for jobs of a fork server, and the processes that they noted: what its tests start, and look up there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient, Job

PIDS = "import os\ndef note():\n    with open(os.environ['PIDS'], 'a') as f: f.write(f'{os.getpid()}\\n')\n"
"""The head of a program that notes the pids of its processes."""
DAEMON = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def daemon():
    if os.fork(): return
    os.setsid()
    if os.fork(): os._exit(0)
    note(); time.sleep(600)
daemon()
subprocess.Popen(["setsid", "sh", "-c", "trap '' TERM; echo $$ >> $PIDS; while :; do sleep 0.1; done"])
if os.fork() == 0:
    os.setsid(); note(); time.sleep(600)
note()
while len(open(os.environ["PIDS"]).readlines()) < 4: time.sleep(0.01)
print("all up", flush=True)
"""
"""A program that ignores SIGTERM, with three more processes in process groups of their own."""


class Bench:
    """A folder for jobs, and the pids that they have noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.txt"
        self.pid_file = folder / "pids"
        self.env = {"PATH": os.environ["PATH"], "PIDS": str(self.pid_file), "HOME": str(folder)}

    def job(self, **fields: Any) -> Job:
        given = {"cwd": str(self.folder), "env": self.env, "log_path": str(self.log), "grace_s": 1.0}
        return Job(**{**given, **fields})

    def function(self, function: Callable[[dict[str, Any]], Any], **fields: Any) -> Job:
        path = self.folder / f"{getattr(function, '__name__', 'function')}.pkl"
        path.write_bytes(cloudpickle.dumps(function))
        return self.job(function_path=str(path), **fields)

    def python(self, code: str, **fields: Any) -> Job:
        path = self.folder / "program.py"
        path.write_text(PIDS + textwrap.dedent(code))
        return self.job(argv=(sys.executable, "-I", str(path)), **fields)

    def script(self, code: str, *arguments: str, **fields: Any) -> Job:
        path = self.folder / "script.py"
        path.write_text(textwrap.dedent(code))
        return self.job(script=str(path), arguments=arguments, **fields)

    @property
    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def pids(self) -> list[int]:
        return [int(line) for line in self.pid_file.read_text().split()] if self.pid_file.exists() else []

    def living(self) -> list[int]:
        return [pid for pid in self.pids if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    left = bench.living()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, "processes outlived their keeper"


def keep(body: Callable[[ForkServerClient], Awaitable[Any]], **options: Any) -> Any:
    """Runs ``body`` with a keeper that is closed afterwards."""

    async def main() -> Any:
        keeper = await ForkServerClient.start(**options)
        try:
            return await body(keeper)
        finally:
            await keeper.close()

    return asyncio.run(main())


def run(job: Job, **options: Any) -> Exit:
    exit_ = keep(lambda keeper: keeper.run(job), **options)
    assert isinstance(exit_, Exit)
    return exit_
