"""Trials that pause, give their place away and come back from their checkpoints, on a real cluster."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from raydrive import (
    Experiment,
    GridParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    Resources,
    Run,
    SuccessiveHalvingPolicy,
    Workspace,
    choice,
)
from raydrive.api.submit.launch import resume
from raydrive.core.records import PAUSED
from raydrive.runtime.driver_client import driver_name
from raydrive.storage.checkpoints import manifests
from raydrive.studio.data.run_history import open_history
from raydrive.testing.finished_run import check_run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
WHOLE, STEP_S = 12, 0.05
POLICY = SuccessiveHalvingPolicy(min_intervals=2, max_intervals=WHOLE, reduction_factor=2)


def curve(params: dict[str, Any]) -> list[float]:
    """What a trial logs in a whole training: each value follows from the one before, as weights do."""
    values, state = [], params["x"]
    for _ in range(WHOLE):
        state = 0.7 * state + 0.3 * params["x"] ** 2
        values.append(state)
    return values


def train(params: dict[str, Any]) -> None:
    """Goes on from the state of its checkpoint, and saves it with each interval."""
    run, folder = Run.get_context(), Path("state")
    folder.mkdir(exist_ok=True)
    at, state = 0, params["x"]
    if run.resume_from is not None:
        at, state = json.loads((Path(run.resume_from) / "state.json").read_text())
    for k in range(at + 1, WHOLE + 1):
        time.sleep(STEP_S)
        state = 0.7 * state + 0.3 * params["x"] ** 2
        (folder / "state.json").write_text(json.dumps([k, state]))
        run.report({"score": state}, checkpoint=folder)


def submitted(storage: str, train: Any, trials: int = 12, policy: SuccessiveHalvingPolicy = POLICY) -> HyperDriveRun:
    config = HyperDriveConfig(
        # The best ones first: the first at a rung always pauses, and goes on when a worse one has come to it.
        GridParameterSampling({"x": choice([round(1.0 - 0.05 * n, 2) for n in range(16)])}),
        *("score", "maximize", trials, 3),
        policy=policy,
        run_config=train,
        resources=Resources(cpus=0.5),
        reuse_actors=False,
    )
    return Experiment(Workspace(storage), "pauses").submit(config)


def ended(run: HyperDriveRun) -> HyperDriveRun:
    run.wait_for_completion(raise_on_error=False)
    return run


def wrong_curves(run: HyperDriveRun) -> list[str]:
    values = run.sweep.curves.values
    pairs = [(t.number, list(values(t.number)), curve(t.params)[: len(values(t.number))]) for t in run.sweep.trials]
    return [f"trial {number}: {found} instead of {wanted}" for number, found, wanted in pairs if found != wanted]


def test_a_trial_that_comes_back_has_the_curve_of_one_that_never_paused(storage: str) -> None:
    """In another process with another actor, from its own checkpoint, and nothing is trained twice."""
    run = ended(submitted(storage, train))
    assert check_run(run.uri) == []
    assert wrong_curves(run) == []
    sweep, pasts = run.sweep, open_history(run.layout).pasts
    back = [trial for trial in sweep.trials if trial.pauses and trial.attempt > 1]
    assert back
    assert not sweep.paused_trials
    for trial in back:
        tries = pasts[trial.number].tries
        assert all(one.how.startswith("paused: successive halving") for one in tries[:-1])
        assert all(one.resume_from for one in tries[1:])
    completed = [trial.number for trial in sweep.trials if trial.state == "Completed"]
    assert sweep.best is not None
    assert sweep.best.trial in completed
    assert {len(sweep.curves.values(number)) for number in completed} == {WHOLE}
    assert {trial.why.split(":")[0] for trial in sweep.trials if trial.state == "Canceled"} == {"successive halving"}


def test_what_is_paused_when_the_driver_dies_goes_on_with_the_next_one(storage: str) -> None:
    import ray

    run = submitted(storage, train, 9)
    wait_until(lambda: run.refresh().counts[PAUSED] > 0, "a paused trial")
    ray.kill(ray.get_actor(driver_name(run.layout), namespace="raydrive"), no_restart=True)
    run.refresh()
    kept = [trial.number for trial in run.sweep.paused_trials]
    assert kept
    assert {run.get_child(number).get_status() for number in kept} == {PAUSED}
    assert all(manifests(run.layout, number) for number in kept)
    resume(run.reader, address=None, force=True)
    ended(run)
    assert (run.get_status(), check_run(run.uri), wrong_curves(run)) == ("Completed", [], [])
    assert not run.sweep.paused_trials


def test_with_a_limit_the_checkpoints_of_those_that_never_go_on_are_deleted(storage: str) -> None:
    policy = SuccessiveHalvingPolicy(min_intervals=2, max_intervals=WHOLE, reduction_factor=2, max_paused=2)
    run = ended(submitted(storage, train, 10, policy))
    assert (run.get_status(), check_run(run.uri), wrong_curves(run)) == ("Completed", [], [])
    over = {trial.number: trial.state for trial in run.sweep.trials}
    dropped = [number for number, state in over.items() if state == "Canceled"]
    wait_until(lambda: not all(manifests(run.layout, number) for number in dropped), "checkpoints that are gone")
    assert all(manifests(run.layout, number) for number, state in over.items() if state == "Completed")


def test_training_without_checkpoints_is_refused_with_what_to_do(storage: str) -> None:
    def forgetful(params: dict[str, Any]) -> None:
        for value in curve(params):
            Run.get_context().log("score", value)

    run = ended(submitted(storage, forgetful, 6))
    assert run.get_status() == "Failed"
    assert "no trial has saved a checkpoint to continue from" in run.sweep.finished.why
    again = SuccessiveHalvingPolicy(min_intervals=2, max_intervals=WHOLE, reduction_factor=2, restart=True)
    run = ended(submitted(storage, forgetful, 6, again))
    assert (run.get_status(), check_run(run.uri), wrong_curves(run)) == ("Completed", [], [])
    ends = [one.how for past in open_history(run.layout).pasts for one in past.tries]
    assert any("it starts again from the beginning" in how for how in ends)
