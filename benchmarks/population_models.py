"""Populations whose new hyperparameters are perturbed beside ones whose are chosen by a model, on virtual time.

python benchmarks/population_models.py --seeds 5

Eight members side by side, compared every five intervals. What is trained is carried from checkpoint to checkpoint, so
a takeover continues the other member's training, as in a real run:

* ``digits``: real training, the linear model of examples/population: a learning rate and a penalty;
* ``moving``: a value that grows fastest at hyperparameters that move while it grows, in 2 or 6 dimensions;
* ``quadratic``: noisy steps down a badly scaled quadratic: a learning rate, momentum, and a clip.

Of each population the best value at its end is told, and the paired difference with its standard error.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.records import Launch, Params, Started
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import Space, loguniform, uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import sampler_of
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.runtime.simulated import SimulatedRunner

SIZE, EVERY, INTERVALS = 8, 5, 40
CHOICES: dict[str, dict[str, Any]] = {
    "perturb": {},
    "pb2": {"model": "pb2"},
}


@dataclass(frozen=True)
class Task:
    """Something to train."""

    space: Space
    first: Callable[[int], Any]
    """Returns what a training begins with, by seed."""
    step: Callable[[Any, Params, int, np.random.Generator], tuple[Any, float]]
    """Trains one interval: takes what is trained, hyperparameters and the interval, returns it and its value."""
    maximize: bool = True


def moving(dimensions: int) -> Task:
    """A value whose best hyperparameters move from one corner of the space towards the other."""
    space = Space({f"x{place}": uniform(0, 1) for place in range(dimensions)})

    def step(value: Any, params: Params, interval: int, rng: np.random.Generator) -> tuple[float, float]:
        best = 0.2 + 0.6 * interval / INTERVALS
        apart = sum((params[name] - (best if place % 2 else 1 - best)) ** 2 for place, name in enumerate(params))
        value += (1.0 - value) * (0.12 * math.exp(-apart / (0.08 * dimensions)) - 0.01)
        return value, value + 0.002 * rng.standard_normal()

    return Task(space, lambda seed: 0.0, step)


def quadratic() -> Task:
    """The logarithm of the loss of a noisy quadratic, to be minimised: the best learning rate falls with the loss."""
    scales = np.logspace(-3, 0, 20)
    space = Space({"lr": loguniform(-7, 2), "momentum": uniform(0, 0.99), "clip": loguniform(-4, 2)})

    def step(state: Any, params: Params, interval: int, rng: np.random.Generator) -> tuple[Any, float]:
        w, v = state
        for _ in range(20):
            slope = scales * w + 0.05 * rng.standard_normal(len(w))
            slope *= min(1.0, params["clip"] / max(1e-12, float(np.linalg.norm(slope))))
            v = params["momentum"] * v - params["lr"] * slope
            w = np.clip(w + v, -1e3, 1e3)
        return (w, v), math.log10(0.5 * float(scales @ w**2) + 1e-12)

    return Task(space, lambda seed: (np.ones(20) * 3.0, np.zeros(20)), step, maximize=False)


def digits() -> Task:
    """The training of examples/population/train.py."""
    import copy

    from sklearn.datasets import load_digits
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    features = RBFSampler(gamma=0.02, n_components=1000, random_state=0).fit_transform(images / 4)
    train, test, train_labels, test_labels = train_test_split(features, labels, test_size=0.4, random_state=0)
    space = Space({"learning_rate": loguniform(-9, 1), "alpha": loguniform(-16, -4)})

    def step(model: Any, params: Params, interval: int, rng: np.random.Generator) -> tuple[Any, float]:
        model = copy.deepcopy(model)
        model.set_params(eta0=params["learning_rate"], alpha=params["alpha"])
        model.partial_fit(train, train_labels, classes=range(10))
        return model, float(model.score(test, test_labels))

    return Task(space, lambda seed: SGDClassifier(loss="log_loss", learning_rate="constant", random_state=0), step)


TASKS: dict[str, Callable[[], Task]] = {
    "digits": digits,
    "moving 2": lambda: moving(2),
    "moving 6": lambda: moving(6),
    "quadratic": quadratic,
}


@dataclass
class Trainer:
    """Trains on virtual time, and keeps what each interval of each member left."""

    task: Task
    seed: int
    kept: dict[tuple[int, int], Any] = field(default_factory=dict)
    launches: dict[int, Launch] = field(default_factory=dict)

    def curve(self, trial: int, params: Params) -> Iterator[tuple[float, float]]:
        """Yields seconds and values of an attempt; of the intervals in its checkpoint nothing is trained."""
        launch = self.launches[trial]
        source = trial if launch.source is None else launch.source
        begun = 0 if launch.resume_from is None else int(launch.resume_from)
        state = self.kept[source, begun] if begun else self.task.first(self.seed)
        for _ in range(launch.interval):
            yield 0.0, 0.0
        for interval in range(launch.interval + 1, INTERVALS + 1):
            rng = np.random.default_rng((self.seed, trial, interval))
            state, value = self.task.step(state, params, interval, rng)
            self.kept[trial, interval] = state
            yield 1.0 + 0.01 * rng.random(), value


class Runner(SimulatedRunner):
    """Tells the trainer which checkpoint an attempt begins with."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(trainer.curve, checkpoint_every=1)
        self.trainer = trainer

    def launch(self, launch: Launch) -> None:
        """Schedules the attempt."""
        self.trainer.launches[launch.trial] = launch
        super().launch(launch)


def population(task: Task, given: Mapping[str, Any] | None, seed: int) -> tuple[float, float]:
    """Returns the best value at the end of a population, and CPU ms for each decision about hyperparameters.

    Args:
        task: What is trained.
        given: Keys of ``population`` beside ``every`` and ``max_intervals``; None = none, members train as they began.
        seed: Of the first hyperparameters and all that follows.
    """
    rules = {} if given is None else {"population": {"every": EVERY, "max_intervals": INTERVALS, **given}}
    goal = PrimaryMetricGoal.MAXIMIZE if task.maximize else PrimaryMetricGoal.MINIMIZE
    config = RunConfig(
        experiment="population",
        metric=Metric(name="value", goal=goal),
        sampling=RandomParameterSampling(task.space),
        limits=Limits(max_total_runs=SIZE, max_concurrent_runs=SIZE),
        trial=TrialSpec(kind="function"),
        seed=seed,
        rules=RunRules.of(rules),
    )
    runner = Runner(Trainer(task, seed))
    sweep = Sweep(config)
    loop = DecisionLoop(sweep, sampler_of(config), runner, None, lambda: runner.now)
    loop.take([Started(0.0, 1)])
    spent = 0.0
    for fact in runner.facts(lambda: sweep.due_at):
        before = time.process_time()
        loop.take([fact])
        spent += time.process_time() - before
    ends = [value for trial in sweep.trials if (value := sweep.curves.last(trial.number)) is not None]
    changes = sum(map(len, sweep.changes.values()))
    return (max(ends) if task.maximize else min(ends)), 1000 * spent / max(1, changes)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    options = parser.parse_args()
    for name in options.tasks:
        task = TASKS[name]()
        found = {
            how: [population(task, given, seed) for seed in range(options.seeds)]
            for how, given in itertools.chain({"alone": None}.items(), CHOICES.items())
        }
        for how, ends in found.items():
            values = [value for value, _ in ends]
            ms = statistics.median(one for _, one in ends)
            print(
                f"{name:10} {how:8} mean {statistics.mean(values):9.4f}  median {statistics.median(values):9.4f}",
                end="",
            )
            print(f"  worst {(min if task.maximize else max)(values):9.4f}  judge {ms:5.1f} ms a change")
        sign = 1.0 if task.maximize else -1.0
        apart = [sign * (ours[0] - theirs[0]) for ours, theirs in zip(found["pb2"], found["perturb"], strict=True)]
        error = statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else math.nan
        print(f"{name:10} pb2 is better than perturb by {statistics.mean(apart):+.4f} ({error:.4f})", flush=True)


if __name__ == "__main__":
    main()
