"""What the keys of a sweep file are in the configuration of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from raydrive.core.config.install_commands import throws_away
from raydrive.core.config.run_config import Limits
from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.core.config.trial_environment import TrialEnvironment
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.objective import BEST
from raydrive.core.space.search_space import Space
from raydrive.settings.keys import MetricKeys, OwnKeys
from raydrive.sweepfile.inputs_outputs import DataMapping, Inputs, Outputs
from raydrive.sweepfile.schema import ObjectiveKeys, SweepKeys
from raydrive.trackers.places import with_absolute_paths

DEFAULT_TIMEOUT_S = 5_184_000.0
"""60 days, v2's documented default of ``limits.timeout``."""
DATA_MAPPING = "RAYDRIVE_DATA_MAPPING"
"""Variable that tells training scripts the site's ``input_mapping``, as JSON."""
_OF_TRIALS = (
    *("grace_s", "reuse_actors", "keep_checkpoints", "lease_s", "storage_patience_s", "log_limit"),
    "ray_in_trials",
)


def metric_of(keys: ObjectiveKeys) -> Metric:
    """Returns the metric of ``objective``."""
    return Metric(name=keys.primary_metric, goal=PrimaryMetricGoal.from_str(keys.goal), value=keys.value or BEST)


def limits_of(keys: SweepKeys, own: OwnKeys, space: Space, times: int = 1) -> Limits:
    """Returns the limits, with those below ``raydrive``.

    Args:
        keys: The file.
        own: Its settings below ``raydrive``.
        space: The search space, whose size is the limit of a grid that names none.
        times: How often a configuration may be tried.
    """
    given = keys.limits
    total = (given.max_total_trials if given else None) or (space.size or 0) * times
    return Limits(
        max_total_runs=total,
        max_concurrent_runs=(given.max_concurrent_trials if given else None) or total,
        max_duration_s=(given.timeout if given else None) or DEFAULT_TIMEOUT_S,
        trial_timeout_s=given.trial_timeout if given else None,
        **_given(max_attempts=own.max_attempts, first_failures=own.first_failures, max_losses=own.max_losses),
        **_given(strict=own.strict),
    )


def trial_of(
    keys: SweepKeys,
    own: OwnKeys,
    inputs: Inputs,
    outputs: Outputs,
    mapping: DataMapping,
    base: Path,
    environment: TrialEnvironment | None = None,
) -> TrialSpec:
    """Returns what a trial runs; not what it reserves.

    Args:
        keys: The file.
        own: Its settings below ``raydrive``.
        inputs: What ``${{inputs.x}}`` stand for.
        outputs: What ``${{outputs.x}}`` stand for.
        mapping: What names of data stand for.
        base: Folder that relative paths start from.
        environment: What is built on each node; None = nothing.
    """
    variables = {**(keys.trial.environment_variables or {}), **(own.environment_variables or {})}
    if mapping.rules:  # for scripts that name data themselves
        variables.setdefault(DATA_MAPPING, json.dumps(dict(mapping.rules)))
    return TrialSpec(
        kind="command",
        command=keys.trial.command.strip(),
        inputs=inputs.values,
        fetched=inputs.fetched,
        outputs=outputs.names,
        output_files=tuple(outputs.files),
        environment_variables=variables,
        python=own.python or "",
        environment=environment,
        throw_away=throws_away(keys.trial.command, allowed=own.allow_pip_install is True),
        preload=tuple(own.preload or ()),
        keep=tuple(own.keep or ()),
        flag_style=own.flags or "",
        flatten=own.flatten or False,
        style=own.style or "",
        track=with_absolute_paths(own.track or {}, base),
        unused_ok=tuple(own.unused_ok or ()),
        metrics=_printed(own.metrics),
        **_given(
            **{name: getattr(own, name) for name in _OF_TRIALS},
            # HyperDrive passes the folder to the trials it resumes; such a script takes the argument.
            resume_argument=True if own.resume_argument is None and own.resume_child_runs else own.resume_argument,
        ),
    )


def _printed(keys: MetricKeys | None) -> PrintedMetrics | None:
    if keys is None:
        return None
    return PrintedMetrics(tuple(keys.pattern or ()), keys.format == "json", keys.format == "auto")


def _given(**values: Any) -> dict[str, Any]:
    """What is not None, so that defaults stand in one place only."""
    return {name: value for name, value in values.items() if value is not None}


def tags_of(keys: SweepKeys) -> dict[str, str]:
    """Returns the tags; a description is kept as one."""
    return {**({"description": keys.description} if keys.description else {}), **(keys.tags or {})}
