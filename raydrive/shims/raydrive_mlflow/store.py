"""The tracking store of ``raydrive://``: bookkeeping in memory, values to the trial, artifacts to its outputs."""

from __future__ import annotations

import inspect
import os
import pathlib
import re
import threading
import time
import uuid
from typing import Any, Mapping  # noqa: UP035  (Python 3.8)

from mlflow import entities
from mlflow.entities import Experiment, Metric, Param, RunData, RunInfo, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchUtils

from raydrive_mlflow.ledger import LEDGER

_EXPERIMENT = "0"


def artifacts() -> pathlib.Path:
    """Folder of the trial's artifacts: ``outputs/artifacts``."""
    return pathlib.Path(os.environ.get("RAYDRIVE_OUTPUT_DIR") or "outputs").absolute() / "artifacts"


def make(kind: Any, values: Mapping[str, Any]) -> Any:
    """Makes one of MLflow's entities, whose constructors differ between versions, from what it takes of ``values``."""
    known = inspect.signature(kind.__init__).parameters
    return kind(**{name: value for name, value in values.items() if name in known})


class _Run:
    """What is known about one run."""

    def __init__(self, run_id: str, info: dict[str, Any]) -> None:
        self.info = {"run_id": run_id, "run_uuid": run_id, "lifecycle_stage": "active", "end_time": None, **info}
        self.metrics: dict[str, list[Metric]] = {}
        self.params: dict[str, Param] = {}
        self.tags: dict[str, RunTag] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def entity(self) -> Any:
        """The run as MLflow wants it."""
        latest = [max(rows, key=lambda row: (row.step, row.timestamp)) for rows in self.metrics.values()]
        data = RunData(metrics=latest, params=list(self.params.values()), tags=list(self.tags.values()))
        parts: dict[str, Any] = {"run_info": make(RunInfo, self.info), "run_data": data}
        if hasattr(entities, "RunInputs"):
            inputs = {"dataset_inputs": self.inputs, "model_inputs": []}
            parts["run_inputs"] = make(entities.RunInputs, inputs)
        if hasattr(entities, "RunOutputs"):
            parts["run_outputs"] = entities.RunOutputs(model_outputs=self.outputs)
        return make(entities.Run, parts)


class _Runs(AbstractStore):  # type: ignore[misc,unused-ignore]
    """Experiments and runs."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._runs: dict[str, _Run] = {}
        self._models: dict[str, Any] = {}
        self._experiment = os.environ.get("RAYDRIVE_EXPERIMENT") or "Default"

    def _run(self, run_id: str) -> _Run:
        try:
            return self._runs[run_id]
        except KeyError:
            known = ", ".join(self._runs) or "none"
            raise MlflowException(
                f"Run {run_id!r} not found: a trial knows the runs it has started itself (so far: {known}); for runs "
                "on a tracking server, set its URI with mlflow.set_tracking_uri",
                RESOURCE_DOES_NOT_EXIST,
            ) from None

    # ------------------------------------------------------------------ one experiment, whatever its name

    def get_experiment(self, experiment_id: str) -> Any:
        return make(
            Experiment,
            {
                "experiment_id": _EXPERIMENT,
                "name": self._experiment,
                "artifact_location": artifacts().as_uri(),
                "lifecycle_stage": "active",
                "tags": [],
            },
        )

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        self._experiment = experiment_name
        return self.get_experiment(_EXPERIMENT)

    def create_experiment(self, name: str, artifact_location: Any = None, tags: Any = None) -> str:
        self._experiment = name
        return _EXPERIMENT

    def search_experiments(self, *args: Any, **kwargs: Any) -> Any:
        return PagedList([self.get_experiment(_EXPERIMENT)], None)

    list_experiments = search_experiments

    def set_experiment_tag(self, experiment_id: str, tag: Any) -> None:
        """An experiment has no tags here."""

    # ------------------------------------------------------------------ runs

    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: Any, run_name: str | None = None
    ) -> Any:
        with self._lock:
            trial = os.environ.get("RAYDRIVE_TRIAL_ID", "")
            first = not self._runs and re.fullmatch(r"[a-zA-Z0-9][\w\-]{0,255}", trial)
            run_id = trial if first else uuid.uuid4().hex
            texts = {tag.key: tag.value for tag in tags or ()}
            name = run_name or texts.get("mlflow.runName") or (trial if first else f"run-{len(self._runs)}")
            place = artifacts() if not self._runs else artifacts() / "runs" / run_id
            run = _Run(
                run_id,
                {
                    "experiment_id": _EXPERIMENT,
                    "user_id": user_id or "",
                    "status": RunStatus.to_string(RunStatus.RUNNING),
                    "start_time": start_time or int(time.time() * 1000),
                    "artifact_uri": place.as_uri(),
                    "run_name": name,
                },
            )
            run.tags = {tag.key: tag for tag in tags or ()}
            run.tags.setdefault("mlflow.runName", RunTag("mlflow.runName", name))
            self._runs[run_id] = run
            LEDGER.created(run_id, name, texts)
            return run.entity()

    def get_run(self, run_id: str) -> Any:
        return self._run(run_id).entity()

    def update_run_info(self, run_id: str, run_status: Any, end_time: Any, run_name: Any = None) -> Any:
        run = self._run(run_id)
        if run_status is not None:
            run.info["status"] = RunStatus.to_string(run_status)
        if end_time is not None:
            run.info["end_time"] = end_time
        if run_name:
            run.info["run_name"] = run_name
            run.tags["mlflow.runName"] = RunTag("mlflow.runName", run_name)
        return make(RunInfo, run.info)

    def delete_run(self, run_id: str) -> None:
        self._run(run_id).info["lifecycle_stage"] = "deleted"

    def restore_run(self, run_id: str) -> None:
        self._run(run_id).info["lifecycle_stage"] = "active"

    def _search_runs(
        self, experiment_ids: Any, filter_string: Any, run_view_type: Any, max_results: Any, order_by: Any, token: Any
    ) -> Any:
        active = [run.entity() for run in self._runs.values() if run.info["lifecycle_stage"] == "active"]
        found = SearchUtils.sort(SearchUtils.filter(active, filter_string), order_by)
        return SearchUtils.paginate(found, token, max_results)

    # ------------------------------------------------------------------ what runs log

    def log_batch(self, run_id: str, metrics: Any, params: Any, tags: Any) -> None:
        with self._lock:
            run = self._run(run_id)
            for metric in metrics:
                run.metrics.setdefault(metric.key, []).append(metric)
            run.params.update({param.key: param for param in params})
            run.tags.update({tag.key: tag for tag in tags})
            LEDGER.log(run_id, metrics, params, tags)

    def log_metric(self, run_id: str, metric: Any) -> None:
        self.log_batch(run_id, [metric], [], [])

    def log_param(self, run_id: str, param: Any) -> None:
        self.log_batch(run_id, [], [param], [])

    def set_tag(self, run_id: str, tag: Any) -> None:
        self.log_batch(run_id, [], [], [tag])

    def delete_tag(self, run_id: str, key: str) -> None:
        self._run(run_id).tags.pop(key, None)

    def get_metric_history(self, run_id: str, metric_key: str, max_results: Any = None, page_token: Any = None) -> Any:
        return PagedList(self._run(run_id).metrics.get(metric_key, []), None)

    def log_inputs(self, run_id: str, datasets: Any = None, models: Any = None) -> None:
        self._run(run_id).inputs += datasets or []

    def log_outputs(self, run_id: str, models: Any) -> None:
        self._run(run_id).outputs += models

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """The model lies among the artifacts; its ``MLmodel`` file says the rest."""


class _TrialStore(_Runs):
    """The store of a trial: runs, and the models of MLflow 3."""

    def create_logged_model(
        self,
        experiment_id: str = _EXPERIMENT,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Any = None,
        params: Any = None,
        model_type: str | None = None,
    ) -> Any:
        model_id = f"m-{uuid.uuid4().hex}"
        name = name or "model"
        place, count = artifacts() / name, 1
        while place.exists() or any(model["artifact_location"] == place.as_uri() for model in self._models.values()):
            count += 1
            place = artifacts() / f"{name}-{count}"
        now = int(time.time() * 1000)
        self._models[model_id] = {
            "experiment_id": _EXPERIMENT,
            "model_id": model_id,
            "name": name,
            "artifact_location": place.as_uri(),
            "creation_timestamp": now,
            "last_updated_timestamp": now,
            "model_type": model_type,
            "source_run_id": source_run_id,
            "tags": {tag.key: tag.value for tag in tags or ()},
            "params": {param.key: param.value for param in params or ()},
        }
        return self.get_logged_model(model_id)

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> Any:
        if model_id not in self._models:
            raise MlflowException(f"Logged model {model_id!r} not found in this trial", RESOURCE_DOES_NOT_EXIST)
        rows = [row for run in self._runs.values() for rows in run.metrics.values() for row in rows]
        metrics = [row for row in rows if getattr(row, "model_id", None) == model_id]
        return make(entities.LoggedModel, {**self._models[model_id], "metrics": metrics})

    def finalize_logged_model(self, model_id: str, status: Any) -> Any:
        self.get_logged_model(model_id)
        self._models[model_id]["status"] = status
        return self.get_logged_model(model_id)

    def set_logged_model_tags(self, model_id: str, tags: Any) -> None:
        self.get_logged_model(model_id)
        self._models[model_id]["tags"].update({tag.key: tag.value for tag in tags})

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        self.get_logged_model(model_id)
        self._models[model_id]["tags"].pop(key, None)

    def log_logged_model_params(self, model_id: str, params: Any) -> None:
        self.get_logged_model(model_id)
        self._models[model_id]["params"].update({param.key: param.value for param in params})

    def search_logged_models(self, *args: Any, **kwargs: Any) -> Any:
        return PagedList([self.get_logged_model(model_id) for model_id in self._models], None)


def build() -> Any:
    """Makes the store."""
    return _TrialStore()
