"""``validate`` as data, and what it asks of this machine or of a cluster."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from raydrive.cli.app import run

SWEEP = """\
type: sweep
trial: {command: "python train.py --lr ${{search_space.lr}}", code: .}
search_space: {lr: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: acc}
limits: {max_total_trials: 5, max_concurrent_trials: 2}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text("")
    (tmp_path / "sweep.yml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "runs"))
    return tmp_path


def test_a_valid_file_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "sweep.yml", "-o", "json", "--set", "compute=gpu"]) == 0
    found = json.loads(capfd.readouterr().out)
    warnings = found.pop("warnings")
    assert found == {
        "schema_version": 2,
        "config": "sweep.yml",
        "valid": True,
        "experiment": "sweep",
        "metric": "acc",
        "goal": "maximize",
        "objective": "best",
        "parameters": ["lr"],
        "configurations": None,
        "max_total_trials": 5,
        "max_concurrent_trials": 2,
        "reserves": {"cpus": 1, "gpus": 0, "nodes": 1, "processes_per_node": 1, "strategy": "STRICT_SPREAD"},
        "problems": [],
    }
    assert ["compute" in warning for warning in warnings] == [True]


def test_problems_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "sweep.yml", "-o", "json", "--set", "objective.goal=max", "--set", "limts=1"]) == 2
    found = json.loads(capfd.readouterr().out)
    assert (found["valid"], found["config"]) == (False, "sweep.yml")
    assert found["problems"][1] == {
        "place": "--set objective.goal",
        "where": "objective.goal",
        "found": "'max'",
        "allowed": "maximize, minimize",
        "fix": found["problems"][1]["fix"],
    }
    assert [one["where"] for one in found["problems"]] == ["limts", "objective.goal"]


def test_as_csv(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "sweep.yml", "-o", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capfd.readouterr().out))
    assert (row["valid"], row["max_total_trials"], row["experiment"]) == ("True", "5", "sweep")
    assert run(["validate", "sweep.yml", "-o", "csv", "--set", "limits.timeout=-1"]) == 2
    (row,) = csv.DictReader(io.StringIO(capfd.readouterr().out))
    assert (row["where"], row["found"]) == ("limits.timeout", "-1")


def test_a_confidential_value_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    changed = "raydrive.environment_variables.API_TOKEN=[s3cr3t]"
    assert run(["validate", "sweep.yml", "-o", "json", "--set", changed]) == 2
    assert "s3cr3t" not in capfd.readouterr().out


def test_a_file_that_is_none_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    Path("sweep.yml").write_text("{")
    assert run(["validate", "sweep.yml", "-o", "json"]) == 2
    assert json.loads(capfd.readouterr().out)["valid"] is False


def test_a_cluster_that_does_not_answer_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    gpus = ["--set", "raydrive.resources.gpus=4"]
    assert run(["validate", "sweep.yml", "--address", "127.0.0.1:9", *gpus]) == 0
    err = capfd.readouterr().err
    assert "Note: the resources of a trial were not compared with the cluster: no Ray cluster answers" in err
    assert run(["validate", "sweep.yml", "--address", "http://127.0.0.1:9", "--storage", "/shared", *gpus]) == 0
    assert "only submit queries a dashboard" in capfd.readouterr().err


def test_misspelt_parameter_of_a_point_is_written_with_its_value(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "sweep.yml").write_text(f"{SWEEP}raydrive:\n  points: [{{l_r: 0.25}}]\n")
    assert run(["validate", "sweep.yml"]) == 2
    assert "Did you mean 'lr'? Write: lr: 0.25" in capfd.readouterr().err


def test_trial_that_reserves_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "sweep.yml", "--set", "raydrive.resources.cpus=0"]) == 0
    assert "Each trial reserves nothing." in capfd.readouterr().err
