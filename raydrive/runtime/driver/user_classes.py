"""The objects with which a driver decides: the run's configuration with its real policy, and its sampler."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import StorageError, UserCodeError
from raydrive.core.search.protocol import PatientSampler
from raydrive.core.sweep.warm_start_data import WarmStartData, sampler_of
from raydrive.runtime.node_cache import lock_run_cache
from raydrive.runtime.private_folder import private_folder
from raydrive.runtime.user_classes import class_filler, needs_classes, record_failure
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import read_given


def read_runnable(
    layout: RunLayout,
) -> tuple[RunConfig, WarmStartData, PatientSampler, Callable[[RunConfig], RunConfig]]:
    """Returns a run's configuration and warm-start data, its sampler, and what makes an edit of it runnable.

    Loads classes that are not raydrive's own.

    Raises:
        UserCodeError: If such a class cannot be loaded or fails; the run's heartbeat has the reason then.
        ConfigError: If a newer raydrive wrote the configuration.
        StorageError: If the run cannot be read.
    """
    config, warm_start = read_given(layout)
    if not needs_classes(config):
        return config, warm_start, sampler_of(config, warm_start), _unchanged
    root = private_folder() / layout.key
    lock_run_cache(root)  # until this process ends: the classes may import more of the code later
    try:
        filled_in = class_filler(config, layout, root / "classes")
        config = filled_in(config)
        return config, warm_start, sampler_of(config, warm_start), filled_in
    except UserCodeError as error:
        with contextlib.suppress(StorageError):  # what starts the driver gets the reason, too
            record_failure(layout, error)
        raise


def _unchanged(config: RunConfig) -> RunConfig:
    return config


def why_it_failed(what: str, error: Exception) -> str:
    """Returns why a driver gives up, for its heartbeat.

    Args:
        what: What failed, where it is nothing of the user's.
        error: What was raised.
    """
    if isinstance(error, UserCodeError):
        return (
            f"{error}. The trials were stopped, and everything recorded is kept. Correct the class and continue: "
            "raydrive resume RUN, with --classes FOLDER (of the mended module) where it came with the run."
        )
    return f"{what}: {type(error).__name__}: {error}"
