"""A trial that trains with Ray Train and is killed: the trainer goes on from its checkpoint, with the same curve."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import raydrive
from raydrive import Run, choice

pytestmark = [
    pytest.mark.ray,
    pytest.mark.integrations,
    pytest.mark.skipif(
        importlib.util.find_spec("fsspec") is None,
        reason="large libraries: `make integrations` installs ray[train] and runs this",
    ),
]
EPOCHS = 5


def train(params: dict[str, Any]) -> None:
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from raydrive.integrations.ray_train import RaydriveCallback

    # Within, so that it travels to the workers, which cannot import this file.
    def loop(config: dict[str, Any]) -> None:
        import tempfile

        import ray.train

        state = {"epoch": 0, "loss": 1.0}
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is not None:
            with checkpoint.as_directory() as folder:
                state = json.loads(Path(folder, "state.json").read_text())
        for epoch in range(int(state["epoch"]) + 1, EPOCHS + 1):
            if config["kill"] and epoch == 4:
                time.sleep(3.0)  # what was reported is on its way to the trial
                os.kill(config["kill"], signal.SIGKILL)
                time.sleep(60.0)
            state = {"epoch": epoch, "loss": state["loss"] * config["rate"]}
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "state.json").write_text(json.dumps(state))
                ray.train.report(dict(state), checkpoint=ray.train.Checkpoint.from_directory(folder))

    run = Run.get_context()
    ray.init()
    run.release_placement_group()
    DataParallelTrainer(
        loop,
        train_loop_config={**params, "kill": os.getpid() if params["kill"] and run.attempt == 1 else 0},
        scaling_config=ScalingConfig(num_workers=1, resources_per_worker={"CPU": 0.5}),
        run_config=RunConfig(
            name=run.id, storage_path=os.environ["TRAINERS"], callbacks=[RaydriveCallback(step="epoch")]
        ),
    ).fit()


@pytest.mark.timeout(600)
def test_a_killed_trial_goes_on_with_the_trainers_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TRAIN_V2_ENABLED", "1")
    monkeypatch.setenv("TRAINERS", str(tmp_path / "trainers"))
    run = raydrive.tune(
        train,
        {"rate": choice(0.5), "kill": choice(False, True)},
        metric="loss",
        goal="minimize",
        sampling="grid",
        max_total_runs=2,
        max_concurrent_runs=1,
        max_attempts=2,
        distribution="ray",
        storage=str(tmp_path / "runs"),
        show_output=False,
    )
    whole, killed = run.get_children()
    assert (whole.get_status(), killed.get_status()) == ("Completed", "Completed"), killed.logs()
    assert (run.sweep.trials[0].attempt, run.sweep.trials[1].attempt) == (1, 2)
    assert whole.get_metrics()["loss"] == [0.5**epoch for epoch in range(1, EPOCHS + 1)]
    assert killed.get_metrics()["loss"] == whole.get_metrics()["loss"]
