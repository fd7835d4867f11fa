"""The folders of an attempt that brings no code: made once for a trial actor, and laid again for each attempt.

A trial that lasts milliseconds would otherwise spend more time on making and deleting directories than on anything
else: ext4 looks at every inode that was deleted in the last seconds before it gives out a new one, so that each trial
pays for all those before it. So nothing is deleted on a disk: the one link that changes is in memory, where it can be.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from raydrive.storage.code_snapshot import PUBLISHED
from raydrive.storage.folder.contained import remove_tree

_TRIAL = "trial"


class ReusableWorkdir:
    """A working directory with ``outputs`` and ``logs``, and a folder for what only the attempt needs.

    ``outputs`` and ``logs`` point through one link to the trial's own folders: that link is all that changes.

    Args:
        folder: To be made; it must not exist.
        link: Where that link is made; None = in ``folder``.

    Raises:
        OSError: If something cannot be made.
    """

    def __init__(self, folder: Path, link: Path | None = None) -> None:
        self._folder = folder
        self.cwd = folder / "work"
        self.scratch = folder / "scratch"
        self.staging = self.scratch / "checkpoints"
        self.cwd.mkdir(parents=True)
        self.staging.mkdir(parents=True)
        self._trial = os.path.abspath(link or folder / _TRIAL)
        self._place = ""
        self._links = {f"{self.cwd}/{name}": f"{self._trial}/{name}" for name in PUBLISHED}
        self._folders = [str(self.cwd), str(self.scratch), str(self.staging)]
        for name, target in self._links.items():
            os.symlink(target, name)

    def bind(self, files: Path) -> None:
        """Lays it for a trial.

        Args:
            files: Holds the trial's ``outputs`` and ``logs``, which are made if missing.

        Raises:
            OSError: If something cannot be made.
        """
        place = self._place = os.path.abspath(files)
        for folder in (place, *(f"{place}/{name}" for name in PUBLISHED)):
            make_folder(folder)
        self._lead()

    def _lead(self) -> None:
        following = f"{self._trial}.next"
        os.symlink(self._place, following)
        os.rename(following, self._trial)

    def leads_to_trial(self) -> bool:
        """Whether the link is still there that all of it goes through."""
        try:
            return os.readlink(self._trial) == self._place
        except OSError:
            return False

    def lead_again(self) -> bool:
        """Makes that link again; returns whether it could be."""
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.dirname(self._trial), 0o700)
            self._lead()
            return True
        return False

    def clear(self) -> bool:
        """Whether it is as it was made, so that the next attempt may have it; else it is removed."""
        as_made = self.is_as_made()
        if not as_made:
            self.remove()
        return as_made

    def is_as_made(self) -> bool:
        """Whether nothing was left in it."""
        cwd, scratch, staging = self._folders
        try:
            return (
                sorted(os.listdir(cwd)) == sorted(PUBLISHED)
                and all(os.readlink(link) == target for link, target in self._links.items())
                and os.listdir(scratch) == [self.staging.name]
                and not os.listdir(staging)
                and all(os.stat(folder).st_mode & 0o700 == 0o700 for folder in self._folders)
            )
        except OSError:
            return False

    def remove(self) -> None:
        """Removes it, with what was left in it."""
        remove_tree(self._folder)
        with contextlib.suppress(OSError):
            os.unlink(self._trial)


def make_folder(path: str) -> None:
    """Makes a folder, and those above it; nothing where it exists. One call of the system in most cases.

    Raises:
        OSError: If it cannot be made, or something else is there.
    """
    try:
        os.mkdir(path)
    except FileNotFoundError:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
