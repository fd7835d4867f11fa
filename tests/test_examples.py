"""The examples are programs that people copy: each runs as it stands, alone, and fits its config."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "examples" / "digits" / "train.py"
CONFIGS = sorted((ROOT / "configs").glob("*.y*ml"))


def _run(script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # also from a tree that is not installed
    command = [sys.executable, "-W", "error", str(script), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=100)


def test_digits_trains_as_a_plain_program(tmp_path: Path) -> None:
    done = _run(DIGITS, "--epochs", "4", "--learning-rate", "0.1", "--hidden-units", "32", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("accuracy") == 4

    report = json.loads((tmp_path / "outputs" / "report.json").read_text())
    assert report["epochs"] == 4
    assert report["arguments"]["learning_rate"] == 0.1
    assert report["accuracy"] > 0.8
    assert report["test_accuracy"] > 0.8

    import joblib

    model = joblib.load(tmp_path / "outputs" / "model.joblib")
    assert model.predict([[0.0] * 64]).shape == (1,)


def test_digits_tells_good_from_bad(tmp_path: Path) -> None:
    """The demo's policy has something to stop: a hopeless step size learns nothing."""
    assert _run(DIGITS, "--epochs", "3", "--learning-rate", "0.0001", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "outputs" / "report.json").read_text())["accuracy"] < 0.5


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_and_its_script_agree(path: Path) -> None:
    config = YAML(typ="safe").load(path.read_text())
    command, code = config["trial"]["command"], (path.parent / config["trial"]["code"]).resolve()
    used = set(re.findall(r"\$\{\{\s*search_space\.(\w+)\s*\}\}", command))
    assert used == set(config["search_space"])

    words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "1", command))
    assert words[0] == "python"
    assert (code / words[1]).is_file()
    known = _run(code / words[1], "--help", cwd=code).stdout
    assert [word for word in words if word.startswith("--") and f"{word} " not in known] == []


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_CALL = re.compile(r"(?:^ {4}(?:\$ )?|`|\bvia )raydrive ([a-z][a-z-]+)([^`\n]*)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_pages_exist_with_their_options(page: Path) -> None:
    import typer

    from raydrive.cli.app import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    wrong = []
    for name, rest in _CALL.findall(page.read_text()):
        words = rest.partition(" #")[0].split()
        known = (
            {flag for one in commands[name].params for flag in (*one.opts, *one.secondary_opts)}
            if name in commands
            else set()
        )
        if name == "log":  # reads its words itself, without typer
            known |= {"--step"}
        flags = [word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)]
        if name not in commands or not set(flags) <= known | {"-h", "--help"}:
            wrong.append(f"raydrive {name} {' '.join(words)}")
    assert wrong == []


def test_the_sweep_of_the_overview_is_a_valid_one(tmp_path: Path) -> None:
    from raydrive.sweepfile.loader import load_sweep

    text = (ROOT / "docs" / "overview.md").read_text()
    block = re.search(r"\n((?: {4}.*\n)* {4}type: sweep\n(?: {4}.*\n)+)", text)
    assert block is not None
    sweep = "\n".join(line[4:] for line in block[1].splitlines())
    (tmp_path / "sweep.yml").write_text(sweep.replace("../examples/digits", str(ROOT / "examples" / "digits")))
    assert load_sweep(tmp_path / "sweep.yml").submission.config.experiment == "digits"


def test_yaml_of_the_pages_is_accepted(tmp_path: Path) -> None:
    from raydrive.sweepfile.loader import load_sweep

    sweep = (ROOT / "configs" / "digits.yaml").read_text().replace("../examples", str(ROOT / "examples"))
    site = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "coming-from-azure.md").read_text(), flags=re.DOTALL)
    policy = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "policies.md").read_text(), flags=re.DOTALL)
    assert (len(site), len(policy)) == (1, 3)
    (tmp_path / "sweep.yml").write_text(sweep)
    (tmp_path / "site.yml").write_text(site[0])
    loaded = load_sweep(tmp_path / "sweep.yml", site=[tmp_path / "site.yml"])
    assert (loaded.settings.storage, loaded.settings.address) == ("s3://bucket/runs", "ray-head:6379")
    assert loaded.submission.config.trial.resources.gpus == 1
    start = sweep.index("early_termination:")
    other = re.sub(r"early_termination:.*\n(?: .*\n)*", "", sweep[start:])
    (tmp_path / "sweep.yml").write_text(sweep[:start] + other + "\n" + policy[0])
    assert load_sweep(tmp_path / "sweep.yml").submission.config.policy.to_json()["slack_factor"] == 0.1
    (tmp_path / "sweep.yml").write_text(re.sub(r"objective:.*\n(?: .*\n)*", policy[1], sweep))
    assert load_sweep(tmp_path / "sweep.yml").submission.config.metric.value == "last"
    (tmp_path / "sweep.yml").write_text(sweep[:start] + other + "\n" + policy[2])
    assert load_sweep(tmp_path / "sweep.yml").submission.config.policy.to_json()["max_intervals"] == 48


GALLERY = {
    "lightgbm": (),
    "distributed": (),
    "sklearn_search": (),
    "any_language": (),
    "hydra": (),
    "wandb": ("wandb",),
    "ray_train": ("fsspec",),
    "mlflow": (),
    "xgboost": ("xgboost",),
    "keras": ("keras", "torch"),
    "lightning": ("lightning", "torch"),
    "transformers": ("transformers", "accelerate", "torch"),
    "pytorch": ("torch",),
}
"""The examples of docs/integrations.md, with the libraries that only ``make integrations`` installs."""


def _gallery() -> list[Any]:
    cases = []
    for name, libraries in GALLERY.items():
        missing = [one for one in libraries if importlib.util.find_spec(one) is None]
        reason = f"large libraries: `make integrations` installs {', '.join(missing)} and runs this"
        marks = [pytest.mark.integrations, pytest.mark.skipif(bool(missing), reason=reason)] if libraries else []
        cases.append(pytest.param(name, marks=marks, id=name))
    return cases


@pytest.mark.ray
@pytest.mark.parametrize("name", _gallery())
def test_an_example_of_the_gallery_prints_what_its_page_shows(name: str, tmp_path: Path) -> None:
    folder = ROOT / "examples" / name
    page = (folder / "README.md").read_text()
    shown = re.findall(r"^    (.*)$", page, flags=re.MULTILINE)
    command, output = shown[0].removeprefix("$ "), shown[1:]
    assert output
    for file in folder.iterdir():
        if file.suffix in (".py", ".sh", ".yml"):
            assert len(file.read_text().splitlines()) <= 60
    environment = {
        **os.environ,
        "RAYDRIVE_STORAGE": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=environment, text=True, capture_output=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    printed = [_without_numbers(line) for line in (done.stdout + done.stderr).splitlines()]
    assert [line for line in output if _without_numbers(line) not in printed] == []


def _without_numbers(line: str) -> str:
    return re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "N", line.strip())
