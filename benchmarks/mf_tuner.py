"""raydrive's judge, policies and samplers as a multi-fidelity tuner of five methods, in virtual time.

    PYTHONPATH=.:../shared:benchmarks python -m quality.mf_run --tuner mf_tuner:RandomPromote --workers 4

What is scored is what runs: ``Sweep``, ``DecisionLoop``, sampler and policy are the real ones; a runner hands out what
they launch. Each trial saves a checkpoint with each epoch. Other pairs of sampler and policy: subclass ``Tuner``.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from _spaces import expression

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.halving_policy import SuccessiveHalvingPolicy
from raydrive.core.early_stopping.policies import MedianStoppingPolicy, NoTerminationPolicy, Policy
from raydrive.core.records import (
    BY_PAUSE,
    Began,
    Checkpointed,
    Close,
    Ended,
    Fact,
    Finish,
    Launch,
    Reported,
    Started,
    Stop,
)
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import EMPTY, sampler_of
from raydrive.runtime.decision_loop import DecisionLoop

Space = dict[str, Any]
"""Expressions by name."""


class Tuner:
    """A run whose attempts somebody else trains.

    Args:
        space: The task's, a list of dimensions.
        seed: Of the run.
        workers: How many trials train at a time.
        max_epochs: Length of a whole training.
    """

    def __init__(self, space: list[dict[str, Any]], seed: int, workers: int, max_epochs: int) -> None:
        self.max_epochs = max_epochs
        config = RunConfig(
            experiment="mf",
            metric=Metric(name="loss", goal=PrimaryMetricGoal.MINIMIZE),
            sampling=self.sampling({d["name"]: expression(d) for d in space}),
            policy=self.policy(max_epochs),
            limits=Limits(max_total_runs=100_000, max_concurrent_runs=workers, max_duration_s=None),
            trial=TrialSpec(kind="function"),
            seed=seed,
        )
        self.sweep = Sweep(config, lean=True)
        self._now = 0.0
        self._launches: deque[Launch] = deque()
        self._stopped: dict[int, Stop] = {}
        self._trained: dict[int, int] = {}
        self._seq = 0
        self._loop = DecisionLoop(self.sweep, sampler_of(config, EMPTY), self, None, lambda: self._now)
        self._tell(Started(0.0, 1))

    def sampling(self, space: Space) -> SamplingSpec:
        """Returns the way of sampling."""
        return RandomParameterSampling(space)

    def policy(self, max_epochs: int) -> Policy:
        """Returns the policy."""
        return NoTerminationPolicy()

    # ------------------------------------------------------------------ what the harness calls

    def next_job(self) -> tuple[int, dict[str, Any], int, None] | None:
        """Returns trial, hyperparameters and the epochs that it has, None where nothing waits for a worker."""
        if not self._launches:
            return None
        launch = self._launches.popleft()
        self._tell(Began(self._now, launch.trial, launch.attempt))
        return launch.trial, dict(launch.params), launch.interval, None

    def report(self, trial: int, epoch: int, value: float) -> str:
        """Takes an epoch; returns what becomes of the trial."""
        attempt = self.sweep.trials[trial].attempt
        self._seq += 1
        self._trained[trial] = epoch
        facts: list[Fact] = [Reported(self._now, trial, attempt, self._seq, epoch, value)]
        facts.append(Checkpointed(self._now, trial, attempt, epoch, str(epoch)))
        for fact in facts:
            self._tell(fact)
        stop = self._stopped.get(trial)
        return "continue" if stop is None else "pause" if stop.by == BY_PAUSE else "stop"

    def done(self, trial: int) -> None:
        """The worker has let go of a trial."""
        stopped = self._stopped.pop(trial, None)
        code = 0 if self._trained[trial] >= self.max_epochs and stopped is None else -15
        self._tell(Ended(self._now, trial, self.sweep.trials[trial].attempt, code))

    def _tell(self, fact: Fact) -> None:
        self._now += 1.0
        self._loop.take([fact])

    # ------------------------------------------------------------------ the runner

    def launch(self, launch: Launch) -> None:
        """Keeps an attempt for the next worker."""
        self._launches.append(launch)

    def stop(self, stop: Stop) -> None:
        """Has the report that is being judged end the attempt."""
        self._stopped[stop.trial] = stop

    def close(self, close: Close) -> None:
        """Nothing is kept for a trial that has ended."""

    def finish(self, finish: Finish) -> None:
        """Nothing is kept for a run that is over."""


class RandomNone(Tuner):
    """Random search, every trial to its end."""


class RandomMedian(Tuner):
    """Random search with median stopping from epoch 5 on."""

    def policy(self, max_epochs: int) -> Policy:
        """Returns the policy."""
        return MedianStoppingPolicy(delay_evaluation=5)


class RandomPromote(Tuner):
    """Random search with successive halving that pauses and promotes."""

    def policy(self, max_epochs: int) -> Policy:
        """Returns the policy."""
        return SuccessiveHalvingPolicy(max_intervals=max_epochs)


class RandomStop(Tuner):
    """Random search with successive halving that stops."""

    def policy(self, max_epochs: int) -> Policy:
        """Returns the policy."""
        return SuccessiveHalvingPolicy(mode="stop", max_intervals=max_epochs)


class RandomBrackets(Tuner):
    """Random search with Hyperband: three brackets that pause and promote."""

    def policy(self, max_epochs: int) -> Policy:
        """Returns the policy."""
        return SuccessiveHalvingPolicy(max_intervals=max_epochs, brackets=3)


class BayesianPromote(RandomPromote):
    """The Gaussian process with successive halving that pauses and promotes."""

    def sampling(self, space: Space) -> SamplingSpec:
        """Returns the way of sampling."""
        return BayesianParameterSampling(space)


class BayesianStop(RandomStop):
    """The Gaussian process with successive halving that stops."""

    def sampling(self, space: Space) -> SamplingSpec:
        """Returns the way of sampling."""
        return BayesianParameterSampling(space)
