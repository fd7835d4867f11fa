"""Whatever a training process writes to its socket, the run can be read and ends."""

from __future__ import annotations

import math
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Resources, Run, Workspace, uniform
from raydrive.storage.journal.writer import JournalReader

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

LINES = [
    b'{"m":{"score":0.5},"t":NaN}',
    b'{"m":{"score":0.6},"t":1e999}',
    b'{"m":{"score":0.7},"t":1790000000000}',
    b'{"m":{"score":0.8,"deep":' + b"[" * 900 + b"]" * 900 + b"}}",
    b'{"m":{"\\ud800":"\\udfff","":1,"x":' + b"1" * 400 + b'},"s":Infinity}',
    b'{"tags":{"a":{"b":[1]}},"checkpoint":"../../etc"}',
    b'{"m":{"score":' + b"[" * 900 + b"]" * 900 + b"}}",
]


def train(params: dict[str, Any]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(os.environ["RAYDRIVE_CHANNEL"])
        for line in LINES:
            connection.sendall(line + b"\n")
    time.sleep(0.2)  # some batches go to the driver before the end
    Run.get_context().log("score", 0.9)


def lose_socket(params: dict[str, Any]) -> None:
    Run.get_context().log("score", 1.0)
    os.unlink(os.environ["RAYDRIVE_CHANNEL"])


def submitted(storage: str, function: Any, trials: int) -> Any:
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        "score",
        "maximize",
        trials,
        run_config=function,
        seed=0,
        max_concurrent_runs=1,
        resources=Resources(cpus=0.5),
    )
    run = Experiment(Workspace(storage), "hostile").submit(config)
    run.wait_for_completion()
    return run


def test_hostile_lines_are_dropped_or_replaced_and_told(storage: str) -> None:
    began = time.time()
    run = submitted(storage, train, 2)
    assert run.get_status() == "Completed"
    for trial in run.sweep.trials:
        assert trial.state == "Completed"
        assert trial.attempt == 1
        assert list(run.sweep.curves.values(trial.number)) == [0.5, 0.6, 0.7, 0.8, 0.9]
        assert len(trial.notes) >= 5
    facts = [fact for fact, _ in JournalReader(run.layout.journal).read()]  # type: ignore[misc]
    assert all(began - 120 < fact.at < time.time() + 120 and math.isfinite(fact.at) for fact in facts)


def test_a_trial_that_deletes_its_socket_takes_nothing_from_the_next(storage: str) -> None:
    run = submitted(storage, lose_socket, 3)
    assert [trial.state for trial in run.sweep.trials] == ["Completed"] * 3
    assert [list(run.sweep.curves.values(number)) for number in range(3)] == [[1.0]] * 3
    assert any("its socket" in text for text in run.sweep.trials[0].notes)
    assert Path(run.layout.uri).is_dir()
