"""From a Hydra program and its overrides to a run: what `hydra/sweeper=raydrive` does."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.singleton import Singleton
from hydra.errors import CompactHydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from raydrive.api.config import HyperDriveConfig
from raydrive.api.run import HyperDriveRun
from raydrive.api.submit.functions import inner_function
from raydrive.api.submit.packaging import by_value, is_installed
from raydrive.api.workspace import Experiment, Workspace
from raydrive.core.errors import ConfigError, Problem, RaydriveError, show
from raydrive.integrations.hydra.overrides import Sweeps, sweeps_of
from raydrive.integrations.hydra.trial import HydraTrial, configuration_files

DEFAULT_TRIALS = 20
"""Trials of a sweep that names no number, and whose space has no end."""
RESULTS = "optimization_results.yaml"
"""What a sweep leaves in ``hydra.sweep.dir``, as Hydra's other sweepers that optimise do."""
_PRELOAD = ("hydra.core.utils", "hydra._internal.config_loader_impl", "hydra._internal.core_plugins")
_OF_RUN = ("sampling", "resume", "more", "params", "storage", "address", "experiment", "options", "max_total_runs")
"""Settings that are no arguments of ``HyperDriveConfig`` under their names."""
_NAMES = {"metric": "primary_metric_name", "goal": "primary_metric_goal"}


def sweep(
    settings: Mapping[str, Any],
    arguments: Sequence[str],
    context: HydraContext | None,
    task: Callable[[DictConfig], Any] | None,
    config: DictConfig | None,
) -> HyperDriveRun:
    """Runs a Hydra program as the trials of a run, waits, and returns the run.

    Args:
        settings: What is below ``hydra.sweeper``.
        arguments: Overrides of the command line.
        context: Hydra's loader and callbacks.
        task: The task function.
        config: The configuration of the program.

    Raises:
        CompactHydraException: If something is wrong with settings, overrides or cluster, or the run has failed.
    """
    if context is None or task is None or config is None:
        raise CompactHydraException("the sweeper has not been set up: Hydra calls setup() first")
    given = {name: _plain(value) for name, value in settings.items()}
    try:
        workspace = Workspace(given.get("storage"), given.get("address"))
        if given.get("resume"):
            run = workspace.get_run(given["resume"])
            run.resume(more=given.get("more"), address=given.get("address"))
        else:
            run = _submitted(given, arguments, context, task, config, workspace)
        _written(config, run, "multirun.yaml", OmegaConf.to_yaml(config))
        run.wait_for_completion(show_output=True)
    except RaydriveError as error:
        raise CompactHydraException(str(error)) from None
    best = run.get_best_run_by_primary_metric(include_failed=True)
    if best is not None:
        found = {
            "name": "raydrive",
            "run": run.id,
            "best_params": dict(best.params),
            "best_value": best.best_value,
        }
        _written(config, run, RESULTS, OmegaConf.to_yaml(OmegaConf.create(found)))
    return run


def _submitted(
    given: dict[str, Any],
    arguments: Sequence[str],
    context: HydraContext,
    task: Callable[[DictConfig], Any],
    config: DictConfig,
    workspace: Workspace,
) -> HyperDriveRun:
    params = [f"{key}={value}" for key, value in (given.get("params") or {}).items()]
    overrides = OverridesParser.create(config_loader=context.config_loader).parse_overrides([*params, *arguments])
    sweeps, sampling = _space(given, overrides)
    total = given.get("max_total_runs")
    options = {
        _NAMES.get(name, name): value
        for name, value in given.items()
        if name not in _OF_RUN and not name.startswith("_")
    }
    options |= {"max_duration_minutes": given.get("max_duration_minutes"), **(given.get("options") or {})}
    search_path = context.config_loader.get_search_path()
    trial = HydraTrial(
        task=task,
        config=config,
        search_path=search_path,
        callbacks=context.callbacks,
        singletons=Singleton.get_state(),
        files=configuration_files(search_path),
        fixed=sweeps.fixed,
        metric=str(given.get("metric")),
    )
    tuning = HyperDriveConfig(
        sampling,
        space=sweeps.space,
        max_total_runs=total or _combinations(sweeps) or DEFAULT_TRIALS,
        run_config=trial,
        preload=_PRELOAD,
        **options,
    )
    name = given.get("experiment") or str(config.hydra.job.name)
    with by_value(_local_modules(task)):
        return Experiment(workspace, name).submit(tuning)


def _space(given: Mapping[str, Any], overrides: Sequence[Override]) -> tuple[Sweeps, Any]:
    """The search space, and how it is sampled.

    Raises:
        ConfigError: If nothing is swept, or a sweep cannot be part of a search space.
    """
    sampling = given.get("sampling")
    discrete = all(one.is_discrete_sweep() for one in overrides if one.is_sweep_override())
    if sampling is None:
        sampling = "grid" if discrete and given.get("max_total_runs") is None else "random"
    name = sampling.get("type") if isinstance(sampling, Mapping) else sampling
    sweeps = sweeps_of(overrides, grid=name == "grid")
    if not sweeps.space:
        found = show(" ".join(sweeps.fixed)) if sweeps.fixed else "no override"
        fix = "'opt.lr=tag(log, interval(1e-5, 0.1))' 'model=small,large'"
        raise ConfigError(Problem("the command line", found, "one sweep or more", f"Such as: {fix}"))
    return sweeps, sampling


def _combinations(sweeps: Sweeps) -> int:
    """How many combinations a space of choices has; 0 where it is no such space."""
    if not sweeps.discrete:
        return 0
    count = 1
    for one in sweeps.space.values():
        count *= len(getattr(one, "values", ())) or 0
    return count


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _local_modules(task: Any) -> Iterator[types.ModuleType]:
    """The module of the task function, where the trials cannot import it: its code travels along."""
    module = sys.modules.get(getattr(inner_function(task), "__module__", "") or "")
    if module is not None and module.__name__ != "__main__" and not is_installed(module):
        yield module


def _written(config: DictConfig, run: HyperDriveRun, name: str, text: str) -> None:
    """Writes a file into the folder of the sweep.

    Raises:
        CompactHydraException: If that is not possible.
    """
    folder = Path(str(config.hydra.sweep.dir))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    except OSError as error:
        raise CompactHydraException(f"cannot write {folder / name}: {error}; the run is {run.id}") from None
