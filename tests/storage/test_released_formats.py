"""Run folders that released versions left are read, judged, compacted and gone on with by this one.

``tests/formats/0.1.0`` was made by raydrive 0.1.0 (commit 65aa018) on virtual time: a bandit run, a Bayesian one with
median stopping, one warm-started from the first with a trial that goes on, one over three epochs with a snapshot, an
interrupted one, and one whose segments are objects. ``EXPECTED.json`` is what that version itself read.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from raydrive.core.records import Started, dump
from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.folder.arrow import ArrowFolder
from raydrive.storage.journal.compaction import compact, prune_segments
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import read_given
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import open_history
from raydrive.testing.sweep_invariants import check_journal

RELEASED = Path(__file__).parent.parent / "formats" / "0.1.0"
EXPECTED: dict[str, dict[str, Any]] = json.loads((RELEASED / "EXPECTED.json").read_text())


@pytest.fixture(params=EXPECTED)
def given(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[RunLayout, dict[str, Any]]:
    shutil.copytree(RELEASED, tmp_path / "runs")
    place = tmp_path / "runs" / request.param
    objects = request.param.startswith("objects/")
    layout = RunLayout.open(ArrowFolder(fs.LocalFileSystem(), str(place), str(place)) if objects else place)
    return layout, EXPECTED[request.param]


def lines_of(layout: RunLayout) -> list[str]:
    return [dump(fact, decisions) for fact, decisions in JournalReader(layout.journal).read()]


def test_it_is_read_to_the_letter_and_judged_the_same(given: tuple[RunLayout, dict[str, Any]]) -> None:
    layout, expected = given
    lines = lines_of(layout)
    assert len(lines) == expected["entries"]
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == expected["sha256"]
    config, warm_start = read_given(layout)
    sweep = check_journal(config, lines, warm_start)
    blocks = Sweep.replay(config, JournalReader(layout.journal).read_blocks(), warm_start)
    for found in (sweep, blocks):
        assert [trial.state for trial in found.trials] == expected["states"]
        assert found.best is not None
        assert [found.best.trial, found.best.value, found.best.interval] == expected["best"]


def test_it_is_shown(given: tuple[RunLayout, dict[str, Any]]) -> None:
    layout, expected = given
    head = Documents(open_history(layout)).head(now=2e9)
    assert (head["trouble"], head["notices"]) == ("", [])
    assert head["total"] == len(expected["states"])


def test_it_goes_on_and_is_compacted(given: tuple[RunLayout, dict[str, Any]]) -> None:
    """Lines without checksums before, lines with checksums after; then all in one snapshot."""
    layout, expected = given
    before = lines_of(layout)
    for _ in range(2):
        with JournalWriter.open(layout.journal) as writer:
            writer.append([dump(Started(5000.0 + writer.epoch, writer.epoch), ())])
            settled = writer.settled
    after = lines_of(layout)
    assert after[: len(before)] == before
    assert len(after) == expected["entries"] + 2
    assert settled is not None
    compact(layout.journal, settled)
    prune_segments(layout.journal)
    assert lines_of(layout) == after
