"""A job's process tree is over as a whole, whatever it does with signals and sessions."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from process_bench import DAEMON, Bench, keep, run
from waiting import async_wait_until

from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient


def test_what_a_program_leaves_behind_is_killed_at_its_end(bench: Bench) -> None:
    exit_ = run(bench.python(DAEMON))
    assert exit_.code == 0
    assert "all up" in bench.text
    assert len(bench.pids) == 4
    assert bench.living() == []


def test_stop_ends_what_ignores_sigterm_after_the_grace(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> tuple[Exit, float]:
        running = asyncio.ensure_future(fork_server.run(bench.python(DAEMON + "time.sleep(600)")))
        await async_wait_until(lambda: "all up" in bench.text, "the tree")
        began = time.monotonic()
        await fork_server.stop(0.5)
        took = time.monotonic() - began
        assert bench.living() == []
        return await running, took

    exit_, took = keep(body)
    assert exit_.code == -signal.SIGKILL
    assert not exit_.oom
    assert took > 0.45, "it had its grace"


def test_stop_lets_a_process_behind_a_shell_save_its_work(bench: Bench) -> None:
    code = """
    import signal, sys, time
    def save(*_):
        time.sleep(0.5)
        print("saved", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, save)
    note(); print("up", flush=True)
    time.sleep(600)
    """
    python = bench.python(code)

    async def body(fork_server: ForkServerClient) -> Exit:
        job = bench.job(argv=("sh", "-c", f"{' '.join(python.argv)}; true"))
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: "up" in bench.text, "the program")
        await fork_server.stop(30)
        return await running

    assert keep(body).code == -signal.SIGTERM
    assert bench.text == "up\nsaved\n"


def test_kill_and_cancel_are_immediate(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> None:
        job = bench.python("import signal, time\nsignal.signal(15, signal.SIG_IGN)\nnote()\ntime.sleep(600)")
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: len(bench.pids) == 1, "the program")
        stopping = asyncio.ensure_future(fork_server.stop(3600))  # longer than a test may take
        fork_server.kill()
        assert (await running).code == -signal.SIGKILL
        await stopping
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: len(bench.pids) == 2, "the second program")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await async_wait_until(lambda: not fork_server.busy, "the end of the cancelled job")

    keep(body)
    assert bench.living() == []


def test_a_tree_that_keeps_forking_is_killed(bench: Bench) -> None:
    code = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end = time.monotonic() + 60
    def grow(depth):
        note()
        while time.monotonic() < end:
            if os.fork() == 0:
                os.setsid()
                if depth < 3: grow(depth + 1)
                note(); time.sleep(0.05); os._exit(0)
            time.sleep(0.02 * 4 ** depth)
    grow(0)
    """

    async def body(fork_server: ForkServerClient) -> Exit:
        running = asyncio.ensure_future(fork_server.run(bench.python(code)))
        await async_wait_until(lambda: len(bench.pids) > 30, "the bomb")
        fork_server.kill()
        return await running

    assert keep(body).code == -signal.SIGKILL
    seen = len(bench.pids)
    assert bench.living() == []
    time.sleep(0.2)
    assert len(bench.pids) == seen


def test_a_stopped_process_is_ended_too(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> Exit:
        job = bench.python("import signal, time\nnote()\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(600)")
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: len(bench.pids) == 1, "the program")
        await fork_server.stop(30)
        return await running

    assert keep(body).code == -signal.SIGTERM
