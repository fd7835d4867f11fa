"""Hyperparameters that a command does not pass on: refused only where nothing can read them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from raydrive.api.config import HyperDriveConfig, ScriptRunConfig
from raydrive.core.errors import ConfigError
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform

SPACE = {"lr": uniform(0, 1), "units": uniform(0, 1)}
PLAIN = "import argparse, json, os\nprint('accuracy=1')\n"
COMMAND = "python train.py --lr ${{search_space.lr}}"


def submit(folder: Path, command: str = COMMAND, **options: Any) -> HyperDriveConfig:
    script = ScriptRunConfig(folder, command=command, **options)
    return HyperDriveConfig(RandomParameterSampling(SPACE), "accuracy", "maximize", 3, run_config=script)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(PLAIN)
    return tmp_path


def test_what_cannot_reach_the_script_is_refused_with_the_line_to_write(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        submit(folder)
    assert str(caught.value) == (
        "search_space.units: found a parameter that the command does not pass on; allowed: ${{search_space.units}} in "
        "the command: nothing else reads the parameter, so it would have no effect. Add --units "
        "${{search_space.units}} to "
        "the command, or write unused_ok=['units']."
    )
    submit(folder, unused_ok=["units"])
    submit(folder, COMMAND + " --units ${{search_space.units}}")
    submit(folder, COMMAND + " ${{flag.units}}")


@pytest.mark.parametrize("written", ["{units}", "{{ units }}", "{{units}}"])
def test_braces_of_another_tool_are_refused_whatever_the_script_reads(folder: Path, written: str) -> None:
    (folder / "train.py").write_text("import os\nos.environ['RAYDRIVE_PARAMS']")
    with pytest.raises(ConfigError) as caught:
        submit(folder, f"{COMMAND} --units {written}")
    assert str(caught.value) == (
        f"search_space.units: found {written} in the command, which is not replaced by a value; allowed: "
        "${{search_space.units}} in the command. Write ${{search_space.units}} in its place."
    )


def test_a_name_that_is_no_parameter_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"unused_ok: found 'unit'; .* Did you mean 'units'\?"):
        submit(folder, unused_ok=["unit", "units"])


@pytest.mark.parametrize(
    ("files", "command", "options"),
    [
        ({"train.py": "from raydrive import Run\nprint(Run.get_context().params)"}, COMMAND, {}),
        ({"train.py": "import helper", "helper.py": "import raydrive\ndef f(run): return run.params"}, COMMAND, {}),
        ({"train.py": "import os\nos.environ['AZUREML_SWEEP_units']"}, COMMAND, {}),
        ({"train.py": "PREFIX = 'azureml_sweep_'"}, COMMAND, {}),
        ({"conf/config.yaml": "units: ${oc.env:RAYDRIVE_PARAMS}"}, COMMAND, {}),
        ({"run.sh": "echo $RAYDRIVE_PARAMS | jq .units"}, "bash run.sh ${{search_space.lr}}", {}),
        ({}, COMMAND + " --all $RAYDRIVE_PARAMS", {}),
        ({}, COMMAND, {"environment_variables": {"UNITS": "${AZUREML_SWEEP_units}"}}),
        ({"train.py": "from company_training import main\nmain()"}, COMMAND, {}),
        ({"lib.zip": "packed"}, COMMAND, {}),
        ({}, "python -m company.train --lr ${{search_space.lr}}", {}),
        ({}, "company-train --lr ${{search_space.lr}}", {}),
        ({"train.py": "import numpy"}, COMMAND, {"python": "/opt/other/bin/python"}),
    ],
)
def test_what_may_reach_the_script_is_not_refused(
    folder: Path, files: dict[str, str], command: str, options: dict[str, Any]
) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    submit(folder, command, **options)


@pytest.mark.parametrize(
    "text", ["from raydrive import Run\nRun.get_context().log('a', 1)", "import numpy, sklearn, click"]
)
def test_logging_and_public_libraries_read_no_hyperparameters(folder: Path, text: str) -> None:
    (folder / "train.py").write_text(text)
    with pytest.raises(ConfigError, match="does not pass on"):
        submit(folder)


def test_a_package_of_ones_own_is_looked_at(folder: Path, tmp_path_factory: Any, monkeypatch: Any) -> None:
    package = tmp_path_factory.mktemp("site") / "own_training_package"
    package.mkdir()
    (package / "__init__.py").write_text("import os\nos.environ['RAYDRIVE_PARAMS']")
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    (folder / "train.py").write_text("import own_training_package")
    submit(folder)
    (package / "__init__.py").write_text("")
    with pytest.raises(ConfigError, match="does not pass on"):
        submit(folder)


def test_scripts_and_functions_get_every_parameter(folder: Path) -> None:
    sampling = RandomParameterSampling(SPACE)
    for target in (ScriptRunConfig(folder, "train.py"), lambda params: params["lr"]):
        HyperDriveConfig(sampling, "accuracy", "maximize", 3, run_config=target)
