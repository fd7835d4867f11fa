"""What a journal must keep on every kind of storage, as tests to inherit.

Subclass and give an empty folder; pytest collects the rest:

    class TestMyStore(JournalContract):
        @pytest.fixture
        def folder(self) -> Folder:
            return open_folder("s3://my-bucket/some/new/path")

Needs nothing but pytest and raydrive.
"""

from __future__ import annotations

import math

import pytest

from raydrive.core.errors import JournalError
from raydrive.core.records import Began, Entry, Launch, Reported, Stop, dump
from raydrive.storage.checksums import with_checksums
from raydrive.storage.folder.base import Folder
from raydrive.storage.journal.compaction import compact, prune_segments
from raydrive.storage.journal.segments import Header, Position, Segment
from raydrive.storage.journal.writer import JournalReader, JournalRewoundError, JournalWriter


def entry(number: int) -> Entry:
    """Returns an entry that tells its number; every third has decisions."""
    fact = Reported(at=1.5, trial=number, attempt=1, seq=number, interval=1, value=0.5, metrics={"loss": [1, math.inf]})
    if number % 3:
        return fact, ()
    return fact, (Stop(trial=number, attempt=1, why="bandit: żółw\u2028 \n"), Launch(number, 2, {"lr": 0.1}))


def lines(*numbers: int) -> list[str]:
    """Returns those entries as journal lines."""
    return [dump(*entry(number)) for number in numbers]


def segment_bytes(header: Header, *numbers: int) -> bytes:
    """Returns a segment that holds those entries, appended together."""
    bodies = [line.encode()[:-1] for line in lines(*numbers)]
    return header.dump() + with_checksums(bodies, header.checksum)[0]


def numbers(reader: JournalReader) -> list[int]:
    """Returns the numbers of the entries that are new to a reader."""
    return [fact.trial for fact, _ in reader.read() if isinstance(fact, Reported)]


def data_names(folder: Folder) -> list[str]:
    """Returns the names of a journal's segments without the claims."""
    found = (Segment.parse(item.name) for item in folder.list())
    return [segment.name for segment in found if segment and segment.number]


class JournalContract:
    """Tests that a journal on any storage passes; the ``folder`` fixture is the only thing to write."""

    def test_what_is_appended_is_read(self, folder: Folder) -> None:
        """Every kind of value survives the way to the storage and back."""
        with JournalWriter.open(folder) as writer:
            writer.append(lines(0, 1, 2))
            writer.append([line.encode() for line in lines(3)])
            writer.append([])
        assert list(JournalReader(folder).read()) == [entry(number) for number in range(4)]
        assert [line + b"\n" for line in JournalReader(folder).read_lines()] == [
            line.encode() for line in lines(0, 1, 2, 3)
        ]

    def test_a_reader_goes_on_where_it_stopped(self, folder: Folder) -> None:
        """Before there is a journal, while it grows, and when the caller leaves in the middle."""
        reader = JournalReader(folder)
        assert numbers(reader) == []
        with JournalWriter.open(folder) as writer:
            assert numbers(reader) == []
            writer.append(lines(1, 2))
            assert numbers(reader) == [1, 2]
            assert numbers(reader) == []
            writer.append(lines(3, 4, 5))
            for fact, _ in reader.read():
                assert fact == entry(3)[0]
                break
            assert numbers(reader) == [4, 5]
            writer.append(lines(6))
            assert numbers(reader) == [6]
        assert reader.entries == 6
        assert reader.notices == []

    def test_readers_do_not_disturb_each_other(self, folder: Folder) -> None:
        """Each has a place of its own."""
        with JournalWriter.open(folder) as writer:
            early = JournalReader(folder)
            writer.append(lines(1))
            assert numbers(early) == [1]
            writer.append(lines(2))
            assert numbers(JournalReader(folder)) == [1, 2]
            assert numbers(early) == [2]

    def test_epochs_follow_each_other(self, folder: Folder) -> None:
        """A new writer continues after the old one, and a live reader follows."""
        reader = JournalReader(folder)
        for epoch in (1, 2, 3):
            with JournalWriter.open(folder) as writer:
                assert writer.epoch == epoch
                writer.append(lines(epoch * 10, epoch * 10 + 1))
            assert numbers(reader) == [epoch * 10, epoch * 10 + 1]
            assert reader.epoch == epoch
        assert numbers(JournalReader(folder)) == [10, 11, 20, 21, 30, 31]

    def test_a_wrong_epoch_is_refused(self, folder: Folder) -> None:
        """A writer that asks for an epoch gets that one or none."""
        JournalWriter.open(folder, epoch=1).close()
        for wrong in (1, 3):
            with pytest.raises(JournalError, match=f"cannot take epoch {wrong} .* the next free one is 2"):
                JournalWriter.open(folder, epoch=wrong)
        assert JournalWriter.open(folder, epoch=2).epoch == 2

    def test_a_new_writer_shuts_out_the_old_one(self, folder: Folder) -> None:
        """The old one learns it at its next append, and for good; only what it wrote before counts."""
        old = JournalWriter.open(folder)
        old.append(lines(1))
        new = JournalWriter.open(folder)
        reader = JournalReader(folder)
        for _ in range(2):
            with pytest.raises(JournalError, match="superseded by epoch 2"):
                old.append(lines(100))
        new.append(lines(2))
        assert numbers(reader) == [1, 2]
        assert numbers(JournalReader(folder)) == [1, 2]
        with pytest.raises(JournalError, match="superseded by epoch 2"):
            old.append(lines(101))

    def test_late_segments_of_an_old_epoch_are_ignored(self, folder: Folder) -> None:
        """A driver on a paused node may finish a write long after it was superseded."""
        with JournalWriter.open(folder) as old:
            old.append(lines(1))
        last = Segment.parse(data_names(folder)[-1])
        with JournalWriter.open(folder) as new:
            new.append(lines(2))
            assert last is not None
            late = Segment(1, last.number + 1)
            folder.write_whole(late.name, segment_bytes(Header(late, None, "old"), 100))
            assert numbers(JournalReader(folder)) == [1, 2]
            new.append(lines(3))
        assert numbers(JournalReader(folder)) == [1, 2, 3]

    def test_lines_that_are_withdrawn_after_they_were_read(self, folder: Folder) -> None:
        """A reader that saw a late write gets an error, and begins again."""
        with JournalWriter.open(folder) as old:
            old.append(lines(1))
        seen = data_names(folder)[-1]
        before = folder.read_bytes(seen)
        reader = JournalReader(folder)
        assert numbers(reader) == [1]
        JournalWriter.open(folder).close()
        # As if the reader had looked before the new epoch was there, and after a late write.
        taken = next(name for name in data_names(folder) if name.startswith("e0002"))
        header = folder.read_bytes(taken)
        folder.delete(taken)
        last = Segment.parse(seen)
        assert last is not None
        late = Segment(last.epoch, last.number + 1)
        folder.write_whole(late.name, segment_bytes(Header(late, Position(last, len(before)), "old"), 100))
        fresh = JournalReader(folder)
        assert numbers(fresh) == [1, 100]
        folder.write_whole(taken, header)
        with JournalWriter.open(folder) as new:
            new.append(lines(2))
        with pytest.raises(JournalRewoundError):
            _until_error(fresh)
        assert numbers(fresh) == [1, 2]
        assert numbers(JournalReader(folder)) == [1, 2]

    def test_a_missing_segment_is_named(self, folder: Folder) -> None:
        """With what can be read before it."""
        for epoch in (1, 2, 3):
            with JournalWriter.open(folder) as writer:
                writer.append(lines(epoch))
        names = [name for name in data_names(folder) if name.startswith("e0002")]
        folder.delete(names[-1])
        reader = JournalReader(folder)
        with pytest.raises(
            JournalError, match=f"segment {names[-1]} is missing.*The 1 entries before that can be read"
        ):
            list(reader.read())
        assert reader.entries == 1

    def test_the_first_segment_is_missing(self, folder: Folder) -> None:
        """Nothing before it can be read."""
        with JournalWriter.open(folder) as writer:
            writer.append(lines(1))
        with JournalWriter.open(folder) as writer:
            writer.append(lines(2))
        for name in data_names(folder):
            if name.startswith("e0001"):
                folder.delete(name)
        with pytest.raises(JournalError, match=r"e0001-0000000\d.jsonl is missing .*The 0 entries"):
            list(JournalReader(folder).read())

    def test_a_damaged_line_is_named(self, folder: Folder) -> None:
        """Segment, line, and how much comes before."""
        with JournalWriter.open(folder) as writer:
            writer.append(lines(1, 2, 3))
        name = data_names(folder)[-1]
        whole = folder.read_bytes(name)
        folder.write_whole(name, whole.replace(b'"trial":2', b'"trial":2?'))
        reader = JournalReader(folder)
        for _ in range(2):
            with pytest.raises(JournalError, match=f"line 4 of segment {name} .*The 1 entries before"):
                list(reader.read())
        folder.write_whole(name, whole.replace(lines(2)[0].encode()[:-1], b"garbage"))
        with pytest.raises(JournalError, match=f"line 4 of segment {name} .*The 1 entries before"):
            list(JournalReader(folder).read_lines())

    def test_a_segment_that_lost_its_end(self, folder: Folder) -> None:
        """Its successor has its length."""
        with JournalWriter.open(folder) as writer:
            writer.append(lines(1, 2))
        name = data_names(folder)[-1]
        JournalWriter.open(folder).close()
        folder.write_whole(name, folder.read_bytes(name)[:-10])
        reader = JournalReader(folder)
        with pytest.raises(JournalError, match=f"segment {name} is 10 bytes shorter .*The 1 entries before"):
            list(reader.read())

    def test_an_unknown_kind_of_record(self, folder: Folder) -> None:
        """As when a newer raydrive wrote it: an error, never a guess."""
        with JournalWriter.open(folder) as writer:
            writer.append(['[{"kind":"Teleported","at":1}]\n'])
        with pytest.raises(JournalError, match="Teleported"):
            list(JournalReader(folder).read())

    @pytest.mark.parametrize("bad", [["a"], ["a\n", "b"], ["a\nb\n"], ["a\n", "b\nc\n"], [b"a"], ["\n\n"]])
    def test_only_whole_lines_are_taken(self, folder: Folder, bad: list[str]) -> None:
        """And a refused append leaves nothing."""
        with JournalWriter.open(folder) as writer:
            with pytest.raises(ValueError, match="one line"):
                writer.append(bad)
            writer.append(lines(1))
        assert numbers(JournalReader(folder)) == [1]

    def test_a_snapshot_changes_nothing_for_readers(self, folder: Folder) -> None:
        """Whether they begin, are in the middle, or follow: they read the same entries, each once."""
        early, follower = JournalReader(folder), JournalReader(folder)
        with JournalWriter.open(folder) as writer:
            assert writer.settled is None
            writer.append(lines(0, 1))
            assert numbers(follower) == [0, 1]
            assert next(early.read()) == entry(0)
        with JournalWriter.open(folder) as writer:
            writer.append(lines(2, 3))
            assert numbers(follower) == [2, 3]
        with JournalWriter.open(folder) as writer:
            middle = JournalReader(folder)
            assert next(iter(middle.read_lines())) + b"\n" == lines(0)[0].encode()
            assert writer.settled is not None
            snapshot = compact(folder, writer.settled)
            assert numbers(JournalReader(folder)) == [0, 1, 2, 3]
            assert prune_segments(folder) > 0
            writer.append(lines(4))
            assert snapshot.name in [item.name for item in folder.list()]
            assert numbers(JournalReader(folder)) == [0, 1, 2, 3, 4]
            assert numbers(early) == [1, 2, 3, 4]
            assert [line + b"\n" for line in middle.read_lines()] == [line.encode() for line in lines(1, 2, 3, 4)]
            assert numbers(follower) == [4]
        with JournalWriter.open(folder) as writer:  # the claims are still there: the next epoch is the fourth
            assert writer.epoch == 4
            writer.append(lines(5))
            assert writer.settled is not None
            compact(folder, writer.settled)
            prune_segments(folder)
            assert snapshot.name not in [item.name for item in folder.list()]
            assert numbers(JournalReader(folder)) == [0, 1, 2, 3, 4, 5]
            # On an object store a reader lists only now and then; until then it may see nothing new.
            assert [number for _ in range(12) for number in numbers(follower)] == [5]
            assert [number for _ in range(12) for number in numbers(early)] == [5]
            whole = [line + b"\n" for line in JournalReader(folder).read_lines()]
            assert whole == [line.encode() for line in lines(0, 1, 2, 3, 4, 5)]

    def test_a_missing_segment_after_a_snapshot_is_named(self, folder: Folder) -> None:
        """And all that the snapshot holds is read before."""
        for group in ([1, 2], [3], [4], [5]):
            with JournalWriter.open(folder) as writer:
                writer.append(lines(*group))
                settled = writer.settled
            if settled is not None and group == [3]:
                compact(folder, settled)
                prune_segments(folder)
        gone = next(name for name in data_names(folder) if name.startswith("e0003"))
        folder.delete(gone)
        reader, found = JournalReader(folder), list[int]()
        with pytest.raises(JournalError, match=r"e0003.*The 3 entries before that can be read"):
            found.extend(fact.trial for fact, _ in reader.read() if isinstance(fact, Reported))
        assert found == [1, 2, 3]

    def test_a_closed_writer_writes_nothing(self, folder: Folder) -> None:
        """Closing is for good."""
        writer = JournalWriter.open(folder)
        writer.close()
        with pytest.raises(JournalError, match="closed"):
            writer.append(lines(1))

    def test_facts_without_values(self, folder: Folder) -> None:
        """Defaults that are left out of the line come back."""
        fact = Began(at=2.0, trial=1, attempt=1)
        with JournalWriter.open(folder) as writer:
            writer.append([dump(fact, ())])
        assert list(JournalReader(folder).read()) == [(fact, ())]


def _until_error(reader: JournalReader) -> None:
    for _ in range(30):  # an object store is listed whole only now and then
        list(reader.read())
