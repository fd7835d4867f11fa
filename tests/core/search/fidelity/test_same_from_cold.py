"""A sampler that has just been built proposes what one that was asked all along does, at every point of a run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from raydrive.core.records import COMPLETED, FAILED, PAUSED, RUNNING
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.trial_record import Continuation, TrialRecord
from raydrive.core.space.search_space import choice, loguniform, uniform

SPACE = {"x": uniform(0, 1), "lr": loguniform(-6, 0), "kind": choice("a", "b")}
WHOLE = 16


def sampler(seed: int) -> Any:
    return BayesianParameterSampling(SPACE, fidelity="intervals", max_intervals=WHOLE, seed=seed).build(0, False)


def value(params: Any, interval: int) -> float:
    end = (params["x"] - 0.3) ** 2 + 0.1 * (math.log(params["lr"]) + 3.0) ** 2 / 9.0 + 0.1 * (params["kind"] == "b")
    return float(end + math.exp(-interval / (2.0 + 4.0 * params["x"])))


class Play:
    """Trials in flight that log one interval at a time, in any order; some fail."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.trials: list[TrialRecord] = []

    def take(self, answer: Any) -> None:
        if isinstance(answer, Continuation):
            self.trials[answer.trial] = replace(self.trials[answer.trial], state=RUNNING, until=answer.until)
        elif answer is not None:
            new = TrialRecord(len(self.trials), answer.params, None, RUNNING, (), until=answer.until)
            self.trials.append(new)

    def train(self) -> None:
        """A few intervals of those that run."""
        for _ in range(int(self.rng.integers(1, 9))):
            running = [trial for trial in self.trials if trial.state == RUNNING]
            if not running:
                return
            trial = running[int(self.rng.integers(len(running)))]
            curve = [*trial.curve, value(trial.params, len(trial.curve) + 1)]
            state = RUNNING
            if len(curve) >= (trial.until or WHOLE):
                state = PAUSED if trial.until and trial.until < WHOLE else COMPLETED
            elif self.rng.random() < 0.01:
                state = FAILED
            self.trials[trial.number] = replace(trial, curve=curve, value=min(curve), state=state)

    @property
    def free(self) -> int:
        return 3 - sum(trial.state == RUNNING for trial in self.trials)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_a_fresh_sampler_chooses_as_the_one_that_was_there_all_along(seed: int) -> None:
    play, there = Play(seed), sampler(seed)
    for _ in range(30):
        while play.free:
            answer = there.ask(len(play.trials), play.trials)
            assert sampler(seed).ask(len(play.trials), play.trials) == answer
            assert there.ask(len(play.trials), play.trials) == answer, "asking changes nothing"
            play.take(answer)
        play.train()
    assert sampler(seed).go_on(play.trials) == there.go_on(play.trials)
    assert sum(trial.state == PAUSED for trial in play.trials) > 2
