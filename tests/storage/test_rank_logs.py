"""The logs of several processes as one: by time, whatever is missing, and while they grow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raydrive.core.errors import TrialError
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.rank_logs import RankLogs, check_rank, last_rank_logs, ranks_of, whole_rank_logs, with_rank
from raydrive.storage.run_layout import RunLayout, log_order, rank_log
from raydrive.storage.trial_files import list_files, log_size, read_file, read_log, whole_log
from raydrive.storage.uploads import LogUploader


class Writer:
    """Writes logs and their order as trial actors do: into a directory, or in parts to an object store."""

    def __init__(self, layout: RunLayout, place: Path) -> None:
        self.layout, self.place = layout, place
        self.remote = layout.folder.local_path is None
        folder = layout.attempt(0, 1)
        folder.make()
        self.local = place if self.remote else Path(str(folder.local_path))
        self.uploaders: dict[str, LogUploader] = {}

    def write(self, name: str, data: bytes) -> None:
        with (self.local / name).open("ab") as file:
            file.write(data)
        self.sync(name)

    def sync(self, name: str) -> None:
        if self.remote:
            folder = self.layout.attempt(0, 1)
            self.uploaders.setdefault(name, LogUploader(self.local / name, folder, name=name)).sync()

    def look(self, at: float, rank: int, node: int = 0) -> None:
        size = (self.local / rank_log(rank)).stat().st_size
        self.write(log_order(node), f"{json.dumps([at, rank, size])}\n".encode())

    def log(self, at: float, rank: int, text: str, node: int = 0) -> None:
        """A rank writes, and its node looks."""
        self.write(rank_log(rank), text.encode())
        self.look(at, rank, node)


@pytest.fixture
def writer(folder: Folder, tmp_path: Path) -> Writer:
    return Writer(RunLayout.create(folder, "digits", "run-1"), tmp_path)


def test_lines_stand_in_the_order_of_time(writer: Writer) -> None:
    writer.log(1.0, 0, "a\n")
    writer.log(2.0, 2, "b\nc\n", node=1)
    writer.log(3.0, 1, "d\n")
    writer.log(2.5, 3, "e\n", node=1)
    writer.log(4.0, 0, "f\n")
    assert whole_rank_logs(writer.layout, 0, 1) == (
        "[rank 0] a\n[rank 2] b\n[rank 2] c\n[rank 3] e\n[rank 1] d\n[rank 0] f\n"
    )
    assert ranks_of(writer.layout, 0, 1) == [0, 1, 2, 3]
    assert ranks_of(writer.layout, 0, 2) == []


def test_a_line_stands_where_it_has_come_to_its_end(writer: Writer) -> None:
    writer.log(1.0, 0, "begun, ")
    writer.log(2.0, 1, "one\n")
    writer.log(3.0, 0, "and ended\nno end")
    assert whole_rank_logs(writer.layout, 0, 1) == "[rank 1] one\n[rank 0] begun, and ended\n[rank 0] no end\n"


def test_without_an_order_one_log_follows_another(writer: Writer) -> None:
    writer.write("log.txt", b"a\nb\n")
    writer.log(5.0, 1, "c\n", node=1)
    writer.write(
        log_order(1), b'[6.0, 1\n{"a": 1}\nnull\n[1, 2]\n["x", 1, 1]\n[1.0, 1e999, 1]\n[1.0, -1, 5]\n[NaN, 1, 1]\n'
    )
    assert whole_rank_logs(writer.layout, 0, 1) == "[rank 1] c\n[rank 0] a\n[rank 0] b\n"


def test_each_rank_has_its_log(writer: Writer) -> None:
    for rank in (0, 3, 30):
        writer.log(1.0, rank, f"I am {rank}\n")
    layout = writer.layout
    assert [whole_log(layout, 0, 1, rank) for rank in (0, 3, 30, 4)] == ["I am 0\n", "I am 3\n", "I am 30\n", ""]
    assert log_size(layout, 0, 1, 3) == 7
    assert read_log(layout, 0, 1, -3, rank=30) == (b"30\n", 8)
    assert list_files(layout, 0) == ["attempt-1/log.txt", "attempt-1/rank_3.txt", "attempt-1/rank_30.txt"]
    assert read_file(layout, 0, "attempt-1/rank_3.txt") == b"I am 3\n"


def test_logs_are_followed_while_they_grow(writer: Writer) -> None:
    logs = RankLogs(writer.layout, 0, 1)
    assert list(logs.read()) == []
    writer.log(1.0, 0, "a\n")
    writer.log(2.0, 1, "b\nhal")
    assert list(logs.read()) == [(0, "a\n"), (1, "b\n")]
    writer.write(rank_log(0), b"c\n")  # its node has not looked yet
    assert list(logs.read()) == []
    writer.log(3.0, 1, "f\n")
    writer.look(2.5, 0)
    assert list(logs.read()) == [(0, "c\n"), (1, "half\n")]
    writer.write(rank_log(0), b"nobody looks any more\n")
    assert list(logs.read()) == []
    assert list(logs.read()) == [(0, "nobody looks any more\n")]
    writer.write(rank_log(1), b"the end")
    assert list(logs.read(final=True)) == [(1, "the end\n")]
    assert list(logs.read(final=True)) == []


@pytest.fixture
def local_writer(tmp_path: Path) -> Writer:
    return Writer(RunLayout.create(open_folder(tmp_path / "storage"), "digits", "run-1"), tmp_path)


def test_a_log_that_was_cut_keeps_its_place_among_the_others(local_writer: Writer) -> None:
    writer = local_writer
    limit, log = 80, writer.local / rank_log(0)
    lines = [f"line {number:04}\n" for number in range(12)]  # of 10 bytes
    for number in range(9):
        writer.log(10.0 + number, 0, lines[number])
        writer.log(10.5 + number, 1, f"other {number}\n")
    log.write_text("".join(lines[:3]) + "..dropped\n" + "".join(lines[7:9]))  # head with the notice, then the tail
    writer.look(19.0, 0)
    for number in (9, 10, 11):
        writer.log(10.0 + number, 0, lines[number])
        writer.log(10.5 + number, 1, f"other {number}\n")
    shown = whole_rank_logs(writer.layout, 0, 1, limit).splitlines()
    assert [line for line in shown if "rank 0" in line] == [
        f"[rank 0] {text.rstrip()}" for text in (*lines[:3], "..dropped\n", *lines[7:])
    ]
    assert [line for line in shown if "rank 1" in line] == [f"[rank 1] other {number}" for number in range(12)]
    kept = [shown.index(f"[rank 0] line {number:04}") for number in (0, 2, 7, 8, 9, 11)]
    assert all(shown[at + 1] == f"[rank 1] other {int(shown[at][-4:])}" for at in kept)


def test_a_log_that_is_cut_while_it_is_followed_is_gone_on_with(local_writer: Writer) -> None:
    writer = local_writer
    logs = RankLogs(writer.layout, 0, 1, 80)
    log = writer.local / rank_log(0)
    writer.log(1.0, 0, "".join(f"line {number:04}\n" for number in range(9)))
    writer.log(1.0, 1, "other\n")
    assert len(list(logs.read())) == 2
    log.write_text("line 0000\n" * 3 + "..dropped\nline 0007\nline 0008\nline 0009\n")
    assert list(logs.read()) == []
    writer.look(2.0, 0)
    writer.log(3.0, 0, "line 0010\n")
    shown = "".join(text for _, text in logs.read())
    assert shown.endswith("line 0009\nline 0010\n")


def test_the_end_of_all_logs(writer: Writer) -> None:
    for number in range(100):
        for rank in (0, 1):
            writer.log(number + rank / 2, rank, f"line {number:04}\n")
    assert last_rank_logs(writer.layout, 0, 1, 60).splitlines() == [
        f"[rank {rank}] line {number:04}" for number in (98, 99) for rank in (0, 1)
    ]
    assert last_rank_logs(writer.layout, 0, 1, 1 << 20) == whole_rank_logs(writer.layout, 0, 1)
    assert last_rank_logs(writer.layout, 0, 2, 60) == ""


def test_a_rank_without_a_log_is_refused() -> None:
    check_rank([0, 1], 1, 7)
    check_rank([], 0, 7)
    with pytest.raises(TrialError, match="trial 7 has no log of rank 4; it has the ranks 0 to 3"):
        check_rank(range(4), 4, 7)
    with pytest.raises(TrialError, match="trial 7 has no log of rank 1; it has rank 0 only"):
        check_rank([], 1, 7)


def test_a_progress_bar_is_one_line_of_its_rank() -> None:
    assert with_rank(2, "1%\r2%\r3%\nb\n") == "[rank 2] 1%\r2%\r3%\n[rank 2] b\n"
