"""A run as an Optuna study, TensorBoard event files or MLflow runs; each library is imported when it is asked for."""

from __future__ import annotations

import datetime
import importlib
import math
from pathlib import Path
from typing import Any

from raydrive.core.columns import Column, flat
from raydrive.core.errors import ConfigError, Problem, RaydriveError
from raydrive.core.records import COMPLETED, FAILED
from raydrive.studio.document import Documents
from raydrive.studio.story import Story

_MLFLOW_STATES = {COMPLETED: "FINISHED", FAILED: "FAILED"}
_BATCH = 500


def library(name: str, extra: str) -> Any:
    """Returns an optional library.

    Raises:
        ConfigError: If it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        found = f"no module {name!r} ({error})"
        raise ConfigError(Problem("--to", found, f"{name} installed", f"pip install 'raydrive[{extra}]'")) from error


def to_optuna(story: Story, target: str) -> list[str]:
    """Writes a study with every trial, its intermediate values and whether it was pruned.

    Args:
        story: The run.
        target: Optuna storage URL, such as ``sqlite:///study.db``.

    Raises:
        ConfigError: If there is no target or optuna is not installed.
        RaydriveError: If the storage has a study of this name already.
    """
    optuna = library("optuna", "optuna")
    if "://" not in target:
        allowed = "an Optuna storage URL, such as sqlite:///study.db"
        raise ConfigError(Problem("--output", repr(target) if target else "nothing", allowed))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction = "maximize" if story.config.metric.maximize else "minimize"
    name = story.layout.run_id
    try:
        study = optuna.create_study(study_name=name, storage=target, direction=direction)
    except optuna.exceptions.DuplicatedStudyError as error:
        fix = "Delete it there (optuna delete-study), or choose another -o."
        raise RaydriveError(f"{target} has a study {name!r} already; nothing was written. {fix}") from error
    study.set_user_attr("raydrive_run", story.layout.run_id)
    study.set_user_attr("metric", story.config.metric.name)
    study.set_user_attr("objective", story.config.metric.value)
    documents = Documents(story)
    spread = {column.name: _distribution(optuna, column, documents.params()) for column in documents.columns()}
    for trial, params in zip(story.sweep.trials, documents.params(), strict=True):
        study.add_trial(_frozen(optuna, story, trial, params, spread))
    return [f"study {name!r} with {len(story.sweep.trials)} trials in {target}"]


def _distribution(optuna: Any, column: Column, rows: list[dict[str, Any]]) -> Any:
    """The narrowest distribution that holds every value: Optuna refuses trials outside of it."""
    kinds = optuna.distributions
    values = [row[column.name] for row in rows if row.get(column.name) is not None]
    if column.kind == "category" or not values:
        seen = [*column.values, *(value for value in values if value not in column.values)]
        return kinds.CategoricalDistribution(seen or ["-"])
    low, high = min([*values, *column.values]), max([*values, *column.values])
    if all(isinstance(value, int) for value in [*values, *column.values]):
        return kinds.IntDistribution(low, high)
    return kinds.FloatDistribution(float(low), float(high), log=column.log and low > 0)


def _frozen(optuna: Any, story: Story, trial: Any, params: dict[str, Any], spread: dict[str, Any]) -> Any:
    curves, states = story.sweep.curves, optuna.trial.TrialState
    best = curves.objective(trial.number)
    state = states.PRUNED if trial.stop_by == "policy" else states.COMPLETE if trial.state == COMPLETED else states.FAIL
    state = states.FAIL if state == states.COMPLETE and best is None else state
    used = {name: value for name, value in params.items() if value is not None}
    frozen = optuna.trial.create_trial(
        state=state,
        value=best if state != states.FAIL else None,
        params=used,
        distributions={name: spread[name] for name in used},
        intermediate_values={k: float(value) for k, value in enumerate(curves.values(trial.number), 1)},
        user_attrs={"raydrive_trial": trial.number, "state": trial.state, "why": trial.why, "node": trial.node},
    )
    frozen.datetime_start = datetime.datetime.fromtimestamp(trial.created_at)
    ended = trial.ended_at or story.sweep.last_at
    frozen.datetime_complete = datetime.datetime.fromtimestamp(ended)
    return frozen


def to_tensorboard(story: Story, target: str) -> list[str]:
    """Writes a folder of event files, one per trial, with all metrics and the hyperparameters for the HParams tab.

    Args:
        story: The run.
        target: The folder; empty = ``<run>-tensorboard``.

    Raises:
        ConfigError: If tensorboardX is not installed.
    """
    board = library("tensorboardX", "tensorboard")
    summary = importlib.import_module("tensorboardX.summary")
    root = Path(target or f"{story.layout.run_id}-tensorboard").expanduser()
    primary = story.config.metric.name
    for trial, past in zip(story.sweep.trials, story.pasts, strict=True):
        writer = board.SummaryWriter(logdir=str(root / f"trial-{trial.number:05d}"), write_to_disk=True)
        params = {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in flat(trial.params).items()}
        best = story.sweep.curves.objective(trial.number)
        for part in summary.hparams(params, {primary: best if best is not None else math.nan}):
            writer.file_writer.add_summary(part)
        for k, (at, value) in enumerate(zip(past.times, story.sweep.curves.values(trial.number), strict=False), 1):
            writer.add_scalar(primary, value, k, walltime=at)
        for name, series in past.series.items():
            for at, value in zip(series.at, series.values, strict=True):
                writer.add_scalar(name, value, int(at), walltime=trial.created_at)
        writer.close()
    return [str(root)]


def to_mlflow(story: Story, target: str) -> list[str]:
    """Writes a parent run and a nested run per trial, with parameters, metrics and states.

    Args:
        story: The run.
        target: Tracking URI; empty = ``MLFLOW_TRACKING_URI``.

    Raises:
        ConfigError: If mlflow is not installed, or there is no tracking URI.
    """
    import os

    mlflow = library("mlflow", "mlflow")
    if not (target or os.environ.get("MLFLOW_TRACKING_URI")):
        raise ConfigError(Problem("--output", "nothing", "a tracking URI, here or in MLFLOW_TRACKING_URI"))
    client = mlflow.MlflowClient(tracking_uri=target or None)
    name = story.config.experiment
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    start = int((story.sweep.started_at or 0.0) * 1000)
    parent = client.create_run(experiment, start, {"raydrive.run": story.layout.run_id}, story.layout.run_id)
    best = story.sweep.best
    if best is not None:
        client.log_metric(parent.info.run_id, story.config.metric.name, best.value)
    for trial in story.sweep.trials:
        tags = {
            "mlflow.parentRunId": parent.info.run_id,
            "raydrive.trial": str(trial.number),
            "raydrive.why": trial.why,
        }
        child = client.create_run(
            experiment, int(trial.created_at * 1000), tags, f"{story.layout.run_id}_{trial.number}"
        )
        _log_mlflow(client, mlflow, story, trial.number, child.info.run_id)
        ended = int((trial.ended_at or story.sweep.last_at) * 1000)
        client.set_terminated(child.info.run_id, _MLFLOW_STATES.get(trial.state, "KILLED"), ended)
    client.set_terminated(parent.info.run_id, "FINISHED", int(story.sweep.last_at * 1000))
    return [f"run {story.layout.run_id!r} with {len(story.sweep.trials)} nested runs in experiment {name!r}"]


def _log_mlflow(client: Any, mlflow: Any, story: Story, number: int, run_id: str) -> None:
    entities = mlflow.entities
    past, curve = story.pasts[number], story.sweep.curves.values(number)
    primary = story.config.metric.name
    metrics = [
        entities.Metric(_plain_name(primary), float(value), int(at * 1000), k)
        for k, (at, value) in enumerate(zip(past.times, curve, strict=False), 1)
    ]
    created = int(story.sweep.trials[number].created_at * 1000)
    for name, series in past.series.items():
        pairs = zip(series.at, series.values, strict=True)
        metrics += [entities.Metric(_plain_name(name), float(value), created, int(at)) for at, value in pairs]
    params = [
        entities.Param(_plain_name(name), str(value)[:6000])
        for name, value in flat(story.sweep.trials[number].params).items()
    ]
    for start in range(0, len(params), 90):
        client.log_batch(run_id, params=params[start : start + 90])
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH])


def _plain_name(name: str) -> str:
    """MLflow takes letters, digits, ``_-. /`` and ``:`` in names; anything else becomes ``_``."""
    return "".join(char if char.isalnum() or char in "_-. /:" else "_" for char in name)[:250] or "_"
