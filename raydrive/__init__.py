"""raydrive: HyperDrive's hyperparameter tuning on your own Ray cluster.

Names are loaded when they are first used, so that ``import raydrive`` in a training process costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raydrive.api.config import HyperDriveConfig, ScriptRunConfig
    from raydrive.api.run import HyperDriveRun
    from raydrive.api.tune import tune
    from raydrive.api.with_data import with_data
    from raydrive.api.workspace import Experiment, Workspace
    from raydrive.context import Run
    from raydrive.core.config.trial_spec import PrimaryMetricGoal, Resources
    from raydrive.core.early_stopping.auto_policy import AutoPolicy
    from raydrive.core.early_stopping.halving_policy import SuccessiveHalvingPolicy
    from raydrive.core.early_stopping.policies import (
        BanditPolicy,
        MedianStoppingPolicy,
        NoTerminationPolicy,
        TruncationSelectionPolicy,
    )
    from raydrive.core.early_stopping.verdict import Verdict
    from raydrive.core.errors import (
        ClusterError,
        ConfigError,
        JournalError,
        RaydriveError,
        RunNotFoundError,
        StorageError,
        TrialError,
    )
    from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
    from raydrive.core.search.grid_search import GridParameterSampling
    from raydrive.core.search.protocol import SamplingSpec
    from raydrive.core.search.random_search import RandomParameterSampling
    from raydrive.core.search.trial_record import Continuation, Suggestion
    from raydrive.core.space.search_space import (
        choice,
        int_range,
        log_int,
        log_range,
        lognormal,
        loguniform,
        normal,
        qlognormal,
        qloguniform,
        qnormal,
        quniform,
        randint,
        uniform,
    )
    from raydrive.integrations.search_cv.search import RaydriveGridSearchCV, RaydriveSearchCV
    from raydrive.studio.notebook.widget import RunDetails

_HOMES = {
    "raydrive.context": ("Run",),
    "raydrive.api.config": ("HyperDriveConfig", "ScriptRunConfig"),
    "raydrive.api.run": ("HyperDriveRun",),
    "raydrive.api.tune": ("tune",),
    "raydrive.api.with_data": ("with_data",),
    "raydrive.api.workspace": ("Experiment", "Workspace"),
    "raydrive.core.search.bayesian.sampling": ("BayesianParameterSampling",),
    "raydrive.core.config.trial_spec": ("PrimaryMetricGoal", "Resources"),
    "raydrive.core.errors": (
        "ClusterError",
        "ConfigError",
        "JournalError",
        "RaydriveError",
        "RunNotFoundError",
        "StorageError",
        "TrialError",
    ),
    "raydrive.core.space.search_space": (
        "choice",
        "int_range",
        "log_int",
        "log_range",
        "lognormal",
        "loguniform",
        "normal",
        "qlognormal",
        "qloguniform",
        "qnormal",
        "quniform",
        "randint",
        "uniform",
    ),
    "raydrive.core.early_stopping.policies": (
        "BanditPolicy",
        "MedianStoppingPolicy",
        "NoTerminationPolicy",
        "TruncationSelectionPolicy",
    ),
    "raydrive.core.early_stopping.auto_policy": ("AutoPolicy",),
    "raydrive.core.early_stopping.halving_policy": ("SuccessiveHalvingPolicy",),
    "raydrive.core.early_stopping.verdict": ("Verdict",),
    "raydrive.core.search.protocol": ("SamplingSpec",),
    "raydrive.core.search.trial_record": ("Continuation", "Suggestion"),
    "raydrive.integrations.search_cv.search": ("RaydriveGridSearchCV", "RaydriveSearchCV"),
    "raydrive.studio.notebook.widget": ("RunDetails",),
    "raydrive.core.search.grid_search": ("GridParameterSampling",),
    "raydrive.core.search.random_search": ("RandomParameterSampling",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__version__ = "0.2.0.dev0"
__all__ = [
    "AutoPolicy",
    "BanditPolicy",
    "BayesianParameterSampling",
    "ClusterError",
    "ConfigError",
    "Continuation",
    "Experiment",
    "GridParameterSampling",
    "HyperDriveConfig",
    "HyperDriveRun",
    "JournalError",
    "MedianStoppingPolicy",
    "NoTerminationPolicy",
    "PrimaryMetricGoal",
    "RandomParameterSampling",
    "RaydriveError",
    "RaydriveGridSearchCV",
    "RaydriveSearchCV",
    "Resources",
    "Run",
    "RunDetails",
    "RunNotFoundError",
    "SamplingSpec",
    "ScriptRunConfig",
    "StorageError",
    "SuccessiveHalvingPolicy",
    "Suggestion",
    "TrialError",
    "TruncationSelectionPolicy",
    "Verdict",
    "Workspace",
    "choice",
    "int_range",
    "log_int",
    "log_range",
    "lognormal",
    "loguniform",
    "normal",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "tune",
    "uniform",
    "with_data",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'raydrive' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
