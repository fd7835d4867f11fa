"""``tune()``: one call from a function to a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raydrive.api.argument_types import CALL
from raydrive.api.config import HyperDriveConfig, ScriptRunConfig, TrainFunction
from raydrive.api.named_parts import named_sampling
from raydrive.api.spellings import OF_CALL, spelled
from raydrive.api.workspace import Experiment, Workspace
from raydrive.core.argument_checks import checked
from raydrive.core.config.trial_spec import PrimaryMetricGoal, Resources
from raydrive.core.early_stopping.policies import Policy
from raydrive.core.search.protocol import SamplingSpec

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun


@spelled(OF_CALL, HyperDriveConfig)
@checked(**CALL)
def tune(
    train: TrainFunction | ScriptRunConfig,
    space: Mapping[str, Any],
    *,
    metric: str,
    goal: str | PrimaryMetricGoal = "maximize",
    value: str = "best",
    sampling: str | Mapping[str, Any] | SamplingSpec = "random",
    policy: Policy | str | Mapping[str, Any] | None = None,
    max_total_runs: int = 20,
    max_concurrent_runs: int = 2,
    max_duration_minutes: float | None = None,
    resources: Resources | Mapping[str, Any] | None = None,
    seed: int | None = 0,
    storage: str | None = None,
    address: str | None = None,
    experiment: str = "tune",
    show_output: bool = True,
    **options: Any,
) -> HyperDriveRun:
    """Tunes a function (or a script), waits, and returns the run. Also accepts the other names of its arguments.

    Args:
        train: ``train(params)``, which logs through ``Run.get_context()`` or returns its result; or a
            ``ScriptRunConfig``.
        space: Parameter expressions by name.
        metric: The metric to optimise, as it is logged.
        goal: ``maximize`` or ``minimize``.
        value: The value by which a trial is ranked: ``best``, ``last``, ``min``, ``max`` or ``mean_last_5``.
        sampling: ``random``, ``sobol``, ``grid``, ``bayesian``, ``tpe``; a dict as in a sweep file; or an object.
        policy: Early termination: a name (``median_stopping``), a dict as in a sweep file, an object; None = none.
        max_total_runs: Total number of trials.
        max_concurrent_runs: Largest number of trials at the same time.
        max_duration_minutes: Time limit of the whole run, in minutes; None = no limit.
        resources: What one trial reserves, as ``Resources`` or a dict (``{"cpus": 2, "gpus": 0.5}``); None = one CPU.
        seed: Non-negative; None = drawn at random and recorded.
        storage: Folder or URI where runs are stored; None = ``RAYDRIVE_STORAGE``, then ``~/raydrive``.
        address: Ray address; None = the connected cluster, ``RAY_ADDRESS``, then an embedded one.
        experiment: A name that groups runs.
        show_output: Show the live table.
        **options: Further keyword arguments of ``HyperDriveConfig``, such as ``distribution``.

    Raises:
        ConfigError: If anything is wrong with the arguments.
        ClusterError: If Ray cannot be reached or could never satisfy the request.
        StorageError: If the run folder cannot be written.
        RaydriveError: If the run failed.
    """
    config = HyperDriveConfig(
        named_sampling(sampling, space),
        *(metric, goal, max_total_runs, max_concurrent_runs, max_duration_minutes, policy),
        run_config=train,
        resources=resources,
        seed=seed,
        primary_metric_value=value,
        **options,
    )
    run = Experiment(Workspace(storage, address), experiment).submit(config)
    run.wait_for_completion(show_output=show_output)
    return run
