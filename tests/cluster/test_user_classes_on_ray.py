"""Policies and samplers of users' classes judge and sample in the real driver, and after it was killed, too."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from terminal import code, raydrive, wait_until, write_config

from raydrive import (
    BanditPolicy,
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    Resources,
    Run,
    Verdict,
    Workspace,
    uniform,
)
from raydrive.core.early_stopping.policy_record import RecordedPolicy
from raydrive.core.errors import RaydriveError
from raydrive.testing.finished_run import check_run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
DOCS = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
TRAIN = """
import sys
from raydrive import Run
for k in range(6):
    Run.get_context().log("score", 1.0 if sys.argv[1] == "a" else 0.5)
"""
FAILS = """
class Picky:
    def __init__(self, worst=0.0):
        self.worst = worst

    def judge(self, trial, interval, curves):
        raise KeyError(f"nothing is good enough at {interval}")
"""
MENDED = """
from raydrive import Verdict

class Picky:
    def __init__(self, worst=0.0):
        self.worst = worst

    def judge(self, trial, interval, curves):
        return Verdict(trial == 1 and interval == 2, "picky: trial 1 at 2")
"""


class SecondOnly(BanditPolicy):
    """A subclass of one of raydrive's, in a module that is not installed: it travels by value."""

    def judge(self, trial: int, interval: int, curves: Any) -> Verdict | None:
        return Verdict(trial % 2 == 1 and interval == 2, f"second only: {self.slack_factor} at {interval}")


@dataclass(frozen=True)
class Broken:
    """Fails at the third interval."""

    at: int = 3

    def judge(self, trial: int, interval: int, curves: Any) -> Verdict | None:
        return Verdict(False, str(1 / (interval - self.at)))


def submitted(storage: str, policy: Any, train: Any, trials: int = 4) -> HyperDriveRun:
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        *("score", "maximize", trials, 2),
        policy=policy,
        run_config=train,
        seed=0,
        resources=Resources(cpus=0.5),
    )
    return Experiment(Workspace(storage), "own").submit(config)


def test_a_subclass_judges_in_the_driver_and_in_the_one_that_takes_over(storage: str) -> None:
    gate = Path(storage + "-gate")

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        run.log("score", params["x"])
        while not gate.exists():
            time.sleep(0.05)
        for _ in range(3):
            run.log("score", params["x"])

    run = submitted(storage, SecondOnly(slack_factor=0.5), train)
    wait_until(lambda: run.refresh().counts["Running"] == 2 and run.sweep.reports == 2, "two trials with a report each")
    os.kill(run.heartbeat()["pid"], signal.SIGKILL)
    wait_until(lambda: run.refresh() and run.sweep.epoch == 2, "the restarted driver")  # Ray has restarted it
    gate.touch()
    run.wait_for_completion()
    assert [(trial.state, trial.attempt) for trial in run.sweep.trials] == [("Completed", 1), ("Canceled", 1)] * 2
    assert run.sweep.trials[1].why == "second only: 0.5 at 2"
    assert isinstance(run.config.policy, RecordedPolicy)
    assert run.config.policy.kind == f"{__name__}:SecondOnly"
    assert run.config.policy.parameters["slack_factor"] == 0.5
    assert check_run(run.uri, SecondOnly(slack_factor=0.5)) == []


def test_a_policy_that_fails_ends_the_run_with_its_name_and_line(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        for _ in range(100):
            Run.get_context().log("score", params["x"])
            time.sleep(0.1)

    run = submitted(storage, Broken(), train)
    with pytest.raises(RaydriveError) as caught:
        run.wait_for_completion()
    assert f"{__name__}:Broken failed in judge(trial " in str(caught.value)
    assert "interval 3): ZeroDivisionError: division by zero, " in str(caught.value)
    assert f"{Path(__file__).name}, line " in str(caught.value)
    assert run.get_status() == "Interrupted"
    assert "Broken failed in judge" in run.heartbeat()["trouble"]


def test_a_sweep_file_names_classes_in_its_code(cluster: str, storage: str, tmp_path: Path) -> None:
    """Both of docs/extending.md, an interrupted run and its resume, and readers that import nothing."""
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", DOCS, flags=re.DOTALL)
    code(tmp_path, train_py=TRAIN)
    package = tmp_path / "code" / "mypackage"
    package.mkdir()
    for name, text in blocks:
        if name.startswith("mypackage/"):
            spy = "import os\nopen(os.environ.get('SPY', os.devnull), 'a').write('imported ')\n"
            (tmp_path / "code" / name).write_text(spy + text)
    space = {"x": ["a", "b"]}
    config = write_config(
        tmp_path / "own.yaml",
        "python train.py ${{search_space.x}}",
        space,
        early_termination={"type": "mypackage.policies:Patience", "patience": 2},
        sampling_algorithm={"type": "mypackage.samplers:Nearby", "width": 0.2},
        limits={"max_total_trials": 2, "max_concurrent_trials": 1},
        raydrive={"seed": 2},
    )
    done = raydrive("submit", config, "--address", cluster, "--storage", storage)
    assert done.returncode == 0, done.stderr
    spy = tmp_path / "spy"
    run_id = Workspace(storage).get_run("last").id
    for words in (["list"], ["status"], ["best"], ["trials"], ["whatif"], ["report", "-o", str(tmp_path / "r.html")]):
        named = [] if words[0] == "list" else [run_id]
        shown = raydrive(words[0], *named, *words[1:], "--storage", storage, SPY=str(spy))
        assert shown.returncode == 0, shown.stderr
    assert not spy.exists()
    run = Workspace(storage).get_run(run_id)
    assert [(trial.params["x"], trial.state) for trial in run.sweep.trials] == [("a", "Completed"), ("b", "Canceled")]
    assert run.sweep.trials[1].why == "patience: best 0.5 at interval 3, 0.5 2 intervals ago"
    raw = run.config.to_json()
    assert (raw["policy"], raw["sampling"]["type"]) == (
        {"type": "mypackage.policies:Patience", "patience": 2},
        "mypackage.samplers:Nearby",
    )
    played = raydrive("whatif", run_id, "--storage", storage, "--run-code", SPY=str(spy))
    assert "mypackage.policies:Patience, patience 2 (as it was)" in played.stdout
    assert spy.read_text().startswith("imported")


def test_a_failing_class_is_mended_and_the_run_resumed(cluster: str, storage: str, tmp_path: Path) -> None:
    code(tmp_path, train_py=TRAIN, picky_py=FAILS)
    config = write_config(
        tmp_path / "picky.yaml",
        "python train.py ${{search_space.x}}",
        {"x": ["b", "a"]},
        early_termination={"type": "picky:Picky", "worst": 1},
        limits={"max_total_trials": 2, "max_concurrent_trials": 1},
    )
    where = ["--address", cluster, "--storage", storage]
    failed = raydrive("submit", config, *where)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "picky:Picky failed in judge(trial 0, interval 1): KeyError: 'nothing is good enough at 1'" in said
    assert "picky.py, line 7" in said
    assert "Traceback" not in said
    run = Workspace(storage).get_run("last")
    assert run.get_status() == "Interrupted"
    again = raydrive("resume", run.id, *where)
    assert again.returncode != 0
    assert "picky.py, line 7" in again.stdout + again.stderr

    mended = tmp_path / "mended"
    mended.mkdir()
    (mended / "other.py").write_text("")
    refused = raydrive("resume", run.id, *where, "--classes", mended)
    assert refused.returncode == 2
    assert "found 'picky:Picky', but no module picky" in refused.stderr
    (mended / "picky.py").write_text(MENDED)
    resumed = raydrive("resume", run.id, *where, "--classes", mended)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    run.refresh()
    assert [trial.state for trial in run.sweep.trials] == ["Completed", "Canceled"]
    assert run.sweep.trials[1].why == "picky: trial 1 at 2"
    names: dict[str, Any] = {}
    exec(MENDED, names)
    assert check_run(run.uri, names["Picky"]()) == []
