"""Changed hyperparameters are values of the search space, near the old ones, and the same for the same numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.population.exploration import explored
from raydrive.core.population.rules import Perturb
from raydrive.core.space.search_space import (
    Expression,
    Space,
    choice,
    int_range,
    log_int,
    lognormal,
    loguniform,
    normal,
    parse_space,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)

FACTORS = st.sampled_from([(0.8, 1.2), (0.1, 10.0), (1.01,)])
KEEP = Perturb(resample=0.0)
SPACE = parse_space(
    {
        "lr": loguniform(-9.0, -2.0),
        "momentum": uniform(0.0, 0.99),
        "shift": uniform(-3.0, 2.0),
        "units": quniform(16, 512, 16),
        "steps": qloguniform(1.0, 6.0, 5),
        "depth": int_range(1, 8),
        "batch": log_int(8, 1024),
        "seedling": randint(7),
        "weight": normal(0.0, 1.0),
        "scale": lognormal(0.0, 1.0),
        "whole": qnormal(3.0, 4.0, 2),
        "grain": qlognormal(1.0, 0.5, 0.5),
        "size": choice(32, 64, 128),
        "name": choice("relu", "tanh"),
        "model": choice({"kind": "tree", "depth": int_range(1, 20)}, {"kind": "net", "rate": loguniform(-5.0, -1.0)}),
    }
)


@given(
    st.integers(0, 2**32),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.3, 1.0]),
    FACTORS,
)
def test_what_comes_out_is_in_the_space(first: int, seed: int, resample: float, factors: tuple[float, ...]) -> None:
    perturb, params = Perturb(resample=resample, factors=factors), SPACE.sample(np.random.default_rng(first))
    for _ in range(5):
        params = explored(params, SPACE, perturb, np.random.default_rng(seed))
        assert SPACE.contains(params), params
        seed += 1


@given(st.integers(0, 2**32))
def test_equal_numbers_give_equal_values(seed: int) -> None:
    params = SPACE.sample(np.random.default_rng(3))
    one, other = (explored(params, SPACE, Perturb(), np.random.default_rng(seed)) for _ in range(2))
    assert one == other


def moves(expression: Expression, value: Any, perturb: Perturb = KEEP) -> set[Any]:
    space = Space({"x": expression})
    return {explored({"x": value}, space, perturb, np.random.default_rng(n))["x"] for n in range(40)}


@pytest.mark.parametrize(
    ("expression", "value", "wanted"),
    [
        (loguniform(math.log(1e-5), math.log(1.0)), 0.01, {0.008, 0.012}),
        (uniform(0.5, 2.0), 1.0, {0.8, 1.2}),
        (uniform(0.0, 1.0), 0.9, {0.72, 1.0}),
        (uniform(0.0, 1.0), 0.0, {0.0, 0.01}),
        (uniform(-1.0, 1.0), -0.5, {-0.4, -0.6}),
        (int_range(1, 8), 2, {1, 3}),
        (int_range(1, 8), 8, {6, 8}),
        (quniform(16, 512, 16), 160, {128, 192}),
        (randint(3), 0, {0, 1}),
        (choice(32, 64, 128), 64, {32, 128}),
        (choice(32, 64, 128), 128, {64}),
        (choice("relu", "tanh"), "relu", {"relu"}),
        (choice(64, 32, 128), 32, {32}),
    ],
)
def test_where_a_value_goes(expression: Expression, value: Any, wanted: set[Any]) -> None:
    found = moves(expression, value)
    assert found == wanted or sorted(found) == pytest.approx(sorted(wanted))


def test_only_the_named_ones_change() -> None:
    params = SPACE.sample(np.random.default_rng(1))
    for seed in range(20):
        perturb = Perturb(resample=0.5, parameters=("lr", "depth"))
        found = explored(params, SPACE, perturb, np.random.default_rng(seed))
        assert {name for name in params if params[name] != found[name]} <= {"lr", "depth"}


def test_a_value_that_the_space_does_not_have_is_taken_over() -> None:
    assert explored({"x": 7.0}, Space({"x": uniform(0, 1)}), Perturb(), np.random.default_rng(0)) == {"x": 7.0}
