"""The journal on both kinds of storage, and what can go wrong on a disk."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

from raydrive.core.errors import JournalError, StorageError
from raydrive.core.records import dump
from raydrive.storage.folder import arrow
from raydrive.storage.folder.arrow import ArrowFolder
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.local import LocalFolder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.journal import writer as writer_module
from raydrive.storage.journal.compaction import compact, prune_segments
from raydrive.storage.journal.segments import Header, Position, Segment
from raydrive.storage.journal.writer import JournalReader, JournalRewoundError, JournalWriter
from raydrive.testing.journal import JournalContract, data_names, entry, lines, numbers, segment_bytes


class TestLocal(JournalContract):
    @pytest.fixture
    def folder(self, local: Folder) -> Folder:
        return local.child("journal")


class TestObjects(JournalContract):
    @pytest.fixture
    def folder(self, arrow: Folder) -> Folder:
        return arrow.child("journal")


# ---------------------------------------------------------------------------------------------- the form of the files


def test_the_files_are_as_documented(tmp_path: Path) -> None:
    with JournalWriter.open(tmp_path) as writer:
        writer.append(lines(1))
    with JournalWriter.open(tmp_path) as writer:
        writer.append(lines(2))
    claim = json.loads((tmp_path / "e0001-00000000.jsonl").read_text())
    assert claim["claim"] == 1
    assert claim["pid"] == os.getpid()
    first = (tmp_path / "e0001-00000001.jsonl").read_text().splitlines(keepends=True)
    assert first[0] == first[1]
    assert json.loads(first[0].rpartition("#")[0])["after"] is None
    assert "".join(first).encode() == segment_bytes(Header(Segment(1, 1), None, claim["writer"]), 1)
    second = (tmp_path / "e0002-00000001.jsonl").read_text().splitlines(keepends=True)
    after = ["e0001-00000001.jsonl", len("".join(first).encode())]
    assert json.loads(second[0].rpartition("#")[0])["after"] == after
    assert second[2].startswith(lines(2)[0][:-1])
    assert len(list(tmp_path.iterdir())) == 4


def test_segments_are_named_and_ordered() -> None:
    assert Segment(1, 42).name == "e0001-00000042.jsonl"
    assert Segment.parse("e0001-00000042.jsonl") == Segment(1, 42)
    assert Segment.parse(Segment(12345, 123456789).name) == Segment(12345, 123456789)
    for other in ("e1-1.jsonl", "e0001-00000042.jsonl.bak", "snapshot-00000001.parquet", ""):
        assert Segment.parse(other) is None
    assert Segment(1, 99) < Segment(2, 0) < Segment(2, 1)


@pytest.mark.parametrize("bad", [b"", b"{", b"{}\n", b"[1]\n", b"null\n", b'{"segment":"x","after":["y",1]}\n'])
def test_what_is_no_header(bad: bytes) -> None:
    assert Header.parse(bad) is None


def test_headers_survive_the_way_to_the_disk() -> None:
    for after in (None, Position(Segment(1, 7), 123)):
        header = Header(Segment(2, 1), after, "ab")
        assert Header.parse(header.dump() + b"[...") == (header, len(header.dump()))


def test_a_local_segment_is_closed_before_it_grows_too_large(tmp_path: Path) -> None:
    with JournalWriter.open(tmp_path, roll_bytes=1000) as writer:
        reader = JournalReader(tmp_path)
        for number in range(40):
            writer.append(lines(number))
            assert numbers(reader) == [number]
        writer.append(lines(*range(40, 60)))  # one write is never divided, even when it is larger
    assert numbers(reader) == list(range(40, 60))
    assert numbers(JournalReader(tmp_path)) == list(range(60))
    sizes = sorted((tmp_path / name).stat().st_size for name in data_names(open_folder(tmp_path)))
    assert len(sizes) > 5
    assert sizes[-2] <= 1000


def test_a_missing_middle_segment_is_named(tmp_path: Path) -> None:
    with JournalWriter.open(tmp_path, roll_bytes=400) as writer:
        for number in range(20):
            writer.append(lines(number))
    names = data_names(open_folder(tmp_path))
    (tmp_path / names[3]).unlink()
    reader = JournalReader(tmp_path)
    with pytest.raises(JournalError, match=rf"segment {names[3]} is missing or damaged: {names[4]} continues after it"):
        list(reader.read())
    assert 0 < reader.entries < 20


def test_a_segment_whose_header_is_damaged_is_named(tmp_path: Path) -> None:
    with JournalWriter.open(tmp_path, roll_bytes=400) as writer:
        for number in range(20):
            writer.append(lines(number))
    name = data_names(open_folder(tmp_path))[3]
    whole = (tmp_path / name).read_bytes()
    length = whole.index(b"\n") + 1
    for copy in (0, length):  # one of the two is enough
        (tmp_path / name).write_bytes(whole[:copy] + b"#" + whole[copy + 1 :])
        reader = JournalReader(tmp_path)
        assert numbers(reader) == list(range(20))
        assert reader.notices == [f"one of the two headers of segment {name} is damaged; the other one was used"]
    (tmp_path / name).write_bytes((b"#" + whole[1:length]) * 2 + whole[2 * length :])
    with pytest.raises(JournalError, match=f"segment {name} is missing or damaged"):
        list(JournalReader(tmp_path).read())


def test_reading_stops_when_the_segment_disappears(tmp_path: Path) -> None:
    with JournalWriter.open(tmp_path) as writer:
        writer.append(lines(1))
    reader = JournalReader(tmp_path)
    assert numbers(reader) == [1]
    (tmp_path / "e0001-00000001.jsonl").unlink()
    with pytest.raises(JournalError, match=r"e0001-00000001.jsonl has disappeared.*The 1 entries"):
        list(reader.read())


def test_local_journals_do_not_load_pyarrow(tmp_path: Path) -> None:
    code = f"""
        import sys
        from raydrive.storage.journal.writer import JournalReader, JournalWriter
        with JournalWriter.open({str(tmp_path)!r}) as writer:
            writer.append(['[{{"kind":"Ticked","at":1.0}}]\\n'])
        assert len(list(JournalReader({str(tmp_path)!r}).read())) == 1
        assert not {{"pyarrow", "ray", "numpy"}} & set(sys.modules), sorted(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


# ------------------------------------------------------------------------------------------------------- torn tails


@settings(max_examples=150)
@given(data=st.data())
def test_a_journal_torn_at_any_byte(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    with tempfile.TemporaryDirectory() as place:
        count = 0
        with JournalWriter.open(place, roll_bytes=data.draw(st.sampled_from([1, 500, 10_000]))) as writer:
            for size in sizes:
                writer.append(lines(*range(count, count + size)))
                count += size
        names = data_names(open_folder(place))
        last = Path(place, names[-1])
        whole = last.read_bytes()
        torn = data.draw(st.integers(0, len(whole)))
        fillers = [b"", b"\0" * 5, b"\0" * 40]
        if torn > 2 * whole.index(b"\n") + 1:  # a header appears with its segment, whole
            fillers.append(b"\0" * 20 + b"\n" + lines(9)[0].encode())
        filler = data.draw(st.sampled_from(fillers))
        before = sum(Path(place, name).read_bytes().count(b"\n") - 2 for name in names[:-1])
        last.write_bytes(whole[:torn] + filler)
        kept = before + max(whole[:torn].count(b"\n") - 2, 0)

        live = JournalReader(place)
        assert numbers(live) == list(range(kept))
        with JournalWriter.open(place) as writer:
            writer.append(lines(77))
        assert numbers(live) == [77]
        fresh = JournalReader(place)
        assert numbers(fresh) == [*range(kept), 77]
        header = 2 * whole.index(b"\n") + 2
        rest = len(whole[:torn]) - (whole[:torn].rfind(b"\n") + 1) + len(filler)
        if torn >= header:
            assert len(fresh.notices) == (1 if rest else 0)


def test_a_torn_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    JournalWriter.open(tmp_path).close()
    reader = JournalReader(tmp_path)
    first = tmp_path / "e0001-00000001.jsonl"
    header = Header.parse(first.read_bytes())
    assert header is not None
    line = segment_bytes(header[0], 3)[header[1] :]
    with (tmp_path / "e0001-00000001.jsonl").open("ab", buffering=0) as file:
        for index in range(len(line)):
            assert numbers(reader) == []
            file.write(line[index : index + 1])
    assert numbers(reader) == [3]
    assert reader.notices == []


# ---------------------------------------------------------------------------------------------- disks that misbehave


class Disk:
    """Stands between the journal and the disk; fails as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.bad_sync = 0
        monkeypatch.setattr(writer_module, "write_all", self.write)
        monkeypatch.setattr(writer_module, "sync", self.sync)

    def write(self, descriptor: int, data: bytes) -> None:
        part = data if self.room is None else data[: self.room]
        os.write(descriptor, part)
        if self.room is not None:
            self.room -= len(part)
            if len(part) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self, descriptor: int) -> None:
        if self.bad_sync:
            self.bad_sync -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fdatasync(descriptor)


@pytest.mark.parametrize("room", [0, 1, 50, 150, 200, 290])
def test_a_full_disk_loses_nothing_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    disk = Disk(monkeypatch)
    writer = JournalWriter.open(tmp_path)
    writer.append(lines(1))
    live = JournalReader(tmp_path)
    assert numbers(live) == [1]
    group = lines(2, 4, 5)
    assert room < sum(map(len, group))
    for _ in range(3):
        disk.room = room
        with pytest.raises(StorageError, match=r"cannot append to .*jsonl: No space left.*Hint: the disk is full"):
            writer.append(group)
        disk.room = None
    writer.append(group)
    writer.append(lines(7))
    assert numbers(JournalReader(tmp_path)) == [1, 2, 4, 5, 7]
    assert _follow(live, [1]) == [1, 2, 4, 5, 7]
    if room == 0:
        assert len(data_names(open_folder(tmp_path))) == 1  # nothing had been written: no reason for a new segment


def test_what_a_failed_sync_left_does_not_count_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    writer = JournalWriter.open(tmp_path)
    writer.append(lines(1))
    live = JournalReader(tmp_path)
    disk.bad_sync = 2
    for _ in range(2):
        with pytest.raises(StorageError, match="Input/output error"):
            writer.append(lines(2))
        assert _follow(live, []) == [1, 2]  # visible, though its writer does not trust it
        live = JournalReader(tmp_path)
        assert numbers(live) == [1, 2]
    writer.append(lines(2, 4))
    with pytest.raises(JournalRewoundError, match="of 2 entries read"):
        list(live.read())
    assert numbers(live) == [1, 2, 4]
    assert numbers(JournalReader(tmp_path)) == [1, 2, 4]


def test_the_next_driver_may_count_what_a_failed_write_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    writer = JournalWriter.open(tmp_path)
    disk.room = len(lines(1)[0]) + 20
    with pytest.raises(StorageError):
        writer.append(lines(1, 2))
    disk.room = None
    JournalWriter.open(tmp_path).append(lines(4))
    with pytest.raises(JournalError, match="superseded"):
        writer.append(lines(1, 2))
    assert numbers(JournalReader(tmp_path)) == [1, 4]


def test_a_folder_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    place = tmp_path / "journal"
    writer = JournalWriter.open(place, roll_bytes=1)  # every append begins a segment
    writer.append(lines(1))
    place.rename(tmp_path / "away")
    place.write_text("in the way")
    for _ in range(2):
        with pytest.raises(StorageError, match=r"Hint: a part of the path is a file|Not a directory|File exists"):
            writer.append(lines(2))
    place.unlink()
    (tmp_path / "away").rename(place)
    writer.append(lines(2))
    assert numbers(JournalReader(place)) == [1, 2]


def test_a_deleted_run_is_not_written_into_the_void(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path / "journal")
    writer.append(lines(1))
    open_folder(tmp_path / "journal").delete_tree()
    with pytest.raises(JournalError, match=r"e0001-00000001.jsonl was deleted"):
        writer.append(lines(2))


def test_a_limit_on_file_size_is_survived(tmp_path: Path) -> None:
    """The kernel itself cuts a write in the middle: RLIMIT_FSIZE, as a full disk does."""
    code = f"""
        import resource
        from raydrive.core.errors import StorageError
        from raydrive.storage.journal.writer import JournalReader, JournalWriter
        from raydrive.testing.journal import lines, numbers
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        writer = JournalWriter.open({str(tmp_path)!r})
        writer.append(lines(1, 2))
        try:
            writer.append(lines(*range(3, 20)))
        except StorageError as error:
            assert "ulimit -f" in str(error), error
        else:
            raise SystemExit("no error")
        torn = max(item.stat().st_size for item in __import__("pathlib").Path({str(tmp_path)!r}).iterdir())
        assert torn == 1000, torn
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        writer.append(lines(*range(3, 20)))
        assert numbers(JournalReader({str(tmp_path)!r})) == list(range(1, 20))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


def test_an_interrupted_append_does_not_tear_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter.open(tmp_path)
    writer.append(lines(1))

    def interrupted(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:20])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer_module, "write_all", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.append(lines(2))
    writer.append(lines(2))
    reader = JournalReader(tmp_path)
    assert numbers(reader) == [1, 2]
    assert reader.notices == ["an unfinished line (20 bytes) at the end of segment e0001-00000001.jsonl ignored"]


def test_a_put_whose_answer_was_lost_is_not_counted_twice(arrow: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter.open(arrow)
    writer.append(lines(1))
    put = type(arrow).write_whole

    def lost(self: Folder, name: str, data: bytes, *, durable: bool = True) -> None:
        put(self, name, data)  # type: ignore[call-arg]
        raise StorageError("connection reset")

    live = JournalReader(arrow)
    with monkeypatch.context() as patch:
        patch.setattr(type(arrow), "write_whole", lost)
        for _ in range(2):
            with pytest.raises(StorageError, match="reset"):
                writer.append(lines(2))
    writer.append(lines(2, 4))
    assert numbers(JournalReader(arrow)) == [1, 2, 4]
    assert _follow(live, []) == [1, 2, 4]


def test_one_of_two_claims_of_one_epoch_ends_itself(arrow: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Object stores cannot create exclusively: both may believe that they won, for a moment."""
    monkeypatch.setattr(writer_module, "CLAIM_CHECK_S", -1.0)
    first = JournalWriter.open(arrow)
    claim = Segment(1, 0).name
    arrow.write_whole(claim, b'{"claim":1,"writer":"another"}\n')
    with pytest.raises(JournalError, match="superseded by epoch 1"):
        first.append(lines(1))


def test_a_late_writer_that_cannot_see_its_successor_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS: the node of the old driver answers for a while from its cache that nobody has claimed the next epoch."""
    old = JournalWriter.open(tmp_path)
    old.append(lines(1))
    live, seen = JournalReader(tmp_path), list[int]()
    seen = _follow(live, seen)
    new = JournalWriter.open(tmp_path)
    read = LocalFolder.read_or_none

    def cached(folder: LocalFolder, name: str, start: int = 0, length: int | None = None) -> bytes | None:
        return None if name == Segment(2, 0).name else read(folder, name, start, length)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "read_or_none", cached)
        old.append(lines(2, 4))
    reader = JournalReader(tmp_path)
    assert numbers(reader) == [1]
    assert "2 unconfirmed lines" in reader.notices[0]
    assert reader.notices[0].endswith("at the end of segment e0001-00000001.jsonl ignored")
    new.append(lines(3))
    assert numbers(JournalReader(tmp_path)) == [1, 3]
    assert _follow(live, seen) == [1, 3]
    with pytest.raises(JournalError, match="superseded by epoch 2"):
        old.append(lines(5))
    assert numbers(JournalReader(tmp_path)) == [1, 3]


# --------------------------------------------------------------------------------------------- all of it, in any order


class Store(Disk):
    """An object store that fails: without room before it stored, with a bad sync after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room, self.bad_sync = None, 0
        put = ArrowFolder.write_whole

        def write_whole(folder: ArrowFolder, name: str, data: bytes, *, durable: bool = True) -> None:
            if self.room is not None:
                raise StorageError("service unavailable")
            put(folder, name, data)
            if self.bad_sync:
                raise StorageError("connection reset")

        monkeypatch.setattr(ArrowFolder, "write_whole", write_whole)
        monkeypatch.setattr(arrow, "SETTLE_S", 0.0)


@pytest.mark.parametrize("kind", [Disk, Store])
@given(data=st.data())
def test_any_history_of_writers_and_faults(kind: type[Disk], data: st.DataObject) -> None:
    """What was acknowledged is there once and in order; the rest only where a write had no answer."""
    with tempfile.TemporaryDirectory() as path, pytest.MonkeyPatch.context() as monkeypatch:
        disk = kind(monkeypatch)
        place = open_folder(path) if kind is Disk else ArrowFolder(fs.LocalFileSystem(), path, path)
        roll = data.draw(st.sampled_from([1, 600, 1 << 20]))
        writers = [JournalWriter.open(place, roll_bytes=roll)]
        acknowledged: list[int] = []
        live, seen = JournalReader(place), list[int]()
        number = 0
        for action in data.draw(st.lists(st.sampled_from("aaaafssnorctk"), max_size=25)):
            if action == "c":  # whoever compacts, also one that was superseded meanwhile
                settled = writers[data.draw(st.integers(0, len(writers) - 1))].settled
                if settled is not None:
                    compact(place, settled)
            elif action == "t":
                prune_segments(place)
            elif action == "k":
                with contextlib.suppress(JournalError):
                    writers[data.draw(st.integers(0, len(writers) - 1))].check()
            elif action == "n":
                writers.append(JournalWriter.open(place, roll_bytes=roll))
            elif action == "r":
                seen = _follow(live, seen)
            else:
                writer = writers[data.draw(st.integers(0, len(writers) - 1))] if action == "o" else writers[-1]
                group = list(range(number, number + data.draw(st.integers(1, 3))))
                number = group[-1] + 1
                disk.room = data.draw(st.integers(0, 300)) if action == "f" else None
                disk.bad_sync = int(action == "s")
                try:
                    writer.append(lines(*group))
                except JournalError:
                    assert writer is not writers[-1]
                except StorageError:
                    pass
                else:
                    assert writer is writers[-1]
                    acknowledged += group
                disk.room, disk.bad_sync = None, 0
        final = numbers(JournalReader(place))
        assert final == sorted(set(final))
        known = set(acknowledged)
        assert [each for each in final if each in known] == acknowledged
        assert _follow(live, seen) == final


def test_readers_while_the_writer_writes(tmp_path: Path) -> None:
    groups = 400
    done = threading.Event()

    def write() -> None:
        with JournalWriter.open(tmp_path, roll_bytes=4000) as writer:
            for group in range(groups):
                writer.append(lines(*range(group * 3, group * 3 + 3)))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    reader, seen = JournalReader(tmp_path), list[int]()
    while not done.is_set():
        seen += numbers(reader)
    thread.join()
    seen += numbers(reader)
    assert seen == list(range(groups * 3))
    assert reader.notices == []


def test_two_processes_claim_at_once(tmp_path: Path) -> None:
    code = f"""
        from raydrive.core.errors import JournalError
        from raydrive.storage.journal.writer import JournalWriter
        from raydrive.testing.journal import lines
        try:
            writer = JournalWriter.open({str(tmp_path)!r})
            for number in range(50):
                writer.append(lines(writer.epoch * 1000 + number))
                print(writer.epoch * 1000 + number, flush=True)
        except JournalError as error:
            assert "superseded" in str(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    acknowledged = {int(word) for out in outputs for word in out.split()}
    found = numbers(JournalReader(tmp_path))
    assert found == sorted(set(found))
    assert acknowledged <= set(found)
    assert [each for each in found if each >= 4000] == list(range(4000, 4050))
    assert len(set(found) - acknowledged) <= 3  # one write in flight for each that was shut out


def _follow(reader: JournalReader, seen: list[int]) -> list[int]:
    """What a follower knows after one more look, given what it knew."""
    seen = list(seen)
    for _ in range(30):  # object stores are listed whole only now and then
        try:
            seen += numbers(reader)
        except JournalRewoundError:
            seen = []
    return seen


def test_the_helpers_of_the_contract_say_the_same() -> None:
    assert lines(3) == [dump(*entry(3))]
