"""A run that its user changes while it goes on, by commands alone: nobody restarts anything, and no report is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import heads
import psutil
import pytest
from terminal import RAYDRIVE, code, environment, processes_of, raydrive, write_config
from waiting import wait_until

from raydrive import HyperDriveRun
from raydrive.core.records import Pause, Reported
from raydrive.core.user_facts import Added, Edited, Retried, RunPaused, RunUnpaused
from raydrive.storage.journal.reader import JournalReader
from raydrive.testing.sweep_invariants import check_journal

pytestmark = pytest.mark.ray

TRAIN = """
import json, sys, time
from pathlib import Path
from raydrive import Run

lr, units, fails = float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
run, begin = Run.get_context(), 0
if run.resume_from is not None:
    begin = json.loads((Path(run.resume_from) / "state.json").read_text())["interval"]
for k in range(begin + 1, 13):
    time.sleep(0.15)
    run.log("score", lr * k / 12 + units / 1000)
    Path("state").mkdir(exist_ok=True)
    Path("state/state.json").write_text(json.dumps({"interval": k}))
    run.save_checkpoint("state")
    if k == 3 and fails.exists():
        fails.unlink()
        raise ValueError("the third step fails, once")
"""


def a_sweep(folder: Path, trials: int) -> Path:
    code(folder, train_py=TRAIN)
    (folder / "fails").write_text("")
    command = f"{sys.executable} train.py ${{{{search_space.lr}}}} ${{{{search_space.units}}}} {folder / 'fails'}"
    return write_config(
        folder / "sweep.yml",
        command,
        {"units": [8, 16]},
        search_space={
            "lr": {"type": "uniform", "min_value": 0.1, "max_value": 1.0},
            "units": {"type": "choice", "values": [8, 16]},
        },
        sampling_algorithm={"type": "random"},
        limits={"max_total_trials": trials, "max_concurrent_trials": 2},
        resources={"cpus": 0.5},
        raydrive={"seed": 3, "first_failures": 0, "grace_s": 1.0},
    )


class Steered:
    """A run on a cluster, and its user at a terminal."""

    def __init__(self, config: Path, storage: str, address: str) -> None:
        self._options = ("--storage", storage, "--address", address)
        submit = [RAYDRIVE, "submit", str(config), *self._options, "--detach"]
        done = subprocess.run(submit, capture_output=True, text=True, timeout=180, env=environment())
        assert done.returncode == 0, done.stderr
        self.id = done.stderr.split("Run ")[1].split(" ")[0]
        self.run = HyperDriveRun.open(f"{storage}/sweep/{self.id}")

    def __call__(self, command: str, *arguments: object) -> dict[str, Any]:
        done = raydrive(command, self.id, *arguments, *self._options, "-o", "json", timeout=180)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def wait(self, condition: Callable[[Any], Any], what: str) -> None:
        def look() -> Any:
            self.run.refresh()
            return condition(self.run.sweep)

        wait_until(look, what, seen=lambda: [(t.number, t.state, t.why) for t in self.run.sweep.trials])

    @property
    def facts(self) -> list[Any]:
        return [fact for fact, _ in JournalReader(self.run.layout.journal).read()]


def check_steered(steered: Steered, trials: int) -> None:
    """What must hold of such a run once it is over, whatever was changed in it."""
    sweep = steered.run.sweep
    assert sweep.finished is not None
    assert len(sweep.trials) == trials
    check_journal(steered.run.reader.given, JournalReader(steered.run.layout.journal).read_lines())
    for trial in sweep.trials:
        values = list(sweep.curves.values(trial.number))
        lr, units = trial.params["lr"], trial.params["units"]
        assert values == [lr * k / 12 + units / 1000 for k in range(1, len(values) + 1)], trial.number
        assert trial.state != "Completed" or len(values) == 12


def test_a_run_is_changed_by_commands_while_it_goes_on(cluster: str, tmp_path: Path) -> None:
    config = a_sweep(tmp_path, 40)
    steered = Steered(config, str(tmp_path / "storage"), cluster)
    steered.wait(lambda sweep: any(one.state == "Failed" for one in sweep.trials), "the trial that fails")

    answer = steered("edit", "--set", "limits.max_concurrent_trials=4")
    assert answer["recorded"] == ["limits.max_concurrent_trials: 2 -> 4"]
    steered.wait(lambda sweep: sum(one.state == "Running" for one in sweep.trials) == 4, "four trials at a time")

    steered("edit", "--set", "early_termination.type=bandit", "--set", "early_termination.slack_factor=3")
    steered("edit", "--set", "search_space.units.values=[8, 16, 64]")
    points = [f"lr={lr}" for lr in (0.91, 0.92, 0.93)]
    for point in points:
        steered("add", "--set", point, "--set", "units=64")
    retried = steered("retry", "--failed")
    assert "is tried again, from its checkpoint of interval" in retried["recorded"][0]

    steered("pause", "--now", "--reason", "the cluster is needed")
    steered.wait(lambda sweep: not sweep.open_trials, "no trial runs")
    assert len(steered.run.sweep.paused_trials) >= 2
    wait_until(lambda: not processes_of(steered.id), "no training process")
    steered("note", "the others are done", "--tag", "who=ada")
    went_on = steered("unpause")
    assert went_on["recorded"][1].startswith("the paused trials continue: ")

    steered.wait(lambda sweep: sweep.finished is not None, "the end of the run")
    check_steered(steered, 40)
    sweep, facts = steered.run.sweep, steered.facts
    assert sum(isinstance(fact, Edited) for fact in facts) == 3
    assert [fact.params["lr"] for fact in facts if isinstance(fact, Added)] == [0.91, 0.92, 0.93]
    given = [trial for trial in sweep.trials if trial.origin == "given"]
    assert [trial.params["lr"] for trial in given] == [0.91, 0.92, 0.93]
    assert any(isinstance(fact, RunPaused) and fact.now for fact in facts)
    assert any(isinstance(fact, RunUnpaused) for fact in facts)
    again = next(fact for fact in facts if isinstance(fact, Retried))
    assert sweep.trials[again.trial].state in ("Completed", "Canceled")
    assert any(trial.params["units"] == 64 and trial.origin != "given" for trial in sweep.trials)
    decisions = [one for _, found in JournalReader(steered.run.layout.journal).read() for one in found]
    assert any(isinstance(one, Pause) and one.by == "user" for one in decisions)
    assert sweep.epoch == 1  # one driver did it all
    text = raydrive("history", steered.id, "--storage", tmp_path / "storage").stdout
    for word in ("edit", "add", "retry", "pause", "unpause", "note"):
        assert f" {word} " in text
    assert "limits.max_concurrent_trials: 2 -> 4" in text


def test_an_edit_outlives_its_driver(cluster: str, tmp_path: Path) -> None:
    config = a_sweep(tmp_path, 14)
    steered = Steered(config, str(tmp_path / "storage"), cluster)
    steered.wait(lambda sweep: sum(one.state == "Running" for one in sweep.trials) == 2, "the first trials")
    steered("edit", "--set", "search_space.units.values=[32]", "--set", "limits.max_concurrent_trials=3")
    psutil.Process(int(steered.run.heartbeat()["pid"])).kill()  # between the edit and what follows from it
    steered.wait(lambda sweep: sweep.epoch > 1, "the driver that takes over")
    steered.wait(lambda sweep: sweep.finished is not None, "the end of the run")
    check_steered(steered, 14)
    edited = next(place for place, fact in enumerate(steered.facts) if isinstance(fact, Edited))
    known = {fact.trial for fact in steered.facts[:edited] if hasattr(fact, "params")}
    assert all(one.params["units"] == 32 for one in steered.run.sweep.trials if one.number not in known)
    assert sum(isinstance(fact, Reported) for fact in steered.facts) > 14


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """A cluster with a dashboard, of another process; gives the dashboard's address."""
    web, agent = heads.free_port(), heads.free_port()
    options = ["--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={web}"]
    options.append(f"--dashboard-agent-listen-port={agent}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with heads.head(*options, num_cpus=2, PATH=path):
        yield f"http://127.0.0.1:{web}"


def test_the_dashboard_alone_is_enough(dashboard: str, tmp_path: Path) -> None:
    config = a_sweep(tmp_path, 60)
    steered = Steered(config, str(tmp_path / "storage"), dashboard)
    steered.wait(lambda sweep: any(one.state == "Running" for one in sweep.trials), "the first trials")
    steered("pause", "--now")
    steered.wait(lambda sweep: not sweep.open_trials, "no trial runs")
    total = len(steered.run.sweep.trials) + 3
    answer = steered("edit", "--set", f"limits.max_total_trials={total}", "--set", "limits.max_concurrent_trials=3")
    assert answer["revision"] == 1
    steered("add", "--set", "lr=0.95", "--set", "units=16")
    refused = raydrive(
        "edit", steered.id, "--set", "limits.max_total_trials=9", "--expect-revision", 0,
        "--storage", tmp_path / "storage", "--address", dashboard, timeout=180,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "--expect-revision: found 0, but the run has revision 1" in refused.stderr
    steered("unpause")
    steered.wait(lambda sweep: sweep.finished is not None, "the end of the run")
    check_steered(steered, total)
    assert [one.params["lr"] for one in steered.run.sweep.trials if one.origin == "given"] == [0.95]


def test_the_dashboard_alone_is_enough_to_cancel(dashboard: str, tmp_path: Path) -> None:
    steered = Steered(a_sweep(tmp_path, 60), str(tmp_path / "storage"), dashboard)
    steered.wait(lambda sweep: any(one.state == "Running" for one in sweep.trials), "the first trials")
    steered("pause", "--now")
    steered.wait(lambda sweep: not sweep.open_trials, "no trial runs")
    number = steered.run.sweep.paused_trials[0].number
    assert steered("cancel", number, "--reason", "no use")["recorded"] == [f"trial {number} is being canceled"]
    steered.wait(lambda sweep: not sweep.trials[number].open, "the end of the trial")
    assert steered.run.sweep.trials[number].why == "no use"
    assert steered("cancel")["recorded"] == ["the run is being canceled"]
    steered.wait(lambda sweep: sweep.finished is not None, "the end of the run")
    assert steered.run.get_status() == "Canceled"
    assert steered("cancel")["recorded"] == []
