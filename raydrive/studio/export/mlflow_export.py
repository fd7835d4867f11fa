"""A run as MLflow runs: a parent, and a nested run for each trial.

MLflow refuses names with other characters than letters, digits and ``_-. /:``, and a refused name takes everything else
of its batch along. Names are therefore mapped to names that it takes, no two to the same, and the caller gets a note.
"""

from __future__ import annotations

import os
import urllib.parse
from typing import Any

from raydrive.core.errors import ConfigError, Problem
from raydrive.core.numbers import as_float
from raydrive.core.records import COMPLETED, FAILED
from raydrive.core.views.chart_axes import flat
from raydrive.core.views.portable_values import Names, as_moment, as_step, as_text, cut
from raydrive.storage.folder.base import redact
from raydrive.studio.data.run_history import RunHistory
from raydrive.studio.export.other_tools import library, listed, renamed, told

ALLOWED, LONGEST_NAME = r"[\w\-. /:]", 250
"""Characters of a name that MLflow takes, and how many."""
LONGEST_PARAM, LONGEST_TAG = 6000, 5000
"""Characters of a value."""
METRICS_BATCH, PARAMS_BATCH = 500, 90
_STATES = {COMPLETED: "FINISHED", FAILED: "FAILED"}


def to_mlflow(history: RunHistory, target: str) -> list[str]:
    """Writes a parent run and a nested run per trial, with parameters, metrics, tags and states.

    Args:
        history: The run.
        target: Tracking URI; empty = ``MLFLOW_TRACKING_URI``.

    Returns:
        A line about what was written, and a note on each name that is there as another one, and on what is missing.

    Raises:
        ConfigError: If mlflow is not installed, or there is no tracking URI.
    """
    mlflow = library("mlflow", "mlflow")
    uri = target or os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        raise ConfigError(Problem("--output", "nothing", "a tracking URI, here or in MLFLOW_TRACKING_URI"))
    return _Export(mlflow, history, uri).write()


class _Export:
    """One export.

    Args:
        mlflow: The library.
        history: The run.
        uri: Where to.
    """

    def __init__(self, mlflow: Any, history: RunHistory, uri: str) -> None:
        self._entities = mlflow.entities
        self._refusal = mlflow.exceptions.MlflowException
        self._client = mlflow.MlflowClient(tracking_uri=uri)
        self._story, self._uri = history, uri
        in_files = urllib.parse.urlsplit(uri).scheme in ("", "file")
        tags = list(dict.fromkeys(name for past in history.pasts for name in past.tags))
        params = list(dict.fromkeys(name for trial in history.sweep.trials for name in flat(trial.params)))
        self._metrics = Names(
            ALLOWED,
            LONGEST_NAME,
            is_path=True,
            is_file=in_files,
            known=history.exported_names,
        )
        self._params = Names(ALLOWED, LONGEST_NAME, is_path=True, is_file=in_files, known=params)
        self._tags = Names(ALLOWED, LONGEST_NAME, is_path=True, is_file=in_files, known=tags)
        self._shortened: set[str] = set()
        self._odd_steps: set[str] = set()
        self._refused: list[str] = []

    def write(self) -> list[str]:
        history, client = self._story, self._client
        run_id, name, sweep = history.layout.run_id, history.config.experiment, history.sweep
        found = client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else client.create_experiment(name)
        parent = client.create_run(experiment, _millis(sweep.started_at), {"raydrive.run": run_id}, run_id).info.run_id
        best = sweep.best
        if best is not None:
            client.log_metric(parent, self._metrics.of(history.config.metric.name), best.value)
        for number in range(len(sweep.trials)):
            self._trial(experiment, parent, number)
        client.set_terminated(parent, "FINISHED", _millis(sweep.last_at))
        return [
            f"run {run_id!r} with {len(sweep.trials)} nested runs in experiment {name!r} at {redact(self._uri)}",
            *told(history, self._metrics, self._odd_steps),
            *(
                f"Note: {text}"
                for what, names in (("the hyperparameter ", self._params), ("the tag ", self._tags))
                for text in renamed(what, names)
            ),
            *(
                [f"Note: values are cut to the length that MLflow accepts: {listed(self._shortened)}"]
                if self._shortened
                else []
            ),
            *(f"Note: {text}" for text in self._refused),
        ]

    def _trial(self, experiment: str, parent: str, number: int) -> None:
        trial, past = self._story.sweep.trials[number], self._story.pasts[number]
        tags = {self._tags.of(name): self._cut(f"tag {name}", value, LONGEST_TAG) for name, value in past.tags.items()}
        tags |= {
            "mlflow.parentRunId": parent,
            "raydrive.trial": str(number),
            "raydrive.why": self._cut("raydrive.why", trial.why, LONGEST_TAG),
        }
        name = f"{self._story.layout.run_id}_{number}"
        child = self._client.create_run(experiment, _millis(trial.created_at), tags, name).info.run_id
        params = [
            self._entities.Param(self._params.of(key), self._cut(key, value, LONGEST_PARAM))
            for key, value in flat(trial.params).items()
        ]
        for start in range(0, len(params), PARAMS_BATCH):
            self._log(child, number, params=params[start : start + PARAMS_BATCH])
        metrics = self._values(number)
        for start in range(0, len(metrics), METRICS_BATCH):
            self._log(child, number, metrics=metrics[start : start + METRICS_BATCH])
        ended = _millis(trial.ended_at or self._story.sweep.last_at)
        self._client.set_terminated(child, _STATES.get(trial.state, "KILLED"), ended)

    def _values(self, number: int) -> list[Any]:
        past, curve = self._story.pasts[number], self._story.sweep.curves.values(number)
        make = self._entities.Metric
        primary = self._metrics.of(self._story.config.metric.name)
        metrics = [
            make(primary, as_float(value), _millis(at), k)
            for k, (at, value) in enumerate(zip(past.times, curve, strict=False), 1)
        ]
        created = _millis(self._story.sweep.trials[number].created_at)
        for name, series in past.series.items():
            for count, (at, value) in enumerate(zip(series.at, series.values, strict=True), 1):
                step = as_step(at)
                if step is None:
                    self._odd_steps.add(name)
                metrics.append(make(self._metrics.of(name), as_float(value), created, count if step is None else step))
        return metrics

    def _log(self, run: str, number: int, **values: list[Any]) -> None:
        """Logs a batch; where MLflow refuses it, one by one, so that what it refuses takes nothing else along."""
        try:
            self._client.log_batch(run, **values)
        except self._refusal as error:
            if getattr(error, "error_code", "") != "INVALID_PARAMETER_VALUE":
                raise
            for kind, items in values.items():
                for item in items:
                    self._log_one(run, number, kind, item)

    def _log_one(self, run: str, number: int, kind: str, item: Any) -> None:
        try:
            self._client.log_batch(run, **{kind: [item]})
        except self._refusal as error:
            if getattr(error, "error_code", "") != "INVALID_PARAMETER_VALUE":
                raise
            first = str(error).partition("\n")[0][:200]
            self._refused.append(f"{item.key!r} of trial {number} was refused: {first}")

    def _cut(self, name: str, value: object, longest: int) -> str:
        return cut(as_text(value), longest, lambda: self._shortened.add(name))


def _millis(seconds: float | None) -> int:
    return int(as_moment(seconds) * 1000)
