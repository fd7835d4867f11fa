"""Workloads on Ray Tune; run by the benchmarks in the environment named by ``--peers-python``.

    python _tune_peer.py trivial TRIALS CONCURRENT REUSE(0 or 1)     seconds per trial
    python _tune_peer.py reports TRIALS REPORTS METRICS              reports per second, default loggers; ms of a report
    python _tune_peer.py sleepers TRIALS SLOTS                       seconds in all, 1 s trials, reuse_actors
    python _tune_peer.py restore TRIALS REPORTS                      seconds to the first trial's end, half done; bytes
    python _tune_peer.py fits TRIALS                                 seconds to the first result, and in all
    python _tune_peer.py checkpoints MEGABYTES STEP_MS STEPS         ms of a report with a checkpoint; of a local copy

Prints ``RESULT`` and one JSON object.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["PEER_STARTED"] = str(time.time())  # before Ray is imported: that takes a part of it

import ray  # after the environment it reads
from ray import tune

ENDS: list[float] = []
RESULTS: list[float] = []
LAST: dict[str, float] = {}
STARTED = float(os.environ["PEER_STARTED"])


class _Clock(tune.Callback):
    def on_trial_result(self, iteration: int, trials: list, trial: object, result: dict, **info: object) -> None:  # type: ignore[type-arg]
        RESULTS.append(time.time())

    def on_trial_complete(self, iteration: int, trials: list, trial: object, **info: object) -> None:  # type: ignore[type-arg]
        ENDS.append(time.time())


class _Trivial(tune.Trainable):
    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to save."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Nothing to load."""

    def step(self) -> dict[str, object]:
        time.sleep(self.config.get("sleep_s", 0))
        return {"score": self.config["x"], "done": True}

    def reset_config(self, new_config: dict[str, object]) -> bool:
        self.config = new_config
        return True


def _start(cpus: int) -> None:
    logging.disable(logging.WARNING)
    ray.init("local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="ERROR")


def _fit(trainable: object, space: dict[str, object], trials: int, concurrent: int, reuse: bool) -> None:
    tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=concurrent, reuse_actors=reuse),
        run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0, callbacks=[_Clock()]),
    ).fit()


def trivial(trials: int, concurrent: int, reuse: int) -> dict[str, float]:
    """Seconds per trial; those that warm up are left out."""
    _start(16)
    _fit(tune.with_resources(_Trivial, {"cpu": 1}), {"x": tune.uniform(0, 1)}, trials, concurrent, bool(reuse))
    return {"s": (ENDS[-1] - ENDS[concurrent - 1]) / (len(ENDS) - concurrent)}


def _reporter(config: dict[str, int]) -> None:
    row = {f"m{number}": 0.5 for number in range(config["metrics"])}
    took = []
    for number in range(config["reports"]):
        began = time.perf_counter()
        tune.report({"score": number, **row})
        took.append(time.perf_counter() - began)
    took.sort()
    tune.report({"score": 0.0, "p50_ms": 1000 * took[len(took) // 2], "p99_ms": 1000 * took[int(len(took) * 0.99)]})


def reports(trials: int, count: int, metrics: int) -> dict[str, float]:
    """Results per second through the controller with its default loggers."""
    _start(trials)
    _fit(_reporter, {"reports": count, "metrics": metrics - 1, "x": tune.uniform(0, 1)}, trials, trials, False)
    # From when all trials run: the first result of the slowest starter is not seen here, so the middle half counts.
    low, high = len(RESULTS) // 4, len(RESULTS) * 3 // 4
    return {"per_s": (high - low) / (RESULTS[high] - RESULTS[low])}


def sleepers(trials: int, slots: int) -> dict[str, float]:
    """Seconds from the first of the second wave to the last end, for 1 s trials, actors reused."""
    _start(slots)
    _fit(tune.with_resources(_Trivial, {"cpu": 1}), {"x": tune.uniform(0, 1), "sleep_s": 1.0}, trials, slots, True)
    return {"s": ENDS[-1] - ENDS[slots - 1], "trials": len(ENDS) - slots}


def _train(config: dict[str, float]) -> None:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    data = load_digits()
    model = LogisticRegression(C=config["C"], max_iter=50).fit(data.data[:500], data.target[:500])
    tune.report({"accuracy": model.score(data.data[500:], data.target[500:])})


def fits(trials: int) -> dict[str, float]:
    """Seconds from the start of this process: to the first result, and to the end of all."""
    _start(2)
    _fit(_train, {"C": tune.loguniform(1e-3, 1e2)}, trials, 2, False)
    done = time.time()
    return {"first_s": RESULTS[0] - STARTED, "all_s": done - STARTED}


def _saver(config: dict[str, int]) -> None:
    saves, copies = [], []
    data = os.urandom(1 << 20)
    with tempfile.TemporaryDirectory() as place:
        model, copied = os.path.join(place, "model"), os.path.join(place, "copy")
        os.mkdir(model)
        for step in range(config["steps"]):
            with open(os.path.join(model, "weights"), "wb") as file:
                for _ in range(config["megabytes"]):
                    file.write(data)
            began = time.perf_counter()
            shutil.copytree(model, copied)
            copies.append(time.perf_counter() - began)
            shutil.rmtree(copied)
            began = time.perf_counter()
            tune.report({"score": step}, checkpoint=tune.Checkpoint.from_directory(model))
            saves.append(time.perf_counter() - began)
            time.sleep(config["step_ms"] / 1000)
    tune.report({"save_ms": 1000 * statistics.median(saves), "copy_ms": 1000 * statistics.median(copies)})


class _Last(tune.Callback):
    def on_trial_result(self, iteration: int, trials: list, trial: object, result: dict, **info: object) -> None:  # type: ignore[type-arg]
        LAST.update(result)


def checkpoints(megabytes: int, step_ms: int, steps: int) -> dict[str, float]:
    """Median milliseconds of a report that brings a checkpoint, two kept; and of a copy of the same folder."""
    _start(2)
    storage = tempfile.mkdtemp()
    tune.Tuner(
        _saver,
        param_space={"megabytes": megabytes, "step_ms": step_ms, "steps": steps},
        run_config=tune.RunConfig(
            storage_path=storage,
            verbose=0,
            callbacks=[_Last()],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=2),
        ),
    ).fit()
    shutil.rmtree(storage, ignore_errors=True)
    return {"save_ms": LAST["save_ms"], "copy_ms": LAST["copy_ms"]}


class _HalfWay(tune.Callback):
    """Notes each end in a file, and leaves without a word at the one that the environment says (it is pickled)."""

    def on_trial_complete(self, iteration: int, trials: list, trial: object, **info: object) -> None:  # type: ignore[type-arg]
        with open(os.environ["PEER_ENDS"], "a+") as file:
            file.write(f"{time.time()}\n")
            file.seek(0)
            ended = len(file.readlines())
        if ended == int(os.environ["PEER_LEAVE_AT"]):
            time.sleep(3)  # for the snapshot of a second ago to reach the storage
            os._exit(0)


def _ends() -> list[float]:
    with open(os.environ["PEER_ENDS"]) as file:
        return [float(line) for line in file]


def _ten(config: dict[str, float]) -> None:
    for number in range(int(config["reports"])):
        tune.report({"score": config["x"] + number})


def restore(trials: int, reports: int) -> dict[str, float]:
    """Seconds from Tuner.restore to the end of the first trial, ray.init not counted; bytes of the experiment."""
    storage = tempfile.mkdtemp()
    os.environ.update(PEER_ENDS=f"{storage}/ends", PEER_LEAVE_AT=str(trials // 2), TUNE_GLOBAL_CHECKPOINT_S="1")
    child = os.fork()  # before Ray is started
    if child == 0:
        _start(2)
        tune.Tuner(
            _ten,
            param_space={"x": tune.uniform(0, 1), "reports": reports},
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=2, reuse_actors=True),
            run_config=tune.RunConfig(name="half", storage_path=storage, verbose=0, callbacks=[_HalfWay()]),
        ).fit()
        os._exit(1)
    os.waitpid(child, 0)
    size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(f"{storage}/half") for name in names)
    before = len(_ends())
    os.environ["PEER_LEAVE_AT"] = "0"
    _start(2)
    began = time.time()
    tuner = tune.Tuner.restore(f"{storage}/half", trainable=_ten)
    threading.Thread(target=tuner.fit, daemon=True).start()
    while True:
        ends = _ends()[before:]
        if ends:
            return {"s": ends[0] - began, "bytes": size}
        time.sleep(0.05)


if __name__ == "__main__":
    kind, *numbers = sys.argv[1:]
    workloads = {
        "trivial": trivial,
        "reports": reports,
        "sleepers": sleepers,
        "fits": fits,
        "restore": restore,
        "checkpoints": checkpoints,
    }
    print("RESULT " + json.dumps({"ray": ray.__version__, **workloads[kind](*map(int, numbers))}), flush=True)
    os._exit(0)  # whatever still runs is not what was asked
