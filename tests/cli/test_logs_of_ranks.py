"""``raydrive logs`` of a trial whose processes train together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from recorded_trouble import AT, RUN, begun, config, recorded, sweep_of
from waiting import wait_until

from raydrive.cli.app import run
from raydrive.core.config.run_config import RunConfig
from raydrive.core.config.trial_spec import Resources
from raydrive.core.records import Ended
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.rank_logs import last_lines
from raydrive.storage.run_layout import RunLayout, log_order, rank_log


@pytest.fixture
def gang() -> RunConfig:
    """Of trials with two processes on each of two nodes."""
    given = config(4, max_concurrent_runs=1)
    return replace(given, trial=replace(given.trial, resources=Resources(nodes=2, processes_per_node=2)))


@pytest.fixture
def layout(gang: RunConfig, tmp_path: Path) -> RunLayout:
    return recorded(tmp_path / "storage", gang, begun(0)).layout


def write(layout: RunLayout, at: float, rank: int, text: str) -> None:
    """A rank's process prints, and its node notes when."""
    folder = Path(str(layout.attempt(0, 1).local_path))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / rank_log(rank)).open("a") as log:
        log.write(text)
    with (folder / log_order(rank // 2)).open("a") as order:
        order.write(f"{json.dumps([at, rank, (folder / rank_log(rank)).stat().st_size])}\n")


def printed(capfd: pytest.CaptureFixture[str], tmp_path: Path, *arguments: str) -> str:
    assert run(["logs", RUN, "0", *arguments, "--storage", str(tmp_path / "storage")]) == 0
    return capfd.readouterr().out


def test_all_of_them_by_time_or_one(layout: RunLayout, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for epoch in (1, 2):
        for rank in (2, 0, 3, 1):
            write(layout, AT + 10 * epoch + (2, 0, 3, 1).index(rank), rank, f"epoch {epoch}\n")
    assert printed(capfd, tmp_path) == "".join(
        f"[rank {rank}] epoch {epoch}\n" for epoch in (1, 2) for rank in (2, 0, 3, 1)
    )
    for rank in range(4):
        assert printed(capfd, tmp_path, "--rank", str(rank)) == "epoch 1\nepoch 2\n"
    assert printed(capfd, tmp_path, "--attempt", "2") == ""


def test_a_rank_that_there_is_not(layout: RunLayout, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert printed(capfd, tmp_path, "--rank", "3") == ""  # it has not begun
    assert run(["logs", RUN, "0", "--rank", "4", "--storage", str(tmp_path / "storage")]) != 0
    found = capfd.readouterr()
    assert "trial 0 has no log of rank 4; it has the ranks 0 to 3" in found.err
    assert found.out == ""


def test_a_trial_of_one_process_is_printed_as_ever(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recorded(tmp_path / "storage", config(4, max_concurrent_runs=1), begun(0), {0: "a\nno end"})
    assert printed(capfd, tmp_path) == printed(capfd, tmp_path, "--rank", "0") == "a\nno end"
    assert run(["logs", RUN, "0", "--rank", "1", "--storage", str(tmp_path / "storage")]) != 0
    assert "trial 0 has no log of rank 1; it has rank 0 only" in capfd.readouterr().err


def test_all_of_them_are_followed_to_the_end(gang: RunConfig, layout: RunLayout, tmp_path: Path) -> None:
    command = [f"{os.path.dirname(sys.executable)}/raydrive", "logs", RUN, "0", "-f"]
    command += ["--storage", str(tmp_path / "storage")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines: list[str] = []
        assert process.stdout is not None
        reading: Callable[[], None] = lambda: lines.extend(process.stdout or ())  # noqa: E731
        reader = threading.Thread(target=reading)
        reader.start()
        write(layout, AT + 1.0, 1, "first of 1\n")
        wait_until(lambda: lines == ["[rank 1] first of 1\n"], "the first line", seen=lambda: lines)
        write(layout, AT + 2.0, 3, "first of 3\nand no end")
        wait_until(lambda: lines[1:] == ["[rank 3] first of 3\n"], "a line of another node", seen=lambda: lines)
        with JournalWriter.open(layout.journal) as writer:
            facts = [*begun(0), Ended(AT + 9.0, 0, 1, 0)]
            writer.append(sweep_of(gang, facts)[1][-1:])
        reader.join(60)
        assert process.wait(60) == 0
    assert lines[2:] == ["[rank 3] and no end\n"]


def test_the_end_of_the_logs_of_a_trial_is_that_of_all_ranks(layout: RunLayout) -> None:
    write(layout, AT + 1.0, 0, "all is well\n")
    write(layout, AT + 2.0, 3, "Traceback (most recent call last):\nRuntimeError: NCCL\n")
    assert last_lines(layout, 0, 1) == [
        "[rank 0] all is well",
        "[rank 3] Traceback (most recent call last):",
        "[rank 3] RuntimeError: NCCL",
    ]
