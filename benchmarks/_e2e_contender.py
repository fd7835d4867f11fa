"""One tuning of ``end_to_end.py`` by one tool; a process of its own, ended from outside when the target is reached.

    python _e2e_contender.py NAME TASK SEED RECORD STARTED

Writes the time at which the tuning function is called, with Ray up where there is one, to STARTED.
"""

from __future__ import annotations

import os

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import logging
import multiprocessing
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _e2e_training import EPOCHS, SPACES, train

AT_ONCE, MANY = 2, 1000
"""Trials at a time, and more trials than any tuning gets to."""
PRELOADED = {
    "mlp": ["joblib", "sklearn.datasets", "sklearn.model_selection", "sklearn.neural_network"],
    "cnn": ["torch", "sklearn.datasets", "sklearn.model_selection"],
}
"""What raydrive imports once for each actor. Reused actors of Ray Tune and processes of Optuna import once, too."""


def raydrive(name: str, task: str, seed: int, record: str, started: Path) -> None:
    """raydrive: a model of curves, a Gaussian process with median stopping, or successive halving."""
    from _common import embedded_ray
    from _spaces import expression

    from raydrive import (
        BayesianParameterSampling,
        Experiment,
        HyperDriveConfig,
        MedianStoppingPolicy,
        RandomParameterSampling,
        Resources,
        ScriptRunConfig,
        SuccessiveHalvingPolicy,
        Workspace,
    )

    space = {dim["name"]: expression(dim) for dim in SPACES[task]}
    sampling: Any = BayesianParameterSampling(space)
    policy: Any = None
    if name == "raydrive-intervals":
        sampling = BayesianParameterSampling(space, fidelity="intervals", max_intervals=EPOCHS)
    elif name == "raydrive-median":
        policy = MedianStoppingPolicy(evaluation_interval=1, delay_evaluation=5)
    else:
        sampling, policy = RandomParameterSampling(space), SuccessiveHalvingPolicy(max_intervals=EPOCHS)
    saves = int(name != "raydrive-median")
    with embedded_ray(AT_ONCE), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        source = Path(folder, "source")
        source.mkdir()
        shutil.copy(Path(__file__).with_name("_e2e_trial.py"), source)
        config = HyperDriveConfig(
            sampling,
            *("accuracy", "maximize", MANY, AT_ONCE),
            run_config=ScriptRunConfig(
                str(source), command=f"python _e2e_trial.py {task} {record} {saves}", preload=PRELOADED[task]
            ),
            policy=policy,
            seed=seed,
            resources=Resources(cpus=1),
        )
        started.write_text(str(time.time()))
        Experiment(Workspace(f"{folder}/storage"), "end-to-end").submit(config).wait_for_completion()


def tune(name: str, task: str, seed: int, record: str, started: Path) -> None:
    """Ray Tune with ASHA, or with Optuna's search; its trials share processes (``reuse_actors``)."""
    import random

    import numpy as np
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    random.seed(seed)
    np.random.seed(seed)
    logging.disable(logging.WARNING)
    space = {dim["name"]: _tune_dimension(tune, dim) for dim in SPACES[task]}

    def trial(config: dict[str, Any]) -> None:
        for _, _, accuracy in train(task, config, record):
            tune.report({"accuracy": accuracy})

    ray.init("local", num_cpus=AT_ONCE, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        started.write_text(str(time.time()))
        search = OptunaSearch(seed=seed) if name == "tune-optuna" else None
        scheduler = ASHAScheduler(max_t=EPOCHS) if name == "tune-asha" else None
        tune.Tuner(
            tune.with_resources(trial, {"cpu": 1}),
            param_space=space,
            tune_config=tune.TuneConfig(
                metric="accuracy",
                mode="max",
                num_samples=MANY,
                max_concurrent_trials=AT_ONCE,
                reuse_actors=True,
                search_alg=search,
                scheduler=scheduler,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()


def _tune_dimension(tune: Any, dim: dict[str, Any]) -> Any:
    if dim["type"] == "choice":
        return tune.choice(dim["choices"])
    if dim["type"] == "int":
        return tune.lograndint(dim["low"], dim["high"] + 1)
    return (tune.loguniform if dim["log"] else tune.uniform)(dim["low"], dim["high"])


def optuna_hyperband(name: str, task: str, seed: int, record: str, started: Path) -> None:
    """Optuna's TPE with its Hyperband pruner, two processes that share a study in a journal file."""
    folder = tempfile.mkdtemp()
    started.write_text(str(time.time()))
    path = f"{folder}/journal.log"
    workers = [
        multiprocessing.get_context("spawn").Process(target=_optuna_worker, args=(path, task, seed + 1000 * k, record))
        for k in range(AT_ONCE)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _optuna_worker(path: str, task: str, seed: int, record: str) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="end-to-end",
        storage=JournalStorage(JournalFileBackend(path)),
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3),
    )

    def objective(trial: Any) -> float:
        params: dict[str, Any] = {}
        for dim in SPACES[task]:
            if dim["type"] == "choice":
                params[dim["name"]] = trial.suggest_categorical(dim["name"], dim["choices"])
            else:
                suggest = trial.suggest_int if dim["type"] == "int" else trial.suggest_float
                params[dim["name"]] = suggest(dim["name"], dim["low"], dim["high"], log=dim["log"])
        best = 0.0
        for _, epoch, accuracy in train(task, params, record):
            best = max(best, accuracy)
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    study.optimize(objective, n_trials=MANY)


CONTENDERS = {
    "raydrive-intervals": raydrive,
    "raydrive-median": raydrive,
    "raydrive-halving": raydrive,
    "tune-asha": tune,
    "tune-optuna": tune,
    "optuna-hyperband": optuna_hyperband,
}


if __name__ == "__main__":
    CONTENDERS[sys.argv[1]](sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], Path(sys.argv[5]))
