from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from recorded import by_hand, config, create, write

from raydrive.core.errors import ConfigError, RaydriveError
from raydrive.studio.data.run_history import RunHistory, open_history
from raydrive.studio.export.export import export_run


def test_csv_and_parquet_hold_every_value(story: RunHistory, tmp_path: Path) -> None:
    from pyarrow import parquet

    paths = export_run(story, "csv", str(tmp_path))
    with open(paths[0], newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert float(rows[3]["best"]) == story.sweep.curves.best(3)
    paths = export_run(story, "parquet", str(tmp_path))
    table = parquet.read_table(paths[1])
    assert table.num_rows == 2 * sum(story.sweep.curves.length(trial.number) for trial in story.sweep.trials)


def test_csv_is_no_formula(tmp_path: Path) -> None:
    run_config = config(1)
    layout = create(tmp_path / "s", run_config)
    params = {"learning_rate": 0.1, "momentum": 0.5, "units": 16, "optimizer": "=cmd|' /C calc'!A0"}
    write(layout, by_hand(run_config, [(params, [0.5], 0, "")]))
    paths = export_run(open_history(layout), "csv", str(tmp_path))
    with open(paths[0], newline="") as file:
        assert next(csv.DictReader(file))["param_optimizer"].startswith("'=")


def test_json_is_json(story: RunHistory, tmp_path: Path) -> None:
    path = export_run(story, "json", str(tmp_path / "run.json"))[0]
    run = json.loads(Path(path).read_text())
    assert len(run["trials"]) == 60
    assert run["trials"][2]["metrics"]["accuracy"] == list(story.sweep.curves.values(2))


def test_an_optuna_study(story: RunHistory, tmp_path: Path) -> None:
    import optuna

    url = f"sqlite:///{tmp_path}/study.db"
    export_run(story, "optuna", url)
    study = optuna.load_study(study_name=story.layout.run_id, storage=url)
    pruned = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.PRUNED]
    assert len(study.trials) == 60
    assert len(pruned) == sum(trial.stop_by == "policy" for trial in story.sweep.trials)
    assert study.trials[4].intermediate_values[1] == story.sweep.curves.values(4)[0]
    assert study.trials[4].params["optimizer"] == story.sweep.trials[4].params["optimizer"]
    done = [trial.value for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert study.best_value == max(done)
    with pytest.raises(RaydriveError, match="already"):
        export_run(story, "optuna", url)


def test_tensorboard_files(story: RunHistory, tmp_path: Path) -> None:
    from tensorboardX.proto import event_pb2

    export_run(story, "tensorboard", str(tmp_path))
    files = sorted(tmp_path.glob("trial-*/events*"))
    assert len(files) == 60
    data, at, values = files[0].read_bytes(), 0, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
        values += [value.simple_value for value in event.summary.value if value.tag == "accuracy"]
        at += 16 + length
    assert values == pytest.approx(list(story.sweep.curves.values(0)))


def test_mlflow_runs(story: RunHistory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    export_run(story, "mlflow", f"file://{tmp_path}/mlruns")
    client = mlflow.MlflowClient(tracking_uri=f"file://{tmp_path}/mlruns")
    experiment = client.get_experiment_by_name("study").experiment_id
    runs = client.search_runs([experiment], max_results=100)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert (len(runs), len(children)) == (61, 60)
    one = next(run for run in children if run.data.tags["raydrive.trial"] == "5")
    history = client.get_metric_history(one.info.run_id, "accuracy")
    assert [point.value for point in history] == list(story.sweep.curves.values(5))


@pytest.mark.parametrize(
    ("kind", "module"), [("optuna", "optuna"), ("tensorboard", "tensorboardX"), ("mlflow", "mlflow")]
)
def test_a_missing_library_is_named(story: RunHistory, kind: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'raydrive\[{kind}\]'"):
        export_run(story, kind, "x")


def test_what_the_other_tool_refuses_is_told(story: RunHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    with pytest.raises(RaydriveError, match=r"mlflow at http://127.0.0.1:9 did not accept the run"):
        export_run(story, "mlflow", "http://127.0.0.1:9")
    with pytest.raises(RaydriveError, match=r"optuna at sqlite:////no/such/folder/study.db did not accept the run"):
        export_run(story, "optuna", "sqlite:////no/such/folder/study.db")
    with pytest.raises(ConfigError, match="found 'nonsense'; allowed: an Optuna storage URL"):
        export_run(story, "optuna", "nonsense")
