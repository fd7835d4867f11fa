"""What a command starts is looked at before a trial fails for the lack of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydrive import ScriptRunConfig
from raydrive.api.submit.command_program import program_problem, script_problem
from raydrive.core.errors import ConfigError


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for name in ("train.py", "evaluate.py", "run.sh", "src/train.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "python train.py --lr ${{search_space.lr}}",
        "python3.11 -u -W ignore train.py",
        "python -m package.train",
        "python -c 'print(1)'",
        "python ${{inputs.script}}",
        "python /opt/elsewhere.py",
        "bash run.sh",
        "bash -c 'python nosuch.py'",
        "torchrun --nproc-per-node 2 train.py --lr 0.1",
        "cd src && python nosuch.py",
        "OMP_NUM_THREADS=2 python train.py",
        "./tool --lr ${{search_space.lr}}",
        "${{inputs.program}} x.py",
        "$HOME/bin/train x",
        "python src/train.py | tee log.txt",
        "/usr/bin/env python train.py",
        "echo 'an open quote",
    ],
)
def test_what_can_be_started_is_accepted(code: Path, command: str) -> None:
    assert script_problem(command, code, "trial.command") is None


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            "train.py --lr ${{search_space.lr}}",
            "trial.command: found 'train.py', which is not a program on PATH but a script in the code folder; "
            "allowed: a program, or a script behind its interpreter. Write: command: python train.py --lr "
            "${{search_space.lr}}",
        ),
        (
            "tran.py --lr 1",
            "trial.command: found 'tran.py', and there is no such file in {code}; allowed: a script of that folder: "
            "evaluate.py, train.py. Write: command: python train.py --lr 1",
        ),
        (
            "run.sh",
            "trial.command: found 'run.sh', which is not a program on PATH but a script in the code folder; allowed: a "
            "program, or a script behind its interpreter. Write: command: bash run.sh",
        ),
        (
            "./train.py --lr 1",
            "trial.command: found './train.py', which is not executable; allowed: a program, or a script behind its "
            "interpreter. Write: command: python ./train.py --lr 1",
        ),
        ("python -u tran.py", "'tran.py', and there is no such file in {code}; .* Did you mean 'train.py'?"),
        ("OMP_NUM_THREADS=2 python3 nosuch.py > x", "'nosuch.py', and there is no such file in {code}"),
        ("bash nosuch.sh", "'nosuch.sh', and there is no such file in {code}"),
        ("torchrun --nproc-per-node 2 nosuch.py", "'nosuch.py', and there is no such file in {code}"),
        ("./nosuch --lr 1", "'./nosuch', and there is no such file in {code}"),
    ],
)
def test_a_script_that_is_not_there_is_told(code: Path, command: str, told: str) -> None:
    problem = script_problem(command, code, "trial.command")
    assert problem is not None
    for part in told.replace("{code}", str(code)).split(".* "):
        assert part in str(problem)


def test_without_code_a_script_has_nowhere_to_be() -> None:
    problem = script_problem("python train.py", None, "trial.command")
    assert str(problem) == (
        "trial.command: found 'train.py', but code is not set: trials start in an empty folder; allowed: a script "
        "in the trials' working directory. Add the folder of the script: code: ."
    )
    assert script_problem("python -m training.main --x 1", None, "trial.command") is None


def test_a_program_that_this_machine_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "trainer").write_text("#!/bin/sh\n")
    (tmp_path / "trainer").chmod(0o755)
    assert program_problem("trainer --x ${{search_space.x}}", "trial.command") is None
    assert program_problem("echo x | nosuch", "trial.command") is None  # the shell's business
    problem = program_problem("trainr --x ${{search_space.x}}", "trial.command")
    assert str(problem).startswith("trial.command: found 'trainr', and this machine has no program of that name; ")


def test_a_script_run_config_looks_at_its_command(code: Path) -> None:
    assert ScriptRunConfig(code, command="python train.py").command == "python train.py"
    with pytest.raises(
        ConfigError, match=r"command: found 'train\.py', which is not a program .* Write: command: python"
    ):
        ScriptRunConfig(code, command="train.py --lr 1")
