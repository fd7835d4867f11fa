"""Snapshots of a journal: exact to the letter, and never in the way of what a crash leaves."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.errors import JournalError
from raydrive.core.records import Ended, Entry, Fact, Launch, Params, Reported, Started, Stop, Suggested, Ticked, dump
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.sweep.report_block import Block
from raydrive.core.sweep.sweep import Sweep
from raydrive.package_path import python_command
from raydrive.runtime.driver import journal_compactor
from raydrive.runtime.driver.journal_compactor import JournalCompactor
from raydrive.runtime.simulated import simulate
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.journal import compaction, snapshots
from raydrive.storage.journal.compaction import compact, compact_elsewhere, due, prune_segments
from raydrive.storage.journal.segments import Position, Segment, Snapshot
from raydrive.storage.journal.snapshots import SnapshotFile, write_snapshot
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.testing.journal import data_names, lines, numbers
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import picture

NUMBERS = st.one_of(
    st.floats(), st.integers(-3, 3), st.just(10**400), st.just(2**53 + 1), st.booleans(), st.sampled_from([0.5, -0.0])
)
METRICS = st.dictionaries(
    st.sampled_from(["loss", "epoch", "ü\n", ""]), NUMBERS | st.text(max_size=3) | st.just([1, math.inf]), max_size=3
)
REPORTS: st.SearchStrategy[Fact] = st.builds(
    Reported,
    at=st.floats(0, 1e9) | st.integers(0, 9),
    trial=st.integers(0, 3),
    attempt=st.integers(1, 2),
    seq=st.integers(1, 2**60),
    interval=st.integers(0, 9),
    value=st.none() | NUMBERS,
    metrics=METRICS,
    step=st.none() | NUMBERS,
    tags=st.just({}) | st.just({"a": "b"}),
)
OTHERS: st.SearchStrategy[Fact] = st.sampled_from([Ticked(1.5), Suggested(2, 0, {"x": [1, None]}), Ended(1.0, 2, 1, 0)])
DECISIONS = st.sampled_from([(), (), (), (Stop(1, 1, "żółw\u2028", "policy"), Launch(2, 2, {"lr": 0.1}))])
ENTRIES: st.SearchStrategy[list[Entry]] = st.lists(st.tuples(REPORTS | REPORTS | OTHERS, DECISIONS), max_size=30)


@given(ENTRIES, st.lists(st.integers(0, 30), max_size=3), st.integers(0, 30))
def test_every_line_comes_back_to_the_letter(entries: list[Entry], cuts: list[int], skip: int) -> None:
    """However many snapshots it went through, and wherever the reader begins."""
    given_lines = [dump(*entry).encode()[:-1] for entry in entries]
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "GROUP_ROWS", 4)
        folder, tables, start = open_folder(scratch), iter(()), 0
        for number, cut in enumerate([*sorted(cuts), len(given_lines)]):
            name = Snapshot(Position(Segment(1, number), 0))
            count = write_snapshot(f"{scratch}/{name.name}", tables, given_lines[start:cut])
            start = max(start, min(cut, len(given_lines)))
            file = SnapshotFile(folder, name)
            assert file.entries == count == start
            tables = file.tables()
        assert list(file.lines_from(skip)) == given_lines[skip:]
        assert [dump(*entry).encode()[:-1] for entry in file.entries_from(skip)] == given_lines[skip:]
        found = sum(piece.entries if isinstance(piece, Block) else len(piece) for piece in file.blocks_from(skip))
        assert found == len(given_lines[skip:])


def test_names() -> None:
    snapshot = Snapshot(Position(Segment(2, 42), 4194100))
    assert snapshot.name == "snapshot-e0002-00000042-4194100.parquet"
    assert Snapshot.parse(snapshot.name) == snapshot
    assert Snapshot.parse("snapshot-e0002-00000042-4194100.parquet.tmp") is None
    assert snapshot < Snapshot(Position(Segment(3, 1), 7))


# ---------------------------------------------------------------------------------------------- a whole run


def recorded(folder: Folder, *, trials: int = 40, reports: int = 50) -> RunConfig:
    """A run with stopped trials, its journal in many small segments."""
    config = RunConfig(
        experiment="snapshots",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1), "y": choice({"a": 1}, {"b": uniform(2, 3)})}),
        policy=BanditPolicy(slack_factor=0.2, evaluation_interval=5),
        limits=Limits(max_total_runs=trials, max_concurrent_runs=4, max_duration_s=None),
        trial=TrialSpec(kind="function"),
        seed=0,
    )

    def curve(number: int, params: Params) -> list[tuple[float, float]]:
        values = [float(params["x"]) * (1 - 0.9**k) for k in range(1, reports + 1)]
        return [(1.0, math.nan if k % 17 == 16 else value) for k, value in enumerate(values)]

    with JournalWriter.open(folder, roll_bytes=4000) as writer:
        simulate(config, curve, writer=writer)
    return config


def test_a_run_is_taken_up_from_a_snapshot_as_from_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "GROUP_ROWS", 100)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    folder = open_folder(tmp_path)
    config = recorded(folder)
    expected = Sweep.replay(config, JournalReader(folder).read())
    assert expected.count["Canceled"] > 3
    segments = data_names(folder)
    for number in (len(segments) // 3, len(segments) // 3 * 2, None):
        with JournalWriter.open(folder) as writer:
            until = writer.settled
        if number is not None:  # somewhere in the middle: where one segment goes on after another
            body = json.loads(folder.read_bytes(segments[number]).splitlines()[0].rpartition(b"#")[0])
            name, size = body["after"]
            until = Position(Segment(1, int(name[6:14])), size)
        assert until is not None
        compact(folder, until)
        prune_segments(folder)
        reader = JournalReader(folder)
        pieces = list(reader.read_blocks())
        assert sum(isinstance(piece, Block) for piece in pieces) > 1
        assert picture(Sweep.replay(config, pieces)) == picture(expected)
        assert picture(Sweep.replay(config, JournalReader(folder).read())) == picture(expected)
        assert reader.entries == sum(1 for _ in JournalReader(folder).read_lines())
        assert list(reader.read_blocks()) == []
    assert len(data_names(folder)) == 1


def test_a_reader_that_left_in_the_middle_of_a_snapshot_goes_on_there(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    with JournalWriter.open(folder) as writer:
        writer.append(lines(1, 2, 3, 4))
    with JournalWriter.open(folder) as writer:
        assert writer.settled is not None
        compact(folder, writer.settled)
        reader = JournalReader(folder)
        assert next(reader.read())[0].trial == 1  # type: ignore[union-attr]
        writer.append(lines(5))
        writer.close()
    with JournalWriter.open(folder) as writer:
        assert writer.settled is not None
        compact(folder, writer.settled)  # a newer one takes its place meanwhile
        prune_segments(folder)
        blocks = list(reader.read_blocks())
        assert [fact.trial for fact, _ in blocks] == [2, 3, 4, 5]  # type: ignore[union-attr, misc]


# ---------------------------------------------------------------------------------------------- damage


@pytest.fixture
def compacted(tmp_path: Path) -> Folder:
    """Entries 1 to 4 in a snapshot, 5 in a segment."""
    folder = open_folder(tmp_path)
    with JournalWriter.open(folder) as writer:
        writer.append(lines(1, 2, 3, 4))
    with JournalWriter.open(folder) as writer:
        assert writer.settled is not None
        compact(folder, writer.settled)
        prune_segments(folder)
        writer.append(lines(5))
    return folder


def snapshot_of(folder: Folder) -> Path:
    return next(Path(folder.uri).glob("snapshot-*"))


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_damaged_snapshot_is_named(compacted: Folder, damage: str) -> None:
    path = snapshot_of(compacted)
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:-20])
    else:
        path.write_bytes(data[:20] + bytes([data[20] ^ 255]) + data[21:])
    for read in (JournalReader.read, JournalReader.read_lines, JournalReader.read_blocks):
        with pytest.raises(JournalError, match=rf"{path.name}.*The 0 entries before that can be read"):
            list(read(JournalReader(compacted)))


def test_no_flipped_bit_of_the_data_gives_other_entries(compacted: Folder) -> None:
    path = snapshot_of(compacted)
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little")
    for place in range(4, len(data) - footer - 8, 11):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        reader = JournalReader(compacted)
        try:
            found = numbers(reader)
        except JournalError:
            assert reader.entries == 0
        else:
            assert found == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_lost_snapshot_is_named_by_the_segment_it_ended_with(compacted: Folder, how: str) -> None:
    if how == "gone":
        snapshot_of(compacted).unlink()
    else:
        snapshot_of(compacted).write_bytes(b"")
    with pytest.raises(JournalError, match=r"e0001-00000001.jsonl is missing"):
        list(JournalReader(compacted).read())


def test_a_torn_segment_after_a_snapshot_is_passed_over_with_a_notice(compacted: Folder) -> None:
    newest = Path(compacted.uri) / data_names(compacted)[-1]
    with newest.open("ab") as file:
        file.write(b'[{"kind":"Tick')
    assert numbers(JournalReader(compacted)) == [1, 2, 3, 4, 5]
    with JournalWriter.open(compacted) as writer:
        writer.append(lines(6))
    reader = JournalReader(compacted)
    assert numbers(reader) == [1, 2, 3, 4, 5, 6]
    assert len(reader.notices) == 1
    assert newest.name in reader.notices[0]


def test_a_damaged_journal_is_not_compacted(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    with JournalWriter.open(folder) as writer:
        writer.append(lines(1))
        writer.append([b"[what is this]\n"])
    with JournalWriter.open(folder) as writer:
        assert writer.settled is not None
        with pytest.raises(JournalError, match="what is this"):
            compact(folder, writer.settled)
        why = compact_elsewhere(folder, writer.settled, 60.0)
    assert "what is this" in why
    assert prune_segments(folder) == 0
    assert len(data_names(folder)) == 2


def test_a_newer_format_is_refused_with_advice(compacted: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "FORMAT", 7)
    with pytest.raises(JournalError, match="format 1, this raydrive reads 7: update raydrive"):
        list(JournalReader(compacted).read())


# ---------------------------------------------------------------------------------------------- the process


def test_a_compaction_killed_at_any_moment_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(tmp_path / "journal")
    config = recorded(folder, trials=100)
    expected = list(JournalReader(folder).read_lines())
    with JournalWriter.open(folder) as writer:
        until = writer.settled
    assert until is not None
    task = {"folder": folder.uri, "segment": until.segment.name, "bytes": until.bytes}
    command = python_command(sys.executable, compaction.BOOT)
    made = 0
    for delay_s in (0.3, 0.5, 0.6, 0.7, 0.8, 1.0):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
            time.sleep(delay_s)
            process.kill()
        assert list(JournalReader(folder).read_lines()) == expected
        made += any(Path(folder.uri).glob("snapshot-*"))
    assert compact_elsewhere(folder, until, 60.0) == ""
    assert not list(Path(folder.uri).glob(".snapshot-*"))
    prune_segments(folder)
    assert list(JournalReader(folder).read_lines()) == expected
    assert Sweep.replay(config, JournalReader(folder).read_blocks()).finished


def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    command = python_command(sys.executable, compaction.BOOT)
    task = {"folder": str(tmp_path), "segment": "e0001-00000001.jsonl", "bytes": 1}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(task).encode() + b"\n")
        process.stdin.close()
        assert process.wait(60) == 1


def test_when_it_is_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(tmp_path)
    assert not due(folder, None, eager=True)
    with JournalWriter.open(folder) as writer:
        writer.append(lines(*range(40)))
    with JournalWriter.open(folder) as writer:
        size = (tmp_path / data_names(folder)[0]).stat().st_size
        monkeypatch.setattr(compaction, "DUE_BYTES", 2 * size)
        assert not due(folder, writer.settled)
        assert due(folder, writer.settled, eager=True)
        monkeypatch.setattr(compaction, "DUE_BYTES", size)
        assert due(folder, writer.settled)
        assert writer.settled is not None
        compact(folder, writer.settled)
        assert not due(folder, writer.settled, eager=True)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module, name, value in (
        (journal_compactor, "LOOK_S", 0.01),
        (journal_compactor, "GRACE_S", 0.2),
        (compaction, "DUE_BYTES", 2000),
    ):
        monkeypatch.setattr(module, name, value)
    return


def tidied(folder: Folder) -> bool:
    made = [one for item in folder.list() if (one := Snapshot.parse(item.name))]
    segments = [one for name in data_names(folder) if (one := Segment.parse(name))]
    return bool(made) and min(segments) > made[-1].until.segment


@pytest.mark.usefixtures("hasty")
def test_a_live_run_is_compacted_beside_its_writer(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)

    async def live() -> None:
        with JournalWriter.open(folder, roll_bytes=1000) as writer:
            keeper = JournalCompactor(folder, lambda: writer.settled)
            work = asyncio.create_task(keeper.run())
            number = 0
            while not tidied(folder):
                assert not work.done(), work.exception()
                assert keeper.trouble == ""
                if number < 40:
                    writer.append(lines(number))
                    number += 1
                await asyncio.sleep(0.01)
            assert keeper.trouble == ""
            work.cancel()
            await keeper.finish(0.0)
        assert numbers(JournalReader(folder)) == list(range(number))

    asyncio.run(asyncio.wait_for(live(), 100))


@pytest.mark.usefixtures("hasty")
def test_a_finished_run_keeps_no_segments_that_its_snapshot_stands_for(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    with JournalWriter.open(folder, roll_bytes=1000) as writer:
        reader = JournalReader(folder)
        for number in range(40):
            writer.append(lines(number))
        assert numbers(reader)[:1] == [0]
        keeper = JournalCompactor(folder, lambda: writer.settled)
        asyncio.run(keeper.finish(0.0))
        assert keeper.trouble == ""
        assert tidied(folder)
    assert numbers(JournalReader(folder)) == list(range(40))


@pytest.mark.usefixtures("hasty")
def test_a_snapshot_that_cannot_be_made_is_told_and_harms_nothing(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    with JournalWriter.open(folder, roll_bytes=1000) as writer:
        writer.append([b"[what is this]\n"])
        writer.append(lines(*range(20)))
        writer.append(lines(20))
        keeper = JournalCompactor(folder, lambda: writer.settled)
        asyncio.run(keeper.finish(0.0))
    assert "no snapshot of the journal could be made" in keeper.trouble
    assert "what is this" in keeper.trouble
    assert not list(tmp_path.glob("snapshot-*"))


def test_steps_are_known_from_a_snapshot_as_from_its_lines(tmp_path: Path) -> None:
    """By them a relaunched attempt is aligned: numbers, missing ones, ones that do not grow, in lines of any kind."""
    folder = open_folder(tmp_path)
    config = function_config((1.0, 2.0, 3.0, 4.0), max_concurrent_runs=4)
    sweep = Sweep(config)
    facts: list[Fact] = [Started(1.0, 1)]
    facts += [Suggested(2.0, trial, {"x": float(trial + 1)}) for trial in range(4)]
    steps: list[list[float | None]] = [[1, 2, 3], [0.5, 1.0, 10**400], [1, None, 3], [3, 2, 9]]
    for k in range(3):
        for trial, of_trial in enumerate(steps):
            metrics: dict[str, Any] = {"text": "a"} if k == 1 else {}
            facts.append(Reported(3.0 + k, trial, 1, k + 1, k + 1, 0.5, metrics, of_trial[k]))
    with JournalWriter.open(folder) as writer:
        writer.append([records.dump(fact, sweep.handle(fact)) for fact in facts])
    with JournalWriter.open(folder) as writer:
        assert writer.settled is not None
        compact(folder, writer.settled)
    prune_segments(folder)
    pieces = list(JournalReader(folder).read_blocks())
    assert any(isinstance(piece, Block) for piece in pieces)
    replayed = Sweep.replay(config, pieces)
    expected = [(3, 1.0, 3.0), (3, 0.5, math.inf), None, None]
    assert [trial.steps for trial in sweep.trials] == expected
    assert [trial.steps for trial in replayed.trials] == expected
