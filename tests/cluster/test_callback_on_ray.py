"""A callback on a real cluster: the actor of its trial is killed, as with a lost node, and the curve is the same."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
import ray
from sklearn.datasets import make_classification
from waiting import wait_until

import raydrive
from raydrive import Experiment, HyperDriveConfig, HyperDriveRun, Workspace
from raydrive.storage.checkpoints import manifests

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
ROUNDS = 8


def train(params: dict[str, Any]) -> None:
    import lightgbm

    from raydrive.integrations.lightgbm import RaydriveCallback

    def wait(env: Any) -> None:
        if raydrive.Run.get_context().attempt == 1 and env.iteration + 1 == params["stays_at"]:
            time.sleep(600)  # until its actor is killed

    X, y = make_classification(300, random_state=0)
    callback = RaydriveCallback(metrics={"loss": "valid_0-binary_logloss"})
    lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 0},
        lightgbm.Dataset(X[:200], y[:200]),
        callback.rounds(ROUNDS),
        valid_sets=[lightgbm.Dataset(X[200:], y[200:])],
        init_model=callback.model,
        callbacks=[callback, wait],
    )


def submitted(storage: str, stays_at: int) -> HyperDriveRun:
    space = {"stays_at": raydrive.choice([stays_at])}
    config = HyperDriveConfig("random", "loss", "minimize", 1, space=space, run_config=train, seed=0)
    return Experiment(Workspace(storage), "callback").submit(config)


def test_a_trial_whose_actor_is_killed_has_the_same_curve(storage: str) -> None:
    whole = submitted(storage, stays_at=0)
    whole.wait_for_completion()
    lost = submitted(storage, stays_at=5)
    newest = wait_until(lambda: [one for one in manifests(lost.layout, 0) if one.interval == 5], "its checkpoint")[0]
    wait_until(lambda: lost.refresh() and lost.sweep.trials[0].checkpoint == str(newest.number), "its record")
    actor = ray.get_actor(lost.sweep.trials[0].actor, namespace="raydrive")
    os.kill(ray.get(actor.ping.remote()), signal.SIGKILL)
    lost.wait_for_completion()
    assert (lost.get_status(), lost.sweep.trials[0].losses) == ("Completed", 1)
    curves = [list(run.sweep.curves.values(0)) for run in (whole, lost)]
    assert len(curves[1]) == ROUNDS
    assert curves[1] == pytest.approx(curves[0], rel=1e-6)
