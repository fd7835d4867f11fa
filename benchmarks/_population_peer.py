"""The same population with Ray Tune's PBT; run by population.py in the environment named by ``--peers-python``.

    python _population_peer.py SEED SIZE EPOCHS EVERY TRAIN.PY

Prints ``RESULT`` and one JSON object: the best accuracy, and the seconds that all members trained.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
import tempfile
import time
from pathlib import Path

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"

import joblib
import numpy as np
import ray
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split


class Digits(tune.Trainable):
    """The training of examples/population/train.py."""

    def setup(self, config: dict[str, float]) -> None:
        """Loads the data."""
        images, labels = load_digits(return_X_y=True)
        features = RBFSampler(gamma=0.02, n_components=1000, random_state=0).fit_transform(images / 4)
        self.parts = train_test_split(features, labels, test_size=0.4, random_state=0)
        self.model = SGDClassifier(loss="log_loss", learning_rate="constant", random_state=0)
        self.seconds = 0.0
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, float]) -> bool:
        """Takes other hyperparameters."""
        self.model.set_params(eta0=new_config["learning_rate"], alpha=new_config["alpha"])
        return True

    def step(self) -> dict[str, float]:
        """Trains an epoch."""
        train, test, train_labels, test_labels = self.parts
        began = time.perf_counter()
        self.model.partial_fit(train, train_labels, classes=range(10))
        seconds = time.perf_counter() - began
        with open(os.environ["PEER_SECONDS"], "a") as file:
            file.write(f"{seconds}\n")
        return {"accuracy": float(self.model.score(test, test_labels))}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Saves the model."""
        joblib.dump(self.model, Path(checkpoint_dir) / "model.joblib")

    def load_checkpoint(self, checkpoint: str) -> None:
        """Takes a saved model, with this trial's hyperparameters."""
        self.model = joblib.load(Path(checkpoint) / "model.joblib")
        self.reset_config(self.config)


def main() -> None:
    """Trains a population."""
    seed, size, epochs, every = map(int, sys.argv[1:5])
    random.seed(seed)
    np.random.seed(seed)
    space = {
        "learning_rate": tune.loguniform(math.exp(-9), math.exp(1)),
        "alpha": tune.loguniform(math.exp(-16), math.exp(-4)),
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PEER_SECONDS"] = f"{folder}/seconds"
        ray.init(
            num_cpus=size,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env={"env_vars": {"PEER_SECONDS": f"{folder}/seconds"}},
        )
        scheduler = PopulationBasedTraining(
            time_attr="training_iteration",
            perturbation_interval=every,
            hyperparam_mutations=space,
            quantile_fraction=0.25,
        )
        tuner = tune.Tuner(
            Digits,
            param_space=space,
            tune_config=tune.TuneConfig(num_samples=size, scheduler=scheduler, metric="accuracy", mode="max"),
            run_config=tune.RunConfig(
                storage_path=folder,
                stop={"training_iteration": epochs},
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1, num_to_keep=4),
            ),
        )
        began = time.time()
        results = tuner.fit()
        wall_s = time.time() - began
        best = max(frame["accuracy"].max() for frame in (one.metrics_dataframe for one in results) if frame is not None)
        last = max(one.metrics["accuracy"] for one in results if one.metrics)
        seconds = sum(map(float, Path(folder, "seconds").read_text().split()))
    print("RESULT", json.dumps({"best": best, "last": last, "seconds": seconds, "wall_s": wall_s}))


if __name__ == "__main__":
    main()
