"""Expressions in the words of a sweep file, and which values they have."""

from __future__ import annotations

from typing import Any

import pytest

from raydrive.core.space.search_space import (
    choice,
    int_range,
    log_int,
    log_range,
    loguniform,
    normal,
    parse_space,
    quniform,
    randint,
    uniform,
)
from raydrive.core.space.shown import allowed_text, as_call, in_a_sweep_file, yaml_text

NESTED = choice({"sgd": {"momentum": log_range(0.01, 0.9)}}, "adam", "no")


@pytest.mark.parametrize(
    ("made", "allowed"),
    [
        (log_int(4, 64), "a whole number from 4 to 64"),
        (int_range(-3, 8), "a whole number from -3 to 8"),
        (randint(10), "a whole number from 0 to 9"),
        (uniform(0, 1), "a number from 0 to 1"),
        (log_range(1e-5, 0.1), "a number from 1e-05 to 0.1"),
        (quniform(0, 10, 2), "a number from 0 to 10, in steps of 2"),
        (normal(0, 1), "a number"),
        (choice("sgd", "a b", 3, None), 'one of sgd, "a b", 3, null'),
        (NESTED, 'one of {sgd: {momentum: {type: log_range, min_value: 0.01, max_value: 0.9}}}, adam, "no"'),
    ],
)
def test_the_values_of_an_expression(made: Any, allowed: str) -> None:
    assert allowed_text(made) == allowed


@pytest.mark.parametrize(("low", "high"), [(1e-5, 0.1), (0.001, 1), (3e-4, 0.5), (0.1, 1000)])
def test_bounds_are_those_that_were_written(low: float, high: float) -> None:
    assert in_a_sweep_file(log_range(low, high)) == {"type": "log_range", "min_value": low, "max_value": high}
    assert as_call(log_range(low, high)) == f"log_range({float(low)}, {float(high)})"


def test_exponents_stay_exponents() -> None:
    assert in_a_sweep_file(loguniform(-7, -2)) == {"type": "loguniform", "min_value": -7, "max_value": -2}
    assert as_call(loguniform(-7, -2)) == "loguniform(-7, -2)"


@pytest.mark.parametrize("made", [log_int(4, 64), uniform(0, 1), log_range(1e-5, 0.1), loguniform(-7, -2), NESTED])
def test_the_mapping_makes_the_same_expression(made: Any) -> None:
    assert parse_space({"x": in_a_sweep_file(made)}).expressions["x"] == made


def test_yaml_in_one_line() -> None:
    assert yaml_text({"a": [1, 2.5, True, None], "b c": "yes"}) == '{a: [1, 2.5, true, null], "b c": "yes"}'
