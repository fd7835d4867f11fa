"""Checkpoints on a real cluster: saved beside training, found again by the next attempt, pruned, proven whole."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from raydrive import (
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    Resources,
    Run,
    ScriptRunConfig,
    Workspace,
    context_values,
    uniform,
)
from raydrive.storage.checkpoints import manifests

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def submit(storage: str, target: Any, **options: Any) -> HyperDriveRun:
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        "score",
        "maximize",
        1,
        run_config=target,
        seed=0,
        resources=Resources(cpus=0.5),
        **options,
    )
    return Experiment(Workspace(storage), "checkpoints").submit(config)


def train(params: dict[str, Any]) -> None:
    run = Run.get_context()
    start = 0
    if run.resume_from:
        start = json.loads((Path(run.resume_from) / "state.json").read_text())["epoch"]
        run.log("resumed_at", start)
    folder = Path("state")
    folder.mkdir(exist_ok=True)
    for epoch in range(start + 1, 7):
        run.log("score", float(epoch))
        (folder / "state.json").write_text(json.dumps({"epoch": epoch}))
        run.save_checkpoint(folder)
        if epoch == 4 and run.attempt == 1:
            time.sleep(600)  # until it is killed


def test_an_attempt_goes_on_from_the_last_checkpoint(storage: str) -> None:
    run = submit(storage, train, max_attempts=2)
    newest = wait_until(
        lambda: [one for one in manifests(run.layout, 0) if one.interval == 4], "the checkpoint of interval 4"
    )[0]
    wait_until(lambda: run.refresh() and run.sweep.trials[0].checkpoint == str(newest.number), "its record")
    os.kill(run.sweep.trials[0].pid, signal.SIGKILL)
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    metrics = run.get_child(0).get_metrics()
    assert metrics["resumed_at"] == 4
    assert metrics["score"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert list(run.sweep.curves.values(0)) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    kept = manifests(run.layout, 0)
    assert [manifest.interval for manifest in kept] == [4, 6]  # the newest, and the one that was gone on from
    assert kept[1].files["state.json"]["size"] > 0


def test_a_process_that_is_killed_between_its_checkpoint_and_the_values_in_it_loses_neither(storage: str) -> None:
    def killed(params: dict[str, Any]) -> None:
        run, folder = Run.get_context(), Path("state")
        folder.mkdir(exist_ok=True)
        start = int(Path(run.resume_from, "epoch").read_text()) if run.resume_from else 0
        whole = context_values.stage_checkpoint

        def dies_after_the_copy(*args: Any) -> str:
            name = whole(*args)
            if (folder / "epoch").read_text() == "3":
                os.kill(os.getpid(), signal.SIGKILL)
            return name

        if run.attempt == 1:
            context_values.stage_checkpoint = dies_after_the_copy
        for epoch in range(start + 1, 6):
            (folder / "epoch").write_text(str(epoch))
            run.report({"score": float(epoch)}, checkpoint=folder)

    run = submit(storage, killed, max_attempts=2)
    run.wait_for_completion()
    assert (run.get_status(), run.sweep.trials[0].attempt) == ("Completed", 2)
    assert list(run.sweep.curves.values(0)) == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_damaged_checkpoint_is_passed_over(storage: str) -> None:
    gate = Path(storage + "-gate")

    def gated(params: dict[str, Any]) -> None:
        run = Run.get_context()
        if run.resume_from is None:
            for epoch in (1, 2):
                run.log("score", 1.0 / epoch)
                Path("state").mkdir(exist_ok=True)
                Path("state/epoch").write_text(str(epoch))
                run.save_checkpoint("state")
            run.log("ready", 1)
            while not gate.exists():
                time.sleep(0.05)
            raise RuntimeError("crash")
        run.log("found", Path(run.resume_from, "epoch").read_text())
        run.log("score", 2.0)

    run = submit(storage, gated, max_attempts=2, keep_checkpoints=2)
    wait_until(lambda: run.refresh() and len(manifests(run.layout, 0)) == 2, "two checkpoints")
    newest = manifests(run.layout, 0)[-1]
    place = run.layout.checkpoint(0, newest.number).local_path
    assert place is not None
    (place / "files" / "epoch").write_text("9")
    gate.touch()
    run.wait_for_completion()
    child = run.get_child(0)
    assert child.get_metrics()["found"] == "1"
    assert "epoch is damaged" in child.logs(attempt=2)
    assert list(run.sweep.curves.values(0)) == [1.0, 0.5]  # interval 2 was recorded before: the first value stands


SCRIPT = """
import os, sys, time
root = os.environ["RAYDRIVE_CHECKPOINT_DIR"]
print("arguments", sys.argv[1:])
from raydrive.context import Run
run = Run.get_context()
run.log("score", 1.0)
if run.attempt == 1:
    os.makedirs(root + "/tmp")
    open(root + "/tmp/model", "w").write("weights")
    os.rename(root + "/tmp", root + "/mine")
    open(root + "/mine.done", "w").close()
    while os.path.exists(root + "/mine.done"):
        time.sleep(0.05)
    sys.exit(3)
print("model", open(sys.argv[sys.argv.index("--resume-from") + 1] + "/model").read())
"""


def test_any_script_can_leave_a_checkpoint_and_is_told_where_it_is(storage: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    target = ScriptRunConfig(tmp_path, "train.py", ["--fixed"], python=sys.executable)
    run = submit(storage, target, max_attempts=2, resume_argument=True)
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    log = run.get_child(0).logs()
    assert "model weights" in log
    assert "'--fixed', '--x'" in log
    assert "'--resume-from'" in log
