"""Trivial trials on Ray Tune; run by ``bookkeeping.py`` in the environment named by ``--peers-python``.

Prints one JSON object: seconds from one trial's end to the next one's, by setting.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"

import ray  # after the environment it reads
from ray import tune

ENDS: list[float] = []


class _Clock(tune.Callback):
    def on_trial_complete(self, iteration: int, trials: list, trial: object, **info: object) -> None:  # type: ignore[type-arg]
        ENDS.append(time.time())


class _Trial(tune.Trainable):
    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to save."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Nothing to load."""

    def step(self) -> dict[str, object]:
        return {"score": self.config["x"], "done": True}

    def reset_config(self, new_config: dict[str, object]) -> bool:
        self.config = new_config
        return True


def measure(trials: int, reuse: bool) -> float:
    """Returns seconds per trial at concurrency 2, the first two left out."""
    ENDS.clear()
    tuner = tune.Tuner(
        _Trial,
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=2, reuse_actors=reuse),
        run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0, callbacks=[_Clock()]),
    )
    tuner.fit()
    return (ENDS[-1] - ENDS[1]) / (len(ENDS) - 2)


def main() -> None:
    """Measures both settings."""
    logging.disable(logging.WARNING)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    few, many = int(sys.argv[1]), int(sys.argv[2])
    result = {"ray": ray.__version__, "default": measure(few, False), "reuse_actors": measure(many, True)}
    print("RESULT " + json.dumps(result))


main()
