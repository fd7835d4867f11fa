"""One answer to whether a value is a finite number."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from raydrive import BanditPolicy
from raydrive.core.numbers import as_float, is_number, is_real, is_whole

BEYOND = 10**400
"""A whole number that no float holds."""


@pytest.mark.parametrize("value", [0, -3, 1.5, 10**300, np.float64(0.5)])
def test_finite_numbers(value: Any) -> None:
    assert is_number(value)
    assert is_real(value)


@pytest.mark.parametrize("value", [True, np.bool_(True), math.nan, math.inf, -math.inf, BEYOND, "1", None, [1], 1j])
def test_no_finite_numbers(value: Any) -> None:
    assert not is_number(value)
    assert not is_real(value)


@pytest.mark.parametrize("value", [np.float32(0.5), np.int64(3), Fraction(1, 2)])
def test_numbers_that_json_does_not_hold(value: Any) -> None:
    assert not is_number(value)
    assert is_real(value)


def test_a_policy_takes_numpys_numbers_and_keeps_pythons() -> None:
    policy = BanditPolicy(slack_factor=np.float32(0.5), evaluation_interval=np.int64(2))
    found = policy.to_json()
    assert (found["slack_factor"], found["evaluation_interval"]) == (0.5, 2)
    assert {type(found["slack_factor"]), type(found["evaluation_interval"])} == {float, int}


def test_a_number_beyond_the_floats_is_infinite() -> None:
    assert [as_float(value) for value in (BEYOND, -BEYOND, 7)] == [math.inf, -math.inf, 7.0]


@pytest.mark.parametrize(("value", "expected"), [(1, True), (10**400, True), (0, False), (-1, False), (1.0, False)])
def test_whole_numbers_of_so_much_or_more(value: object, expected: bool) -> None:
    assert is_whole(value, 1) is expected


@pytest.mark.parametrize("value", [True, False, None, "1", np.int64(3)])
def test_what_is_no_whole_number(value: object) -> None:
    assert not is_whole(value, 0)
