"""A folder for the temporary files of an actor's trials: emptied after each one, removed with the actor.

Nothing else removes what a killed process leaves in a temporary folder. The path stays the same for all trials of an
actor, since a process may have it in mind, and is short, since sockets are made there (108 bytes in total).
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from pathlib import Path

from raydrive.runtime.fork_server import process_tree
from raydrive.runtime.private_folder import private_folder
from raydrive.storage.folder.contained import remove_tree

_PARENT = "tmp"
_LONGEST = 66
"""Characters of the path: multiprocessing makes sockets of 32 more below it."""
_KEPT_S = 600.0
"""Seconds that the folder of an actor that is gone stays after its last change: its trial may be ending."""


class TemporaryFolder:
    """The folder of this process's trials.

    Raises:
        OSError: If there is no place for it.
    """

    def __init__(self) -> None:
        me = os.getpid()
        name = f"{_PARENT}/{me:x}-{process_tree.started(me):x}"
        path = private_folder(tempfile.gettempdir()) / name
        self.path = str(path if len(str(path)) <= _LONGEST else private_folder() / name)

    def make(self) -> None:
        """Makes it where it is missing; one call of the system where it is there.

        Raises:
            OSError: If it cannot be made.
        """
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            return
        except FileNotFoundError:
            os.makedirs(self.path, 0o700, exist_ok=True)

    def is_empty(self) -> bool:
        """Whether nothing is left in it."""
        with contextlib.suppress(OSError):
            return not os.listdir(self.path)
        return True

    def clear(self) -> None:
        """Removes what is in it."""
        for _ in range(2):
            remove_tree(Path(self.path))
            if not os.path.lexists(self.path):
                break
            with contextlib.suppress(RecursionError):  # Python's walk goes down by calls
                _open_all(self.path)  # folders that were closed to their owner, too


def sweep() -> None:
    """Removes the folders of actors that are gone and could not do it."""
    now = time.time()
    with contextlib.suppress(OSError):
        for parent in {private_folder(tempfile.gettempdir()), private_folder()}:
            for folder in (parent / _PARENT).glob("*-*"):
                with contextlib.suppress(OSError, ValueError):
                    pid, _, start = folder.name.partition("-")
                    if process_tree.started(int(pid, 16)) != int(start, 16) and now - folder.stat().st_mtime > _KEPT_S:
                        remove_tree(folder)


def _open_all(path: str) -> None:
    for folder, names, _ in os.walk(path):
        for name in [*names, ""]:
            place = Path(folder, name)
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(place.lstat().st_mode):
                    place.chmod(0o700)
