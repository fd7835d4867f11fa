"""A run for other tools: CSV, JSON and Parquet files, an Optuna study, TensorBoard event files, MLflow runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raydrive.core.errors import ConfigError, Problem, RaydriveError, StorageError
from raydrive.core.views.json_output import SCHEMA_VERSION, finite
from raydrive.storage.folder.base import redact
from raydrive.studio.data.page_data import Documents, shared_config
from raydrive.studio.data.run_history import RunHistory
from raydrive.studio.export.mlflow_export import to_mlflow
from raydrive.studio.export.other_tools import to_optuna, to_tensorboard

if TYPE_CHECKING:
    import pyarrow


_OTHERS = ("mlflow", "optuna", "sqlalchemy", "requests")
"""Whose refusals (a tracking server that is away, a wrong address) are the user's news, not a bug of ours."""


def export_run(history: RunHistory, kind: str, target: str = "") -> list[str]:
    """Exports a run and returns what was written: paths, or a line about it; then notes, which begin with ``Note:``.

    Args:
        history: The run.
        kind: A key of ``KINDS``.
        target: File or folder (``csv`` and ``parquet`` write two files, so a folder), an Optuna storage URL, an MLflow
            tracking URI; empty = a name made from the run's id, here.

    Raises:
        ConfigError: If the kind is unknown, a library is missing, or a needed target is not given.
        StorageError: If a file cannot be written.
        RaydriveError: If the other tool refuses it.
    """
    if kind not in KINDS:
        raise ConfigError(Problem("to", repr(kind), ", ".join(KINDS)))
    try:
        return KINDS[kind](history, target)
    except OSError as error:
        raise StorageError(f"cannot export to {target or 'this folder'}: {error}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _OTHERS:
            raise
        first = str(error).strip().partition("\n")[0][:400]
        raise RaydriveError(f"{kind} at {redact(target)} did not take the run: {first}") from error


def _tables(history: RunHistory) -> dict[str, pyarrow.Table]:
    from raydrive.api.display.tables import metrics_table, trials_table  # lazy: pyarrow, 0.07 s

    return {
        "trials": trials_table(history.rows()),
        "metrics": metrics_table(history.reports(), history.config.metric.name),
    }


def _folder(target: str) -> Path:
    folder = Path(target or ".").expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _csv_text(table: pyarrow.Table) -> str:
    """A table as CSV. A spreadsheet runs text that begins with one of ``=+-@``: a quote in front keeps it text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(name) for name in table.column_names])
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _to_csv(history: RunHistory, target: str) -> list[str]:
    folder, paths = _folder(target), []
    for name, table in _tables(history).items():
        path = folder / f"{history.id}-{name}.csv"
        path.write_text(_csv_text(table), encoding="utf-8")
        paths.append(str(path))
    return paths


def _to_parquet(history: RunHistory, target: str) -> list[str]:
    from pyarrow import parquet  # lazy: pyarrow, 0.2 s

    folder, paths = _folder(target), []
    for name, table in _tables(history).items():
        path = folder / f"{history.id}-{name}.parquet"
        parquet.write_table(table, path)
        paths.append(str(path))
    return paths


def run_json(history: RunHistory) -> dict[str, Any]:
    """Returns a run with all its values as one JSON object; numbers JSON does not know become null."""
    head = Documents(history).head()
    metrics = history.all_metrics()
    trials = []
    for trial, row in zip(history.sweep.trials, history.rows(), strict=True):
        plain = {key: value for key, value in row.items() if not key.startswith("param_")}
        trials.append(
            {
                **plain,
                "params": dict(trial.params),
                "origin": trial.origin,
                "details": dict(trial.details),
                "metrics": metrics.get(trial.number, {}),
            }
        )
    summary = {key: head[key] for key in ("counts", "total", "best", "saving", "reports")}
    about = {
        key: head["run"][key]
        for key in ("id", "experiment", "state", "why", "metric", "goal", "objective", "started", "last")
    }
    out: dict[str, Any] = finite(
        {
            "schema_version": SCHEMA_VERSION,
            **about,
            **summary,
            "config": shared_config(history.config),
            "trials": trials,
        }
    )
    return out


def _to_json(history: RunHistory, target: str) -> list[str]:
    path = Path(target or f"{history.layout.run_id}.json").expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run_json(history), indent=1, allow_nan=False, default=str) + "\n", encoding="utf-8")
    return [str(path)]


KINDS: Mapping[str, Callable[[RunHistory, str], list[str]]] = {
    "csv": _to_csv,
    "json": _to_json,
    "parquet": _to_parquet,
    "optuna": to_optuna,
    "tensorboard": to_tensorboard,
    "mlflow": to_mlflow,
}
"""What ``export_run`` can write."""
