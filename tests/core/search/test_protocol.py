"""What every way of sampling takes and refuses, and what every sampler is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raydrive.core.errors import ConfigError
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.protocol import Sampler, SamplingSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import (
    Space,
    qlognormal,
    randint,
    uniform,
)


@pytest.mark.parametrize("cls", [RandomParameterSampling, GridParameterSampling])
@pytest.mark.parametrize("nothing", [None, {}, [], 3])
def test_a_space_is_needed(cls: type[SamplingSpec], nothing: Any) -> None:
    with pytest.raises(ConfigError, match="search_space"):
        cls(nothing)


@pytest.mark.parametrize("seed", [True, -1, 1.5, "3", np.array([1, 2])])
def test_seeds_are_whole_and_not_negative(seed: Any) -> None:
    with pytest.raises(ConfigError, match="seed: found"):
        RandomParameterSampling({"a": uniform(0, 1)}, seed=seed)


def test_a_finished_space_is_taken_as_it_is() -> None:
    space = Space({"a": uniform(0, 1)})
    assert RandomParameterSampling(space).space is space
    assert RandomParameterSampling(space, rule="Sobol").rule == "sobol"


def test_samplers_are_samplers() -> None:
    made = [
        RandomParameterSampling({"a": randint(2)}).build(0, True),
        RandomParameterSampling({"a": qlognormal(0, 1, 1)}, rule="sobol").build(0, True),
        GridParameterSampling({"a": randint(2)}).build(0, True),
    ]
    assert all(isinstance(sampler, Sampler) and sampler.cheap for sampler in made)
