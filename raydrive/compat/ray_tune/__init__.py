"""``ray.tune`` for scripts that raydrive runs: what it tunes is a run of raydrive. Nothing of Ray Tune is imported."""

from __future__ import annotations

from typing import Any

from raydrive.compat.ray_tune._named import name_of
from raydrive.compat.ray_tune._results import ExperimentAnalysis, Result, ResultGrid
from raydrive.compat.ray_tune._session import Checkpoint, checkpoint_dir, get_checkpoint, get_context, report
from raydrive.compat.ray_tune._space import (
    choice,
    grid_search,
    lograndint,
    loguniform,
    qlograndint,
    qloguniform,
    qrandint,
    qrandn,
    quniform,
    randint,
    randn,
    sample_from,
    uniform,
)
from raydrive.compat.ray_tune._trainables import Trainable
from raydrive.compat.ray_tune._tuner import (
    CheckpointConfig,
    FailureConfig,
    RunConfig,
    TuneConfig,
    Tuner,
    register_trainable,
    run,
    run_experiments,
    with_parameters,
    with_resources,
)

__all__ = [
    "Checkpoint",
    "CheckpointConfig",
    "ExperimentAnalysis",
    "FailureConfig",
    "Result",
    "ResultGrid",
    "RunConfig",
    "Trainable",
    "TuneConfig",
    "Tuner",
    "checkpoint_dir",
    "choice",
    "get_checkpoint",
    "get_context",
    "grid_search",
    "lograndint",
    "loguniform",
    "qlograndint",
    "qloguniform",
    "qrandint",
    "qrandn",
    "quniform",
    "randint",
    "randn",
    "register_trainable",
    "report",
    "run",
    "run_experiments",
    "sample_from",
    "uniform",
    "with_parameters",
    "with_resources",
]


def __getattr__(name: str) -> Any:
    """Returns what stands for any other name."""
    return name_of(name)


def get_trial_id() -> str:
    """Returns the id of the trial."""
    return get_context().get_trial_id()


get_trial_name = get_trial_id


def get_trial_dir() -> str:
    """Returns the folder whose files are kept with the trial."""
    return get_context().get_trial_dir()
