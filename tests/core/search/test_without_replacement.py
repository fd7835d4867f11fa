"""A finite space is sampled without replacement, however large it is and whoever asks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import (
    choice,
    qloguniform,
    quniform,
    randint,
    uniform,
)
from raydrive.testing.samplers import distinct, play

HUGE = {f"p{i}": randint(1000) for i in range(4)}
BOTH_RULES = pytest.mark.parametrize("rule", ["random", "sobol"])


def params(sampling: SamplingSpec, limit: int, seed: int = 0) -> list[Mapping[str, Any]]:
    return [suggestion.params for suggestion in play(sampling.build(seed, True), limit)]


@BOTH_RULES
@given(seed=st.integers(0, 2**70), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_every_seed_exhausts_every_small_space(rule: str, seed: int, sizes: list[int]) -> None:
    sampling = RandomParameterSampling({f"p{i}": randint(n) for i, n in enumerate(sizes)}, seed=seed, rule=rule)
    made = list(play(sampling.build(0, True), 1000))
    assert distinct(sampling, made) == len(made) == sampling.space.size


@BOTH_RULES
def test_configurations_that_are_hardly_ever_drawn_are_produced_too(rule: str) -> None:
    # Half of the 22,027 whole numbers take 7 % of the draws; the smallest take the rest.
    sampling = RandomParameterSampling({"a": qloguniform(-3, 6, 1)}, seed=1, rule=rule)
    assert sampling.space.size == 404
    assert sorted(p["a"] for p in params(sampling, 1000)) == list(range(404))


@BOTH_RULES
def test_options_that_give_the_same_configuration_count_once(rule: str) -> None:
    sampling = RandomParameterSampling({"m": choice({"a": choice(1, 2)}, {"a": 1}, {"a": randint(4)})}, rule=rule)
    assert sorted(p["m"]["a"] for p in params(sampling, 100)) == [0, 1, 2, 3]


@BOTH_RULES
def test_a_huge_finite_space_is_never_listed(rule: str) -> None:
    sampling = RandomParameterSampling(HUGE, seed=1, rule=rule)
    assert sampling.space.size == 10**12
    made = list(play(sampling.build(0, True), 500))
    assert distinct(sampling, made) == 500


@BOTH_RULES
def test_a_space_too_large_for_floats_works(rule: str) -> None:
    sampling = RandomParameterSampling({f"p{i}": randint(2**60) for i in range(30)}, rule=rule)
    assert sampling.space.size == 2**1800
    assert len(params(sampling, 3)) == 3


@BOTH_RULES
def test_the_cost_of_an_ask_does_not_grow_with_the_run(rule: str) -> None:
    # The worst case: a space being emptied to its last configuration.
    sampling = RandomParameterSampling({"a": randint(60), "b": randint(50)}, seed=3, rule=rule)
    sampler, history = sampling.build(0, True), list[TrialRecord]()
    marks = [time.process_time()]
    while (suggestion := sampler.ask(len(history), history)) is not None:
        history.append(TrialRecord(len(history), suggestion.params))
        if len(history) % 1000 == 0:
            marks.append(time.process_time())
    assert len(history) == 3000
    first, *_, last = np.diff(marks)
    # Rejected draws make the end dearer by a constant; rescanning the history would make it dearer by hundreds.
    assert last < 60 * first + 0.5


@BOTH_RULES
def test_quantised_ranges_are_sampled_without_replacement(rule: str) -> None:
    sampling = RandomParameterSampling({"a": quniform(0, 1, 0.1)}, seed=2, rule=rule)
    assert sorted(p["a"] for p in params(sampling, 50)) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def test_rejecting_draws_keeps_the_distribution() -> None:
    sampling = RandomParameterSampling({"a": uniform(0, 1), "b": choice(*range(4))}, seed=0)
    b = np.array([p["b"] for p in params(sampling, 2000)])
    assert np.abs(np.bincount(b) / 2000 - 0.25).max() < 0.03


def test_asked_ahead_of_the_history_a_finite_space_gives_other_configurations() -> None:
    for sampling in (
        GridParameterSampling({"a": randint(8)}),
        RandomParameterSampling({"a": randint(8)}, rule="sobol", seed=1),
    ):
        sampler = sampling.build(0, True)
        history = [TrialRecord(n, s.params) for n, s in enumerate(play(sampling.build(0, True), 3))]
        ahead = [sampler.ask(3 + lag, history) for lag in range(3)]
        assert all(ahead)
        if isinstance(sampling, GridParameterSampling):
            assert [s.params["a"] for s in ahead if s] == [3, 4, 5]
            assert sampler.ask(8, history) is None
