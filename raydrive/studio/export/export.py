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
from raydrive.studio.data.new_files import refuse_missing_folder
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
        target: A folder, or a file; ``csv`` and ``parquet`` write a second one beside it, ``NAME-metrics.csv``. For
            Optuna a storage URL, for MLflow a tracking URI. Empty = names made from the run's id, here.

    Raises:
        ConfigError: If the kind is unknown, a library is missing, or a needed target is not given.
        ConfigError: If the target is in a folder that does not exist.
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
        raise RaydriveError(f"{kind} at {redact(target)} did not accept the run: {first}") from error


def _tables(history: RunHistory) -> dict[str, pyarrow.Table]:
    from raydrive.api.display.tables import metrics_table, trials_table  # lazy: pyarrow, 0.07 s

    return {
        "trials": trials_table(history.rows()),
        "metrics": metrics_table(history.reports(), history.config.metric.name),
    }


def _two_files(history: RunHistory, target: str, suffix: str) -> dict[str, Path]:
    """Where the trials and the metrics go: a file that is named and one beside it, or two files in a folder.

    Raises:
        ConfigError: If the target is in a folder that does not exist.
    """
    path = Path(target or ".").expanduser()
    if path.suffix.casefold() == suffix and not path.is_dir():
        refuse_missing_folder(path)
        return {"trials": path, "metrics": path.with_name(f"{path.stem}-metrics{path.suffix}")}
    refuse_missing_folder(path)
    path.mkdir(exist_ok=True)
    return {name: path / f"{history.id}-{name}{suffix}" for name in ("trials", "metrics")}


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
    files = _two_files(history, target, ".csv")
    for name, table in _tables(history).items():
        files[name].write_text(_csv_text(table), encoding="utf-8")
    return list(map(str, files.values()))


def _to_parquet(history: RunHistory, target: str) -> list[str]:
    from pyarrow import parquet  # lazy: pyarrow, 0.2 s

    files = _two_files(history, target, ".parquet")
    for name, table in _tables(history).items():
        parquet.write_table(table, files[name])
    return list(map(str, files.values()))


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
    path = Path(target or ".").expanduser()
    if path.is_dir():
        path /= f"{history.layout.run_id}.json"
    refuse_missing_folder(path)
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
