"""Whole runs with a sampler that learns, and what runs beside its thinking."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from raydrive.core.early_stopping.policies import BanditPolicy, MedianStoppingPolicy, Policy, TruncationSelectionPolicy
from raydrive.core.records import CANCELED, Began, Reported, Started
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.trial_record import Suggestion, TrialRecord
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.runtime.driver.driver import Driver
from raydrive.runtime.simulated import simulate
from raydrive.testing.memory import Memory
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import check_journal


def learning(number: int, params: Any) -> list[tuple[float, float]]:
    """Twelve epochs towards an end that depends on both parameters; what ends well starts slowly."""
    end = 1.0 - (params["x"] - 0.3) ** 2 - (params["y"] - 0.6) ** 2
    return [(1.0, end - (0.2 + 0.6 * end) / k) for k in range(1, 13)]


@pytest.mark.parametrize(
    "policy",
    [
        MedianStoppingPolicy(evaluation_interval=1, delay_evaluation=4),
        BanditPolicy(slack_factor=0.1, delay_evaluation=4),
        TruncationSelectionPolicy(truncation_percentage=50, evaluation_interval=2, delay_evaluation=4),
    ],
    ids=["median", "bandit", "truncation"],
)
def test_every_policy_works_together_with_bayesian_sampling(policy: Policy) -> None:
    """HyperDrive forbids it. The journal holds what was expected of each proposal, and judges to the same again."""
    sampling = BayesianParameterSampling({"x": uniform(0, 1), "y": uniform(0, 1)})
    config = replace(function_config(policy=policy, max_total_runs=20, max_concurrent_runs=4), sampling=sampling)
    memory = Memory()
    sweep = simulate(config, learning, writer=memory)
    assert len(sweep.trials) == 20
    assert any(trial.state == CANCELED for trial in sweep.trials)
    assert sweep.best is not None
    assert sweep.best.value > 0.8  # the optimum after twelve epochs is 0.933
    suggested = [fact for line in memory.lines for fact in facts(line) if fact["kind"] == "Suggested"]
    assert [fact["origin"] for fact in suggested[:8]] == ["initial"] * 8
    for fact in suggested[-5:]:
        assert fact["origin"] == "model"
        assert {"predicted_mean", "predicted_deviation", "log_expected_improvement"} <= fact["details"].keys()
    check_journal(config, memory.lines)


def facts(line: str) -> list[dict[str, Any]]:
    entry = json.loads(line)
    return [part for part in (entry if isinstance(entry, list) else [entry]) if "kind" in part]


class Ponderer:
    """A sampler that thinks until it is let go."""

    cheap = False

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        self.begun.set()
        assert self.go.wait(60)
        return Suggestion({"x": number}, "model")


class Nobody:
    """Runs nothing, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def launch(self, what: Any) -> None:
        self.told.append(what)

    stop = close = finish = trim = launch


def test_reports_are_judged_and_durable_while_the_sampler_thinks() -> None:
    """Nothing here waits for time: the sampler is let go only after the report was acknowledged."""

    async def play() -> tuple[int, int, list[str]]:
        sampler, runner, memory = Ponderer(), Nobody(), Memory()
        sweep = Sweep(function_config(tuple(range(4)), max_concurrent_runs=2))
        loop = DecisionLoop(sweep, sampler, runner, memory, lambda: 7.0)
        driver = object.__new__(Driver)  # without Ray, without storage: only what a turn needs
        driver._loop, driver._slots, driver._interrupted = loop, runner, False  # type: ignore[assignment]
        driver._io, driver._thinker = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        driver._asking, driver._tasks, driver._queue, driver._wake = None, [], [], asyncio.Event()
        driver._trouble = driver._last_trouble = ""
        driver._entries = 0
        sampler.go.set()
        await driver._turn([Started(1.0, 1)], [])
        await asyncio.gather(*driver._tasks)
        first = list(driver._queue)
        driver._queue.clear()
        sampler.go.clear()
        sampler.begun.clear()
        await driver._turn(first, [])  # trial 0 is launched; what trial 1 shall be is being thought about
        assert await asyncio.get_running_loop().run_in_executor(None, sampler.begun.wait, 60)
        acknowledged = asyncio.get_running_loop().create_future()
        await driver._turn([Began(2.0, 0, 1), Reported(3.0, 0, 1, 1, 1, 0.5)], [acknowledged])
        assert acknowledged.done()
        heard, trials = sweep.curves.length(0), len(sweep.trials)
        sampler.go.set()
        await asyncio.gather(*driver._tasks)
        await driver._turn(list(driver._queue), [])
        assert len(sweep.trials) == 2
        sampler.go.set()
        await asyncio.gather(*driver._tasks)
        for pool in (driver._io, driver._thinker):
            pool.shutdown()
        return heard, trials, memory.lines

    heard, trials, lines = asyncio.run(play())
    assert (heard, trials) == (1, 1)
    assert any('"Reported"' in line for line in lines)
