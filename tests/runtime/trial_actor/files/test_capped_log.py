"""A log that grows beyond its limit keeps its head and its newest tail, while it is written."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raydrive.runtime.trial_actor.files.capped_log import CappedLog
from raydrive.storage.folder.open import open_folder
from raydrive.storage.uploads import LOG_PART_BYTES, LogUploader, log_part

LIMIT = 400_000
WRITER = """
import os, sys, time
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for begin in range(0, 200_000, 1_000):
    os.write(log, b"".join(b"line %09d\\n" % number for number in range(begin, begin + 1_000)))
    time.sleep(float(sys.argv[2]))
print("all but the last words", flush=True)
sys.stdin.readline()
os.write(log, b"last words\\n")
"""
TOTAL = 200_000 * 15 + len(b"last words\n")
"""Bytes that it writes."""


@pytest.fixture(params=["disk", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    in_memory = request.param == "memory" and os.access("/dev/shm", os.W_OK)
    path = Path(f"/dev/shm/raydrive-test-{os.getpid()}.txt") if in_memory else tmp_path / "log.txt"
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("pause_s", [0.0005, 0])
def test_head_and_newest_tail_stay_while_it_grows(path: Path, pause_s: float) -> None:
    log, cuts = CappedLog(path, LIMIT), 0
    command = [sys.executable, "-c", WRITER, str(path), str(pause_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        while not select.select([writer.stdout], [], [], 0)[0]:
            cuts += log.cut()
        writer.communicate(b"go on\n")
    assert writer.returncode == 0
    cuts += log.cut()
    data = path.read_bytes()
    assert cuts
    assert len(data) <= LIMIT
    assert data.startswith(b"line 000000000\nline 000000001\n")
    assert data.endswith(b"\nlast words\n")
    (said,) = re.findall(
        rb"\nraydrive: at least ([0-9,]+) bytes of output are dropped: log_limit is 400,000 bytes *\n", data
    )
    assert int(said.replace(b",", b"")) == log.dropped
    marker = len(re.search(rb"\nraydrive: [^\n]*\n", data)[0])
    # What is written in the instant in which the file is cut is in no count.
    assert log.dropped <= TOTAL - (len(data) - marker)
    numbers = [int(number) for number in re.findall(rb"^line (\d{9})$", data, re.MULTILINE)]
    assert numbers == sorted(set(numbers))  # nothing twice, nothing out of order


def test_every_byte_is_counted_where_nobody_writes_during_a_cut(path: Path) -> None:
    log, lines = CappedLog(path, LIMIT), [b"line %09d\n" % number for number in range(100_000)]
    for begin in range(0, len(lines), 10_000):
        with path.open("ab") as file:
            file.write(b"".join(lines[begin : begin + 10_000]))
        log.cut()
    data = path.read_bytes()
    marker = re.search(rb"\nraydrive: at least [^\n]*\n", data)[0]
    assert len(data) - len(marker) + log.dropped == 100_000 * 15
    assert data.endswith(b"".join(lines[-5_000:]))


def test_a_reader_goes_on_across_cuts(path: Path) -> None:
    log = CappedLog(path, LIMIT)
    path.write_bytes(b"a" * LIMIT)
    data, position, missing = log.read(0, LIMIT // 8)
    assert (data, missing) == (b"a" * (LIMIT // 8), 0)
    with path.open("ab") as file:
        file.write(b"b" * LIMIT + b"\n" + b"c" * 1_000)
    assert log.cut()
    kept = b""
    while True:
        data, position, gone = log.read(position, 10_000)
        if not data:
            break
        kept, missing = kept + data, missing + gone
    assert set(kept) <= set(b"abc\n")  # no marker
    assert kept.endswith(b"\n" + b"c" * 1_000)
    assert position == log.size() == 2 * LIMIT + 1_001
    assert LIMIT // 8 + len(kept) + missing == 2 * LIMIT + 1_001 - 0


@pytest.mark.parametrize("kind", ["nothing", "fifo", "link", "folder", "short", "unlimited"])
def test_what_is_no_long_log_is_left_alone(kind: str, tmp_path: Path) -> None:
    path, target = tmp_path / "log.txt", tmp_path / "target"
    target.write_bytes(b"x" * 2 * LIMIT)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(target)
    elif kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        path.write_bytes(b"x" * (LIMIT if kind == "short" else 2 * LIMIT))
    log = CappedLog(path, 0 if kind == "unlimited" else LIMIT)
    assert not log.cut()
    if kind in ("nothing", "fifo", "link", "folder"):
        assert log.read(0, 10) == (b"", 0, 0)
        assert log.size() == 0
    assert target.stat().st_size == 2 * LIMIT


def test_the_storage_gets_what_a_cut_has_left(tmp_path: Path) -> None:
    path, limit = tmp_path / "log.txt", 4 * LOG_PART_BYTES
    folder = open_folder(tmp_path / "storage")
    uploader = LogUploader(path, folder)
    log = CappedLog(path, limit, uploader.rewind)
    path.write_bytes(b"".join(b"%06d\n" % number for number in range(limit // 7 - 10)))
    uploader.sync()
    with path.open("ab") as file:
        file.write(b"more\n" * 100)
    assert log.cut()
    uploader.sync()
    parts = [folder.read_or_none(log_part(number)) or b"" for number in range(8)]
    assert b"".join(parts) == path.read_bytes()
