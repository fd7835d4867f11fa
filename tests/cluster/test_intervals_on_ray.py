"""A model of curves decides who trains on, on a real cluster; its driver is killed in the middle."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from raydrive import (
    BayesianParameterSampling,
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    Resources,
    Run,
    Workspace,
    uniform,
)
from raydrive.api.submit.launch import resume
from raydrive.core.records import CANCELED, COMPLETED, PAUSED, Checkpointed, Launch, Reported, Resumed, Suggested
from raydrive.runtime.driver_client import driver_name
from raydrive.storage.journal.writer import JournalReader
from raydrive.studio.data.run_history import open_history
from raydrive.testing.finished_run import check_run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
WHOLE, STEP_S, TRIALS = 8, 0.05, 14


def curve(params: dict[str, Any]) -> list[float]:
    """What a trial logs in a whole training: each value follows from the one before, as weights do."""
    values, state = [], 1.0
    for _ in range(WHOLE):
        state = 0.6 * state + 0.4 * (params["x"] - 0.3) ** 2
        values.append(state)
    return values


def train(params: dict[str, Any]) -> None:
    """Goes on from the state of its checkpoint, and saves it with each interval."""
    run, folder = Run.get_context(), Path("state")
    folder.mkdir(exist_ok=True)
    at, state = 0, 1.0
    if run.resume_from is not None:
        at, state = json.loads((Path(run.resume_from) / "state.json").read_text())
    for k in range(at + 1, WHOLE + 1):
        time.sleep(STEP_S)
        state = 0.6 * state + 0.4 * (params["x"] - 0.3) ** 2
        (folder / "state.json").write_text(json.dumps([k, state]))
        run.report({"loss": state}, checkpoint=folder)


def submitted(storage: str) -> HyperDriveRun:
    sampling = BayesianParameterSampling(
        {"x": uniform(0, 1)}, fidelity="intervals", max_intervals=WHOLE, min_intervals=1, initial_points=4
    )
    config = HyperDriveConfig(
        *(sampling, "loss", "minimize", TRIALS, 3), run_config=train, resources=Resources(cpus=0.5), seed=3
    )
    return Experiment(Workspace(storage), "intervals").submit(config)


def trained_again(run: HyperDriveRun) -> list[str]:
    """What was trained again although a checkpoint held it."""
    saved: dict[int, int] = {}
    begins: dict[tuple[int, int], int] = {}
    wrong = []
    for fact, decisions in JournalReader(run.layout.journal).read():
        match fact:
            case Checkpointed():
                saved[fact.trial] = max(fact.interval, saved.get(fact.trial, 0))
            case Reported() if (first := begins.pop((fact.trial, fact.attempt), None)) is not None:
                if fact.interval != first + 1:
                    wrong.append(
                        f"trial {fact.trial}, attempt {fact.attempt}: began at {fact.interval}, not {first + 1}"
                    )
        for launch in decisions:
            if isinstance(launch, Launch):
                begins[launch.trial, launch.attempt] = launch.interval
                if launch.interval != saved.get(launch.trial, 0):
                    held = saved.get(launch.trial, 0)
                    wrong.append(f"trial {launch.trial} was launched from {launch.interval}, {held} were saved")
    return wrong


def test_trials_pause_and_go_on_as_the_model_decides_and_a_killed_driver_costs_nothing(storage: str) -> None:
    import ray

    run = submitted(storage)
    wait_until(lambda: run.refresh().counts[PAUSED] > 2 and len(run.sweep.trials) > 5, "paused trials")
    ray.kill(ray.get_actor(driver_name(run.layout), namespace="raydrive"), no_restart=True)
    run.refresh()
    before = [(trial.number, trial.params) for trial in run.sweep.trials]
    assert run.sweep.paused_trials
    resume(run.reader, address=None, force=True)
    run.wait_for_completion(raise_on_error=False)

    assert (run.get_status(), check_run(run.uri), trained_again(run)) == (COMPLETED, [], [])
    sweep, pasts = run.sweep, open_history(run.layout).pasts
    assert [(trial.number, trial.params) for trial in sweep.trials][: len(before)] == before
    for trial in sweep.trials:
        values = list(sweep.curves.values(trial.number))
        assert values == curve(trial.params)[: len(values)], f"trial {trial.number}"
    assert len(sweep.trials) == TRIALS
    assert {trial.state for trial in sweep.trials} == {COMPLETED, CANCELED}
    assert not sweep.paused_trials

    facts = [fact for fact, _ in JournalReader(run.layout.journal).read()]
    chosen = [fact for fact in facts if isinstance(fact, Suggested | Resumed) and fact.origin == "model"]
    assert chosen
    for fact in chosen:
        assert {"predicted_mean", "predicted_deviation", "best_end", "chance_of_best"} <= set(fact.details)
    back = {fact.trial for fact in facts if isinstance(fact, Resumed)}
    assert back
    for number in back:
        tries = pasts[number].tries
        assert len(tries) > 1
        assert all(one.resume_from for one in tries[1:])
    assert sweep.best is not None
    assert sweep.trials[sweep.best.trial].state == COMPLETED
