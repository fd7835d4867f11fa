"""Grid sampling: every configuration once, in product order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from raydrive.core.errors import ConfigError
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.registry import sampling_from_json
from raydrive.core.space.search_space import (
    choice,
    loguniform,
    normal,
    quniform,
    randint,
    uniform,
)
from raydrive.testing.samplers import ParameterSpace, SamplerContract, play

HUGE = {f"p{i}": randint(1000) for i in range(4)}


class TestGrid(SamplerContract):
    endless = None

    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return GridParameterSampling(parameter_space)


def params(sampling: SamplingSpec, limit: int, seed: int = 0) -> list[Mapping[str, Any]]:
    return [suggestion.params for suggestion in play(sampling.build(seed, True), limit)]


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
