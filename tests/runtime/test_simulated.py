from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable
from typing import Any

import pytest

from raydrive.core import records
from raydrive.core.early_stopping.policies import BanditPolicy, MedianStoppingPolicy
from raydrive.core.records import CANCELED, COMPLETED, Began, Finish, Launch, Lost, Reported, Started, Stop
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.summary import saving
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.runtime.simulated import SimulatedRunner, simulate
from raydrive.testing.memory import Memory
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import check, check_journal, picture


def steady(number: int, params: Any) -> list[tuple[float, float]]:
    """Ten intervals of 2 s at the value of the parameter."""
    return [(2.0, params["x"])] * 10


def test_trials_run_side_by_side_on_virtual_time() -> None:
    memory = Memory()
    config = function_config((1, 2, 3), max_concurrent_runs=2)
    sweep = simulate(config, steady, writer=memory, start_s=5.0)
    assert [trial.state for trial in sweep.trials] == [COMPLETED] * 3
    assert [list(sweep.curves.values(n)) for n in range(3)] == [[1] * 10, [2] * 10, [3] * 10]
    assert [trial.trained_s for trial in sweep.trials] == [20.0] * 3
    assert [trial.ended_at for trial in sweep.trials] == [25.0, 25.0, 50.0]
    assert sweep.last_at == 50.0
    assert picture(check_journal(config, memory.lines)) == picture(sweep)


def test_a_stopped_trial_logs_no_more_and_makes_room() -> None:
    memory = Memory()
    config = function_config((1.0, 0.0, 1.2), policy=BanditPolicy(slack_amount=0.5), max_concurrent_runs=2)
    sweep = simulate(config, steady, writer=memory)
    assert [trial.state for trial in sweep.trials] == [COMPLETED, CANCELED, COMPLETED]
    assert [sweep.curves.length(n) for n in range(3)] == [10, 1, 10]
    assert sweep.trials[2].created_at == 2.0
    assert saving(sweep).intervals == 9
    check_journal(config, memory.lines)


def test_a_run_ends_on_time_to_the_second() -> None:
    memory = Memory()
    config = function_config((1, 2, 3), max_duration_s=33.0)
    sweep = simulate(config, steady, writer=memory)
    why = "max_duration of 33 s reached"
    assert sweep.finished == Finish(COMPLETED, why)
    assert [(trial.state, sweep.curves.length(trial.number)) for trial in sweep.trials] == [
        (COMPLETED, 10),
        (CANCELED, 6),
    ]
    assert (sweep.trials[1].ended_at, sweep.trials[1].why) == (33.0, why)
    check_journal(config, memory.lines)


def test_a_trial_times_out_to_the_second() -> None:
    config = function_config((1, 2), trial_timeout_s=7.0)
    sweep = simulate(config, steady, start_s=0.1)
    assert [(trial.state, sweep.curves.length(trial.number)) for trial in sweep.trials] == [(CANCELED, 3)] * 2
    assert sweep.trials[0].trained_s == pytest.approx(7.0)
    assert sweep.finished is not None


def test_endless_trials_are_fine_within_a_duration() -> None:
    def endless(number: int, params: Any) -> Iterable[tuple[float, float]]:
        return ((0.1, math.sin(k)) for k in itertools.count())

    sweep = simulate(function_config((1, 2), max_duration_s=10.0, max_concurrent_runs=2), endless)
    assert [trial.state for trial in sweep.trials] == [CANCELED, CANCELED]
    assert 98 <= sweep.curves.length(0) <= 100


def test_a_trial_that_logs_nothing_fails_with_the_usual_words() -> None:
    sweep = simulate(function_config((1,)), lambda number, params: [])
    assert sweep.metric_missing
    assert sweep.trials[0].why == "ended without logging the primary metric 'score', or any other"


def test_the_same_seed_is_the_same_run() -> None:
    def noisy(number: int, params: Any) -> Iterable[tuple[float, float]]:
        rng = random.Random(number)
        return [(rng.random(), rng.random() * params["x"]) for _ in range(20)]

    config = function_config(tuple(range(1, 30)), policy=MedianStoppingPolicy(), max_concurrent_runs=4)
    one, two = Memory(), Memory()
    assert picture(simulate(config, noisy, writer=one)) == picture(simulate(config, noisy, writer=two))
    assert one.lines == two.lines
    check_journal(config, one.lines)


def test_a_relaunched_attempt_goes_on_from_its_checkpoint() -> None:
    runner = SimulatedRunner(lambda number, params: [(1.0, float(k)) for k in range(1, 6)], stop_s=3.0)
    runner.launch(Launch(0, 2, {}, "00003", 3))
    facts = list(runner.facts())
    assert [type(fact).__name__ for fact in facts] == ["Began", "Reported", "Reported", "Ended"]
    assert [(f.seq, f.interval, f.value) for f in facts if isinstance(f, Reported)] == [(1, 4, 4.0), (2, 5, 5.0)]


def test_a_stop_takes_effect_at_once_and_the_end_follows() -> None:
    runner = SimulatedRunner(lambda number, params: [(1.0, 0.5)] * 9, stop_s=3.0)
    runner.launch(Launch(0, 1, {}))
    seen = []
    for fact in runner.facts():
        seen.append((type(fact).__name__, fact.at))
        if isinstance(fact, Reported) and fact.interval == 2:
            runner.stop(Stop(0, 1, "enough"))
            runner.stop(Stop(0, 1, "twice is once"))
    assert seen == [("Began", 0.0), ("Reported", 1.0), ("Reported", 2.0), ("Ended", 5.0)]


def test_losing_attempts_on_the_way() -> None:
    """Facts from elsewhere mix with the simulated ones, as a what-if of lost nodes does."""
    config = function_config((1, 2), max_concurrent_runs=2)
    runner, memory = SimulatedRunner(steady), Memory()
    sweep = Sweep(config)
    loop = DecisionLoop(sweep, config.sampling.build(0, True), runner, memory, lambda: runner.now)
    loop.take([Started(0.0, 1)])
    lost = False
    for fact in runner.facts():
        loop.take([fact])
        if isinstance(fact, Reported) and fact.trial == 0 and fact.interval == 4 and not lost:
            lost = True
            loop.take([Lost(fact.at, 0, 1, "node died")])
    assert [(trial.state, trial.attempt) for trial in sweep.trials] == [(COMPLETED, 2), (COMPLETED, 1)]
    assert sweep.trials[0].trained_s == 8.0 + 20.0
    assert sum(isinstance(records.load(line)[0], Began) for line in memory.lines) == 3
    check(sweep)
    check_journal(config, memory.lines)
