"""What was written for Azure ML, run on a cluster: the SDK's code with changed imports and unchanged, YAML as it is."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AZURE = ROOT / "examples" / "azure"
SEED = ROOT / "tests" / "compat" / "seed-hyperparameter-tuning.pl.md"
pytestmark = pytest.mark.ray

TRAIN = """\
import argparse
from azureml.core.run import Run
parser = argparse.ArgumentParser()
for name in ("data", "learning_rate", "keep_probability", "batch_size", "momentum", "resume-from"):
    parser.add_argument("--" + name)
given = parser.parse_args()
Run.get_context().log("accuracy", 1 - float(given.learning_rate))
"""


def snippets() -> list[str]:
    """The code of the seed document, imports changed."""
    found = re.findall(r"```[Pp]ython\n(.*?)```", SEED.read_text(), flags=re.DOTALL)
    return [re.sub(r"from azureml\.", "from raydrive.compat.azureml.", text) for text in found]


def test_every_snippet_of_the_seed_document_runs(
    cluster: str, storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the document's order, in one namespace; what it leaves to the reader is given."""
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "raydrive.toml").write_text(f'storage = "{storage}"\nseed = 1\nresources = {{cpus = 0.5}}\n')
    monkeypatch.chdir(tmp_path)
    from raydrive.compat.azureml.core import Experiment, ScriptRunConfig, Workspace
    from raydrive.compat.azureml.train.hyperdrive import (
        HyperDriveConfig,
        PrimaryMetricGoal,
        RandomParameterSampling,
        choice,
        normal,
        uniform,
    )

    workspace = Workspace.from_config()
    script = ScriptRunConfig(source_directory=".", script="train.py", arguments=["--data", "here", "--batch_size", 16])
    space = {
        "learning_rate": uniform(0.0005, 0.005),
        "keep_probability": uniform(0.9, 0.99),
        "batch_size": choice(16, 32),
    }
    earlier = HyperDriveConfig(
        RandomParameterSampling(space), "accuracy", PrimaryMetricGoal.MAXIMIZE, 2, run_config=script
    )
    parent = Experiment(workspace, "seed").submit(earlier)
    parent.wait_for_completion()
    saved: list[Any] = []
    names: dict[str, Any] = {
        "choice": choice, "normal": normal, "uniform": uniform, "PrimaryMetricGoal": PrimaryMetricGoal,
        "workspace": workspace, "experiment_name": "seed", "script_run_config": script, "val_accuracy": 0.5,
        "argparse": argparse, "os": os, "download_data": lambda: "data", "fine_tune_model": lambda *given: given,
        "torch": SimpleNamespace(__version__="2", save=lambda model, path: saved.append((model, path))),
    }  # fmt: skip
    codes = snippets()
    assert len(codes) == 20
    for code in codes:
        if "warmstart_parent" in code and "HyperDriveRun(" in code:
            code = code.replace("warmstart_parent_run_ID_1", parent.id).replace("warmstart_parent_run_ID_2", parent.id)
            code = code.replace("[warmstart_parent_1, warmstart_parent_2]", "[warmstart_parent_1]")  # one run, not two
        code = code.replace("resume_child_run_ID_1", f"{parent.id}_0").replace(
            "resume_child_run_ID_2", f"{parent.id}_1"
        )
        code = code.replace('choice(16, 32, 64, 128)\n        "number', 'choice(16, 32, 64, 128),\n        "number')
        code = code.replace("max_total_runs=100", "max_total_runs=3")  # not a hundred trials
        if "get_best_run_by" in code:
            names["hyperdrive_run"].wait_for_completion()
        if "hd_config = HyperDriveConfig" in code and "resume_from" in code:
            names["param_sampling"] = RandomParameterSampling(space)
        if re.match(r"\s*\{", code):
            assert isinstance(eval(code.strip(), names), dict)
        elif re.match(r"\w+=", code) and "," in code:
            assert eval(f"dict({code})", names)
        else:
            exec(code, names)
    assert names["policy"] is None
    monkeypatch.setattr(sys, "argv", ["pytorch_train.py", "--output_dir", str(tmp_path / "out")])
    names["main"]()
    assert saved[0][0][2:] == (0.001, 0.9)
    run = names["hyperdrive_run"]
    assert run.get_status() == "Completed"
    printed = capsys.readouterr().out
    assert f"Best Run Id:  {names['best_run'].id}" in printed
    assert re.search(r"batch size: \S+", printed)

    second = names["experiment"].submit(names["hd_config"])
    second.wait_for_completion()
    assert second.get_status() == "Completed"
    assert len(list(second.get_children())) == 3


def _raydrive(arguments: list[str], cwd: Path, cluster: str, storage: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "RAY_ADDRESS": cluster, "RAYDRIVE_STORAGE": storage, "PYTHONPATH": str(ROOT),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }  # fmt: skip
    command = [sys.executable, "-c", "from raydrive.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=110)


def _copy(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(AZURE / name, tmp_path / name))


def test_a_script_of_the_sdk_runs_unchanged(cluster: str, storage: str, tmp_path: Path) -> None:
    folder = _copy("v1_notebook", tmp_path)
    done = _raydrive(["run-script", "tune.py"], folder, cluster, storage)
    assert done.returncode == 0, done.stderr
    assert "Best Run Id: hyperdrive-example-" in done.stdout
    assert "example 1" in done.stdout
    assert "compute target 'cpu-cluster'" in done.stderr


def test_a_notebook_of_the_sdk_runs_unchanged(cluster: str, storage: str, tmp_path: Path) -> None:
    folder = _copy("v1_notebook", tmp_path)
    done = _raydrive(["run-notebook", "tune.ipynb"], folder, cluster, storage)
    assert done.returncode == 0, done.stderr
    executed = json.loads((folder / "tune.executed.ipynb").read_text())
    assert len(executed["cells"]) == len(json.loads((folder / "tune.ipynb").read_text())["cells"])
    assert "Best Run Id: hyperdrive-example-" in json.dumps(executed)


def test_a_script_of_the_sdk_v2_runs_unchanged(cluster: str, storage: str, tmp_path: Path) -> None:
    folder = _copy("v2_python", tmp_path)
    done = _raydrive(["run-script", "tune.py"], folder, cluster, storage)
    assert done.returncode == 0, done.stderr
    state, told = done.stdout.splitlines()[-2:]
    best, model = told.split()
    assert (state, model) == ("Completed", "line:1")
    downloaded = (folder / "named-outputs" / "model" / "line.txt").read_text()
    run, _, number = best.rpartition("_")
    assert downloaded == next(Path(storage).glob(f"line/{run}/trials/*{number}/outputs/model/line.txt")).read_text()


def test_warm_start_in_the_words_of_the_sdk(cluster: str, storage: str, tmp_path: Path) -> None:
    folder = _copy("warm_start", tmp_path)
    done = _raydrive(["run-script", "tune.py"], folder, cluster, storage)
    assert done.returncode == 0, done.stderr
    first, best = (float(re.search(rf"{name}: \S+ (\S+)", done.stdout)[1]) for name in ("first", "best"))  # type: ignore[index]
    assert best > first


@pytest.mark.parametrize(
    ("folder", "arguments"),
    [("v2_sweep", ["sweep.yml", "--with", "site.yml"]), ("pipeline", ["pipeline.yml", "--node", "sweep_step"])],
)
def test_yaml_of_azure_runs_as_it_is(
    cluster: str, storage: str, tmp_path: Path, folder: str, arguments: list[str]
) -> None:
    done = _raydrive(["submit", *arguments], _copy(folder, tmp_path), cluster, storage)
    assert done.returncode == 0, done.stderr
    kept = sorted(
        str(path.relative_to(storage)) for path in Path(storage).glob("*/*/trials/*/outputs/model*/model.txt")
    )
    assert len(kept) == 4
