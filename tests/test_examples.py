"""The examples are programs that people copy: each runs as it stands, alone, and fits its config."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

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
