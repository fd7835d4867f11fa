"""The five first jobs of docs/first-jobs.md: each runs as it stands there, and raydrive's is never the longest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "first-jobs.md").read_text()
TOOLS = ("raydrive", "Optuna", "Ray Tune")
LOGS = """\
import argparse, mlflow
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
mlflow.log_metric("accuracy", 1 - parser.parse_args().lr)
"""
PRINTS = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
lr = parser.parse_args().lr
for epoch in range(3):
    print(f"epoch {epoch}: val_acc={0.9 + epoch / 100 - lr}")
"""


def jobs() -> dict[str, dict[str, str]]:
    """The code of each job by tool."""
    found = {}
    for title, body in re.findall(r"(?ms)^## (.*?)\n(.*?)(?=^## |\Z)", PAGE):
        blocks = re.findall(r"(?ms)^(raydrive|Optuna|Ray Tune)[^\n]*:\n\n```\w+\n(.*?)^```", body)
        found[title] = dict(blocks)
    return found


JOBS = jobs()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the scripts, and a storage of its own."""
    (tmp_path / "train.py").write_text(LOGS)
    (tmp_path / "prints.py").write_text(PRINTS)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "runs"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return tmp_path


def lines(code: str) -> int:
    return sum(bool(line.strip()) for line in code.splitlines())


def run(folder: Path, *words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=folder, text=True, capture_output=True, timeout=250)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_there_are_five_jobs_in_three_tools() -> None:
    assert [tuple(job) for job in JOBS.values()] == [TOOLS] * 5


@pytest.mark.parametrize("job", JOBS)
def test_raydrive_is_never_the_longest_and_the_table_is_right(job: str) -> None:
    counts = [lines(JOBS[job][tool]) for tool in TOOLS]
    assert counts[0] <= min(counts[1:])
    row = next(line for line in PAGE.splitlines() if line.lower().startswith(f"| {job.lower()} |"))
    assert [int(cell.split()[0]) for cell in row.strip("| ").split(" | ")[1:]] == counts


@pytest.mark.parametrize("job", JOBS)
def test_the_peers_code_is_python(job: str) -> None:
    for tool in TOOLS[1:]:
        compile(JOBS[job][tool], f"{job}, {tool}", "exec")


@pytest.mark.parametrize("job", JOBS)
def test_optunas_job_runs(job: str, folder: Path) -> None:
    (folder / "job.py").write_text(JOBS[job]["Optuna"])
    run(folder, "job.py")


@pytest.mark.ray
@pytest.mark.parametrize("job", JOBS)
def test_raydrives_job_runs(job: str, folder: Path) -> None:
    code = JOBS[job]["raydrive"]
    if code.startswith("trial:"):
        (folder / "sweep.yml").write_text(code)
        printed = run(folder, "-c", "from raydrive.cli import main; main()", "submit", "sweep.yml")
        assert "Best trial:" in printed
    else:
        (folder / "job.py").write_text(code)
        assert re.search(r"'(x|optimizer)':", run(folder, "job.py"))
