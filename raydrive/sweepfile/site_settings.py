"""The settings that count here for Python code written for Azure ML, which names no sweep file."""

from __future__ import annotations

from raydrive.settings.keys import OwnKeys
from raydrive.settings.nearest import nearest_settings
from raydrive.settings.reader import load_settings
from raydrive.sweepfile.inputs_outputs import DataMapping


def here() -> tuple[OwnKeys, DataMapping]:
    """Returns the settings of the nearest raydrive.toml, and what names of data stand for; defaults without one.

    Raises:
        ConfigError: If it cannot be read or something in it is wrong; all problems at once.
    """
    file = nearest_settings()
    found = load_settings([file] if file is not None else [])
    return found.own, DataMapping.of(found.own.input_mapping or {}, found.tree)
