"""Whatever dies, the run goes on: drivers, trial actors, training processes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_until

from raydrive import (
    BanditPolicy,
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    Resources,
    Run,
    Workspace,
    uniform,
)
from raydrive.core.records import Began, Cancelled, Lost
from raydrive.runtime.driver_client import driver_name
from raydrive.storage.journal.writer import JournalReader

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def train(params: dict[str, Any]) -> None:
    run = Run.get_context()
    for k in range(40):
        run.log("score", params["x"] + k)
        time.sleep(0.05)


def submit(storage: str, function: Any = train, lease_s: float = 180.0, **options: Any) -> HyperDriveRun:
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        "score",
        "maximize",
        options.pop("max_total_runs", 4),
        options.pop("max_concurrent_runs", 4),
        run_config=function,
        seed=0,
        resources=options.pop("resources", Resources(cpus=0.5)),
        **options,
    )
    trial = dataclasses.replace(config.config.trial, lease_s=lease_s)
    config.config = dataclasses.replace(config.config, trial=trial)
    return Experiment(Workspace(storage), "recovery").submit(config)


def facts(run: HyperDriveRun) -> list[Any]:
    return [fact for fact, _ in JournalReader(run.layout.journal).read()]


def test_a_new_driver_adopts_what_trains(storage: str) -> None:
    """No trial restarts, no report is lost or counted twice."""
    run = submit(storage, max_total_runs=6)
    wait_until(lambda: run.refresh().reports > 30, "30 reports")
    before = [trial.params for trial in run.sweep.trials]
    os.kill(run.heartbeat()["pid"], signal.SIGKILL)
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert run.sweep.epoch == 2
    assert [trial.params for trial in run.sweep.trials][: len(before)] == before
    assert [trial.attempt for trial in run.sweep.trials] == [1] * 6
    for number, metrics in run.all_metrics().items():
        x = run.sweep.trials[number].params["x"]
        assert metrics["score"] == [x + k for k in range(40)]
    assert sum(isinstance(fact, Began) for fact in facts(run)) == 6


def test_three_driver_deaths_in_a_row(storage: str) -> None:
    run = submit(storage, max_total_runs=8)
    for epoch in (1, 2, 3):
        wait_until(
            lambda epoch=epoch: run.refresh() and run.sweep.epoch == epoch and run.heartbeat()["epoch"] == epoch,
            "the next driver",
        )
        known = run.sweep.reports
        wait_until(lambda known=known: run.refresh().reports > known + 10, "ten more reports")
        os.kill(run.heartbeat()["pid"], signal.SIGKILL)
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert run.sweep.epoch == 4
    assert [len(run.sweep.curves.values(n)) for n in range(8)] == [40] * 8
    # An attempt whose actor was only being made when its driver died may be lost; one that trained is not.
    told = facts(run)
    began = {(fact.trial, fact.attempt) for fact in told if isinstance(fact, Began)}
    assert [fact for fact in told if isinstance(fact, Lost) and (fact.trial, fact.attempt) in began] == []


def test_a_dead_actor_costs_an_attempt_but_no_failure(storage: str) -> None:
    import ray

    run = submit(storage, max_total_runs=2, max_concurrent_runs=2)
    wait_until(lambda: run.refresh().counts["Running"] > 0 and run.sweep.trials[0].pid, "the process of trial 0")
    victim = run.sweep.trials[0].pid
    actor = ray.get_actor(run.sweep.trials[0].actor, namespace="raydrive")
    os.kill(ray.get(actor.ping.remote()), signal.SIGKILL)
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert sorted(trial.attempt for trial in run.sweep.trials) == [1, 2]
    assert [trial.failures for trial in run.sweep.trials] == [0, 0]
    assert [len(run.sweep.curves.values(n)) for n in range(2)] == [40, 40]
    assert not psutil.pid_exists(victim)


def test_what_a_stop_decision_left_undone_is_done_by_the_next_driver(storage: str) -> None:
    def stubborn(params: dict[str, Any]) -> None:
        run = Run.get_context()
        number = run.number
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        run.log("score", 100.0 if number == 0 else 0.0)
        time.sleep(1.0)
        run.log("score", 100.0 if number == 0 else 0.0)
        time.sleep(600 if number else 8)

    run = submit(
        storage,
        stubborn,
        max_total_runs=2,
        max_concurrent_runs=2,
        grace_s=4.0,
        policy=BanditPolicy(slack_amount=1, delay_evaluation=2),
    )
    wait_until(lambda: run.refresh().total == 2 and bool(run.sweep.trials[1].stop_by), "the stop of trial 1")
    os.kill(run.heartbeat()["pid"], signal.SIGKILL)
    run.wait_for_completion()
    assert run.get_child(1).get_status() == "Canceled"
    assert run.get_child(1).why.startswith("bandit")


def test_orphans_end_when_their_lease_runs_out(storage: str) -> None:
    import ray

    def long(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1.0)
        time.sleep(600)

    run = submit(storage, long, lease_s=4.0, max_total_runs=2, resources=Resources(cpus=0.5, gpus=1))
    wait_until(lambda: run.refresh().reports == 2, "two reports")
    pids = [trial.pid for trial in run.sweep.trials]
    ray.kill(ray.get_actor(driver_name(run.layout), namespace="raydrive"), no_restart=True)
    assert all(psutil.pid_exists(pid) for pid in pids)
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "the end of the processes")
    wait_until(lambda: ray.available_resources().get("GPU") == 4.0, "four free GPUs")
    # And from what they recorded the run goes on.
    from raydrive.api.submit.launch import resume

    heartbeat = run.heartbeat()
    assert heartbeat["state"] == "Running"
    resume(run.reader, address=None, force=True)
    wait_until(lambda: run.refresh().reports == 4, "four reports")
    assert [trial.attempt for trial in run.sweep.trials] == [2, 2]
    run.cancel()
    run.wait_for_completion()
    assert run.get_status() == "Canceled"


def test_who_waits_longest_is_served_first(storage: str) -> None:
    """Far more attempts at a time than the cluster holds: freed actors take the oldest, whoever asked last."""

    def short(params: dict[str, Any]) -> None:
        Run.get_context().log("score", params["x"])
        time.sleep(0.1)

    run = submit(storage, short, max_total_runs=24, max_concurrent_runs=8, resources=Resources(gpus=2, cpus=0.1))
    run.wait_for_completion()
    began = [fact.trial for fact in facts(run) if isinstance(fact, Began)]
    assert sorted(began) == list(range(24))
    # Two at a time: each begins about in its turn, and none is left to the end. The first two have cold actors, and one
    # of these may take as long as the other one for several trials.
    served = [trial for trial in began if trial > 1]
    assert all(abs(place + 2 - trial) <= 2 for place, trial in enumerate(served)), began
    assert len({fact.actor for fact in facts(run) if isinstance(fact, Began)}) <= 4


def test_what_never_began_is_queued_again_by_the_next_driver(storage: str) -> None:
    run = submit(storage, max_total_runs=6, max_concurrent_runs=6, resources=Resources(gpus=2, cpus=0.1))
    wait_until(lambda: run.refresh().reports > 5, "five reports")
    os.kill(run.heartbeat()["pid"], signal.SIGKILL)
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert [(trial.attempt, trial.losses) for trial in run.sweep.trials] == [(1, 0)] * 6


def test_a_driver_that_was_only_paused_changes_nothing_any_more(storage: str) -> None:
    """As on a node that hung and came back: trial actors refuse it, and what it writes late does not count."""
    import ray

    from raydrive.core.errors import StaleEpochError
    from raydrive.runtime.ray_actors import DriverActor

    run = submit(storage, max_total_runs=10)
    wait_until(lambda: run.refresh().reports > 20, "20 reports")
    old_pid = run.heartbeat()["pid"]
    old = ray.get_actor(driver_name(run.layout), namespace="raydrive")
    os.kill(old_pid, signal.SIGSTOP)
    late = old.steer.remote({"do": "cancel", "trial": None, "why": "said during the pause, heard after it"})
    second = ray.remote(DriverActor).options(name="second", namespace="raydrive", num_cpus=0).remote(run.uri)
    try:
        assert ray.get(second.start.remote(), timeout=30) == 2
        known = run.refresh().reports
        training: list[str] = []

        def goes_on() -> bool:  # and some trial trains: between two of them there may be a moment without
            more = run.refresh().reports > known + 20
            training[:] = [trial.actor for trial in run.sweep.open_trials if trial.began_at is not None]
            return more and bool(training)

        wait_until(goes_on, "reports from after the takeover")
        actor = ray.get_actor(training[-1], namespace="raydrive")
        with pytest.raises(StaleEpochError, match="epoch 1 has ended"):
            ray.get(actor.renew.remote(1))
    finally:
        os.kill(old_pid, signal.SIGCONT)
    wait_until(
        lambda: "superseded" in ray.get(old.view.remote())["trouble"], "the old driver to learn that it is superseded"
    )
    with contextlib.suppress(StaleEpochError):  # it may take the word before it learns that it is over
        ray.get(late, timeout=60)
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert [fact for fact in facts(run) if isinstance(fact, Cancelled)] == []
    assert [(trial.attempt, trial.losses) for trial in run.sweep.trials] == [(1, 0)] * 10
    assert [len(run.sweep.curves.values(n)) for n in range(10)] == [40] * 10
    ray.kill(old, no_restart=True)
    ray.kill(second, no_restart=True)


DOOMED = """
import json, os, sys, time
from pathlib import Path
import ray
from raydrive import *

def train(params):
    run = Run.get_context()
    begin = int((Path(run.resume_from) / "k").read_text()) if run.resume_from else 0
    if begin:
        run.log("begin", begin)
    for k in range(begin + 1, 9):
        run.log("score", params["x"] + k)
        if k == 4:
            Path("state").mkdir(exist_ok=True)
            Path("state/k").write_text(str(k))
            run.save_checkpoint("state")
        if k == 6 and not begin and run.number < 2:
            time.sleep(600)

ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
config = HyperDriveConfig(RandomParameterSampling({"x": uniform(0, 1)}), "score", "maximize", 3, 2,
                          run_config=train, seed=0, resources=Resources(cpus=1))
print(Experiment(Workspace(sys.argv[1]), "doomed").submit(config).uri, flush=True)
time.sleep(600)
"""


def test_everything_is_killed_and_another_cluster_goes_on_from_storage_alone(storage: str) -> None:
    from raydrive.api.submit.launch import resume

    script = Path(storage + "-doomed.py")
    script.write_text(DOOMED)
    process = subprocess.Popen([sys.executable, script, storage], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    doomed = [process.pid]
    try:
        run = HyperDriveRun.open(process.stdout.readline().strip())
        wait_until(
            lambda: run.refresh().reports == 12 and all(t.checkpoint for t in run.sweep.trials),
            "12 reports and a checkpoint of each trial",
        )
        # That process knows nothing of raydrive's namespace: its driver's successor finds the trials all the same.
        os.kill(run.heartbeat()["pid"], signal.SIGKILL)
        wait_until(lambda: run.refresh() and run.sweep.epoch == 2 and run.heartbeat()["epoch"] == 2, "the next driver")
        time.sleep(1.0)
        assert run.refresh().counts["Running"] == 2
        assert [trial.attempt for trial in run.sweep.trials] == [1, 1]
        doomed += [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        doomed += [trial.pid for trial in run.sweep.trials]
    finally:
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    before = [trial.params for trial in run.sweep.trials]
    resume(run.reader, address=None)  # the cluster of the heartbeat is gone from this machine: no --force
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert [trial.params for trial in run.sweep.trials][:2] == before
    assert [trial.attempt for trial in run.sweep.trials] == [2, 2, 1]
    metrics = run.all_metrics()
    assert [metrics[number].get("begin") for number in range(3)] == [[4], [4], None]
    for number in range(3):
        x = run.sweep.trials[number].params["x"]
        assert list(run.sweep.curves.values(number)) == [x + k for k in range(1, 9)]
