"""What a run keeps on a node (code, fetched inputs): locked while an actor of the run lives there, and evicted later.

Actors are killed without a word, so none of them can tidy up at the end, and the next one of the same run may want the
same inputs in a moment. The next actor on a node removes a folder that was not held for a day.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from raydrive.storage.folder.contained import remove_tree

KEPT_S = 86_400.0
"""Seconds that a folder stays after an actor has last begun to hold it."""
SWEEP_S = 3_600.0
"""A node is swept this often, at most."""
LEFT_KEPT_S = 7 * KEPT_S
"""Files of trials that are not in the storage stay so long after the last of them was left."""
_HELD, _SWEPT, _LEFT = ".held", ".swept", ".left"
_HOLD_FILES = ("files", "work")
"""Folders of a run's folder in which files of trials may have been left."""


def lock_run_cache(folder: Path) -> int:
    """Makes a run's folder and holds it for as long as this process lives.

    Returns:
        The descriptor that holds it; closing it lets go.

    Raises:
        OSError: If it cannot be made.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # swept between these lines: once more
            held = os.open(folder / _HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(held, fcntl.LOCK_SH)
            if _same(held, folder / _HELD):
                os.utime(held)
                return held
            os.close(held)


def is_held(held: int, folder: Path) -> bool:
    """Whether a folder is still the one that a descriptor of ``lock_run_cache`` holds, and was not removed."""
    return _same(held, folder / _HELD)


def leave(folder: Path) -> None:
    """Has the files of trials in a run's folder stay there for ``LEFT_KEPT_S``, for they are nowhere else."""
    with contextlib.suppress(OSError):
        (folder / _LEFT).touch()
        os.utime(folder / _LEFT)


def evict_old_caches(root: Path) -> None:
    """Removes the folders of runs that no process has held for a day; at most once an hour, and by one process.

    Args:
        root: Holds the folders of this user's runs on this node.
    """
    now = time.time()
    with contextlib.suppress(OSError):
        swept = os.open(root / _SWEPT, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(swept, fcntl.LOCK_EX | fcntl.LOCK_NB)
            state = os.fstat(swept)
            if state.st_size and now - state.st_mtime < SWEEP_S:
                return
            os.pwrite(swept, b"\n", 0)
            os.utime(swept, (now, now))
            for held in root.glob(f"*/{_HELD}"):
                with contextlib.suppress(OSError):
                    if now - held.stat().st_mtime > KEPT_S:
                        _remove(held)
        finally:
            os.close(swept)


def _remove(held: Path) -> None:
    """Removes a folder, unless a process holds it; without what trials have left there and nowhere else.

    Raises:
        OSError: If a process does.
    """
    lock = os.open(held, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_left(held.parent):
            for path in held.parent.iterdir():
                if path.is_dir() and path.name not in _HOLD_FILES:
                    remove_tree(path)
            return
        held.unlink()  # first: a process that waits for the lock makes the folder again
        remove_tree(held.parent)
    finally:
        os.close(lock)


def _is_left(folder: Path) -> bool:
    """Whether files of trials are to stay in a run's folder."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - (folder / _LEFT).stat().st_mtime < LEFT_KEPT_S
    return False


def _same(held: int, path: Path) -> bool:
    """Whether an open file is still the one at a path."""
    found = os.fstat(held)
    with contextlib.suppress(FileNotFoundError):
        there = path.stat()
        return (found.st_dev, found.st_ino) == (there.st_dev, there.st_ino)
    return False
