"""How a run stands, told from its folder alone."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from raydrive import HyperDriveRun, RandomParameterSampling, uniform
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.errors import ClusterError
from raydrive.core.records import Began, Ended, Fact, Reported, Started, Suggested
from raydrive.core.records import dump as line_of
from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout


def a_run(storage: Path, started: dict[int, float], **heartbeat: object) -> HyperDriveRun:
    """A run whose drivers, by epoch, began at these times, with the heartbeat that one of them left."""
    layout = RunLayout.create(storage, "e", "e-20261125-120000-0000")
    config = RunConfig(
        experiment="e",
        metric=Metric(name="score", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=4, max_concurrent_runs=1),
        trial=TrialSpec(kind="function"),
        seed=3,
    )
    layout.write_config(json.dumps(config.to_json()).encode())
    for epoch, at in started.items():
        JournalWriter.open(layout.journal).append([line_of(Started(at, epoch), ())])
    layout.write_driver(json.dumps(heartbeat).encode())
    return HyperDriveRun.open(layout.uri)


@pytest.mark.parametrize(
    ("epoch", "state", "age_s", "status"),
    [
        (2, "Running", 1.0, "Running"),
        (2, "Interrupted", 1.0, "Interrupted"),
        (2, "Running", 1000.0, "NotResponding"),
        (1, "Interrupted", 1.0, "Running"),  # the one before was interrupted; its successor has not spoken yet
        (1, "Running", 1000.0, "Running"),
    ],
)
def test_the_heartbeat_of_a_predecessor_says_nothing(
    tmp_path: Path, epoch: int, state: str, age_s: float, status: str
) -> None:
    now = time.time()
    run = a_run(tmp_path, {1: now - 2000, 2: now - 5}, state=state, at=now - age_s, epoch=epoch)
    assert run.get_status() == status


def test_a_successor_that_never_spoke_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    now = time.time()
    run = a_run(tmp_path, {1: now - 2000, 2: now - 1000}, state="Interrupted", at=now - 1500, epoch=1)
    assert run.get_status() == "NotResponding"


def test_a_driver_of_this_process_is_asked_when_its_heartbeat_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk: submit must not take the driver for dead, and say what it waits for."""
    from raydrive.runtime import driver_client

    now = time.time()
    run = a_run(tmp_path, {1: now - 2000}, state="Running", at=now - 1000, epoch=1)
    answers = [{"state": "Running", "at": time.time(), "epoch": 1, "trouble": "storage: the disk is full"}]
    monkeypatch.setattr(driver_client, "call_driver", lambda *_, **__: answers[0])
    assert run.get_status() == "NotResponding", "a driver of another process: nobody to ask"
    own = driver_client._Started(object(), driver_client._connection(), embedded=True)
    monkeypatch.setitem(driver_client._STARTED, run.layout.key, own)
    assert run.get_status() == "Running"
    assert run.heartbeat()["trouble"] == "storage: the disk is full"

    def gone(*_: object, **__: object) -> None:
        raise ClusterError("the driver is gone")

    monkeypatch.setattr(driver_client, "call_driver", gone)
    assert run.get_status() == "NotResponding"


def test_the_handle_of_a_driver_on_a_cluster_that_was_left_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ray.shutdown()`` and another ``ray.init()`` in the same process: nobody there knows that actor."""
    from raydrive.runtime import driver_client

    now = time.time()
    run = a_run(tmp_path, {1: now - 2000}, state="Running", at=now - 1000, epoch=1)
    left = driver_client._Started(object(), "the connection before", embedded=True)
    monkeypatch.setitem(driver_client._STARTED, run.layout.key, left)
    assert run.get_status() == "NotResponding"
    assert not driver_client.is_known(run.layout)
    assert not driver_client.is_ours(run.layout)


def test_the_trials_of_an_interrupted_run_are_interrupted_wherever_they_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from raydrive.api.display.notebook_html import run_html
    from raydrive.api.display.text import counts_text
    from raydrive.cli.console import Format
    from raydrive.cli.show import list_runs, status

    now = time.time()
    run = a_run(tmp_path, {1: now - 100}, state="Interrupted", at=now - 50, epoch=1)
    sweep = Sweep(run.config)
    facts: list[Fact] = [Suggested(now - 90, 0, {"x": 0.5}, "random"), Began(now - 89, 0, 1)]
    facts += [Reported(now - 80, 0, 1, 1, 1, 0.5), Ended(now - 70, 0, 1, 0)]
    facts += [Suggested(now - 60, 1, {"x": 0.6}, "random"), Began(now - 59, 1, 1)]
    sweep.handle(Started(now - 100, 1))
    JournalWriter.open(run.layout.journal).append([line_of(fact, sweep.handle(fact)) for fact in facts])
    run.refresh()
    stands = run.reader.status()
    assert stands.state == "Interrupted"
    assert counts_text(stands.summary) == "1 interrupted · 1 completed"
    assert stands.summary.elapsed_s == pytest.approx(50.0, abs=0.1), "until it was last heard of"
    assert [row["state"] for row in run.rows()] == ["Completed", "Interrupted"]
    assert [child.get_status() for child in run.get_children()].count("Interrupted") == 1
    assert "1 of 4 (1 interrupted, 1 completed)" in run_html(run.reader)
    status(run.id, str(tmp_path), Format.JSON)
    told = json.loads(capsys.readouterr().out)
    assert (told["trials"], told["running"], told["interrupted"], told["completed"]) == (2, 0, 1, 1)
    list_runs(str(tmp_path), None, 50, Format.JSON)
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    counts = ("trials", "trials_ended", "max_total_trials", "running", "interrupted", "completed")
    assert [row[key] for key in counts] == [told[key] for key in counts] == [2, 1, 4, 0, 1, 1]
