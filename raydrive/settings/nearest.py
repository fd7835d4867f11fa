"""Which settings count here: the nearest ``raydrive.toml``, and what it says of where runs go."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from raydrive.storage.folder.current import current_folder

SETTINGS_FILE = "raydrive.toml"
DEFAULT_STORAGE = "~/raydrive"
"""Where runs are stored where nothing names another place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Where runs go, as far as settings say; None = they do not."""

    storage: str | None = None
    """URI or path of the workspace's storage, as written."""
    address: str | None = None
    """Address of the Ray cluster."""
    plain_ray: bool | None = None
    """Whether Ray is started without changes to its private parts."""


def nearest_settings() -> Path | None:
    """Returns the ``raydrive.toml`` of this folder or the nearest one above it, None when there is none.

    Raises:
        ConfigError: If this folder was deleted.
    """
    here = current_folder()
    return next(
        (folder / SETTINGS_FILE for folder in (here, *here.parents) if os.path.isfile(folder / SETTINGS_FILE)), None
    )


def read_place(path: str | os.PathLike[str] | None = None) -> RunPlace:
    """Returns where runs go by a settings file, all of which is checked.

    Args:
        path: The file; None = the nearest ``raydrive.toml``, if there is one.

    Raises:
        ConfigError: If the file cannot be read or something in it is wrong; all problems at once.
    """
    file = Path(path) if path is not None else nearest_settings()
    if file is None:
        return RunPlace()
    from raydrive.settings.reader import load_settings  # lazy: pydantic, 0.2 s

    own = load_settings([file]).own
    return RunPlace(storage=own.storage, address=own.address, plain_ray=own.plain_ray)


def usual_storage() -> str:
    """Returns the storage of ``RAYDRIVE_STORAGE``, else of the nearest ``raydrive.toml``, else ``DEFAULT_STORAGE``.

    Raises:
        ConfigError: If the file cannot be read or something in it is wrong.
    """
    return os.environ.get("RAYDRIVE_STORAGE") or read_place().storage or DEFAULT_STORAGE
