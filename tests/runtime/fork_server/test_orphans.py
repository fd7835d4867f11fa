"""What a killed helper leaves behind is found and ended; nobody else's processes are."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import process_bench
import pytest
from process_bench import Bench, is_alive
from waiting import async_wait_until, wait_until

from raydrive.runtime.fork_server import orphans
from raydrive.runtime.trial_actor.fork_client import ForkServerClient

FAMILY = """
    import subprocess, sys, time
    note()
    code = "import os, time; open(os.environ['PIDS'], 'a').write(f'{os.getpid()}\\\\n'); time.sleep(600)"
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    subprocess.Popen([sys.executable, "-I", "-c", code], **quiet)
    bare = code.replace("os.environ['PIDS']", repr(os.environ["PIDS"]))
    subprocess.Popen(["env", "-i", sys.executable, "-I", "-c", bare], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note()
            time.sleep(600)
        os._exit(0)
    time.sleep(600)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    left = bench.living()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, "processes outlived their helper and what should have ended them"


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="needs /proc")
@pytest.mark.parametrize("kind", ["program", "function"])
def test_what_a_killed_helper_leaves_is_ended_before_the_job_is_over(bench: Bench, kind: str) -> None:
    def train(params: dict[str, Any]) -> None:
        exec(params["code"], {})

    code = "import os\ndef note():\n    open(os.environ['PIDS'], 'a').write(f'{os.getpid()}\\n')\n"
    code += textwrap.dedent(FAMILY)

    async def body() -> None:
        keeper = await ForkServerClient.start(env=bench.env)
        beside = subprocess.Popen(["sleep", "60"])
        job = bench.python(FAMILY) if kind == "program" else bench.function(train, params={"code": code})
        running = asyncio.ensure_future(keeper.run(job))
        await async_wait_until(lambda: len(set(bench.pids)) == 4, "the whole family")
        os.kill(keeper.pid, signal.SIGKILL)
        exit_ = await running
        assert exit_.code is None
        assert "is gone" in exit_.error
        await async_wait_until(lambda: not bench.living(), "their ends")  # killed, and perhaps not yet reaped
        assert beside.poll() is None
        beside.kill()
        beside.wait()

    asyncio.run(body())


ACTOR = """
import asyncio, sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from process_bench import Bench
from raydrive.runtime.trial_actor.fork_client import ForkServerClient

async def main():
    bench = Bench(Path({folder!r}))
    keeper = await ForkServerClient.start(env=bench.env)
    print(keeper.pid, flush=True)
    await keeper.run(bench.python({code!r}))

asyncio.run(main())
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="needs /proc")
def test_who_starts_next_ends_what_actor_and_helper_left(bench: Bench) -> None:
    code = FAMILY.replace('"env", "-i", ', "")  # this one may tell whose it is
    source = ACTOR.format(tests=os.path.dirname(process_bench.__file__), folder=str(bench.folder), code=code)
    actor = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert actor.stdout is not None
    helper = int(actor.stdout.readline())
    wait_until(lambda: len(set(bench.pids)) == 4, "the whole family")
    orphans.sweep()
    assert len(bench.living()) == 4  # actor and helper are there, so it is theirs
    for pid in (helper, actor.pid):
        os.kill(pid, signal.SIGSTOP)  # neither may see the other's end and tidy up
    os.kill(actor.pid, signal.SIGKILL)
    actor.wait()
    actor.stdout.close()
    orphans.sweep()
    assert len(bench.living()) == 4  # the helper is there, and ends them within their grace period
    os.kill(helper, signal.SIGKILL)
    wait_until(lambda: not is_alive(helper), "the helper's end")
    beside = subprocess.Popen(["sleep", "60"], env={**os.environ, orphans.MARK: orphans.new_mark()})
    strange = subprocess.Popen(["sleep", "60"], env={**os.environ, orphans.MARK: "1.2"})
    orphans.sweep()
    wait_until(lambda: not bench.living(), "their ends")
    for other in (beside, strange):
        assert other.poll() is None
        other.kill()
        other.wait()


def test_a_mark_names_its_maker() -> None:
    mark = orphans.new_mark()
    assert mark.startswith(f"{os.getpid()}.")
    assert mark != orphans.new_mark()
