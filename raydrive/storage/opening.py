"""Reading what a run was given when it was submitted: its configuration, and what earlier runs brought."""

from __future__ import annotations

import json

from raydrive.core.config import RunConfig
from raydrive.core.errors import ConfigError, JournalError, StorageError
from raydrive.core.heritage import NOTHING, Heritage, load
from raydrive.storage.layout import RunLayout


def read_given(layout: RunLayout) -> tuple[RunConfig, Heritage]:
    """Returns configuration and heritage of a run.

    Raises:
        RunNotFoundError: If the folder is not a run's.
        ConfigError: If a newer raydrive wrote the configuration.
        JournalError: If the heritage is damaged.
        StorageError: If a file cannot be read, or the configuration is damaged.
    """
    try:
        config = RunConfig.from_json(json.loads(layout.read_config()))
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise StorageError(
            f"cannot read the configuration of run {layout.run_id}: {layout.folder}/config.json is damaged "
            f"({type(error).__name__}: {error}). Hint: put the file back from a copy; all else of the run is untouched"
        ) from error
    if not config.lineage:
        return config, NOTHING
    try:
        return config, load(layout.read_heritage())
    except JournalError as error:
        raise JournalError(f"what earlier runs brought to {layout.run_id} cannot be read: {error}") from error
