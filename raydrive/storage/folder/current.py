"""The current folder, which may have been deleted meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

from raydrive.core.errors import ConfigError, Problem


def current_folder() -> Path:
    """Returns the folder that relative paths start from.

    Raises:
        ConfigError: If it was deleted, or may not be read.
    """
    try:
        return Path(os.getcwd())
    except OSError as error:
        found = "a folder that was deleted" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise ConfigError(
            Problem("the current folder", found, "an existing folder", "Change to another folder: cd ~.")
        ) from error


def absolute(path: str | os.PathLike[str]) -> Path:
    """Returns a path as an absolute one, without a look at what is there.

    Raises:
        ConfigError: If it is relative, and the current folder was deleted.
    """
    text = os.fspath(path)
    return Path(os.path.abspath(text if os.path.isabs(text) else os.path.join(current_folder(), text)))
