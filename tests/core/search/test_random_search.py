"""Random and Sobol sampling: the contract, and what is particular to each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from raydrive.core.errors import ConfigError
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import (
    Space,
    choice,
    normal,
    randint,
    uniform,
)
from raydrive.testing.samplers import ParameterSpace, SamplerContract, play


class TestRandom(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return RandomParameterSampling(parameter_space, seed=seed)


class TestSobol(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return RandomParameterSampling(parameter_space, seed=seed, rule="sobol")


BOTH_RULES = pytest.mark.parametrize("rule", ["random", "sobol"])


def params(sampling: SamplingSpec, limit: int, seed: int = 0) -> list[Mapping[str, Any]]:
    return [suggestion.params for suggestion in play(sampling.build(seed, True), limit)]


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
