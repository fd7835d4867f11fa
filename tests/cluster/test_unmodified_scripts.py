"""The examples in the words of Azure's documentation, tuned on a real cluster; scripts in a Python of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raydrive import (
    Experiment,
    GridParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    Resources,
    ScriptRunConfig,
    Workspace,
    choice,
)
from raydrive.sweepfile.loader import load_sweep

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "azure"


def tune(storage: str, script: ScriptRunConfig, space: dict[str, list[object]], metric: str) -> HyperDriveRun:
    sampling = GridParameterSampling({name: choice(*values) for name, values in space.items()})
    config = HyperDriveConfig(
        sampling, metric, "maximize", 4, 2, run_config=script, resources=Resources(cpus=1), seed=0
    )
    run = Experiment(Workspace(storage), "iris").submit(config)
    run.wait_for_completion(show_output=False)
    return run


def test_a_script_of_sdk_v1_in_its_own_python(storage: str, old_python: str) -> None:
    script = ScriptRunConfig(EXAMPLES / "v1_script", "train_iris.py", ["--penalty", 1.0], python=old_python)
    run = tune(storage, script, {"--kernel": ["rbf", "sigmoid"]}, "Accuracy")
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    metrics = best.get_metrics()
    assert metrics["Kernel type"] == best.params["--kernel"] == "rbf"
    assert metrics["Accuracy"] > 0.9
    assert best.get_details()["runDefinition"]["arguments"] == ["--penalty", "1", "--kernel", "rbf"]
    assert {"outputs/model.joblib", "outputs/registered_models.json"} <= {*best.get_file_names()}


@pytest.mark.parametrize(("example", "python"), [("mlflow_script", "new"), ("autolog", "old"), ("lightgbm", "new")])
def test_a_sweep_of_v2_as_it_is(storage: str, old_python: str, example: str, python: str) -> None:
    changes = ["limits.max_total_trials=2", *([f"raydrive.python={old_python}"] if python == "old" else [])]
    loaded = load_sweep(EXAMPLES / example / "sweep.yml", overrides=changes, default_seed=0)
    submission = loaded.submission
    run = Experiment(Workspace(storage), submission.config.experiment).submit(submission)
    run.wait_for_completion(show_output=False)
    children = list(run.get_children())
    ended = {child.get_status() for child in children if not child.why.startswith("median:")}  # its policy
    assert (len(children), ended) == (2, {"Completed"}), [(child.why, child.logs()) for child in children]
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert submission.config.metric.name in best.get_metrics()
    if example == "mlflow_script":
        assert "outputs/artifacts/model/model.joblib" in best.get_file_names()


def test_a_script_that_only_prints(storage: str, tmp_path: Path, old_python: str) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(
        "import json, sys\nx = float(sys.argv[2])\n"
        "for k in range(3):\n    print(f'epoch {k}: val_acc={x * k}')\n"
        "    print(json.dumps({'loss': x - k, 'step': k}))\n"
    )
    metrics = {"source": "stdout", "pattern": r"epoch (?P<step>\d+): val_acc=(?P<accuracy>\S+)", "format": "json"}
    script = ScriptRunConfig(tmp_path / "code", "train.py", python=old_python, metrics=metrics)
    run = tune(storage, script, {"x": [0.25, 0.5]}, "accuracy")
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert best.get_metrics() == {"accuracy": [0.0, 0.5, 1.0], "loss": [0.5, -0.5, -1.5]}
    config = json.loads((Path(storage) / "iris" / run.id / "config.json").read_text())
    assert config["trial"]["metrics"] == {"patterns": [metrics["pattern"]], "json_lines": True, "find": False}
