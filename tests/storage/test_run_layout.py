"""Where things are: run folders, ids, finding a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raydrive.core.errors import ConfigError, RunNotFoundError, StorageError
from raydrive.storage.folder.base import Folder
from raydrive.storage.run_layout import (
    LOG_NAME,
    RunLayout,
    check_experiment,
    find_run,
    list_experiments,
    list_runs,
    new_run_id,
)

NOON = 1_795_435_200.0  # 2026-11-23 12:00:00 UTC


def make(storage: Folder | Path, experiment: str, at: float = NOON, entropy: int = 1) -> RunLayout:
    layout = RunLayout.create(storage, experiment, new_run_id(experiment, at, entropy))
    layout.write_config(b"{}")
    return layout


def test_run_ids() -> None:
    assert new_run_id("digits", NOON, 0x7F3A) == "digits-20261123-120000-7f3a"
    assert new_run_id("digits", NOON, 0x17F3A) == "digits-20261123-120000-7f3a"
    later = [new_run_id("digits", NOON + seconds, 5) for seconds in (0, 1, 61, 3601, 90_000, 40_000_000)]
    assert later == sorted(later)
    assert len({new_run_id("digits") for _ in range(50)}) > 40


def test_the_names_of_files(folder: Folder) -> None:
    layout = make(folder, "digits")
    base = folder.child("digits", layout.run_id)
    assert layout.folder == base
    assert layout.journal == base.child("journal")
    assert layout.code == base.child("code")
    assert layout.trial(7) == base.child("trials/00007")
    assert layout.attempt(7, 2) == base.child("trials/00007/attempt-2")
    assert layout.outputs(7) == base.child("trials/00007/outputs")
    assert layout.logs(7) == base.child("trials/00007/logs")
    assert layout.checkpoint(7, 3) == base.child("trials/00007/checkpoints/00003")
    assert layout.checkpoints(123456).child("1") == base.child("trials/123456/checkpoints/1")
    assert LOG_NAME == "log.txt"


def test_a_run_is_opened_by_its_uri(tmp_path: Path) -> None:
    layout = make(tmp_path, "digits")
    again = RunLayout.open(layout.uri)
    assert again == layout
    assert (again.experiment, again.run_id) == ("digits", "digits-20261123-120000-0001")


def test_a_run_on_an_object_store_is_opened_by_its_uri() -> None:
    layout = RunLayout.open("s3://bucket/runs/digits/digits-20261123-120000-0001?region=eu-west-1")
    assert (layout.experiment, layout.run_id) == ("digits", "digits-20261123-120000-0001")
    assert layout.journal.uri == "s3://bucket/runs/digits/digits-20261123-120000-0001/journal?region=eu-west-1"


def test_nothing_starts_over_in_an_existing_run(folder: Folder) -> None:
    layout = make(folder, "digits")
    with pytest.raises(StorageError, match=r"already exists.*Hint: resume the existing run"):
        RunLayout.create(folder, "digits", layout.run_id)
    with pytest.raises(StorageError, match="already has its configuration"):
        layout.write_config(b"other")
    assert layout.read_config() == b"{}"


def test_config_and_heartbeat(folder: Folder) -> None:
    layout = RunLayout.create(folder, "digits", "digits-1")
    with pytest.raises(RunNotFoundError, match=r"is not a run: it has no config.json"):
        layout.read_config()
    assert layout.read_driver() is None
    for view in (b'{"at": 1}', b'{"at": 2}'):
        layout.write_driver(view)
        assert layout.read_driver() == view


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a b", "żółw", "x" * 129, "-a", "a\n"])
def test_names_that_cannot_be_folders(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="experiment"):
        check_experiment(name)
    with pytest.raises(ConfigError, match="experiment"):
        RunLayout.create(tmp_path, name, "run")
    with pytest.raises(ConfigError, match="run id"):
        RunLayout.create(tmp_path, "digits", name)
    assert list(tmp_path.iterdir()) == []


def test_a_usable_name_is_proposed() -> None:
    with pytest.raises(ConfigError, match="For example 'my-digits-v2'"):
        check_experiment(" my digits/v2".strip())


def test_listing_runs(folder: Folder) -> None:
    assert list_runs(folder) == []
    assert list_experiments(folder) == []
    second = make(folder, "digits", NOON + 10)
    first = make(folder, "wine", NOON)
    third = make(folder, "digits", NOON + 20)
    folder.write_whole("notes.txt", b"")
    folder.write_whole("wine/notes/x.txt", b"")
    folder.write_whole("other/data.csv", b"")
    found = list_runs(folder)
    assert [run.run_id for run in found] == [first.run_id, second.run_id, third.run_id]
    assert [run.created for run in found] == [NOON, NOON + 10, NOON + 20]
    assert found[0].uri == first.uri
    assert list_experiments(folder) == ["digits", "wine"]
    assert [run.run_id for run in list_runs(folder, "wine")] == [first.run_id]
    assert list_runs(folder, "nothing") == []


def test_a_submission_that_was_interrupted_is_no_run(tmp_path: Path) -> None:
    RunLayout.create(tmp_path, "digits", new_run_id("digits"))
    assert list_runs(tmp_path) == []


def test_runs_of_the_same_second_are_told_apart_by_the_file_system(tmp_path: Path) -> None:
    later = make(tmp_path, "digits", NOON, 1)
    earlier = make(tmp_path, "digits", NOON, 2)
    os.utime(tmp_path / "digits" / earlier.run_id / "config.json", (NOON, NOON))
    assert [run.run_id for run in list_runs(tmp_path)] == [earlier.run_id, later.run_id]


def test_a_run_of_another_name_is_found_too(folder: Folder) -> None:
    RunLayout.create(folder, "digits", "mine").write_config(b"{}")
    assert find_run(folder, "mine").run_id == "mine"
    assert find_run(folder, "mine").created > 1e9


def test_finding_a_run(folder: Folder) -> None:
    old = make(folder, "digits", NOON, 0xAAAA)
    new = make(folder, "digits", NOON + 100, 0xBBBB)
    wine = make(folder, "wine", NOON + 50, 0xCCCC)
    assert find_run(folder, "last").run_id == new.run_id
    assert find_run(folder, "wine/last").run_id == wine.run_id
    assert find_run(folder, old.run_id).run_id == old.run_id
    assert find_run(folder, "w").run_id == wine.run_id
    assert find_run(folder, "digits/digits-20261123-1201").run_id == new.run_id
    with pytest.raises(RunNotFoundError, match=rf"'digits' means 2 runs: {new.run_id}, {old.run_id}. Hint"):
        find_run(folder, "digits")
    with pytest.raises(RunNotFoundError, match=f"did you mean {wine.run_id}"):
        find_run(folder, "wine-20261123-120050-cccd")
    with pytest.raises(RunNotFoundError, match=f"did you mean {new.run_id}"):
        find_run(folder, "bbbb")
    with pytest.raises(RunNotFoundError, match=f"the newest are {new.run_id}, {wine.run_id}, {old.run_id}"):
        find_run(folder, "???")
    with pytest.raises(RunNotFoundError, match=r"the newest are"):
        find_run(folder, "")
    with pytest.raises(RunNotFoundError, match="has no experiment 'none'"):
        find_run(folder, "none/last")


def test_a_whole_id_wins_over_longer_ones(folder: Folder) -> None:
    for name in ("run", "run-2"):
        RunLayout.create(folder, "digits", name).write_config(b"{}")
    assert find_run(folder, "run").run_id == "run"
    RunLayout.create(folder, "wine", "run").write_config(b"{}")
    with pytest.raises(
        RunNotFoundError, match=r"means 2 runs: wine/run, digits/run|means 2 runs: digits/run, wine/run"
    ):
        find_run(folder, "run")
    assert find_run(folder, "wine/run").experiment == "wine"


def test_an_empty_storage_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match=r"there are no runs in .*Hint: check the storage"):
        find_run(tmp_path / "nothing", "last")


def test_many_similar_runs_are_not_all_named(tmp_path: Path) -> None:
    for second in range(15):
        make(tmp_path, "digits", NOON + second)
    with pytest.raises(RunNotFoundError, match=r"means 15 runs: .* and 5 more"):
        find_run(tmp_path, "digits")
