"""Repeats: groups, which may still be best, and the sampler that tries configurations again."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.errors import ConfigError
from raydrive.core.records import COMPLETED, FAILED, RUNNING
from raydrive.core.repeats.groups import Group, Noise
from raydrive.core.repeats.race import contenders
from raydrive.core.repeats.rules import Repeats, repeats_of
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.training_data import TrainingDataReader
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.repeated import RepeatedSampler
from raydrive.core.search.trial_record import LATER, Suggestion, TrialRecord
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import sampler_of
from raydrive.runtime.simulated import simulate
from raydrive.testing.memory import Memory
from raydrive.testing.sweep_invariants import check, check_journal, picture

groups = st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=5), min_size=1, max_size=8)


def group(values: list[float], unsound: int = 0) -> Group:
    return Group(list(range(len(values))), list(values), 0, unsound)


@given(groups)
def test_who_leaves_a_race_is_worse_by_the_t_test(values: list[list[float]]) -> None:
    found = contenders([group(one) for one in values], True)
    means = [math.fsum(one) / len(one) for one in values]
    assert means[found[0]] == max(means)
    freedom = sum(len(one) - 1 for one in values)
    if not freedom:
        assert found == [found[0]]
        return
    pooled = sum(sum((v - m) ** 2 for v in one) for one, m in zip(values, means, strict=True)) / freedom
    for place, (one, mean) in enumerate(zip(values, means, strict=True)):
        error = math.sqrt(pooled * (1 / len(values[found[0]]) + 1 / len(one)))
        gap, limit = means[found[0]] - mean, stats.t.ppf(0.95, freedom) * error
        if abs(gap - limit) > 1e-9:
            assert (place in found) == (gap <= limit)


@given(groups)
def test_the_other_goal_is_the_mirror(values: list[list[float]]) -> None:
    mirrored = [group([-value for value in one]) for one in values]
    assert contenders([group(one) for one in values], True) == contenders(mirrored, False)


def test_a_configuration_with_a_bad_trial_is_out() -> None:
    assert contenders([group([0.9], unsound=1), group([0.1, 0.2])], True) == [1]


def test_noise_is_that_within_configurations() -> None:
    noise = Noise.of([group([1.0, 3.0]), group([10.0, 12.0, 14.0]), group([5.0])])
    assert noise.freedom == 3
    assert noise.deviation == pytest.approx(math.sqrt((2 + 8) / 3))
    assert noise.error(4) == pytest.approx(noise.deviation / 2)
    assert Noise.of([group([1.0])]).error(1) is None


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (3, "repeats"),
        ({}, "repeats.max"),
        ({"max": 1}, "repeats.max"),
        ({"max": 3, "parameter": ""}, "repeats.parameter"),
        ({"max": 3, "race": "yes"}, "repeats.race"),
        ({"max": 3, "seed": 1}, "repeats.seed"),
    ],
)
def test_what_cannot_be_used_is_named(raw: Any, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        repeats_of(raw)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_what_is_written_is_read_again() -> None:
    rule = Repeats(max=4, parameter="fold", race=False)
    assert repeats_of(rule.to_json()) == rule


# --- whole runs ------------------------------------------------------------------------------------------------------


def config(repeats: dict[str, Any], sampling: SamplingSpec | None = None, **limits: Any) -> RunConfig:
    return RunConfig(
        experiment="e",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=sampling or RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(**{"max_total_runs": 60, "max_concurrent_runs": 3, **limits}),
        trial=TrialSpec(kind="function"),
        seed=3,
        rules=RunRules.of({"repeats": repeats}),
    )


def noisy(trial: int, params: Any) -> list[tuple[float, float]]:
    """A quality with noise by the seed: the same seed gives the same value again."""
    noise = random.Random(repr((params["x"], params["seed"]))).gauss(0.0, 0.02)
    return [(60.0, params["x"] + noise)]


def by_configuration(sweep: Sweep) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for trial in sweep.trials:
        found.setdefault(trial.params["x"], []).append(trial.params["seed"])
    return found


def test_a_race_spends_repeats_on_those_that_may_be_best() -> None:
    run, memory = config({"max": 5}), Memory()
    sweep = simulate(run, noisy, writer=memory)
    check(sweep)
    assert picture(check_journal(run, memory.lines)) == picture(sweep)
    tried = by_configuration(sweep)
    assert all(seeds == list(range(len(seeds))) and len(seeds) <= 5 for seeds in tried.values())
    ranked = sorted(tried, reverse=True)
    assert len(tried[ranked[0]]) >= 2
    bad = [len(tried[x]) for x in ranked[len(ranked) // 2 :]]
    assert sum(bad) / len(bad) < 1.6  # the worse half is hardly tried again
    assert len(tried) > 60 / 5


def test_without_a_race_each_configuration_is_tried_as_often() -> None:
    sampling = GridParameterSampling({"x": choice(0.1, 0.2, 0.3, 0.4)})
    sweep = simulate(config({"max": 3, "race": False}, sampling), noisy)
    assert by_configuration(sweep) == {x: [0, 1, 2] for x in (0.1, 0.2, 0.3, 0.4)}
    assert sweep.finished is not None
    assert sweep.finished.state == COMPLETED


def test_a_grid_waits_for_what_runs_before_it_is_over() -> None:
    """One configuration: when its first trial is proposed nothing is left, and yet it is tried again."""
    sampling = GridParameterSampling({"x": choice(0.5, 0.9)})
    sweep = simulate(config({"max": 4}, sampling, max_concurrent_runs=8), noisy)
    tried = by_configuration(sweep)
    assert tried[0.9] == [0, 1, 2, 3]
    assert len(tried[0.5]) < 4
    assert sweep.finished is not None


def records_of(*trials: tuple[float, int, float | None, str]) -> list[TrialRecord]:
    return [
        TrialRecord(number, {"x": x, "seed": seed}, value, state, () if value is None else (value,))
        for number, (x, seed, value, state) in enumerate(trials)
    ]


class Remembering:
    """A sampler that keeps what it was asked with."""

    cheap = True

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[TrialRecord]]] = []

    def ask(self, number: int, history: Any) -> Suggestion | None:
        self.asked.append((number, list(history)))
        return None


def test_the_sampler_sees_one_observation_of_each_configuration() -> None:
    inner = Remembering()
    history = records_of(
        (0.1, 0, 0.2, COMPLETED),
        (0.9, 0, 0.8, COMPLETED),
        (0.9, 1, 0.9, COMPLETED),
        (0.3, 0, None, FAILED),
        (0.9, 2, 1.0, COMPLETED),
        (0.7, 0, None, RUNNING),
    )
    sampler = RepeatedSampler(inner, Repeats(max=3), True)
    assert sampler.ask(6, history) is LATER
    ((number, seen),) = inner.asked
    assert number == 4
    assert [one.params for one in seen] == [{"x": 0.1}, {"x": 0.9}, {"x": 0.3}, {"x": 0.7}]
    assert [one.value for one in seen] == [0.2, pytest.approx(0.9), None, None]
    assert [one.state for one in seen] == [COMPLETED, COMPLETED, FAILED, RUNNING]
    assert seen[0].noise == pytest.approx(0.1)
    assert seen[1].noise == pytest.approx(0.1 / math.sqrt(3))


def test_means_are_final_values_with_noise_for_the_model() -> None:
    features = FeatureEncoder(RandomParameterSampling({"x": uniform(0, 1)}).space)
    history = [replace(one, noise=0.1, params={"x": one.params["x"]}) for one in records_of((0.1, 0, 0.2, COMPLETED))]
    data = TrainingDataReader(features, True).read(history)
    assert data.noise.tolist() == [0.1]
    assert data.settled.tolist() == [True]


def test_a_fresh_sampler_answers_the_same() -> None:
    run, memory = config({"max": 4}), Memory()
    simulate(run, noisy, writer=memory)
    entries = [records.load(line) for line in memory.lines]

    sweep = Sweep(run)
    for fact, decisions in entries:
        if isinstance(fact, records.Suggested):
            answer = sampler_of(run).ask(fact.trial, sweep.history)
            assert isinstance(answer, Suggestion)
            assert (answer.params, answer.origin) == (fact.params, fact.origin)
        sweep.apply(fact, decisions)
