"""A process that is forked while the job before it runs: it becomes the next one, and no job's end is its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from process_bench import DAEMON, PIDS, Bench, is_alive, keep
from waiting import async_wait_until, wait_until

from raydrive.runtime.fork_server import prefork, process_tree
from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient, Job

pytestmark = pytest.mark.skipif(not process_tree.sees_children(), reason="this kernel does not tell children apart")


def train(params: dict[str, Any]) -> None:
    """Runs until its gate is there, if it has one."""
    import os
    import time

    while params.get("gate") and not os.path.exists(params["gate"]):
        time.sleep(0.005)
    print("ran", params.get("n"), os.environ.get("ONLY"), os.getcwd(), flush=True)


def gated(bench: Bench, name: str) -> tuple[Job, Path]:
    """A job that runs until the file it comes with is made."""
    gate = bench.folder / f"gate-{name}"
    return bench.function(train, params={"n": name, "gate": str(gate)}), gate


async def waiting_beside(keeper: ForkServerClient, main: int) -> int:
    """Returns the process that waits for the next job while one with the main process ``main`` runs."""

    def others() -> list[int]:
        return [child.pid for child in psutil.Process(keeper.pid).children() if child.pid != main]

    await async_wait_until(lambda: len(others()) == 1, "the next job's process")
    return others()[0]


def plain(bench: Bench) -> Job:
    return bench.function(train)


class Running:
    """A job that runs beside the process of the next one."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    async def start(self, keeper: ForkServerClient, job: Job, first: Job) -> asyncio.Task[Exit]:
        """Starts ``job`` after ``first`` and waits until the process of the one after it is there."""
        for _ in range(2):  # so that nothing is left that the helper has to import
            assert (await keeper.run(first)).code == 0
        task = asyncio.create_task(keeper.run(job, self.pids.append))
        await async_wait_until(lambda: len(self.pids) == 1, "its process")
        self.waiting = await waiting_beside(keeper, self.pids[0])
        return task


def test_the_next_job_becomes_what_waits_for_it_with_all_that_is_its_own(bench: Bench) -> None:
    running = Running()
    other = bench.folder / "other"
    other.mkdir()

    async def body(keeper: ForkServerClient) -> int:
        job, gate = gated(bench, "a")
        task = await running.start(keeper, job, plain(bench))
        gate.touch()
        ended = await task
        assert (ended.code, ended.error) == (0, "")
        env = {**bench.env, "ONLY": "mine"}
        log = str(bench.folder / "its.log")
        job = bench.function(train, params={"n": "b"}, env=env, cwd=str(other), log_path=log)
        ended = await keeper.run(job, running.pids.append)
        assert (ended.code, ended.error) == (0, "")
        assert ended.cpu_s > 0
        assert ended.max_rss_bytes > 1_000_000
        return keeper.pid

    helper = keep(body)
    assert running.pids[1] == running.waiting
    assert (bench.folder / "its.log").read_text() == f"ran b mine {other}\n"
    assert bench.text.splitlines()[2:] == [f"ran a None {bench.folder}"]
    wait_until(lambda: not is_alive(helper), "the end of the helper")
    assert not any(map(is_alive, running.pids))


def test_it_is_no_part_of_the_tree_that_is_ended_beside_it(bench: Bench) -> None:
    def leaves(params: dict[str, Any]) -> None:
        exec(params["code"], {})

    running = Running()

    async def body(keeper: ForkServerClient) -> None:
        # First: what a job leaves behind is killed at its end. It takes SIGTERM for nothing, in sessions of its own.
        first = bench.function(leaves, params={"code": "import signal, subprocess, sys, time"})
        gate = bench.folder / "gate"
        wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        job = bench.function(leaves, params={"code": wait + PIDS + DAEMON})
        assert (await keeper.run(first)).code == 0
        task = await running.start(keeper, job, plain(bench))
        gate.touch()
        assert (await task).code == 0
        assert len(bench.pids) == 4
        assert bench.living() == []
        assert is_alive(running.waiting)
        # Second: a stop ends the tree, here the one that has just been started from what waited.
        job, _ = gated(bench, "never")
        task = asyncio.create_task(keeper.run(job, running.pids.append))
        await async_wait_until(lambda: len(running.pids) == 2, "the second process")
        assert running.pids[1] == running.waiting
        third = await waiting_beside(keeper, running.pids[1])
        await keeper.stop(30)
        assert (await task).code == -signal.SIGTERM
        # Third: killed at once.
        task = asyncio.create_task(keeper.run(job, running.pids.append))
        await async_wait_until(lambda: len(running.pids) == 3, "the third process")
        assert running.pids[2] == third
        fourth = await waiting_beside(keeper, third)
        keeper.kill()
        assert (await task).code == -signal.SIGKILL
        assert (await keeper.run(plain(bench), running.pids.append)).code == 0
        assert running.pids[3] == fourth

    keep(body)
    assert not any(map(is_alive, running.pids))


def test_a_job_that_keeps_forking_is_killed_and_it_stays(bench: Bench) -> None:
    def grow(params: dict[str, Any]) -> None:
        import os
        import signal
        import time

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end = time.monotonic() + 60

        def more(depth: int) -> None:
            with open(os.environ["PIDS"], "a") as file:
                file.write(f"{os.getpid()}\n")
            while time.monotonic() < end:
                if os.fork() == 0:
                    os.setsid()
                    if depth < 3:
                        more(depth + 1)
                    time.sleep(0.05)
                    os._exit(0)
                time.sleep(0.02 * 4**depth)

        more(0)

    running = Running()

    async def body(keeper: ForkServerClient) -> None:
        task = await running.start(keeper, bench.function(grow), plain(bench))
        await async_wait_until(lambda: len(bench.pids) > 10, "the bomb")
        keeper.kill()
        assert (await task).code == -signal.SIGKILL
        assert bench.living() == []
        assert (await keeper.run(plain(bench), running.pids.append)).code == 0

    keep(body)
    assert running.pids[1] == running.waiting


@pytest.mark.parametrize("when", ["while a job runs", "between two jobs"])
def test_one_that_is_gone_costs_nobody_anything(bench: Bench, when: str) -> None:
    running = Running()

    async def body(keeper: ForkServerClient) -> None:
        job, gate = gated(bench, "a")
        task = await running.start(keeper, job, plain(bench))
        if when == "while a job runs":
            os.kill(running.waiting, signal.SIGKILL)
            await async_wait_until(lambda: not psutil.pid_exists(running.waiting), "its end, seen by the helper")
            assert not task.done()
            gate.touch()
            assert (await task).code == 0
        else:
            gate.touch()
            assert (await task).code == 0
            os.kill(running.waiting, signal.SIGKILL)
            await async_wait_until(lambda: not is_alive(running.waiting), "its end")
        for _ in range(3):
            assert (await keeper.run(plain(bench), running.pids.append)).code == 0

    keep(body)
    assert running.waiting not in running.pids
    assert len(set(running.pids)) == 4


@pytest.mark.parametrize("stopped", [False, True])
def test_one_that_is_killed_at_that_moment_has_not_had_the_job(bench: Bench, stopped: bool) -> None:
    pids: list[int] = []

    async def body(keeper: ForkServerClient) -> None:
        for number in range(8):
            running = Running()
            job, gate = gated(bench, str(number))
            task = await running.start(keeper, job, plain(bench))
            gate.touch()
            await task
            if stopped:
                os.kill(running.waiting, signal.SIGSTOP)
            os.kill(running.waiting, signal.SIGKILL)
            assert (await keeper.run(plain(bench), pids.append)).code == 0
            assert pids[-1] != running.waiting

    keep(body)


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_one_that_was_stopped_goes_on(bench: Bench, size: int) -> None:
    running = Running()

    async def body(keeper: ForkServerClient) -> None:
        job, gate = gated(bench, "a")
        task = await running.start(keeper, job, plain(bench))
        os.kill(running.waiting, signal.SIGSTOP)
        gate.touch()
        assert (await task).code == 0
        job = bench.function(train, params={"text": "x" * size})
        assert (await keeper.run(job, running.pids.append)).code == 0

    keep(body)
    assert running.pids[1] == running.waiting


def test_without_a_descriptor_to_look_with_a_job_ends_as_it_did(bench: Bench) -> None:
    running = Running()

    async def body(keeper: ForkServerClient) -> None:
        job, gate = gated(bench, "a")
        task = await running.start(keeper, job, plain(bench))
        helper = psutil.Process(keeper.pid)
        limits = helper.rlimit(psutil.RLIMIT_NOFILE)
        helper.rlimit(psutil.RLIMIT_NOFILE, (3, limits[1]))
        gate.touch()
        ended = await task
        assert (ended.code, ended.error) == (0, "")
        assert not is_alive(running.waiting)
        helper.rlimit(psutil.RLIMIT_NOFILE, limits)
        assert (await keeper.run(plain(bench), running.pids.append)).code == 0

    keep(body)
    assert len(set(running.pids)) == 2


def test_sigterm_ends_what_it_is_sent_to_however_young_that_is(bench: Bench) -> None:
    async def body(keeper: ForkServerClient) -> list[int | None]:
        codes = []
        for number in range(20):
            pids: list[int] = []
            job, _ = gated(bench, f"never-{number}")
            task = asyncio.create_task(keeper.run(job, pids.append))
            while not pids:
                await asyncio.sleep(0)
            await keeper.stop(30)  # as soon as there is a process, forked just now or before
            codes.append((await task).code)
        return codes

    assert keep(body) == [-signal.SIGTERM] * 20


@pytest.mark.parametrize("spare", [0, 2, 3])
def test_a_job_goes_on_where_none_can_be_forked_beside_it(bench: Bench, spare: int) -> None:
    pids: list[int] = []

    async def body(keeper: ForkServerClient) -> None:
        for _ in range(2):
            assert (await keeper.run(plain(bench))).code == 0
        helper = psutil.Process(keeper.pid)
        limits = helper.rlimit(psutil.RLIMIT_NOFILE)
        job, gate = gated(bench, "a")
        task = asyncio.create_task(keeper.run(job, pids.append))
        await async_wait_until(lambda: len(pids) == 1, "its process")
        taken = {int(fd) for fd in os.listdir(f"/proc/{helper.pid}/fd")}
        free = [fd for fd in range(64) if fd not in taken]
        helper.rlimit(psutil.RLIMIT_NOFILE, (free[spare], limits[1]))  # with two to spare, a socket and no pipe
        await asyncio.sleep(10 * prefork.AFTER_S)
        assert [child.pid for child in helper.children()] == pids
        assert helper.num_fds() == len(taken), "what there was for it has been closed"
        gate.touch()
        assert (await task).code == 0
        helper.rlimit(psutil.RLIMIT_NOFILE, limits)
        assert (await keeper.run(plain(bench), pids.append)).code == 0

    keep(body)
    assert len(set(pids)) == 2


def test_it_goes_with_the_helper_however_that_ends(bench: Bench) -> None:
    running = Running()

    async def body(keeper: ForkServerClient) -> None:
        job, _ = gated(bench, "a")
        task = await running.start(keeper, job, plain(bench))
        os.kill(keeper.pid, signal.SIGKILL)
        ended = await task
        assert ended.code is None
        assert "is gone" in ended.error
        await async_wait_until(lambda: not is_alive(running.waiting), "the end of the one that waited")
        await async_wait_until(lambda: not is_alive(running.pids[0]), "the end of the job")

    keep(body)


def test_what_the_first_job_has_imported_is_there(bench: Bench) -> None:
    def first(params: dict[str, Any]) -> None:
        import sys
        import time

        time.sleep(0.2)  # until the next one's process has been forked
        print("colorsys" in sys.modules)
        import colorsys  # noqa: F401

    async def body(keeper: ForkServerClient) -> None:
        for job in (plain(bench), bench.function(first), *[bench.function(first)] * 3):
            assert (await keeper.run(job)).code == 0

    keep(body)
    assert bench.text.split()[-4:] == ["False", "True", "True", "True"]


def test_each_draws_numbers_of_its_own(bench: Bench) -> None:
    def draw(params: dict[str, Any]) -> None:
        import random
        import time

        import numpy

        time.sleep(0.2)
        print(random.random(), numpy.random.random())

    async def body(keeper: ForkServerClient) -> None:
        for _ in range(5):
            assert (await keeper.run(bench.function(draw))).code == 0

    keep(body, preload=["random", "numpy.random"])
    assert len(set(bench.text.split())) == 10


def test_it_fails_as_any_other(bench: Bench) -> None:
    running = Running()

    async def body(keeper: ForkServerClient) -> list[Exit]:
        job, gate = gated(bench, "a")
        task = await running.start(keeper, job, plain(bench))
        gate.touch()
        await task
        broken = bench.function(train, cwd=str(bench.folder / "nowhere"))
        missing = bench.job(function_path=str(bench.folder / "none.pkl"))
        return [await keeper.run(job, running.pids.append) for job in (broken, missing, plain(bench))]

    broken, missing, good = keep(body)
    assert running.pids[1] == running.waiting
    assert (broken.code, "nowhere': no such file or directory" in broken.error) == (None, True)
    assert missing.code == 1
    assert "FileNotFoundError" in bench.text
    assert good.code == 0


def test_a_job_larger_than_any_buffer(bench: Bench) -> None:
    def count(params: dict[str, Any]) -> None:
        print(len(params["text"]))

    running = Running()

    async def body(keeper: ForkServerClient) -> None:
        job, gate = gated(bench, "a")
        task = await running.start(keeper, job, plain(bench))
        gate.touch()
        await task
        job = bench.function(count, params={"text": "x" * 5_000_000})
        assert (await keeper.run(job, running.pids.append)).code == 0

    keep(body)
    assert running.pids[1] == running.waiting
    assert bench.text.endswith("5000000\n")


def test_scripts_are_forked_ahead_and_programs_and_reused_processes_are_not(bench: Bench) -> None:
    async def body(keeper: ForkServerClient) -> None:
        pids: list[int] = []
        script = bench.script("import time\ntime.sleep(0.3)")
        for _ in range(2):
            assert (await keeper.run(script)).code == 0
        task = asyncio.create_task(keeper.run(script, pids.append))
        await async_wait_until(lambda: len(pids) == 1, "the script")
        waiting = await waiting_beside(keeper, pids[0])
        assert (await task).code == 0
        for job in (bench.python("note()"), bench.function(train, reuse=True)):
            assert (await keeper.run(job, pids.append)).code == 0
            assert not is_alive(waiting), "it was for another kind of job"
            time.sleep(0.1)
            assert {child.pid for child in psutil.Process(keeper.pid).children()} <= {pids[-1]}

    keep(body)
