"""``raydrive resume`` while somebody else has the run: the refusal, ``--force``, two at once, and new limits."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from terminal import RAYDRIVE, environment, raydrive
from waiting import wait_until

from raydrive import (
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    Resources,
    Run,
    Workspace,
    uniform,
)
from raydrive.core.errors import ClusterError
from raydrive.core.records import Began
from raydrive.storage.journal.writer import JournalReader
from raydrive.testing.finished_run import check_run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def test_a_live_driver_is_left_alone_unless_forced_and_of_two_who_force_one_goes_on(cluster: str, storage: str) -> None:
    gate = Path(storage + "-gate")

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        for k in range(10):
            run.log("score", params["x"] + k)
        while not gate.exists():
            run.log("waits", 1)
            time.sleep(0.05)

    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        *("score", "maximize", 3, 2),
        run_config=train,
        seed=0,
        resources=Resources(cpus=0.5),
    )
    run = Experiment(Workspace(storage), "taken").submit(config)
    wait_until(
        lambda: run.refresh().counts["Running"] == 2 and len(run.sweep.curves.values(1)) == 10,
        "two running trials, ten values of trial 1",
    )
    before = [(trial.number, trial.attempt, trial.pid) for trial in run.sweep.trials if trial.pid]
    resume = ["resume", run.id, "--address", cluster, "--storage", storage]
    live = run.heartbeat()
    refused = raydrive(*resume)
    assert refused.returncode == 5
    assert f"run {run.id} has a live driver: its last heartbeat is " in refused.stderr
    assert f"from pid {live['pid']} at {live['address']}" in refused.stderr
    assert f"Watch it with 'raydrive watch {run.id}'" in refused.stderr
    assert "wait until 30 s have passed, or take over with --force" in refused.stderr
    assert run.refresh().state == "Running"
    assert run.sweep.epoch == 1

    limits = ["--max-total-trials", "5", "--max-concurrent-trials", "3", "--timeout", "5000"]
    both = [
        subprocess.Popen(
            [RAYDRIVE, *resume, "--force", "--detach", *limits],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]
    codes = sorted(process.returncode for process in both)
    # Who came second took over from the first; that one either did not notice, or says so.
    assert codes in ([0, 0], [0, 5]), said
    assert all("Traceback" not in talk for _, talk in said), said
    wait_until(
        lambda: run.refresh() and run.sweep.limits.max_total_runs == 5 and run.refresh().counts["Running"] == 3,
        "the new limits and three running trials",
    )
    assert run.sweep.limits.max_concurrent_runs == 3
    assert run.sweep.limits.max_duration_s == 5000
    gate.touch()
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert [trial.state for trial in run.sweep.trials] == ["Completed"] * 5
    assert check_run(run.uri) == []
    # What trained was adopted: nothing began twice.
    began = [(fact.trial, fact.attempt) for fact, _ in JournalReader(run.layout.journal).read() if type(fact) is Began]
    assert len(began) == len(set(began))
    after = {(trial.number, trial.attempt, trial.pid) for trial in run.sweep.trials}
    assert set(before) <= after
    assert raydrive(*resume, "--max-total-trials", "2").returncode == 2


def test_a_copy_of_a_run_is_a_run_of_its_own(cluster: str, storage: str, tmp_path: Path) -> None:
    """Its driver, its trial actors and its folder on the node: nothing that is done with it reaches the original."""
    gate = Path(storage + "-gate")

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        for k in range(5):
            run.log("score", params["x"] + k)
        while not gate.exists():
            run.log("waits", 1)
            time.sleep(0.05)

    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        *("score", "maximize", 2, 1),
        run_config=train,
        seed=0,
        resources=Resources(cpus=0.5),
    )
    run = Experiment(Workspace(storage), "copied").submit(config)
    wait_until(
        lambda: run.refresh().counts["Running"] == 1 and len(run.sweep.curves.values(0)) == 5,
        "five values of the running trial",
    )
    driver, trial = run.heartbeat()["pid"], run.sweep.trials[0].pid
    place = tmp_path / "copies" / run.experiment / run.id
    shutil.copytree(run.uri, place)
    copy = HyperDriveRun.open(str(place))
    with pytest.raises(ClusterError, match="has no live driver"):
        copy.cancel()
    resumed = raydrive("resume", str(place), "--address", cluster, "--force", "--detach")
    assert resumed.returncode == 0, resumed.stderr
    wait_until(lambda: copy.refresh().counts["Running"] == 1 and copy.sweep.epoch == 2, "the copy's driver and trial")
    wait_until(
        lambda: copy.sweep.trials[0].attempt == 2 and copy.refresh().reports > 6, "reports of the copy's second attempt"
    )
    reports = run.refresh().reports
    wait_until(lambda: run.refresh().reports > reports + 5, "five more reports")
    assert run.sweep.epoch == 1
    assert (run.heartbeat()["pid"], run.sweep.trials[0].pid) == (driver, trial)
    assert copy.heartbeat()["pid"] != driver
    copy.cancel()
    wait_until(lambda: copy.get_status() == "Canceled", "the cancelled copy")
    assert run.get_status() == "Running"
    gate.touch()
    run.wait_for_completion()
    assert [one.state for one in run.sweep.trials] == ["Completed"] * 2
    assert check_run(run.uri) == []


def test_what_does_not_count_is_said(storage: str, cluster: str) -> None:
    """A line that was never finished, and what a driver wrote that had been replaced."""

    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", params["x"])

    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}), "score", "maximize", 2, run_config=train, seed=0
    )
    run = Experiment(Workspace(storage), "torn").submit(config)
    run.wait_for_completion()
    place = run.layout.journal.local_path
    assert place is not None
    newest = max(place.glob("e0001-*.jsonl"))
    with newest.open("ab") as file:
        file.write(b'[{"type": "reported"')
    resumed = raydrive("resume", run.id, "--address", cluster, "--storage", storage, "--max-total-trials", "3")
    assert resumed.returncode == 0, resumed.stderr
    text = f"an unfinished line (20 bytes) at the end of segment {newest.name} ignored"
    assert f"Note: {text}" in resumed.stderr
    assert text in raydrive("status", run.id, "--storage", storage).stdout
    newest.rename(place / "elsewhere")
    missing = raydrive("status", run.id, "--storage", storage)
    assert missing.returncode == 5
    assert f"segment {newest.name} is missing or damaged" in missing.stderr
    assert "Hint: restore the file from a backup of the storage" in missing.stderr
