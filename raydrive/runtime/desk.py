"""The folders of an attempt that brings no code: made once for a trial actor, and laid anew for each attempt.

A trial that lasts milliseconds would otherwise spend more time on making and deleting directories than on anything
else: ext4 looks at every inode that was deleted in the last seconds before it gives out a new one, so that each trial
pays for all those before it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from raydrive.storage.code import PUBLISHED

_TRIAL = "trial"


class Desk:
    """A working directory with ``outputs`` and ``logs``, and a folder for what only the attempt needs.

    ``outputs`` and ``logs`` point through one link to the trial's own folders: that link is all that changes.

    Args:
        folder: To be made; it must not exist.

    Raises:
        OSError: If something cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.cwd = folder / "work"
        self.scratch = folder / "scratch"
        self.staging = self.scratch / "checkpoints"
        self.cwd.mkdir(parents=True)
        self.staging.mkdir(parents=True)
        for name in PUBLISHED:
            os.symlink(f"../{_TRIAL}/{name}", self.cwd / name)

    def lay(self, files: Path) -> None:
        """Lays it for a trial.

        Args:
            files: Holds the trial's ``outputs`` and ``logs``, which are made if missing.

        Raises:
            OSError: If something cannot be made.
        """
        place = os.path.abspath(files)
        for name in PUBLISHED:
            os.makedirs(f"{place}/{name}", exist_ok=True)
        link = f"{self._folder}/.{_TRIAL}"
        os.symlink(place, link)
        os.rename(link, f"{self._folder}/{_TRIAL}")

    def clear(self) -> bool:
        """Whether it is as it was made, so that the next attempt may have it; else it is removed."""
        try:
            as_made = (
                sorted(os.listdir(self.cwd)) == sorted(PUBLISHED)
                and all(os.readlink(self.cwd / name) == f"../{_TRIAL}/{name}" for name in PUBLISHED)
                and os.listdir(self.scratch) == [self.staging.name]
                and not os.listdir(self.staging)
                and all(os.stat(folder).st_mode & 0o700 == 0o700 for folder in (self.cwd, self.scratch, self.staging))
            )
        except OSError:
            as_made = False
        if not as_made:
            self.remove()
        return as_made

    def remove(self) -> None:
        """Removes it, with what was left in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
