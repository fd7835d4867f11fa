"""Cells of notebooks: magics, lines of the shell, what only Azure's service could do, and what that leaves out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from raydrive.compat.notebook_cells import (
    CodeCell,
    Gaps,
    installs,
    made_by,
    not_made_by,
    python_of,
    without_installs,
    written_file,
)


def test_magics_and_lines_of_the_shell_are_no_python() -> None:
    source = "%matplotlib inline\nimport os\nif os:\n    !ls \\\n      -l\nfiles = !ls\nos.getcwd?\nx = 5 % 3"
    assert python_of(source) == "pass\nimport os\nif os:\n    pass\n\nfiles = []\nos.getcwd\nx = 5 % 3"
    assert python_of("%%bash\nls") == ""
    assert python_of("%%time\nx = 1").split() == ["pass", "x", "=", "1"]


def test_a_cell_that_writes_a_file() -> None:
    assert written_file("%%writefile train.py\nx = 1") == ("train.py", False, "x = 1\n")
    assert written_file("%%writefile -a 'train.py'\nx = 1\n") == ("train.py", True, "x = 1\n")
    assert written_file("x = 1") is None


def test_lines_that_change_packages_are_not_run() -> None:
    source = "!pip install a \\\n  b\n%conda remove c\nprint('pip install d')\n!pip list\n!python -m pip install e"
    assert installs(source) == ["!pip install a \\", "%conda remove c", "!python -m pip install e"]
    assert without_installs(source).split("\n") == [
        "print('not run: !pip install a \\\\')",
        "print('not run: %conda remove c')",
        "print('pip install d')",
        "!pip list",
        "print('not run: !python -m pip install e')",
    ]


def test_what_a_cell_makes() -> None:
    source = "import a.b, c as d\nfrom e import f\nx, y = 1, 2\ndef g(): pass\nclass H: pass\nfor i in x: pass"
    assert made_by(source) == {"a", "d", "f", "x", "y", "g", "H", "i"}


def test_what_a_cell_that_ended_early_did_not_make() -> None:
    source = "import os\nold = 1\nrun, model = auto.get_output()\nfor i in x:\n    last = i"
    assert not_made_by(source, 3) == ["i", "last", "model", "run"]
    assert not_made_by(source, 1) == ["i", "last", "model", "old", "run"]
    assert not_made_by("1 +", 1) == []


def test_a_notebook_goes_on_behind_a_call_of_a_service_in_azure() -> None:
    gaps = Gaps()
    cell = CodeCell(9, "r = requests.post('http://0a1b.westus.azurecontainer.io/score', data)\nprint(r.text)")
    assert gaps.goes_on(cell, "ConnectionError", "HTTPConnectionPool(host=...): Max retries exceeded")
    assert gaps.answers == ["cell 9: calls 0a1b.westus.azurecontainer.io, a service that runs in Azure"]
    assert gaps.goes_on(CodeCell(10, "print(r.json())"), "NameError", "name 'r' is not defined")
    assert not gaps.goes_on(CodeCell(11, "requests.get('http://example.com/a.csv')"), "ConnectionError", "refused")
    assert not gaps.goes_on(CodeCell(12, "1 / 0  # x.azurecontainer.io"), "ZeroDivisionError", "division by zero")


def test_a_notebook_goes_on_behind_what_only_azure_could_do_and_what_needs_it() -> None:
    gaps = Gaps()
    assert gaps.goes_on(CodeCell(3, "config = AutoMLConfig()"), "NotHereError", "no AutoML here")
    assert gaps.goes_on(CodeCell(4, "run = exp.submit(config)"), "NameError", "name 'config' is not defined")
    assert gaps.goes_on(CodeCell(4, "run\n"), "Exception", "you must provide at least a filename.")
    assert not gaps.goes_on(CodeCell(5, "print(other)"), "NameError", "name 'other' is not defined")
    assert not gaps.goes_on(CodeCell(6, "1 / 0"), "ZeroDivisionError", "division by zero")
    gaps.worked(CodeCell(7, "config = 1"))
    assert not gaps.goes_on(CodeCell(8, "print(config)"), "NameError", "name 'config' is not defined")
    needs = ["cell 4: needs config, which cell 3 did not define", "cell 4: needs run, which cell 4 did not define"]
    assert gaps.answers == ["cell 3: no AutoML here", *needs]


def _notebook(file: Path, *cells: str) -> None:
    empty = {"metadata": {}, "outputs": [], "execution_count": None}
    made = [{"cell_type": "code", "id": f"c{n}", "source": source, **empty} for n, source in enumerate(cells)]
    file.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}))


def _raydrive(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"from raydrive.cli.app import run; raise SystemExit(run({list(arguments)!r}))"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=200,
        stdin=subprocess.DEVNULL,
    )


SUBMIT = (
    "from azureml.core import Workspace, Experiment\n"
    "from azureml.train.hyperdrive import *\nfrom azureml.train.sklearn import SKLearn\n"
    "script = SKLearn(source_directory='.', entry_script='train.py')\n"
    "config = HyperDriveConfig(RandomParameterSampling({'--x': choice(1, 2)}), 'x', PrimaryMetricGoal.MAXIMIZE, 2, "
    "estimator=script)"
)
TRAIN = "import sys\nfrom azureml.core import Run\nRun.get_context().log('x', float(sys.argv[2]))"


def test_a_plan_names_each_cell_and_runs_nothing(tmp_path: Path) -> None:
    _notebook(
        tmp_path / "n.ipynb",
        "%%writefile train.py\nx = 1",
        "!pip install xgboost",
        "from azureml.train.automl import AutoMLConfig\nAutoMLConfig()",
        "run = exp.submit(config)",
    )
    done = _raydrive(tmp_path, "run-notebook", "--plan", "n.ipynb")
    lines = done.stdout.splitlines()
    assert lines[0] == "cell 1: writes train.py"
    assert lines[1] == "cell 2: does not run !pip install xgboost"
    assert lines[2].startswith("cell 3: stops at: train.automl.AutoMLConfig: AutoML is a service of Azure")
    assert lines[3] == "cell 4: submits"
    assert not (tmp_path / "train.py").exists()


def test_convert_writes_files_of_cells_and_names_the_cell_of_an_error(tmp_path: Path) -> None:
    auto = "auto = 'older'\nfrom azureml.train.automl import AutoMLConfig\nauto = AutoMLConfig()"
    _notebook(tmp_path / "n.ipynb", f"%%writefile train.py\n{TRAIN}", auto, "print(auto)", SUBMIT,
              "Experiment(Workspace.from_config(), 'e').submit(config)")  # fmt: skip
    done = _raydrive(tmp_path, "convert", "n.ipynb", "-o", "sweep.yml")
    assert done.returncode == 0, done.stderr
    assert "python train.py --x ${{search_space.x}}" in (tmp_path / "sweep.yml").read_text()
    assert "cell 3: needs auto, which cell 2 did not define" in done.stderr
    _notebook(tmp_path / "n.ipynb", "x = 1", "y = 2\n1 / 0")
    done = _raydrive(tmp_path, "convert", "n.ipynb")
    assert done.returncode == 2
    assert "n.ipynb, cell 2:2" in done.stderr
    assert "ZeroDivisionError" in done.stderr
