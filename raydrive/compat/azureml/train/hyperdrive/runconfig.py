"""``HyperDriveConfig`` with the SDK's signature."""

from __future__ import annotations

import dataclasses
import json
import warnings
from typing import Any

from raydrive.api.argument_types import TUNING
from raydrive.api.config import HyperDriveConfig as Native
from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml._names import complete
from raydrive.core.argument_checks import checks_arguments
from raydrive.core.config.trial_spec import PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.errors import Problem
from raydrive.sweepfile.config_parts import DATA_MAPPING
from raydrive.sweepfile.site_settings import here

_OWN = (
    "seed", "grace_s", "reuse_actors", "max_attempts", "max_losses", "first_failures", "storage_patience_s",
    "strict",
    "keep", "keep_checkpoints", "resume_argument", "log_limit", "ray_in_trials",
)  # fmt: skip
"""Settings of raydrive.toml that are arguments of our own ``HyperDriveConfig``."""


@checks_arguments(**TUNING)
class HyperDriveConfig(Native):
    """Everything about a tuning run; resources and the like come from the nearest raydrive.toml.

    Args:
        hyperparameter_sampling: Such as ``RandomParameterSampling({...})``.
        primary_metric_name: The metric to optimise, exactly as it is logged.
        primary_metric_goal: ``PrimaryMetricGoal.MAXIMIZE`` or ``MINIMIZE``.
        max_total_runs: Trials in total.
        max_concurrent_runs: Trials at a time; None = all.
        max_duration_minutes: Longest time for the whole run.
        policy: Early termination; None = none.
        estimator: An ``Estimator``, in place of ``run_config``.
        run_config: A ``ScriptRunConfig``.
        resume_from: Earlier runs to start from.
        resume_child_runs: Trials of earlier runs that continue.
        pipeline: Refused; only scripts are tuned.
        debug_flag: Not looked at.
        custom_run_id: Not looked at: runs are numbered by raydrive.

    Raises:
        ConfigError: If anything is wrong; the error lists all of it.
        NotHereError: If ``pipeline`` is given.
    """

    def __init__(
        self,
        hyperparameter_sampling: Any,
        primary_metric_name: str,
        primary_metric_goal: PrimaryMetricGoal,
        max_total_runs: int,
        max_concurrent_runs: int | None = None,
        max_duration_minutes: float = 10080,
        policy: Any = None,
        estimator: Any = None,
        run_config: Any = None,
        resume_from: Any = None,
        resume_child_runs: Any = None,
        pipeline: Any = None,
        debug_flag: Any = None,
        custom_run_id: Any = None,
    ) -> None:
        run_config = estimator if run_config is None else run_config
        if pipeline is not None:
            raise NotHereError("pipeline: only scripts are tuned; pass the step as run_config=ScriptRunConfig(...)")
        own, mapping = here()
        extra = {name: getattr(own, name) for name in _OWN if getattr(own, name) is not None}
        if own.resources is not None:
            given = own.resources.model_dump()
            extra["resources"] = Resources(**{name: value for name, value in given.items() if value is not None})
        super().__init__(
            hyperparameter_sampling,
            primary_metric_name,
            primary_metric_goal,
            max_total_runs,
            max_concurrent_runs,
            max_duration_minutes,
            policy,
            run_config=run_config,
            resume_from=resume_from,
            resume_child_runs=resume_child_runs,
            **extra,
        )
        trial = self.config.trial
        if trial.kind == "command":
            names = sorted(name.lstrip("-") for name in hyperparameter_sampling.space.expressions)
            behind = "".join(f" --{name} ${{{{search_space.{name}}}}}" for name in names)
            trial = dataclasses.replace(trial, command=trial.command + behind, flags=())
        if mapping.rules:
            rules = {DATA_MAPPING: json.dumps(dict(mapping.rules))}
            trial = dataclasses.replace(trial, environment_variables={**rules, **trial.environment_variables})
        self.config = dataclasses.replace(self.config, trial=trial)

    def _unused(self, spec: TrialSpec) -> list[Problem]:
        """Nothing: all hyperparameters are put behind the command."""
        return []

    @property
    def estimator(self) -> Any:
        """The script."""
        return self.run_config

    @property
    def source_directory(self) -> str:
        """Folder of the script."""
        return str(getattr(self.run_config, "source_directory", "."))


@checks_arguments(**TUNING)
class HyperDriveRunConfig(HyperDriveConfig):
    """The old name of ``HyperDriveConfig``."""

    def __init__(
        self,
        estimator: Any,
        hyperparameter_sampling: Any,
        primary_metric_name: str,
        primary_metric_goal: PrimaryMetricGoal,
        max_total_runs: int,
        max_concurrent_runs: int | None = None,
        max_duration_minutes: float = 10080,
        policy: Any = None,
    ) -> None:
        warnings.warn("HyperDriveRunConfig is deprecated: use HyperDriveConfig", DeprecationWarning, stacklevel=2)
        super().__init__(
            hyperparameter_sampling,
            primary_metric_name,
            primary_metric_goal,
            max_total_runs,
            max_concurrent_runs,
            max_duration_minutes,
            policy,
            estimator=estimator,
        )


__all__ = ["HyperDriveConfig", "HyperDriveRunConfig", "PrimaryMetricGoal"]

__getattr__ = complete(__name__)
