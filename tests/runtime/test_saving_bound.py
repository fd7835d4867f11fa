"""What early termination saved, estimated and known: the same runs are trained on virtual time without a policy."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from raydrive.core.early_stopping.policies import BanditPolicy, MedianStoppingPolicy, Policy, TruncationSelectionPolicy
from raydrive.core.views.savings import saving
from raydrive.runtime.simulated import Model, simulate
from raydrive.testing.runners import function_config

POLICIES: tuple[Policy, ...] = (
    BanditPolicy(slack_factor=0.1),
    BanditPolicy(slack_factor=0.1, delay_evaluation=5),
    MedianStoppingPolicy(delay_evaluation=3),
    TruncationSelectionPolicy(30, delay_evaluation=4),
)


@dataclass(frozen=True)
class Trials:
    """How the trials of a run train."""

    pace_s: float = 1.0
    noise: float = 0.1
    """Deviation of the logarithm of times between reports."""
    spread: float = 0.0
    """Deviation of the logarithm of paces between trials."""
    start_s: tuple[float, float] = (3.0, 6.0)
    lengths: tuple[int, ...] = (30,)
    warm_up: float = 1.0
    """How much longer the first three intervals are."""
    growth: float = 0.0
    """How much longer the last interval is than the first."""
    evaluation: float = 1.0
    """How much longer every fifth interval is."""

    def model(self, seed: int) -> Model:
        def curve(number: int, params: Any) -> Iterator[tuple[float, float]]:
            rng = random.Random(seed * 1000 + number)
            quality, own_s = rng.gauss(0, 1), self.pace_s * math.exp(self.spread * rng.gauss(0, 1))
            length, start_s = rng.choice(self.lengths), rng.uniform(*self.start_s)
            for k in range(1, length + 1):
                seconds = own_s * math.exp(self.noise * rng.gauss(0, 1)) * (1 + self.growth * k / length)
                seconds *= self.warm_up if k <= 3 else self.evaluation if k % 5 == 0 else 1.0
                value = 1 / (1 + math.exp(-(quality + 0.1 * k + 0.3 * rng.gauss(0, 1))))
                yield seconds + (start_s if k == 1 else 0.0), value

        return curve


KINDS = {
    "even": Trials(noise=0.0),
    "noisy": Trials(noise=0.5),
    "long start": Trials(start_s=(55.0, 65.0)),
    "short intervals": Trials(pace_s=0.03, noise=0.4, spread=0.4, start_s=(0.5, 2.0)),
    "paces differ": Trials(spread=0.7),
    "lengths differ": Trials(lengths=tuple(range(10, 51))),
    "slow at first": Trials(warm_up=10.0),
    "slower and slower": Trials(growth=0.5),
    "evaluation every fifth": Trials(evaluation=4.0),
}


def compared(trials: Trials, total: int, seeds: int) -> list[tuple[bool, float]]:
    """Whether the bound held, and the estimate over the truth, of runs in which a policy saved something."""
    found = []
    for policy in POLICIES:
        for seed in range(seeds):
            config = function_config(tuple(range(total)), max_concurrent_runs=4)
            run = simulate(replace(config, policy=policy), trials.model(seed), start_s=1.0)
            free = simulate(config, trials.model(seed), start_s=1.0)
            stopped = [trial for trial in run.trials if trial.stop_by == "policy"]
            truth_s = sum(free.trials[trial.number].trained_s - trial.trained_s for trial in stopped)
            span = saving(run).span
            if truth_s > 0 and span is not None:
                found.append((span.low_s - 1e-6 <= truth_s <= span.high_s + 1e-6, span.seconds / truth_s))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_is_within_the_bound(kind: str) -> None:
    found = compared(KINDS[kind], total=20, seeds=4)
    assert len(found) >= 12
    assert sum(held for held, _ in found) >= 0.8 * len(found), [round(ratio, 2) for _, ratio in found]
    assert 0.75 < statistics.median(ratio for _, ratio in found) < 1.25


def test_even_trials_are_estimated_exactly() -> None:
    ratios = [ratio for _, ratio in compared(KINDS["even"], total=12, seeds=3)]
    assert ratios == pytest.approx([1.0] * len(ratios))
