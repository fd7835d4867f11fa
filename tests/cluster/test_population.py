"""A population on Ray: a member goes on from another one's checkpoint, though its driver dies in between."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Resources, Run, Workspace, uniform
from raydrive.core.records import BY_PAUSE
from raydrive.testing.finished_run import check_run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

STEPS = 9


def test_a_member_takes_over_though_the_driver_dies_between_its_stop_and_its_launch(cluster: str, storage: str) -> None:
    gate = Path(storage + "-gate")

    def train(params: dict[str, Any]) -> None:
        # A total that goes on from the checkpoint; SIGTERM does not end it.
        run = Run.get_context()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        total, done = 0.0, 0
        if run.resume_from is not None:
            text = (Path(run.resume_from) / "state").read_text().split()
            total, done = float(text[0]), int(text[1])
        for step in range(done + 1, STEPS + 1):
            total += params["x"]
            run.log("total", total)
            folder = Path(f"state-{step}")
            folder.mkdir()
            (folder / "state").write_text(f"{total!r} {step}")
            run.save_checkpoint(folder)
            time.sleep(0.3)
            while step == 5 and not gate.exists():
                time.sleep(0.05)

    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0.1, 1)}),
        *("total", "maximize", 2),
        run_config=train,
        seed=1,
        grace_s=3.0,
        resources=Resources(cpus=0.5),
        population={"every": 3, "quantile": 0.5, "perturb": {"resample": 0}, "max_intervals": 6},
    )
    run = Experiment(Workspace(storage), "members").submit(config)
    wait_until(
        lambda: run.refresh().total == 2 and any(one.stop_by == BY_PAUSE for one in run.sweep.trials),
        "the stop of a member",
    )
    assert run.sweep.changes == {}
    os.kill(run.heartbeat()["pid"], signal.SIGKILL)
    wait_until(lambda: run.refresh() and run.sweep.changes, "the launch of that member")
    gate.touch()
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert run.sweep.epoch == 2
    assert check_run(run.uri) == []
    ((taker, (change,)),) = run.sweep.changes.items()
    source = 1 - taker
    assert change.source == source
    began_with = run.sweep.trained_with(taker)[0]
    assert (began_with.trial, began_with.params) == (source, run.sweep.trials[source].params)
    assert change.params["x"] != began_with.params["x"]
    # What it logs next stands on what the source had trained.
    after = run.sweep.curves.values(taker)[change.interval]
    assert after == pytest.approx(change.source_interval * began_with.params["x"] + change.params["x"])
    assert len(run.sweep.curves.values(source)) == STEPS
    # Nothing needs the pin any more, and it is gone.
    left = [path.name for path in Path(run.uri).rglob("taken-by-*")]
    assert left == []
