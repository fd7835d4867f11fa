"""MLflow's client reads runs of raydrive: ``mlflow.set_tracking_uri("raydrive-runs:STORAGE")``.

A run and its trials are MLflow runs under their own ids; a trial's parent is its run. What a program logs itself goes
to ``./mlruns``.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun, Run

SCHEME = "raydrive-runs"
"""Scheme of the tracking URI; the path behind it is a storage."""
OWN_RUNS = "mlruns"
"""Folder of what a program logs itself."""
_ALLOW = "MLFLOW_ALLOW_FILE_STORE"
"""Variable without which newer MLflows refuse ``./mlruns``."""
_EXPERIMENT = "raydrive."
"""How the ids of our experiments begin."""
_STATES = {
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
    "Running": "RUNNING",
    "Terminated": "KILLED",
}


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> Any:
    """Returns the store of a tracking URI; MLflow's entry point.

    Args:
        store_uri: ``raydrive-runs:STORAGE``.
        artifact_uri: Not looked at.
    """
    from mlflow.store.tracking.file_store import FileStore  # lazy: optional dependency

    os.environ.setdefault(_ALLOW, "true")
    return _store_class(FileStore)(store_uri.partition(":")[2])


def registry_store(store_uri: str, **kwargs: Any) -> Any:
    """Returns MLflow's own registry of models in ``./mlruns``; MLflow's entry point.

    Args:
        store_uri: Not looked at.
        **kwargs: Not looked at.
    """
    from mlflow.store.model_registry.file_store import FileStore  # lazy: optional dependency

    os.environ.setdefault(_ALLOW, "true")
    return FileStore(_own_runs())


def _own_runs() -> str:
    return os.path.abspath(OWN_RUNS)


@functools.cache
def _store_class(base: type) -> Any:
    class RunsStore(base):  # type: ignore[misc]
        """Runs of a storage, beside what the program logs itself."""

        def __init__(self, storage: str) -> None:
            super().__init__(_own_runs(), _own_runs())
            self._storage = storage

        def get_run(self, run_id: str) -> Any:
            found = _find(self._storage, run_id)
            return super().get_run(run_id) if found is None else _entity(found)

        def get_metric_history(self, run_id: str, metric_key: str, *args: Any, **kwargs: Any) -> Any:
            found = _find(self._storage, run_id)
            if found is None:
                return super().get_metric_history(run_id, metric_key, *args, **kwargs)
            from mlflow.store.entities.paged_list import PagedList  # lazy: optional dependency

            return PagedList(_history(found, metric_key), None)

        def get_experiment(self, experiment_id: str) -> Any:
            if not str(experiment_id).startswith(_EXPERIMENT):
                return super().get_experiment(experiment_id)
            return _experiment(str(experiment_id).removeprefix(_EXPERIMENT), self._storage)

        def get_experiment_by_name(self, experiment_name: str) -> Any:
            if experiment_name in _workspace(self._storage).experiments():
                return _experiment(experiment_name, self._storage)
            return super().get_experiment_by_name(experiment_name)

        def _search_runs(
            self,
            experiment_ids: Any,
            filter_string: str,
            run_view_type: Any,
            max_results: int,
            order_by: Any,
            page_token: Any,
        ) -> Any:
            from mlflow.utils.search_utils import SearchUtils  # lazy: optional dependency

            ours = [str(one) for one in experiment_ids if str(one).startswith(_EXPERIMENT)]
            if not ours:
                more = (filter_string, run_view_type, max_results, order_by, page_token)
                return super()._search_runs(experiment_ids, *more)
            rows = [row for name in ours for row in _rows(self._storage, name.removeprefix(_EXPERIMENT))]
            rows = SearchUtils.sort(SearchUtils.filter(rows, filter_string), order_by)
            return SearchUtils.paginate(rows, page_token, max_results)

    return RunsStore


def _workspace(storage: str) -> Any:
    from raydrive.api.workspace import Workspace  # lazy: raydrive.api.workspace, 0.02 s

    return Workspace(storage)


def _find(storage: str, run_id: str) -> HyperDriveRun | Run | None:
    """The run or trial of an id, None where it is not one of raydrive's."""
    from raydrive.core.errors import RaydriveError  # lazy: raydrive.core.errors, 0.02 s

    name, mark, number = run_id.rpartition("_")
    try:
        if mark and number.isdigit():
            parent: HyperDriveRun = _workspace(storage).get_run(name)
            return parent.get_child(int(number)) if parent.id == name else None
        run: HyperDriveRun = _workspace(storage).get_run(run_id)
    except RaydriveError:
        return None
    return run if run.id == run_id else None


def _rows(storage: str, experiment: str) -> Iterator[Any]:
    for run in _workspace(storage).runs(experiment):
        yield _entity(run)
        yield from (_entity(child) for child in run.get_children())


def _entity(run: Any) -> Any:
    from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag  # lazy: optional dependency

    parent = getattr(run, "parent", None)
    whole = parent or run
    tags = {**whole.tags, "mlflow.runName": run.id, "mlflow.user": "raydrive", **_links(run, parent)}
    start, end = _times(run, parent)
    info = {
        "run_id": run.id,
        "run_uuid": run.id,
        "run_name": run.id,
        "experiment_id": f"{_EXPERIMENT}{whole.config.experiment}",
        "user_id": "raydrive",
        "status": _STATES.get(run.get_status(), "SCHEDULED"),
        "start_time": start,
        "end_time": end,
        "lifecycle_stage": "active",
        "artifact_uri": _artifacts(run) if parent else f"{run.uri}/artifacts",
    }
    metrics = run.get_metrics() if parent else _best_value(run)
    last = {name: value[-1] if isinstance(value, list) else value for name, value in metrics.items()}
    numbers = {name: value for name, value in last.items() if isinstance(value, int | float)}
    data = RunData(
        metrics=[Metric(name, float(value), end or start, 0) for name, value in numbers.items()],
        params=[Param(name, str(value)) for name, value in (run.params if parent else {}).items()],
        tags=[RunTag(name, str(value)) for name, value in tags.items()],
    )
    return _made(Run, {"run_info": _made(RunInfo, info), "run_data": data})


def _artifacts(trial: Any) -> str:
    """Where a trial's files are: what it gave to MLflow, if anything, else all its outputs."""
    logged = any(name.startswith("outputs/artifacts/") for name in trial.get_file_names())
    return f"{trial.uri}/outputs/artifacts" if logged else f"{trial.uri}/outputs"


def _links(run: Any, parent: Any) -> dict[str, str]:
    """The tags that lead from a run to its best trial, and from a trial to its run, by MLflow's and Azure's names."""
    if parent is not None:
        return {"mlflow.parentRunId": parent.id, "mlflow.rootRunId": parent.id}
    best = run.get_best_run_by_primary_metric()
    return {} if best is None else {"best_child_run_id": best.id, "automl_best_child_run_id": best.id}


def _best_value(run: Any) -> Mapping[str, Any]:
    best = run.get_best_run_by_primary_metric()
    return {} if best is None else {run.config.metric.name: best.best_value}


def _times(run: Any, parent: Any) -> tuple[int, int | None]:
    """When it began and ended, in milliseconds."""
    if parent is None:
        sweep = run.sweep
        return round(sweep.started_at * 1000), round(sweep.last_at * 1000) if sweep.finished else None
    trial = parent.sweep.trials[run.number]
    return round(trial.created_at * 1000), round(trial.ended_at * 1000) if trial.ended_at else None


def _history(run: Any, name: str) -> list[Any]:
    from mlflow.entities import Metric  # lazy: optional dependency

    if getattr(run, "parent", None) is None:
        values: Any = _best_value(run).get(name, [])
    else:
        values = run.get_metrics(name).get(name, [])
    listed = values if isinstance(values, list) else [values]
    return [Metric(name, float(value), 0, step) for step, value in enumerate(listed)]


def _experiment(name: str, storage: str) -> Any:
    from mlflow.entities import Experiment  # lazy: optional dependency

    return Experiment(f"{_EXPERIMENT}{name}", name, storage, "active")


def _made(kind: Any, values: Mapping[str, Any]) -> Any:
    """Makes one of MLflow's entities, whose constructors differ between versions, from what it takes of ``values``."""
    known = inspect.signature(kind.__init__).parameters
    return kind(**{name: value for name, value in values.items() if name in known})
