"""Stored runs that are damaged in every way: no silent loss, no traceback, no hang. ``make fuzz`` tries many more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import damaged_runs as damage
import pytest

MORE = 10 if os.environ.get("RAYDRIVE_FUZZ_S") else 1
SEED = int(os.environ.get("RAYDRIVE_FUZZ_SEED", "1"))

Fuzzer = Callable[[Path, Path], damage.Tally]
FUZZERS: dict[str, Fuzzer] = {
    "the last segment cut at a byte": lambda base, place: damage.truncations(base, place, 10 // MORE),
    "a bit flipped in the journal": lambda base, place: damage.flips(base, place, "journal/*", 200 * MORE, SEED),
    "a bit flipped in config or heartbeat": lambda base, place: damage.flips(base, place, "*.json", 100 * MORE, SEED),
    "zeros or another page in the journal": lambda base, place: damage.holes(base, place, 100 * MORE, SEED),
    "a file deleted, emptied, exchanged": damage.missing_files,
    "another type in config.json": lambda base, place: damage.mutations(base, place, "config.json", 100 * MORE, SEED),
    "another type in driver.json": lambda base, place: damage.mutations(base, place, "driver.json", 40 * MORE, SEED),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("fuzz")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=["segments", "snapshot"])
def base(request: pytest.FixtureRequest, place: Path) -> Path:
    layout = damage.recorded(place / request.param, compacted=request.param == "snapshot")
    names = [item.name for item in layout.journal.list()]
    assert any(name.startswith("snapshot-") for name in names) == (request.param == "snapshot")
    return Path(layout.uri)


@pytest.mark.parametrize("what", FUZZERS)
def test_damage_is_told_and_never_a_traceback(base: Path, place: Path, what: str) -> None:
    tally = FUZZERS[what](base, place / "damaged")
    assert tally.cases >= 20
    assert not tally.wrong, "\n".join(tally.wrong[:5])


def test_a_whole_run_has_nothing_to_tell(base: Path) -> None:
    assert damage.everything(base)[1] == []


def test_the_harness_sees_what_is_silent(base: Path, place: Path) -> None:
    """As with a journal without checksums: a digit changes, and nobody says so."""
    tally = damage.Tally()
    damage.judge(tally, base, "what is shown of another run", "nothing was damaged")
    assert tally.silent == ["nothing was damaged"]
