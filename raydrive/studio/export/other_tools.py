"""A run as an Optuna study or TensorBoard event files; each library is imported when it is asked for."""

from __future__ import annotations

import datetime
import importlib
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from raydrive.core.errors import ConfigError, Problem, RaydriveError
from raydrive.core.records import COMPLETED
from raydrive.core.views.chart_axes import AxisSpec, flat
from raydrive.core.views.portable_values import LAST_MOMENT_S, NO_SURROGATES, Names, as_moment, as_step, as_text
from raydrive.studio.data.new_files import refuse_missing_folder
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import MOST_METRICS, RunHistory

_TAG_CHARACTERS, _LONGEST_TAG = r"[-/\w.]", 500
"""What TensorBoard shows in the name of a metric; tensorboardX would replace the rest and let two names become one."""
_LONGEST_PARAM = 500
"""Characters of a hyperparameter's name in an Optuna study."""
_SHOWN_NAMES = 20
_LAST_LOCAL_S = LAST_MOMENT_S - 86_400.0
"""The last moment that has a date in every time zone."""


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


def to_optuna(history: RunHistory, target: str) -> list[str]:
    """Writes a study with every trial, its intermediate values and whether it was pruned.

    Args:
        history: The run.
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
    direction = "maximize" if history.config.metric.maximize else "minimize"
    name = history.layout.run_id
    try:
        study = optuna.create_study(study_name=name, storage=target, direction=direction)
    except optuna.exceptions.DuplicatedStudyError as error:
        fix = "Delete it there (optuna delete-study), or choose another -o."
        raise RaydriveError(f"{target} already has a study {name!r}; nothing was written. {fix}") from error
    study.set_user_attr("raydrive_run", history.layout.run_id)
    study.set_user_attr("metric", history.config.metric.name)
    study.set_user_attr("objective", history.config.metric.value)
    documents = Documents(history)
    columns = documents.columns()
    names = Names(NO_SURROGATES, _LONGEST_PARAM, known=[column.name for column in columns])
    spread = {names.of(column.name): _distribution(optuna, column, documents.params()) for column in columns}
    for trial, params in zip(history.sweep.trials, documents.params(), strict=True):
        taken = {names.of(key): _plain(value) for key, value in params.items()}
        study.add_trial(_frozen(optuna, history, trial, taken, spread))
    notes = [f"Note: {text}" for text in renamed("the hyperparameter ", names)]
    return [f"study {name!r} with {len(history.sweep.trials)} trials in {target}", *notes]


def _plain(value: Any) -> Any:
    return as_text(value) if isinstance(value, str) else value


def _distribution(optuna: Any, column: AxisSpec, rows: list[dict[str, Any]]) -> Any:
    """The narrowest distribution that holds every value: Optuna refuses trials outside of it."""
    kinds = optuna.distributions
    values = [row[column.name] for row in rows if row.get(column.name) is not None]
    if column.kind == "category" or not values:
        seen = [*column.values, *(value for value in values if value not in column.values)]
        return kinds.CategoricalDistribution([_plain(value) for value in seen] or ["-"])
    low, high = min([*values, *column.values]), max([*values, *column.values])
    if all(isinstance(value, int) for value in [*values, *column.values]):
        return kinds.IntDistribution(low, high, log=column.log and low > 0)
    return kinds.FloatDistribution(float(low), float(high), log=column.log and low > 0)


def _frozen(optuna: Any, history: RunHistory, trial: Any, params: dict[str, Any], spread: dict[str, Any]) -> Any:
    curves, states = history.sweep.curves, optuna.trial.TrialState
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
        user_attrs={
            "raydrive_trial": trial.number,
            "state": trial.state,
            "why": as_text(trial.why),
            "node": as_text(trial.node),
        },
    )
    frozen.datetime_start = datetime.datetime.fromtimestamp(min(as_moment(trial.created_at), _LAST_LOCAL_S))
    ended = as_moment(trial.ended_at or history.sweep.last_at)
    frozen.datetime_complete = datetime.datetime.fromtimestamp(min(ended, _LAST_LOCAL_S))
    return frozen


def to_tensorboard(history: RunHistory, target: str) -> list[str]:
    """Writes a folder of event files, one per trial, with all metrics and the hyperparameters for the HParams tab.

    Args:
        history: The run.
        target: The folder; empty = ``<run>-tensorboard``.

    Raises:
        ConfigError: If tensorboardX is not installed.
    """
    board = library("tensorboardX", "tensorboard")
    summary = importlib.import_module("tensorboardX.summary")
    root = Path(target or f"{history.layout.run_id}-tensorboard").expanduser()
    refuse_missing_folder(root)
    primary = history.config.metric.name
    names = Names(_TAG_CHARACTERS, _LONGEST_TAG, is_path=True, known=history.exported_names)
    odd_steps: set[str] = set()
    for trial, past in zip(history.sweep.trials, history.pasts, strict=True):
        writer = board.SummaryWriter(logdir=str(root / f"trial-{trial.number:05d}"), write_to_disk=True)
        best = history.sweep.curves.objective(trial.number)
        for part in summary.hparams(
            _board_params(trial.params), {names.of(primary): math.nan if best is None else best}
        ):
            writer.file_writer.add_summary(part)
        for k, (at, value) in enumerate(zip(past.times, history.sweep.curves.values(trial.number), strict=False), 1):
            writer.add_scalar(names.of(primary), value, k, walltime=as_moment(at))
        for name, series in past.series.items():
            for count, (at, value) in enumerate(zip(series.at, series.values, strict=True), 1):
                step = as_step(at)
                if step is None:
                    odd_steps.add(name)
                writer.add_scalar(
                    names.of(name), value, count if step is None else step, walltime=as_moment(trial.created_at)
                )
        writer.close()
    return [str(root), *told(history, names, odd_steps)]


def _board_params(params: Any) -> dict[str, Any]:
    return {as_text(k): v if isinstance(v, bool | int | float) else as_text(v) for k, v in flat(params).items()}


def told(history: RunHistory, names: Names, odd_steps: Collection[str] = ()) -> list[str]:
    """Returns notes on what is under another name in the other tool, or not at all.

    Args:
        history: The run.
        names: What the metrics are called there.
        odd_steps: Names of metrics with steps that the tool does not take.
    """
    notes = renamed("", names)
    texts = {name for past in history.pasts for name in past.texts}
    if odd_steps:
        notes.append(f"steps that are not 64-bit whole numbers are replaced by a counter: {listed(odd_steps)}")
    if texts:
        notes.append(f"values that are not numbers are not exported: {listed(texts)}")
    if history.dropped_metrics:
        left_out = f"{history.dropped_metrics} values of others are not"
        notes.append(f"only the first {MOST_METRICS} names of metrics are exported; {left_out}")
    return [f"Note: {text}" for text in notes]


def renamed(what: str, names: Names) -> list[str]:
    """Returns a sentence for each name that goes by another one.

    Args:
        what: What the names are of, in front of each.
        names: The names.
    """
    return [
        f"{what}{as_text(name)[:80]!r} is stored there as {given[:80]!r}" for name, given in names.changed().items()
    ]


def listed(names: Collection[str]) -> str:
    """Returns names for a sentence, the first of many."""
    shown = sorted(repr(as_text(name)[:80]) for name in names)
    more = f" and {len(shown) - _SHOWN_NAMES} more" if len(shown) > _SHOWN_NAMES else ""
    return ", ".join(shown[:_SHOWN_NAMES]) + more
