"""Going on from an entry in the middle of a journal: what counts then, and what is kept of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydrive.core.errors import ConfigError, DamagedJournalError, JournalError
from raydrive.storage.folder.base import Folder
from raydrive.storage.journal.compaction import compact, prune_segments
from raydrive.storage.journal.repair import SET_ASIDE, cut
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.testing.journal import lines, numbers


@pytest.fixture(params=["local", "arrow"])
def layout(request: pytest.FixtureRequest) -> RunLayout:
    folder: Folder = request.getfixturevalue(request.param)
    return RunLayout.create(folder, "e", "e-20261128-120000-0001")


def epochs(layout: RunLayout, *groups: tuple[int, ...]) -> None:
    for group in groups:
        with JournalWriter.open(layout.journal, roll_bytes=400) as writer:
            for number in group:
                writer.append(lines(number))


@pytest.mark.parametrize("entries", range(7))
def test_what_stands_behind_the_entry_does_not_count_any_more(layout: RunLayout, entries: int) -> None:
    epochs(layout, (1, 2, 3), (4, 5), (7,))
    follower = JournalReader(layout.journal)
    assert numbers(follower) == [1, 2, 3, 4, 5, 7]
    cut(layout, entries)
    kept = [1, 2, 3, 4, 5, 7][:entries]
    assert numbers(JournalReader(layout.journal)) == kept
    with JournalWriter.open(layout.journal) as writer:
        writer.append(lines(8))
    assert numbers(JournalReader(layout.journal)) == [*kept, 8]


def test_a_driver_that_is_alive_is_shut_out(layout: RunLayout) -> None:
    with JournalWriter.open(layout.journal) as writer:
        writer.append(lines(1, 2))
        cut(layout, 1)
        with pytest.raises(JournalError, match="superseded"):
            writer.append(lines(4))


@pytest.mark.parametrize("entries", [-1, 4, 1000])
def test_entries_that_cannot_be_read_cannot_count(layout: RunLayout, entries: int) -> None:
    epochs(layout, (1, 2), (4,))
    with pytest.raises(ConfigError, match="allowed: 0 to 3: the number of readable entries"):
        cut(layout, entries)
    assert numbers(JournalReader(layout.journal)) == [1, 2, 4]


@pytest.mark.parametrize("entries", [1, 4, 5, 6])
def test_an_entry_in_a_snapshot(layout: RunLayout, entries: int) -> None:
    epochs(layout, (1, 2, 3), (4, 5))
    with JournalWriter.open(layout.journal) as writer:
        assert writer.settled is not None
        made = compact(layout.journal, writer.settled)
        prune_segments(layout.journal)
        writer.append(lines(7))
    cut(layout, entries)
    assert numbers(JournalReader(layout.journal)) == [1, 2, 3, 4, 5, 7][:entries]
    kept_aside = [item.name for item in layout.journal.child(SET_ASIDE).list()]
    assert kept_aside == ([made.name] if entries < 6 else [])


def test_a_damaged_journal_goes_on_before_the_damage(tmp_path: Path) -> None:
    layout = RunLayout.create(tmp_path, "e", "e-20261128-120000-0001")
    epochs(layout, (1, 2, 3), (4, 5))
    name = max(Path(layout.uri, "journal").glob("e0001*"))
    name.write_bytes(name.read_bytes().replace(b'"value":0.5', b'"value":0.6', 1))
    with pytest.raises(DamagedJournalError) as raised:
        numbers(JournalReader(layout.journal))
    cut(layout, raised.value.readable)
    assert numbers(JournalReader(layout.journal)) == [1, 2, 3][: raised.value.readable]


def test_the_end_of_a_damaged_journal_is_not_gone_on_from(tmp_path: Path) -> None:
    layout = RunLayout.create(tmp_path, "e", "e-20261128-120000-0001")
    epochs(layout, (1, 2, 3))
    name = max(Path(layout.uri, "journal").glob("e0001*"))
    whole = name.read_bytes()
    for damaged in (whole.replace(b'"value":0.5', b'"value":0.6', 1), b"#" + whole[1:300].replace(b'{"seg', b'{"sag')):
        name.write_bytes(damaged)
        with pytest.raises(DamagedJournalError, match=name.name):
            JournalWriter.open(layout.journal)
