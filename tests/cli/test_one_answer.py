"""``validate``, ``--dry-run`` and ``submit`` refuse the same, with the same words, before a cluster is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from raydrive.cli.app import run

SWEEP = """\
type: sweep
trial: {command: "python train.py --lr ${{search_space.lr}}", code: ./src}
search_space: {lr: {type: choice, values: [1, 2]}}
objective: {goal: maximize, primary_metric: acc}
sampling_algorithm: grid
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("")
    (tmp_path / "sweep.yml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "runs"))
    if "ray" in sys.modules:  # tests on a cluster may have joined one in this process: a shell has joined none
        monkeypatch.setattr(sys.modules["ray"], "is_initialized", lambda: False)
    return tmp_path


def answers(capsys: pytest.CaptureFixture[str], *more: str) -> list[tuple[int, str]]:
    out = []
    for command in (["validate", "sweep.yml"], ["submit", "sweep.yml", "--dry-run"], ["submit", "sweep.yml"]):
        code = run([*command, *more])
        lines = capsys.readouterr().err.splitlines()
        out.append((code, "\n".join(line for line in lines if not line.startswith("Warning:"))))
    return out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["raydrive.python=/no/such/python"], "python: found '/no/such/python', but this machine has no such program"),
        (["raydrive.python=~/venv/bin/python"], "Write the full path"),
        (["raydrive.secrets.NO_SUCH=env"], "secrets.NO_SUCH: found no environment variable NO_SUCH"),
        (["raydrive.warm_start=nothing-of-that-name"], "raydrive.warm_start"),
        (["experiment_name=" + "e" * 101], "1 to 100 letters"),
        (
            ["trial.command=no-such-program --lr ${{search_space.lr}}"],
            "'no-such-program', and this machine has no program of that name",
        ),
        (["raydrive.resources.gpus=400"], "raydrive.resources.gpus: found 400; allowed: at most "),
        (["raydrive.resources={cpus: 4000}"], "raydrive.resources.cpus: found 4000; allowed: at most "),
        (["raydrive.resources.custom={tpu: 8}"], "Write tpu: 0, or use a cluster that has more: --address HOST:6379"),
        (
            ["raydrive.python=/no/such/python", "raydrive.secrets.A=env", "raydrive.secrets.B=env"],
            "3 problems",
        ),
    ],
)
def test_one_answer(folder: Path, capsys: pytest.CaptureFixture[str], changes: list[str], words: str) -> None:
    found = answers(capsys, *(part for change in changes for part in ("--set", change)))
    assert found[0] == found[1] == found[2]
    assert found[0][0] == 2
    assert words in found[0][1]
    assert not (folder / "runs").exists()


def test_code_that_is_too_large(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open(folder / "src" / "data.bin", "wb") as file:
        file.truncate(1 << 40)
    found = answers(capsys)
    assert found[0] == found[1] == found[2]
    assert found[0][0] == 2
    assert "data.bin" in found[0][1]


def test_code_that_cannot_be_packed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(folder / "src" / "pipe")
    found = answers(capsys)
    assert found[0] == found[1] == found[2]
    assert "pipe" in found[0][1]


def test_a_storage_that_cannot_be_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "runs").write_text("a file")
    found = answers(capsys)
    assert found[0] == found[1] == found[2]
    assert found[0][0] == 5
    assert str(folder / "runs") in found[0][1]


def test_a_dashboard_and_a_path_of_this_machine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [
        (run([*command, "--storage", "runs"]), capsys.readouterr().err)
        for command in (
            ["submit", "sweep.yml", "--dry-run", "--address", "http://127.0.0.1:9"],
            ["submit", "sweep.yml", "--address", "http://127.0.0.1:9"],
        )
    ]
    assert [code for code, _ in found] == [2, 2]
    assert all("storage that all nodes of the cluster share" in text for _, text in found)


def test_a_file_whose_name_is_no_experiments(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my sweep (2).yml").write_text(SWEEP)
    assert run(["validate", "my sweep (2).yml"]) == 0
    assert not list((folder).glob("runs/*"))
