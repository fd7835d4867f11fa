"""What trials leave in their temporary folder is gone with them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from raydrive.runtime.fork_server import process_tree
from raydrive.runtime.trial_actor.files import temporary_folder
from raydrive.runtime.trial_actor.files.temporary_folder import TemporaryFolder


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another place for temporary files, with a short path."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield Path(short)


def test_it_is_made_emptied_and_made_again(place: Path) -> None:
    folder = TemporaryFolder()
    assert folder.path.startswith(str(place))
    for _ in range(2):
        folder.make()
        assert folder.is_empty()
        closed = Path(folder.path) / "pymp-1" / "closed"
        closed.mkdir(parents=True)
        (closed / "file").touch()
        closed.chmod(0)
        assert not folder.is_empty()
        folder.clear()
        assert folder.is_empty()
    folder.make()
    os.rmdir(folder.path)  # by a cleaner of /tmp
    folder.make()
    assert os.stat(folder.path).st_mode & 0o777 == 0o700


def test_what_is_nested_deep_is_removed(place: Path) -> None:
    folder = TemporaryFolder()
    folder.make()
    here = os.getcwd()
    os.chdir(folder.path)
    for _ in range(1_500):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(here)
    folder.clear()
    assert folder.is_empty()


def test_sockets_fit_below_it_however_long_the_place_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = place / ("x" * 80)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = TemporaryFolder()
    assert len(f"{folder.path}/pymp-12345678/listener-12345678") < 108
    assert not folder.path.startswith(str(long))


def test_who_starts_later_removes_what_a_killed_actor_left(place: Path) -> None:
    mine = TemporaryFolder()
    mine.make()
    parent = Path(mine.path).parent
    old, new = parent / "7fffffff-1", parent / "7ffffffe-1"
    same_id = parent / f"{os.getpid():x}-{process_tree.started(os.getpid()) + 1:x}"
    strange = parent / "a-b-c"
    for folder in (old, new, same_id, strange):
        (folder / "pymp-1").mkdir(parents=True)
    long_ago = time.time() - 3_600
    for folder in (old, same_id, strange, Path(mine.path)):
        os.utime(folder, (long_ago, long_ago))
    temporary_folder.sweep()
    assert sorted(parent.iterdir()) == sorted([Path(mine.path), new, strange])
