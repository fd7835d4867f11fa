"""MLflow: a parent run and a nested run for each trial, found again by their tags."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raydrive.core.records import COMPLETED, FAILED
from raydrive.core.views.chart_axes import flat
from raydrive.core.views.portable_values import Names, as_moment, as_text, cut
from raydrive.trackers.protocol import About, Improved, Logged, RunEnded, TrialBegan, TrialEnded, Update

LIVE = "raydrive.live"
"""Tag of all runs of MLflow that follow a run: its id."""
TRIAL = "raydrive.trial"
"""Tag with the number of a trial; the parent has none."""
_ALLOWED, _LONGEST_NAME, _LONGEST_PARAM, _LONGEST_TAG = r"[\w\-. /:]", 250, 6000, 5000
_METRICS, _PARAMS, _PAGE = 500, 90, 1000
_STATES = {COMPLETED: "FINISHED", FAILED: "FAILED"}
_IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""A server that is away is told of at once, and tried again later."""


class MlflowTracker:
    """Keeps a run in MLflow.

    Args:
        settings: ``uri``, and ``experiment`` (None = that of the run).
        about: The run.
    """

    def __init__(self, settings: Mapping[str, str], about: About) -> None:
        for name, value in _IMPATIENT.items():
            os.environ.setdefault(name, value)
        import mlflow  # lazy: optional dependency

        self._entities, self._refusal = mlflow.entities, mlflow.exceptions.MlflowException
        self._client = mlflow.MlflowClient(tracking_uri=settings["uri"])
        self._about = about
        self._experiment_name = settings.get("experiment", about.experiment)
        self._experiment = ""
        self._parent = ""
        self._children: dict[int, str] = {}
        """MLflow's ids by the number of the trial."""
        self._unsure: set[str] = set()
        """Runs that an earlier instance has begun, and that may have values which are told again."""
        self._names = Names(_ALLOWED, _LONGEST_NAME, is_path=True, is_file="://" not in settings["uri"])

    def begin(self) -> None:
        """Finds the runs that are there already, and makes the parent where it is not.

        Raises:
            Exception: If the server is away.
        """
        found = self._client.get_experiment_by_name(self._experiment_name)
        self._experiment = found.experiment_id if found else self._client.create_experiment(self._experiment_name)
        for run in self._there():
            trial = run.data.tags.get(TRIAL)
            if trial is None:
                self._parent = run.info.run_id
            else:
                self._children[int(trial)] = run.info.run_id
            self._unsure.add(run.info.run_id)
        if self._parent:
            self._client.update_run(self._parent, status="RUNNING")
            return
        about = self._about
        tags = {self._names.of(name): _cut(value, _LONGEST_TAG) for name, value in about.tags.items()}
        tags |= {LIVE: about.run_id, "raydrive.run": about.run_id, "raydrive.uri": about.uri}
        self._parent = self._client.create_run(self._experiment, tags=tags, run_name=about.run_id).info.run_id

    def deliver(self, updates: Sequence[Update]) -> None:
        """Takes updates; all values of a run of MLflow go in one request.

        Raises:
            Exception: If they did not arrive.
        """
        metrics: dict[str, list[Any]] = {}
        for update in updates:
            match update:
                case TrialBegan():
                    self._began(update)
                case Logged():
                    metrics.setdefault(self._child(update.trial, update.at), []).extend(self._values(update))
                case Improved():
                    name = self._names.of(f"best {self._about.metric}")
                    best = self._entities.Metric(name, update.value, _millis(update.at), update.step)
                    metrics.setdefault(self._parent, []).append(best)
                case TrialEnded() | RunEnded():
                    self._log(metrics)
                    self._ended(update)
        self._log(metrics)

    def close(self) -> None:
        """Nothing is held."""

    def _there(self) -> Iterator[Any]:
        token = None
        while True:
            chosen = f"tags.`{LIVE}` = '{self._about.run_id}'"
            page = self._client.search_runs([self._experiment], chosen, max_results=_PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _child(self, trial: int, at: float) -> str:
        """The run of a trial, made where it is not there yet."""
        if trial not in self._children:
            name = f"{self._about.run_id}_{trial}"
            tags = {LIVE: self._about.run_id, TRIAL: str(trial), "mlflow.parentRunId": self._parent}
            made = self._client.create_run(self._experiment, _millis(at), tags, name)
            self._children[trial] = made.info.run_id
        return self._children[trial]

    def _began(self, update: TrialBegan) -> None:
        run = self._child(update.trial, update.at)
        params = [
            self._entities.Param(self._names.of(key), _cut(as_text(value), _LONGEST_PARAM))
            for key, value in flat(update.params).items()
        ]
        for start in range(0, len(params), _PARAMS):
            self._log_batch(run, params=params[start : start + _PARAMS])

    def _values(self, update: Logged) -> Iterator[Any]:
        for name, value in update.values.items():
            yield self._entities.Metric(self._names.of(name), value, _millis(update.at), update.step)

    def _ended(self, update: TrialEnded | RunEnded) -> None:
        run = self._parent if isinstance(update, RunEnded) else self._child(update.trial, update.at)
        self._client.set_tag(run, "raydrive.why", _cut(update.why, _LONGEST_TAG))
        self._client.set_terminated(run, _STATES.get(update.state, "KILLED"), _millis(update.at))

    def _log(self, metrics: dict[str, list[Any]]) -> None:
        """Logs values by run and forgets them."""
        for run in list(metrics):
            values = metrics[run]
            if run in self._unsure:
                values = self._new(run, values)
            for start in range(0, len(values), _METRICS):
                self._log_batch(run, metrics=values[start : start + _METRICS])
            self._unsure.discard(run)
            del metrics[run]

    def _new(self, run: str, values: list[Any]) -> list[Any]:
        """The values that are not there yet."""
        names = {value.key for value in values}
        there = {(name, one.step) for name in names for one in self._client.get_metric_history(run, name)}
        return [value for value in values if (value.key, value.step) not in there]

    def _log_batch(self, run: str, **values: list[Any]) -> None:
        """Logs a batch; where MLflow refuses it, one by one: what it refuses takes nothing else along."""
        try:
            self._client.log_batch(run, **values)
        except self._refusal as error:
            ((kind, items),) = values.items()
            if getattr(error, "error_code", "") != "INVALID_PARAMETER_VALUE" or len(items) == 1:
                if len(items) == 1 and getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
                    return
                raise
            for item in items:
                self._log_batch(run, **{kind: [item]})


def _cut(value: object, longest: int) -> str:
    return cut(as_text(value), longest, lambda: None)


def _millis(seconds: float) -> int:
    return int(as_moment(seconds) * 1000)
