"""What scripts import of the SDK beside ``Run``, log that is no number, and look up by names of the site's mapping."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from script_runs import RunScript


@pytest.fixture(params=["old", "new"])
def python(request: pytest.FixtureRequest) -> str:
    """Both Pythons: one without raydrive, one with it."""
    return request.getfixturevalue("old_python") if request.param == "old" else sys.executable


def script(folder: Path, *lines: str) -> Path:
    """A training script of these lines."""
    file = folder / "train.py"
    file.write_text("from azureml.core.run import Run\nrun = Run.get_context()\n" + "\n".join(lines) + "\n")
    return file


def test_what_azure_took_is_kept_as_text_and_told_once(run_script: RunScript, python: str, tmp_path: Path) -> None:
    file = script(
        tmp_path,
        "for _ in range(3): run.log('none', None)",
        "run.log('list', [1, 2])",
        "run.log(3, 0.5)",
        "run.log_list('mixed', [1, None])",
        "run.log('accuracy', 0.9)",
    )
    done = run_script(file, python=python)
    assert done.metrics["none"] == ["None"] * 3
    assert done.metrics["list"] == ["[1, 2]"]
    assert done.metrics["3"] == [0.5]
    assert done.metrics["accuracy"] == [0.9]
    assert done.output.count("metric 'none': a value of type NoneType is kept as text") == 1


def test_modules_of_the_sdk_import_and_answer(run_script: RunScript, python: str, tmp_path: Path) -> None:
    file = script(
        tmp_path,
        "from azureml.data.datapath import DataPath",
        "from azureml.exceptions import UserErrorException",
        "from azureml.core.authentication import InteractiveLoginAuthentication",
        "from azureml.core import Workspace",
        "from azureml.train.automl import AutoMLConfig",
        "Workspace.from_config(auth=InteractiveLoginAuthentication(tenant_id='t'))",
        "assert issubclass(UserErrorException, Exception)",
        "try:\n    AutoMLConfig(task='regression')",
        "except RuntimeError as error:\n    run.log('answer', str(error))",
    )
    done = run_script(file, python=python)
    assert "azureml.train.automl.AutoMLConfig is for submitting jobs" in done.metrics["answer"][0]


def test_datasets_of_the_workspace_obey_the_mapping(run_script: RunScript, python: str, tmp_path: Path) -> None:
    (tmp_path / "bank.csv").write_text("a\n1\n2\n")
    file = script(
        tmp_path,
        "from azureml.core import Workspace",
        "datasets = Workspace.from_config().datasets",
        "run.log('found', 'bank' in datasets.keys())",
        "run.log('other', 'cars' in datasets.keys())",
        "run.log('path', str(datasets['bank']))",
    )
    mapping = {"azureml:bank": str(tmp_path / "bank.csv")}
    done = run_script(file, python=python, env={"RAYDRIVE_DATA_MAPPING": json.dumps(mapping)})
    assert done.metrics["found"] == [1]
    assert done.metrics["other"] == [0]
    assert done.metrics["path"] == [str(tmp_path / "bank.csv")]


def test_a_mapped_address_is_read_from_its_file(run_script: RunScript, python: str, tmp_path: Path) -> None:
    (tmp_path / "bank.csv").write_text("a\n1\n2\n")
    url = "https://nowhere.invalid/bank.csv"
    file = script(
        tmp_path,
        "from urllib.request import urlopen",
        f"run.log('text', urlopen({url!r}).read().decode())",
    )
    mapping = {url: str(tmp_path / "bank.csv")}
    done = run_script(file, python=python, env={"RAYDRIVE_DATA_MAPPING": json.dumps(mapping)})
    assert done.metrics["text"] == ["a\n1\n2\n"]
    assert f"{url} is read from {tmp_path}/bank.csv, as input_mapping says" in done.output
