"""A whole run in an object store: checkpoints, an attempt that dies, a store that stalls, and a resume."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import moto_s3
import pytest
from waiting import wait_until

from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Resources, Run, Workspace, uniform
from raydrive.api.submit.launch import resume
from raydrive.cli.app import run as raydrive
from raydrive.storage.checkpoints import manifests
from raydrive.testing.finished_run import check_run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def train(params: dict[str, Any]) -> None:
    run = Run.get_context()
    begin = int((Path(run.resume_from) / "epoch").read_text()) if run.resume_from else 0
    if begin:
        run.log("begin", begin)
    for epoch in range(begin + 1, 7):
        run.log("score", params["x"] + epoch)
        if epoch in (2, 5):
            Path("state").mkdir(exist_ok=True)
            Path("state/epoch").write_text(str(epoch))
            run.save_checkpoint("state")
        if epoch == 3 and run.attempt == 1:
            time.sleep(2.0)  # until it has arrived
            os.kill(os.getpid(), signal.SIGKILL)
    Path("outputs/model.txt").write_text("weights")


def test_a_run_in_s3_with_checkpoints_and_resume() -> None:
    with moto_s3.serving() as (url, server):
        # Everything in the URI: the processes of the cluster know nothing of it from their environment.
        place = url.removeprefix("http://")
        storage = f"s3://key:secret@bucket/runs?endpoint_override={place}&scheme=http&region=us-east-1"
        space = RandomParameterSampling({"x": uniform(0, 1)})
        resources = Resources(cpus=0.5)
        config = HyperDriveConfig(
            space, "score", "maximize", 2, run_config=train, seed=0, max_attempts=2, resources=resources
        )
        run = Experiment(Workspace(storage), "s3").submit(config)
        wait_until(lambda: run.refresh().reports >= 2, "two reports")
        os.kill(server, signal.SIGSTOP)
        threading.Timer(2.0, os.kill, (server, signal.SIGCONT)).start()
        run.wait_for_completion()
        assert run.get_status() == "Completed"
        resume(run.reader, address=None, limits={"max_total_runs": 3})
        resumed = run
        resumed.wait_for_completion()
        assert [trial.state for trial in resumed.sweep.trials] == ["Completed"] * 3
        assert [trial.attempt for trial in resumed.sweep.trials] == [2, 2, 2]
        for number, metrics in resumed.all_metrics().items():
            x = resumed.sweep.trials[number].params["x"]
            assert metrics["begin"] == [2]
            assert list(resumed.sweep.curves.values(number)) == [x + epoch for epoch in range(1, 7)]
            assert [found.interval for found in manifests(resumed.layout, number)] == [2, 5]
            assert "outputs/model.txt" in resumed.get_child(number).get_file_names()
        assert check_run(resumed.uri) == []


def leave(params: dict[str, Any]) -> None:
    Run.get_context().log("score", params["x"])
    with open(b"outputs/caf\xe9.txt", "w") as file:
        file.write("coffee")
    Path("outputs/model.txt").write_text("weights")
    os.symlink(".", "outputs/loop")
    Path("wandb").mkdir()
    Path("wandb/run").write_text("x" * (1000 + int(1000 * params["x"])))
    Path("results.csv").write_text("1,2")


def test_what_is_missing_is_named_where_a_user_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with moto_s3.serving() as (url, _):
        place = url.removeprefix("http://")
        storage = f"s3://key:secret@bucket/runs?endpoint_override={place}&scheme=http&region=us-east-1"
        space = RandomParameterSampling({"x": uniform(0, 1)})
        resources = Resources(cpus=0.5)
        config = HyperDriveConfig(
            space, "score", "maximize", 2, run_config=leave, seed=0, resources=resources, keep=["*.csv"]
        )
        run = Experiment(Workspace(storage), "left").submit(config)
        run.wait_for_completion()
        assert [trial.state for trial in run.sweep.trials] == ["Completed"] * 2
        best = run.get_best_run_by_primary_metric()
        assert best is not None
        assert best.why == (
            "ended by itself after 1 interval; not in the storage, which accepts only files: outputs/loop "
            "(a link to a folder)"
        )
        assert [note.partition(":")[0] for note in best.notes] == [
            "stored under other names, because the storage does not accept theirs",
            "not in the storage, which accepts only files",
            "not kept",
        ]
        names = ["attempt-1/log.txt", "kept/results.csv", "outputs/caf%E9.txt", "outputs/model.txt"]
        assert best.get_file_names() == names
        for command in ("status", "best"):
            assert raydrive([command, run.id, "--storage", storage, "-o", "json"]) == 0
            notice = json.loads(capsys.readouterr().out)["notice"]
            assert "outputs/caf\\xe9.txt as outputs/caf%E9.txt" in notice
            assert "outputs/loop (a link to a folder)" in notice
            assert "not kept: wandb/" in notice
        assert check_run(run.uri) == []
