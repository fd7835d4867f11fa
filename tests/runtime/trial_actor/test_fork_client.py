"""Real processes, really killed. Everything a test starts writes its pid into a file, and is looked up there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest
from process_bench import DAEMON, Bench, is_alive, keep, run
from waiting import LIMIT_S, async_wait_until, wait_until

from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient


def test_a_thousand_jobs_leak_nothing(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        pass

    async def body(fork_server: ForkServerClient) -> tuple[list[int], list[int]]:
        job = bench.function(train)
        for _ in range(3):
            await fork_server.run(job)
        helper = psutil.Process(fork_server.pid)
        before = [helper.num_fds(), psutil.Process().num_fds(), len(helper.children())]
        for _ in range(1000):
            assert (await fork_server.run(job)).code == 0
        return before, [helper.num_fds(), psutil.Process().num_fds(), len(helper.children())]

    before, after = keep(body)
    assert before == after
    assert after[2] == 0


def test_an_error_in_on_begin_ends_the_job(bench: Bench) -> None:
    def on_begin(pid: int) -> None:
        raise LookupError("nobody home")

    async def body(fork_server: ForkServerClient) -> Exit:
        with pytest.raises(LookupError, match="nobody home"):
            await fork_server.run(bench.job(argv=("sleep", "600")), on_begin)
        return await fork_server.run(bench.job(argv=("true",)))

    assert keep(body).code == 0


def test_one_job_at_a_time(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> Exit:
        running = asyncio.ensure_future(fork_server.run(bench.job(argv=("sleep", "600"))))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one job at a time"):
            await fork_server.run(bench.job(argv=("true",)))
        fork_server.kill()
        return await running

    assert keep(body).code == -signal.SIGKILL


def test_close_kills_the_job_and_ends_the_helper(bench: Bench) -> None:
    async def main() -> int:
        fork_server = await ForkServerClient.start()
        running = asyncio.ensure_future(fork_server.run(bench.python(DAEMON + "time.sleep(600)")))
        await async_wait_until(lambda: "all up" in bench.text, "the tree")
        await fork_server.close()
        assert not fork_server.alive
        assert (await running).code in (None, -signal.SIGKILL)
        again = await fork_server.run(bench.job(argv=("true",)))
        assert again.code is None
        assert "supervises" in again.error
        return fork_server.pid

    pid = asyncio.run(main())
    wait_until(lambda: not is_alive(pid), "the end of the helper")
    assert bench.living() == []


def test_a_killed_helper_is_noticed_and_takes_its_job_along(bench: Bench) -> None:
    async def main() -> Exit:
        fork_server = await ForkServerClient.start()
        job = bench.python("import time\nos.fork()\nnote()\ntime.sleep(600)")
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: len(bench.pids) == 2, "the program")
        os.kill(fork_server.pid, signal.SIGKILL)
        exit_ = await running
        assert not fork_server.alive
        return exit_

    exit_ = asyncio.run(main())
    assert exit_.code is None
    assert "the process that supervises the trial" in exit_.error
    wait_until(lambda: bench.living() == [], "the end of the job")


def test_a_helper_that_is_asked_to_end_ends_its_job_first(bench: Bench) -> None:
    async def main() -> Exit:
        fork_server = await ForkServerClient.start()
        running = asyncio.ensure_future(fork_server.run(bench.python("import time\nnote()\ntime.sleep(600)")))
        await async_wait_until(lambda: len(bench.pids) == 1, "the program")
        os.kill(fork_server.pid, signal.SIGTERM)
        exit_ = await running
        await fork_server.close()
        return exit_

    assert asyncio.run(main()).code == -signal.SIGTERM


ACTOR = """
import asyncio, json, sys
from raydrive.runtime.trial_actor.fork_client import Job, ForkServerClient

async def main():
    fork_server = await ForkServerClient.start(remove=[sys.argv[2]])
    print(fork_server.pid, flush=True)
    await fork_server.run(Job(**json.loads(sys.argv[1])))

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_actor_dies_its_job_gets_the_grace_and_then_is_gone(bench: Bench, number: int) -> None:
    code = (
        DAEMON
        + """
def save(*_):
    print("told", flush=True)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
while True: time.sleep(1)
"""
    )
    job = bench.python(code)
    fields = {"argv": job.argv, "cwd": job.cwd, "env": dict(job.env), "log_path": job.log_path, "grace_s": 0.5}
    find_existing = bench.folder / "socket"
    find_existing.touch()
    actor = subprocess.Popen(
        [sys.executable, "-c", ACTOR, json.dumps(fields), str(find_existing)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert actor.stdout is not None
        helper = int(actor.stdout.readline())
        wait_until(lambda: "ready" in bench.text, "the tree")
        assert helper not in [child.pid for child in psutil.Process(actor.pid).children(recursive=True)]
        actor.send_signal(number)
        actor.wait(LIMIT_S)
        wait_until(lambda: not is_alive(helper), "the end of the helper")
    finally:
        actor.kill()
        actor.wait()
        assert actor.stdout is not None
        actor.stdout.close()
    assert bench.living() == []
    assert "told" in bench.text
    assert not find_existing.exists()


def test_the_loop_may_run_in_any_thread(bench: Bench) -> None:
    import threading

    exits: list[Exit] = []
    thread = threading.Thread(target=lambda: exits.append(run(bench.job(argv=("true",)))))
    thread.start()
    thread.join(LIMIT_S)
    assert exits[0].code == 0


def test_an_interpreter_that_does_not_exist() -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await ForkServerClient.start(python="/no/such/python")
        with pytest.raises(RuntimeError, match="ended before it was ready"):
            await ForkServerClient.start(python="/bin/false")

    asyncio.run(main())
