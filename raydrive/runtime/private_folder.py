"""A folder of this user's for sockets and caches, which other users of the machine cannot write to."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path


def private_folder(parent: str = "/tmp") -> Path:
    """A folder that only this user can enter, with a path short enough for sockets (108 bytes in total).

    It is the same one for all processes of the user, also where another user has taken the usual name.

    Args:
        parent: Folder it is in.

    Raises:
        OSError: No such folder can be made.
    """
    folder = Path(parent) / f"raydrive-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if _is_private(folder):
        return folder
    # Another user has made it, or it is open to others. The name of the one beside it cannot be foreseen, and it is
    # found again by its owner: else each call would make another one, and no sweep would ever come by.
    found = _beside(folder)
    if found:
        return found[0]
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=parent))
    first = _beside(folder)[0]
    if first != made:  # another process was as fast
        made.rmdir()
    return first


def _is_private(folder: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        found = folder.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return False


def _beside(folder: Path) -> list[Path]:
    """The private folders that were made in the place of one, in order of their names."""
    return sorted(path for path in folder.parent.glob(f"{folder.name}-*") if _is_private(path))
