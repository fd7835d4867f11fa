"""``trial.environment`` and ``raydrive.environment_file``: what is built, and what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydrive.core.errors import ConfigError
from raydrive.sweepfile.loader import Loaded, load_sweep

SWEEP = """\
type: sweep
trial:
  command: python train.py --x ${{search_space.x}}
  environment: ENVIRONMENT
search_space: {x: {type: choice, values: [1, 2]}}
sampling_algorithm: grid
objective: {goal: minimize, primary_metric: loss}
"""
CONDA = "dependencies: [python=3.10, numpy=1.26, pip: [azureml-core, lightgbm]]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a conda file."""
    (tmp_path / "train.py").write_text("")
    (tmp_path / "env.yml").write_text(CONDA)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(folder: Path, environment: str, *overrides: str) -> Loaded:
    (folder / "sweep.yml").write_text(SWEEP.replace("ENVIRONMENT", environment))
    return load_sweep(folder / "sweep.yml", overrides=overrides)


def told(loaded: Loaded) -> str:
    return next((note.split(": ", 2)[2] for note in loaded.warnings if "environment" in note), "")


@pytest.mark.parametrize(
    "environment", ["{image: base, conda_file: env.yml}", "{conda_file: {dependencies: [python=3.10, numpy=1.26, pip: "
    "[azureml-core, lightgbm]]}}", "{conda_file: file:env.yml}", "own.yml"]
)  # fmt: skip
def test_a_conda_file_is_built_where_that_is_asked_for(folder: Path, environment: str) -> None:
    (folder / "own.yml").write_text("name: mine\nconda_file: env.yml\n")
    loaded = load(folder, environment, "raydrive.environments=uv")
    made = loaded.submission.config.trial.environment
    assert made is not None
    assert (made.tool, made.python, made.requirements.split()) == ("uv", "3.10", ["numpy==1.26.*", "lightgbm"])
    assert told(loaded).startswith("its packages are installed once per node")
    assert told(loaded).endswith("not installed: azureml-core")
    assert ("the image base is not used" in told(loaded)) == ("image" in environment)


def test_without_that_the_note_has_what_is_needed(folder: Path) -> None:
    loaded = load(folder, "{conda_file: env.yml}")
    assert loaded.submission.config.trial.environment is None
    assert "it needs python=3.10, numpy=1.26, azureml-core, lightgbm: raydrive.environments: uv builds" in told(loaded)
    assert "ignored: trials use the Python that raydrive runs in" in told(load(folder, "{conda_file: missing.yml}"))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("azureml:AzureML-sklearn-1.0@latest", "azureml:AzureML-sklearn-1.0@latest is stored by Azure"),
        ("{image: python:3.8}", "python:3.8 is an image"),
        ("{build: {path: .}}", "a Dockerfile is built from a Dockerfile"),
        ("{docker: {image: python:3.8}}", "python:3.8 is an image"),
    ],
)
def test_what_names_no_packages_is_told(folder: Path, environment: str, said: str) -> None:
    for override in ((), ("raydrive.environments=uv",)):
        loaded = load(folder, environment, *override)
        assert loaded.submission.config.trial.environment is None
        assert said in told(loaded)
        assert ("raydrive.environment_file" if override else "raydrive.python") in told(loaded)


def test_a_file_of_the_site_stands_for_an_environment_of_azures(folder: Path) -> None:
    (folder / "site").mkdir()
    (folder / "site" / "packages.txt").write_text("numpy\n")
    (folder / "site" / "site.yml").write_text("environment_file: packages.txt\n")
    (folder / "sweep.yml").write_text(SWEEP.replace("ENVIRONMENT", "azureml:AzureML-sklearn-1.0@latest"))
    loaded = load_sweep(folder / "sweep.yml", site=[folder / "site" / "site.yml"])
    made = loaded.submission.config.trial.environment
    assert made is not None
    assert (made.tool, made.requirements) == ("uv", "numpy")
    assert told(loaded) == "ignored: raydrive.environment_file defines the packages of trials"


def test_a_python_of_the_site_wins(folder: Path) -> None:
    for override in ("raydrive.environments=uv", "raydrive.environment_file=env.yml"):
        loaded = load(folder, "{conda_file: env.yml}", override, "raydrive.python=/envs/x/bin/python")
        assert loaded.submission.config.trial.environment is None
        assert any("trials use /envs/x/bin/python" in note for note in loaded.warnings)


def test_a_file_that_cannot_be_read_is_a_problem_with_its_place(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder, "{conda_file: missing.yml}", "raydrive.environments=uv")
    assert "sweep.yml:4:16: " in str(caught.value) or "sweep.yml:4:3: " in str(caught.value)
    assert "missing.yml: found no such file; allowed: a conda file" in str(caught.value)


def test_a_run_keeps_what_is_built(folder: Path) -> None:
    from raydrive.core.config.run_config import RunConfig

    config = load(folder, "{conda_file: env.yml}", "raydrive.environments=uv").submission.config
    assert RunConfig.from_json(config.to_json()) == config


def test_the_environment_of_a_component_lies_beside_it(folder: Path) -> None:
    (folder / "parts").mkdir()
    (folder / "parts" / "env.yml").write_text("dependencies: [scipy]\n")
    (folder / "parts" / "train.yml").write_text(
        "type: command\nname: train\ncode: .\ncommand: echo ${{inputs.x}}\ninputs: {x: {type: number}}\n"
        "environment: {conda_file: env.yml}\n"
    )
    text = SWEEP.split("trial:")[0] + "trial: parts/train.yml\n" + SWEEP[SWEEP.index("search_space:") :]
    (folder / "sweep.yml").write_text(text)
    loaded = load_sweep(folder / "sweep.yml", overrides=["raydrive.environments=uv"])
    made = loaded.submission.config.trial.environment
    assert made is not None
    assert made.requirements == "scipy"
