"""What a newcomer gets wrong first: each is answered with where, what, and a line that can be pasted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import raydrive
from raydrive import uniform
from raydrive.cli.app import run
from raydrive.core.errors import ConfigError

SWEEP = """\
type: sweep
experiment_name: first
trial:
  code: .
  command: python train.py --lr ${{search_space.lr}}
search_space:
  lr: {type: uniform, min_value: 0.001, max_value: 0.1}
objective:
  goal: maximize
  primary_metric: accuracy
limits:
  max_total_trials: 4
"""
SCRIPT = """\
import argparse

from raydrive.context import Run

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
Run.get_context().log("accuracy", parser.parse_args().lr)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "sweep.yml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "runs"))
    return tmp_path


def pasted(text: str, line: str) -> None:
    """Puts a line that was advised in place of the line with the mistake, as a user would."""
    wrong = int(re.search(r"sweep\.yml:(\d+):", text)[1])  # type: ignore[index]
    lines = Path("sweep.yml").read_text().splitlines()
    indent = re.match(r" *", lines[wrong - 1])[0]  # type: ignore[index]
    lines[wrong - 1] = indent + line
    Path("sweep.yml").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("right", "wrong", "place", "what", "line"),
    [
        pytest.param(
            "python train.py", "python trian.py", "sweep.yml:5:12: trial.command", "found 'trian.py'",
            "command: python train.py --lr ${{search_space.lr}}", id="missing script",
        ),
        pytest.param(
            "python train.py", "train.py", "sweep.yml:5:12: trial.command", "found 'train.py'",
            "command: python train.py --lr ${{search_space.lr}}", id="script without its interpreter",
        ),
        pytest.param(
            "max_total_trials: 4", "max_total_trials: 0", "sweep.yml:12:21: limits.max_total_trials", "found 0",
            "max_total_trials: 20", id="zero trials",
        ),
        pytest.param(
            "max_total_trials: 4", "max_total_trials: many", "sweep.yml:12:21: limits.max_total_trials", "found 'many'",
            "max_total_trials: 20", id="wrong type",
        ),
        pytest.param(
            "max_total_trials: 4", "max_total_trails: 4", "sweep.yml:12:3: limits.max_total_trails",
            "found an unknown key", "max_total_trials: 4", id="misspelt key",
        ),
        pytest.param(
            "goal: maximize", "goal: max", "sweep.yml:9:9: objective.goal", "found 'max'",
            "goal: maximize", id="wrong goal",
        ),
        pytest.param(
            "goal: maximize", "goal: higher", "sweep.yml:9:9: objective.goal", "found 'higher'",
            "goal: maximize", id="goal in other words",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["validate", "submit"])
def test_a_mistake_in_a_file(
    capfd: pytest.CaptureFixture[str], command: str, right: str, wrong: str, place: str, what: str, line: str
) -> None:
    Path("sweep.yml").write_text(SWEEP.replace(right, wrong))
    assert run([command, "sweep.yml"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    head, _, advice = err.strip().splitlines()[-1].strip().partition("; allowed: ")
    assert head == f"{place}: {what}" or (head.startswith(f"{place}: {what}") and what.endswith(".py'"))
    assert re.search(rf"(?:Write|For example): {re.escape(line)}$", advice)
    pasted(err, line)
    assert run(["validate", "sweep.yml"]) == 0
    assert not Path("runs").exists()


@pytest.mark.parametrize("command", [["validate"], ["submit"], ["submit", "--dry-run"]], ids=" ".join)
def test_more_gpus_than_there_are(capfd: pytest.CaptureFixture[str], command: list[str]) -> None:
    Path("sweep.yml").write_text(f"{SWEEP}raydrive:\n  resources:\n    gpus: 400\n")
    assert run([*command, "sweep.yml"]) == 2
    err = capfd.readouterr().err
    assert "sweep.yml:15:11: raydrive.resources.gpus: found 400; allowed: at most " in err
    assert re.search(r"this machine has \d+ CPU", err)
    line = re.search(r"Write (gpus: \d+), or use a cluster that has more: --address HOST:6379", err)
    assert line is not None
    pasted(err, line[1])
    assert run(["validate", "sweep.yml"]) == 0
    assert not Path("runs").exists()


def train(params: dict[str, float]) -> None:
    """Logs nothing: it is never called here."""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"max_total_trials": 0}, "max_total_trials: found 0; allowed: a whole number of 1 or more"),
        ({"max_total_trials": "many"}, "max_total_trials: found 'many'; allowed: a whole number of 1 or more"),
        ({"max_total_trails": 4}, "max_total_trails: found an unknown argument; .* Did you mean 'max_total_trials'?"),
        ({"goal": "max"}, "goal: found 'max'; allowed: maximize or minimize. Did you mean 'maximize'?"),
        ({"resources": {"gpus": 400}}, "resources.gpus: found 400; allowed: at most .* Write gpus: "),
    ],
    ids=str,
)
def test_a_mistake_in_python(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        raydrive.tune(train, {"x": uniform(0, 1)}, metric="accuracy", address="local", **arguments)  # type: ignore[arg-type]
    (line,) = caught.value.lines()
    assert line.startswith(told.split(".* ")[0])
    for part in told.split(".* "):
        assert part in line


@pytest.mark.ray
def test_a_crash(capfd: pytest.CaptureFixture[str]) -> None:
    """In a process of its own: this one may have started Ray before, with another token."""
    Path("train.py").write_text(f"open('data.csv')\n{SCRIPT}")
    program = "from raydrive.cli.app import run; raise SystemExit(run(['submit', 'sweep.yml']))"
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, timeout=200)
    assert done.returncode == 1
    err = done.stderr
    assert "No such file or directory: 'data.csv'" in err  # what
    assert re.search(r'File ".*train\.py", line 1', err)  # where
    command = re.search(r"raydrive (logs first-\S+ \d+)", err)
    assert command is not None
    assert run(command[1].split()) == 0
    assert "data.csv" in capfd.readouterr().out
