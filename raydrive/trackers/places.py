"""Where trackers keep their data, as processes on other folders and machines find it."""

from __future__ import annotations

import time
from pathlib import Path

from raydrive.core.config.tracker_settings import PATHS, Tracking
from raydrive.storage.folder.current import absolute
from raydrive.storage.run_layout import RunLayout
from raydrive.trackers.follower import Progress

_SQLITE = "sqlite:///"


def with_absolute_paths(track: Tracking, base: Path | None = None) -> dict[str, dict[str, str]]:
    """Returns the trackers of a run, with paths that do not depend on the current folder.

    Args:
        track: As ``tracking_of`` returns it.
        base: Folder that relative paths start from; None = the current one.

    Raises:
        ConfigError: If a path is relative, and the current folder was deleted.
    """
    out = {name: dict(settings) for name, settings in track.items()}
    for name, key in PATHS:
        if key in out.get(name, {}):
            out[name][key] = _absolute(out[name][key], base)
    return out


def _absolute(place: str, base: Path | None) -> str:
    scheme, path = (_SQLITE, place.removeprefix(_SQLITE)) if place.startswith(_SQLITE) else ("", place)
    if not scheme and (":" in place or place == "databricks"):  # a URI
        return place
    below = Path(path).expanduser()
    return scheme + str(absolute(below if base is None else base / below))


def await_delivery(layout: RunLayout, track: Tracking, entries: int, limit_s: float) -> None:
    """Waits until the trackers of a run that has ended were told all of it, or nobody tells them more for now.

    Args:
        layout: The run.
        track: Its trackers.
        entries: How many entries its journal has.
        limit_s: Longest time to wait, in seconds.

    Raises:
        StorageError: If the run's folder cannot be read.
    """
    end = time.monotonic() + limit_s
    for name in track:
        while time.monotonic() < end:
            found = Progress.read(layout, name)
            if found.over and (found.delivered >= entries or found.trouble):
                break
            time.sleep(0.1)
