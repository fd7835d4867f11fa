"""Several processes of one job on a node: started, watched and ended as one."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from process_bench import Bench, is_alive, keep
from waiting import async_wait_until

from raydrive.runtime.fork_server.local_ranks import read_status
from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient

SIZE = 3
ALL_UP = "echo $$ >> $PIDS; while [ $(wc -l < $PIDS) -lt 3 ]; do sleep 0.01; done;"


def ranks(bench: Bench) -> tuple[Any, ...]:
    return tuple(
        {"env": {"RANK": str(rank)}, "log_path": str(bench.folder / f"rank_{rank}.txt")} for rank in range(SIZE)
    )


def logs(bench: Bench) -> list[str]:
    return [(bench.folder / f"rank_{rank}.txt").read_text() for rank in range(SIZE)]


def run(bench: Bench, script: str, **fields: Any) -> Exit:
    async def body(fork_server: ForkServerClient) -> Exit:
        return await fork_server.run(bench.job(argv=("sh", "-c", script), ranks=ranks(bench), **fields))

    return keep(body)


def test_each_has_its_variables_and_its_log(bench: Bench) -> None:
    assert run(bench, "echo this is $RANK").code == 0
    assert logs(bench) == ["this is 0\n", "this is 1\n", "this is 2\n"]


def test_the_first_that_fails_gives_code_and_rank_and_the_others_get_sigterm(bench: Bench) -> None:
    ended = run(bench, f"trap 'echo asked; exit 3' TERM; {ALL_UP} [ $RANK = 1 ] && exit 7; sleep 600 & wait")
    assert (ended.code, ended.failed_rank) == (7, 1)
    assert [text.endswith("asked\n") for text in logs(bench)] == [True, False, True]


def test_one_that_is_killed_gives_its_signal(bench: Bench) -> None:
    ended = run(bench, "[ $RANK = 2 ] && kill -9 $$; sleep 600")
    assert (ended.code, ended.failed_rank) == (-9, 2)


def test_those_that_ignore_sigterm_are_gone_after_the_grace_period(bench: Bench) -> None:
    ended = run(bench, f"trap '' TERM; {ALL_UP} [ $RANK = 0 ] && exit 5; while :; do sleep 0.1; done", grace_s=0.3)
    assert (ended.code, ended.failed_rank) == (5, 0)
    assert not any(is_alive(int(pid)) for pid in bench.pid_file.read_text().split())


def test_a_stop_ends_all(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> Exit:
        job = bench.job(argv=("sh", "-c", "echo $$ >> $PIDS; sleep 600"), ranks=ranks(bench))
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: len(pids()) == SIZE, "all ranks")
        await fork_server.stop(2.0)
        return await running

    def pids() -> list[int]:
        return [int(pid) for pid in bench.pid_file.read_text().split()] if bench.pid_file.exists() else []

    assert keep(body).code != 0
    assert not any(map(is_alive, pids()))


def test_what_cannot_be_started_is_told_once(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> Exit:
        return await fork_server.run(bench.job(argv=("no-such-program",), ranks=ranks(bench)))

    ended = keep(body)
    assert ended.code is None
    assert ended.error == "cannot start 'no-such-program': no such program on the PATH of the trial"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"", (b"", None)),
        (b"Mjson,numpy", (b"Mjson,numpy", None)),
        (b"Eno such program\0Eno such program\0\0R1\0", (b"Eno such program\0Eno such program\0", 1)),
        (b"\0R12\0Eno such program\0", (b"Eno such program\0", 12)),
        (b"Eno such program\0\0R0\0Eno such program\0", (b"Eno such program\0Eno such program\0", 0)),
    ],
)
def test_in_whatever_order_the_status_pipe_is_written(written: bytes, told: tuple[bytes, int | None]) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, written)
    os.close(theirs)
    assert read_status(ours) == told
    os.close(ours)


@pytest.mark.parametrize("kind", ["function", "script"])
def test_forked_python_draws_numbers_of_its_own_in_each(bench: Bench, kind: str) -> None:
    def draw(params: dict[str, Any]) -> None:
        import os
        import random

        import numpy as np

        print(os.environ["RANK"], random.random(), np.random.random(), flush=True)

    async def body(fork_server: ForkServerClient) -> Exit:
        if kind == "function":
            job = bench.function(draw, ranks=ranks(bench))
        else:
            (bench.folder / "draw.py").write_text(
                "import os, random, numpy as np\nprint(os.environ['RANK'], random.random(), np.random.random())\n"
            )
            job = bench.job(script="draw.py", ranks=ranks(bench))
        await fork_server.run(job)
        (bench.folder / "rank_0.txt").unlink()
        return await fork_server.run(job)  # with what the first one has imported

    assert keep(body).code == 0
    lines = [text.splitlines()[-1].split() for text in logs(bench)]
    assert [line[0] for line in lines] == ["0", "1", "2"]
    assert len({line[1] for line in lines}) == SIZE
    assert len({line[2] for line in lines}) == SIZE
