"""A whole notebook of Azure's: it tunes, goes on behind what only Azure could do, and never leaves its run alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raydrive.api.workspace import Workspace
from raydrive.cli.azure import run_notebook

pytestmark = pytest.mark.ray
TRAIN = "%%writefile train.py\nimport sys\nfrom azureml.core import Run\nRun.get_context().log('x', float(sys.argv[2]))"
SUBMIT = (
    "from azureml.core import Workspace, Experiment\nfrom azureml.train.hyperdrive import *\n"
    "from azureml.train.sklearn import SKLearn\nfrom azureml.widgets import RunDetails\n"
    "script = SKLearn(source_directory='.', entry_script='train.py')\n"
    "config = HyperDriveConfig(RandomParameterSampling({'--x': choice(1, 2)}), 'x', PrimaryMetricGoal.MAXIMIZE, 2, "
    "estimator=script)\nrun = Experiment(Workspace.from_config(), 'e').submit(config)"
)
AUTO = "from azureml.train.automl import AutoMLConfig\nauto = AutoMLConfig(task='classification')"


def _run(folder: Path, capsys: pytest.CaptureFixture[str], *cells: str) -> tuple[int, str, list[str]]:
    """Runs a notebook of these cells and returns the exit code, what was said, and what each cell printed."""
    empty = {"metadata": {}, "outputs": [], "execution_count": None}
    made = [{"cell_type": "code", "id": f"c{n}", "source": source, **empty} for n, source in enumerate(cells)]
    file = folder / "n.ipynb"
    file.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}))
    (folder / "raydrive.toml").write_text(f'storage = "{folder}/runs"\n')
    code = run_notebook(file, None, False, False)
    outputs = [cell["outputs"] for cell in json.loads((folder / "n.executed.ipynb").read_text())["cells"]]
    printed = ["".join("".join(one.get("text", "")) for one in each if one.get("name") == "stdout") for each in outputs]
    return code, capsys.readouterr().err, printed


def test_a_notebook_reaches_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = "print(run.get_best_run_by_primary_metric().get_metrics())"
    code, said, printed = _run(tmp_path, capsys, TRAIN, SUBMIT, best, AUTO, "print(auto)", "print('the end')")
    assert code == 0, said
    assert printed[2].startswith("{'x': ")  # the run was over before this cell began
    assert printed[-1] == "the end\n"
    assert "cell 4: train.automl.AutoMLConfig: AutoML is a service of Azure" in said
    assert "cell 5: needs auto, which cell 4 did not define" in said


def test_what_fails_behind_submit_does_not_abandon_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = _run(tmp_path, capsys, TRAIN, f"{SUBMIT}\nimport nothing_such")
    assert code == 1
    assert "cell 2: ModuleNotFoundError: No module named 'nothing_such'" in said
    assert "pip install nothing_such" in said
    assert [run.get_status() for run in Workspace(str(tmp_path / "runs")).runs()] == ["Completed"]
