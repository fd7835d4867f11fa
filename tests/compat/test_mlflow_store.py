"""MLflow's own client reads a run that an earlier version recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

mlflow: Any = pytest.importorskip("mlflow")

from raydrive import Workspace  # noqa: E402
from raydrive.compat.mlflow_store import SCHEME, tracking_store  # noqa: E402

STORAGE = Path(__file__).parents[1] / "formats" / "0.1.0"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLflow's client of the runs, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    (tmp_path / "storage").symlink_to(STORAGE)  # MLflow keeps a store for each URI
    return mlflow.MlflowClient(tracking_uri=f"{SCHEME}:{tmp_path}/storage")


@pytest.fixture
def run() -> Any:
    """A run that has a best trial."""
    return next(each for each in Workspace(STORAGE).runs() if each.get_best_run_by_primary_metric())


def test_mlflow_finds_the_scheme(client: Any, run: Any) -> None:
    assert client.get_run(run.id).info.run_id == run.id


def test_a_run_leads_to_its_best_trial(client: Any, run: Any) -> None:
    best = run.get_best_run_by_primary_metric()
    whole = client.get_run(run.id)
    assert whole.data.tags["best_child_run_id"] == best.id
    child = client.get_run(whole.data.tags["best_child_run_id"])
    assert child.data.tags["mlflow.parentRunId"] == run.id
    assert child.data.params == {name: str(value) for name, value in best.params.items()}
    name = run.config.metric.name
    assert [row.value for row in client.get_metric_history(best.id, name)] == best.get_metrics(name)[name]
    assert child.data.metrics[name] == best.get_metrics(name)[name][-1]


def test_the_runs_of_an_experiment_are_searched_and_sorted(client: Any, run: Any) -> None:
    experiment = client.get_experiment_by_name(run.experiment)
    metric = run.config.metric.name
    wanted = f"tags.`mlflow.parentRunId` = '{run.id}'"
    found = client.search_runs([experiment.experiment_id], wanted, order_by=[f"metrics.`{metric}` ASC"])
    assert {one.info.run_id for one in found} == {child.id for child in run.get_children()}
    values = [one.data.metrics[metric] for one in found if metric in one.data.metrics]
    assert values == sorted(values)


def test_what_a_program_logs_itself_stays_beside(client: Any, tmp_path: Path) -> None:
    own = client.create_run("0").info.run_id
    client.log_metric(own, "loss", 2.0)
    assert client.get_run(own).data.metrics == {"loss": 2.0}
    assert (tmp_path / "mlruns").is_dir()


def test_a_run_that_nobody_has_is_mlflows_own_error(client: Any) -> None:
    with pytest.raises(mlflow.exceptions.MlflowException, match="not found"):
        client.get_run("0" * 32)


def test_a_store_without_the_entry_point_is_the_same(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert tracking_store(f"{SCHEME}:{STORAGE}").get_run(run.id).info.run_id == run.id
