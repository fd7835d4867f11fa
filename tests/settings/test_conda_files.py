"""Conda files and requirements files as what is built on a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raydrive.core.errors import ConfigError
from raydrive.settings.conda_files import environment_of

CONDA = """\
name: training
channels: [conda-forge]
dependencies:
  - python=3.10
  - pip=21.2
  - numpy=1.26
  - pandas>=1.1,<1.2
  - conda-forge::scipy==1.7.1=py38_0
  - scikit-learn 1.0.2
  - cudatoolkit=11.3
  - pytorch
  - pip:
    - azureml-defaults
    - azureml-mlflow==1.42
    - lightgbm~=3.3  # quick
    - -r more/requirements.txt
"""


def built(folder: Path, text: str, tool: str = "uv", name: str = "env.yml") -> tuple[str, list[str], list[str]]:
    (folder / name).write_text(text)
    made, left_out = environment_of(tool, name, folder)
    return made.python, made.requirements.splitlines(), left_out


def test_a_conda_file_as_requirements(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "requirements.txt").write_text("# ours\nrequests\n--find-links wheels\n./package[all]\n")
    python, lines, left_out = built(tmp_path, CONDA)
    assert python == "3.10"
    assert lines == [
        "pip", "setuptools<81", "numpy==1.26.*", "pandas>=1.1,<1.2", "scipy==1.7.1", "scikit-learn==1.0.2.*", "torch",
        "lightgbm~=3.3", "requests", f"--find-links {tmp_path}/more/wheels", f"{tmp_path}/more/package[all]",
        "mlflow-skinny",
    ]  # fmt: skip
    assert left_out == ["cudatoolkit=11.3", "azureml-defaults", "azureml-mlflow==1.42"]


def test_for_conda_the_file_stays_but_for_the_sdk(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "requirements.txt").write_text("requests\n")
    (tmp_path / "env.yml").write_text(CONDA)
    made, left_out = environment_of("conda", "env.yml", tmp_path)
    conda = json.loads(made.conda_file)
    assert "name" not in conda
    assert conda["channels"] == ["conda-forge"]
    assert conda["dependencies"][0] == "python=3.10"
    assert conda["dependencies"][-1] == {"pip": ["lightgbm~=3.3", "requests", "mlflow-skinny"]}
    assert not left_out


def test_a_requirements_file(tmp_path: Path) -> None:
    assert built(tmp_path, "numpy\n\nmlflow==2.1\n", name="packages.txt") == ("", ["numpy", "mlflow==2.1"], [])
    made, _ = environment_of("conda", "packages.txt", tmp_path)
    assert json.loads(made.conda_file)["dependencies"][-1] == {"pip": ["numpy", "mlflow==2.1"]}


def test_the_same_packages_have_the_same_name(tmp_path: Path) -> None:
    one, _ = environment_of("uv", {"dependencies": ["numpy"]}, tmp_path)
    same, _ = environment_of("uv", {"name": "x", "dependencies": ["numpy"]}, tmp_path)
    other, _ = environment_of("uv", {"dependencies": ["numpy=2"]}, tmp_path)
    assert one.digest == same.digest != other.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies: [\"numpy[version='>1']\"]", "a package of conda, such as numpy=1.26"),
        ("- numpy", "a conda file: a mapping"),
        ("dependencies: [pip: [-r missing.txt]]", "missing.txt: found no such file; allowed: a requirements file"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "env.yml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        environment_of("uv", "env.yml", tmp_path)
    assert said in str(caught.value)


def test_a_tool_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="environments: found 'pip'; allowed: uv or conda"):
        environment_of("pip", {}, tmp_path)
