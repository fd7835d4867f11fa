"""Mappings that users write by hand: each unknown key is told, all at once."""

from __future__ import annotations

import pytest

from raydrive.core.errors import Problem, known_values, unknown_keys


def test_each_unknown_key_is_told_with_the_nearest() -> None:
    assert unknown_keys({"sise": 1, "size": 2, 7: 3}, ("size", "every"), "population") == [
        Problem("population.sise", "an unknown key", "size, every", "Did you mean 'size'?"),
        Problem("population.7", "an unknown key", "size, every"),
    ]


def test_known_keys_with_a_value_are_returned() -> None:
    problems: list[Problem] = []
    assert known_values({"size": 2, "every": None, "x": 1}, ("size", "every"), "p", "a mapping", problems) == {
        "size": 2
    }
    assert [one.where for one in problems] == ["p.x"]


@pytest.mark.parametrize("given", [3, "size", ["size"], None])
def test_what_is_no_mapping_is_told(given: object) -> None:
    problems: list[Problem] = []
    assert known_values(given, ("size",), "p", "a mapping such as {size: 2}", problems) == {}
    assert [(one.where, one.allowed) for one in problems] == [("p", "a mapping such as {size: 2}")]
