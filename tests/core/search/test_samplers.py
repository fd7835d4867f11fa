"""Random, Sobol and grid sampling: the contract, and what is particular to each."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.errors import ConfigError
from raydrive.core.search import registry
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.protocol import Sampler, SamplingSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.registry import sampling_from_json
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import (
    Space,
    choice,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    quniform,
    randint,
    uniform,
)
from raydrive.testing.samplers import ParameterSpace, SamplerContract, distinct, play

HUGE = {f"p{i}": randint(1000) for i in range(4)}


class TestRandom(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return RandomParameterSampling(parameter_space, seed=seed)


class TestSobol(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return RandomParameterSampling(parameter_space, seed=seed, rule="sobol")


class TestGrid(SamplerContract):
    endless = None

    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return GridParameterSampling(parameter_space)


BOTH_RULES = pytest.mark.parametrize("rule", ["random", "sobol"])


def params(sampling: SamplingSpec, limit: int, seed: int = 0) -> list[Mapping[str, Any]]:
    return [suggestion.params for suggestion in play(sampling.build(seed, True), limit)]


# --- random and Sobol ------------------------------------------------------------------------------------------------


def test_trial_n_draws_from_the_generator_of_its_number() -> None:
    sampling = RandomParameterSampling({"a": uniform(0, 1), "b": normal(0, 1)}, seed=5)
    drawn = params(sampling, 4)
    assert drawn == [dict(sampling.space.sample(np.random.default_rng((5, n)))) for n in range(4)]


def test_an_infinite_space_needs_no_history() -> None:
    for rule in ("random", "sobol"):
        sampler = RandomParameterSampling({"a": uniform(0, 1)}, seed=5, rule=rule).build(0, True)
        assert [sampler.ask(n, []).params for n in range(70)] == params(  # type: ignore[union-attr]
            RandomParameterSampling({"a": uniform(0, 1)}, seed=5, rule=rule), 70
        )


@BOTH_RULES
def test_the_seed_of_the_sampling_wins_over_that_of_the_run(rule: str) -> None:
    space = {"a": uniform(0, 1)}
    own, none = RandomParameterSampling(space, seed=3, rule=rule), RandomParameterSampling(space, rule=rule)
    assert params(own, 5, seed=1) == params(own, 5, seed=2) == params(none, 5, seed=3)
    assert params(none, 5, seed=1) != params(none, 5, seed=2)


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


@BOTH_RULES
def test_other_processes_propose_the_same(rule: str) -> None:
    sampling = RandomParameterSampling(
        {"a": choice("x", "y", {"z": uniform(0, 1)}), "b": choice(True, None, 2.5), "c": randint(3)}, rule=rule
    )
    code = (
        "import json, sys\nfrom raydrive.core.search.registry import sampling_from_json\n"
        "from raydrive.testing.samplers import play\n"
        "sampling = sampling_from_json(json.loads(sys.argv[1]))\n"
        "print([s.params for s in play(sampling.build(11, True), 20)])"
    )
    import json
    import os

    raw = json.dumps(sampling.to_json())
    answers = {
        subprocess.run(
            [sys.executable, "-c", code, raw],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            check=True,
            text=True,
            capture_output=True,
        ).stdout
        for hashing in ("1", "2")
    }
    assert answers == {f"{params(sampling, 20, seed=11)}\n"}


def test_sobol_spreads_more_evenly_than_chance() -> None:
    space = {"a": uniform(0, 1), "b": uniform(0, 1)}
    cells = {
        rule: len(
            {(int(p["a"] * 8), int(p["b"] * 8)) for p in params(RandomParameterSampling(space, seed=1, rule=rule), 64)}
        )
        for rule in ("random", "sobol")
    }
    assert cells["sobol"] == 64  # a (0, 6, 2)-net: one point in each of the 8 x 8 cells
    assert cells["random"] < 50


def test_sobol_is_scipys_sequence_scrambled_by_the_seed() -> None:
    from scipy.stats import qmc

    expected = qmc.Sobol(2, scramble=True, rng=np.random.default_rng(9)).random(256)
    sampling = RandomParameterSampling({"a": uniform(0, 1), "b": uniform(0, 1)}, seed=9, rule="sobol")
    assert [[p["a"], p["b"]] for p in params(sampling, 256)] == expected.tolist()


def test_a_sobol_point_far_down_is_found_at_once() -> None:
    sampling = RandomParameterSampling({"a": uniform(0, 1)}, seed=9, rule="sobol")
    sampler = sampling.build(0, True)
    far, near = sampler.ask(100_000, []), sampler.ask(3, [])
    fresh = sampling.build(0, True)
    assert near == fresh.ask(3, [])
    assert far == fresh.ask(100_000, [])


def test_rejecting_draws_keeps_the_distribution() -> None:
    sampling = RandomParameterSampling({"a": uniform(0, 1), "b": choice(*range(4))}, seed=0)
    b = np.array([p["b"] for p in params(sampling, 2000)])
    assert np.abs(np.bincount(b) / 2000 - 0.25).max() < 0.03


# --- grid ------------------------------------------------------------------------------------------------------------


def test_the_grid_is_in_product_order() -> None:
    sampling = GridParameterSampling({"a": choice("x", "y"), "b": randint(3)})
    assert [(p["a"], p["b"]) for p in params(sampling, 99)] == [
        ("x", 0), ("x", 1), ("x", 2), ("y", 0), ("y", 1), ("y", 2),
    ]  # fmt: skip


def test_the_order_of_the_grid_survives_json() -> None:
    sampling = GridParameterSampling({"z": choice(1, 2), "a": choice(1, 2)})
    again = sampling_from_json(sampling.to_json())
    assert params(again, 9) == params(sampling, 9)
    assert again != GridParameterSampling({"a": choice(1, 2), "z": choice(1, 2)})


def test_a_huge_grid_is_streamed() -> None:
    sampler = GridParameterSampling(HUGE).build(0, True)
    assert [s.params for s in play(sampler, 3)] == [{"p0": 0, "p1": 0, "p2": 0, "p3": i} for i in range(3)]
    far = GridParameterSampling(HUGE).build(0, True).ask(123_456_789_012, [])
    assert far is not None
    assert far.params == {"p0": 123, "p1": 456, "p2": 789, "p3": 12}


def test_the_grid_refuses_everything_else_by_name_and_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        GridParameterSampling(
            {
                "lr": loguniform(-9, -2),
                "units": quniform(16, 64, 16),
                "batch": choice(1, 2),
                "model": choice({"c": uniform(0, 1)}, {"d": choice({"e": normal(0, 1)})}),
            }
        )
    assert [(p.where, p.found) for p in caught.value.problems] == [
        ("search_space.lr", "loguniform"),
        ("search_space.units", "quniform"),
        ("search_space.model.values[0].c", "uniform"),
        ("search_space.model.values[1].d.values[0].e", "normal"),
    ]
    assert caught.value.problems[1].fix == "Write choice(16, 32, 48, 64), or sample at random."
    assert "choice(0.000249, 0.00409, 0.0672)" in caught.value.problems[0].fix


# --- building and reading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [RandomParameterSampling, GridParameterSampling])
@pytest.mark.parametrize("nothing", [None, {}, [], 3])
def test_a_space_is_needed(cls: type[SamplingSpec], nothing: Any) -> None:
    with pytest.raises(ConfigError, match="search_space"):
        cls(nothing)


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        RandomParameterSampling(
            {"a": {"type": "unifrom", "min_value": 1, "max_value": 2}},
            {"sede": 3},
            seed=-1,
            rule="sobel",
        )
    assert [problem.where for problem in caught.value.problems] == [
        "search_space.a.type",
        "properties.sede",
        "seed",
        "rule",
    ]
    assert "Did you mean 'seed'?" in str(caught.value)
    assert "Did you mean 'sobol'?" in str(caught.value)


@pytest.mark.parametrize("seed", [True, -1, 1.5, "3", np.array([1, 2])])
def test_seeds_are_whole_and_not_negative(seed: Any) -> None:
    with pytest.raises(ConfigError, match="seed: found"):
        RandomParameterSampling({"a": uniform(0, 1)}, seed=seed)


def test_hyperdrives_properties_may_hold_the_seed() -> None:
    space = {"a": uniform(0, 1)}
    assert RandomParameterSampling(space, {"seed": 4}) == RandomParameterSampling(space, seed=np.int64(4))
    assert RandomParameterSampling(space, properties={"seed": 4}, seed=4).seed == 4
    with pytest.raises(ConfigError, match="the same as seed=5"):
        RandomParameterSampling(space, {"seed": 4}, seed=5)
    with pytest.raises(ConfigError, match="properties: found 3; allowed: a dict"):
        RandomParameterSampling(space, 3)  # type: ignore[arg-type]


def test_sobol_ends_where_its_direction_numbers_end() -> None:
    space = Space({f"p{i}": randint(2) for i in range(21_202)})
    with pytest.raises(ConfigError, match="21,202 dimensions; allowed: at most 21,201 with rule sobol"):
        RandomParameterSampling(space, rule="sobol")
    assert RandomParameterSampling(space).rule == "random"


def test_a_finished_space_is_taken_as_it_is() -> None:
    space = Space({"a": uniform(0, 1)})
    assert RandomParameterSampling(space).space is space
    assert RandomParameterSampling(space, rule="Sobol").rule == "sobol"


def test_what_json_holds() -> None:
    sampling = RandomParameterSampling({"a": uniform(0, 1)}, rule="sobol")
    assert sampling.to_json() == {
        "type": "random",
        "rule": "sobol",
        "seed": None,
        "space": {"a": {"type": "uniform", "min_value": 0, "max_value": 1}},
    }
    assert GridParameterSampling({"a": choice(1)}).to_json() == {
        "type": "grid",
        "space": {"a": {"type": "choice", "values": [1]}},
    }
    assert hash(sampling) == hash(sampling_from_json(sampling.to_json()))
    assert sampling != RandomParameterSampling({"a": uniform(0, 1)})
    assert sampling != 3


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"type": "radnom", "space": {}}, "Did you mean 'random'?"),
        ({"type": "sobol"}, '{"type": "random", "rule": "sobol"}'),
        ({"space": {}}, "sampling.type: found None; allowed: one of random, grid"),
        (None, "sampling.type: found None"),
        ({"type": "random"}, "search_space: found None"),
        ({"type": "random", "space": {"a": {"type": "uniform", "min_value": 2, "max_value": 1}}}, "Swap the bounds"),
    ],
)
def test_broken_json_is_refused(raw: Any, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sampling_from_json(raw)
    assert text in str(caught.value)


def test_other_types_are_found_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_SAMPLINGS", dict(registry._SAMPLINGS))
    registry.register_sampling("mine", f"{__name__}:GridParameterSampling")
    registry.register_sampling("gone", "raydrive.core.no_such_module:Thing")
    raw = GridParameterSampling({"a": choice(1)}).to_json()
    assert sampling_from_json({**raw, "type": "Mine"}) == GridParameterSampling({"a": choice(1)})
    with pytest.raises(ConfigError) as caught:
        sampling_from_json({**raw, "type": "gone"})
    assert "mine" in caught.value.problems[0].allowed
    assert "gone" not in caught.value.problems[0].allowed


def test_a_module_that_misses_a_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_SAMPLINGS", {"random": "no_such_library.deep:Thing"})
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        sampling_from_json({"type": "random"})


def test_samplers_are_samplers() -> None:
    made = [
        RandomParameterSampling({"a": randint(2)}).build(0, True),
        RandomParameterSampling({"a": qlognormal(0, 1, 1)}, rule="sobol").build(0, True),
        GridParameterSampling({"a": randint(2)}).build(0, True),
    ]
    assert all(isinstance(sampler, Sampler) and sampler.cheap for sampler in made)


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
