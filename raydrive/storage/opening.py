"""Reading what a run was given when it was submitted: its configuration, and what earlier runs brought."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, JournalError, StorageError
from raydrive.core.sweep.warm_start_data import EMPTY, WarmStartData, load
from raydrive.core.views.heartbeat import parse_heartbeat
from raydrive.storage.run_layout import RunLayout


def read_given(layout: RunLayout) -> tuple[RunConfig, WarmStartData]:
    """Returns configuration and heritage of a run.

    Raises:
        RunNotFoundError: If the folder is not a run's.
        ConfigError: If a newer raydrive wrote the configuration.
        JournalError: If the heritage is damaged.
        StorageError: If a file cannot be read, or the configuration is damaged.
    """
    try:
        config = RunConfig.from_json(json.loads(layout.read_config()))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise ConfigError(
                dataclasses.replace(problem, place=f"{layout.folder}/config.json") for problem in error.problems
            ) from error
        raise StorageError(
            f"cannot read the configuration of run {layout.run_id}: {layout.folder}/config.json is damaged "
            f"({type(error).__name__}: {error}). Hint: put the file back from a copy; all else of the run is untouched"
        ) from error
    if not config.lineage:
        return config, EMPTY
    try:
        return config, load(layout.read_warm_start())
    except JournalError as error:
        raise JournalError(f"what earlier runs brought to {layout.run_id} cannot be read: {error}") from error


def read_heartbeat(layout: RunLayout) -> dict[str, Any]:
    """Returns the driver's last sign of life as ``parse_heartbeat`` does; nothing where it cannot be read."""
    try:
        return parse_heartbeat(layout.read_driver())
    except StorageError:
        return {}
