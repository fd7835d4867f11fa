"""Folders of runs on a node: held, let go, swept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raydrive.runtime import node_cache
from raydrive.runtime.node_cache import (
    KEPT_S,
    LEFT_KEPT_S,
    SWEEP_S,
    evict_old_caches,
    leave,
    lock_run_cache,
)

OLD_S = KEPT_S + 60


def a_folder(root: Path, name: str, age_s: float) -> Path:
    folder = root / name
    held = lock_run_cache(folder)
    (folder / "inputs").mkdir()
    (folder / "inputs" / "data").write_bytes(b"x" * 1000)
    os.utime(folder / ".held", (time.time() - age_s, time.time() - age_s))
    os.close(held)
    return folder


def test_what_nobody_has_held_for_a_day_goes_and_the_rest_stays(tmp_path: Path) -> None:
    old, young = a_folder(tmp_path, "old", OLD_S), a_folder(tmp_path, "young", 60)
    (tmp_path / "not-ours").mkdir()
    (tmp_path / "1-2.sock").touch()
    evict_old_caches(tmp_path)
    assert not old.exists()
    assert (young / "inputs/data").exists()
    assert (tmp_path / "not-ours").exists()
    assert (tmp_path / "1-2.sock").exists()


def test_files_of_trials_that_are_nowhere_else_stay_for_a_week(tmp_path: Path) -> None:
    left = a_folder(tmp_path, "left", OLD_S)
    (left / "files" / "00001-1-abcd").mkdir(parents=True)
    (left / "files" / "00001-1-abcd" / "model").write_text("weights")
    leave(left)
    evict_old_caches(tmp_path)
    assert sorted(path.name for path in left.iterdir()) == [".held", ".left", "files"]
    assert (left / "files" / "00001-1-abcd" / "model").read_text() == "weights"
    long_ago = time.time() - LEFT_KEPT_S - 60
    for path in (left / ".left", left / ".held", tmp_path / ".swept"):
        os.utime(path, (long_ago, long_ago))
    evict_old_caches(tmp_path)
    assert not left.exists()


def test_what_another_process_holds_stays_however_old_and_goes_after_that_process(tmp_path: Path) -> None:
    old = a_folder(tmp_path, "old", OLD_S)
    code = (
        "import sys, os; from pathlib import Path; from raydrive.runtime import node_cache;"
        "node_cache.lock_run_cache(Path(sys.argv[1]));"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(old)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        os.utime(old / ".held", (time.time() - OLD_S, time.time() - OLD_S))
        evict_old_caches(tmp_path)
        assert (old / "inputs/data").exists()
        holder.kill()  # as Ray ends an actor
    os.unlink(tmp_path / ".swept")
    evict_old_caches(tmp_path)
    assert not old.exists()


def test_a_node_is_swept_once_an_hour(tmp_path: Path) -> None:
    evict_old_caches(tmp_path)
    old = a_folder(tmp_path, "old", OLD_S)
    evict_old_caches(tmp_path)
    assert old.exists()
    before = time.time() - SWEEP_S - 1
    os.utime(tmp_path / ".swept", (before, before))
    evict_old_caches(tmp_path)
    assert not old.exists()


def test_holding_makes_a_folder_anew_that_was_swept_at_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = a_folder(tmp_path, "old", OLD_S)
    flock, swept = node_cache.fcntl.flock, []

    def late(descriptor: int, operation: int) -> None:
        if operation == node_cache.fcntl.LOCK_SH and not swept:
            swept.append(True)
            evict_old_caches(tmp_path)
            assert not old.exists()
        flock(descriptor, operation)

    monkeypatch.setattr(node_cache.fcntl, "flock", late)
    held = lock_run_cache(old)
    assert swept
    assert (old / ".held").exists()
    os.close(held)


def test_a_place_that_cannot_be_swept_is_no_failure(tmp_path: Path) -> None:
    evict_old_caches(tmp_path / "missing")
