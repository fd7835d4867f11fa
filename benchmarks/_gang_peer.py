"""Trials of 2 x 2 processes that train with torch; run by ``gangs.py`` in an environment with these and raydrive.

    python _gang_peer.py raydrive TRIALS      seconds from a trial's launch to its first step, and of a trial in all
    python _gang_peer.py ray_train TRIALS     the same with Ray Tune and a TorchTrainer in each trial

A step is an all-reduce over gloo. Prints ``RESULT`` and one JSON object.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from typing import Any

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"

import ray  # after the environment it reads

CPUS = 8
STARTS: list[float] = []
RESULTS: list[float] = []
ENDS: list[float] = []


def _step() -> float:
    import torch

    total = torch.ones(1)
    torch.distributed.all_reduce(total)
    return float(total)


def _own_trial(params: dict[str, Any]) -> None:
    import torch

    from raydrive import Run

    torch.distributed.init_process_group("gloo")
    Run.get_context().log("score", _step())
    torch.distributed.destroy_process_group()


def raydrive(trials: int) -> dict[str, list[float]]:
    """Two nodes of two processes each, on one machine that has room for both."""
    from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Resources, Workspace, uniform
    from raydrive.core.records import Close, Launch, Reported
    from raydrive.storage.journal.writer import JournalReader

    ray.init("local", num_cpus=CPUS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        "score",
        "maximize",
        trials,
        1,
        run_config=_own_trial,
        resources=Resources(cpus=2, nodes=2, processes_per_node=2, strategy="PACK"),
        seed=0,
    )
    run = Experiment(Workspace(tempfile.mkdtemp()), "gangs").submit(config)
    run.wait_for_completion(show_output=False)
    launched, first, ended = {}, {}, {}
    for fact, decisions in JournalReader(run.layout.journal).read():
        for one in decisions:
            if isinstance(one, Launch):
                launched.setdefault(one.trial, fact.at)
            elif isinstance(one, Close):
                ended[one.trial] = fact.at
        if isinstance(fact, Reported):
            first.setdefault(fact.trial, fact.at)
    order = sorted(launched)
    return _figures([launched[n] for n in order], [first[n] for n in order], [ended[n] for n in order])


def _loop(config: dict[str, float]) -> None:
    import ray.train

    ray.train.report({"score": _step()})


def _with_trainer(config: dict[str, float]) -> None:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    TorchTrainer(
        _loop,
        train_loop_config=config,
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(num_workers=4, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(storage_path=tempfile.mkdtemp(), callbacks=[TuneReportCallback()]),
    ).fit()


def ray_train(trials: int) -> dict[str, list[float]]:
    """Ray Tune; each trial drives a TorchTrainer of four workers."""
    from ray import tune

    class Clock(tune.Callback):
        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            STARTS.append(time.time())

        def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
            RESULTS.append(time.time())

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ENDS.append(time.time())

    logging.disable(logging.WARNING)
    ray.init("local", num_cpus=CPUS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    tune.Tuner(
        tune.with_resources(_with_trainer, {"cpu": 1}),
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=1, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0, callbacks=[Clock()]),
    ).fit()
    return _figures(STARTS, RESULTS[: len(STARTS)], ENDS)


def _figures(starts: list[float], firsts: list[float], ends: list[float]) -> dict[str, list[float]]:
    """The first trial also waits for what is started once."""
    return {
        "cold_first_step_s": [firsts[0] - starts[0]],
        "first_step_s": [first - start for start, first in zip(starts[1:], firsts[1:], strict=True)],
        "trial_s": [(ends[-1] - ends[0]) / (len(ends) - 1)],
    }


if __name__ == "__main__":
    print("RESULT " + json.dumps({"raydrive": raydrive, "ray_train": ray_train}[sys.argv[1]](int(sys.argv[2]))))
