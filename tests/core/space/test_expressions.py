"""What all expressions have in common: membership, counts, equality; tuples and lists of options."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from raydrive.core.space.search_space import (
    Expression,
    QLogNormal,
    Space,
    choice,
    lognormal,
    parse_space,
    qlognormal,
    qloguniform,
    quniform,
    randint,
    uniform,
)

UNIT = [i / 2000 for i in range(2000)]


def draws(expression: Expression) -> list[Any]:
    return [expression.quantile(u) for u in UNIT]


def test_randint_is_zero_up_to_upper() -> None:
    assert randint(5).options() == (0, 1, 2, 3, 4)
    assert [draws(randint(5)).count(i) for i in range(5)] == [400] * 5
    assert randint(2**63).quantile(1 - 2**-53) < 2**63
    assert randint(10**9).options() is None


def test_membership() -> None:
    assert quniform(0, 1, 0.1).contains(0.3)
    assert quniform(0, 1, 0.1).contains(0.30000000000000004)
    assert not quniform(0, 1, 0.1).contains(0.35)
    assert not quniform(0, 1, 0.1).contains(1.1)
    assert not qlognormal(0, 1, 1).contains(-1)
    assert randint(3).contains(2.0)
    assert not any(randint(3).contains(value) for value in (3, -1, 1.5, True, "1", None, math.nan))
    assert not any(uniform(0, 1).contains(value) for value in (True, "0.5", math.nan, 1.1, 10**400))
    assert not lognormal(0, 1).contains(0)
    assert choice(1, "a", None).contains(1.0)
    assert not choice(1, "a", None).contains(True)
    assert not choice(1, "a").contains("1")


def test_how_many_values_there_are() -> None:
    assert quniform(0, 10, 1).count == 11
    assert qloguniform(0, 10, 1).count == 22026
    assert qloguniform(0, 700, 1).count is None  # more than floats tell apart
    assert qloguniform(0, 700, 1).contains(qloguniform(0, 700, 1).quantile(0.99))
    assert quniform(0, 1, 1e-300).count is None
    assert choice({"a": randint(3), "b": choice(1, 2)}, "x").count == 7
    assert choice({"a": uniform(0, 1)}, "x").count is None
    with pytest.raises(IndexError):
        choice(1, 2).option_at(2)
    with pytest.raises(IndexError):
        randint(2).option_at(-1)


def test_expressions_compare_and_hash() -> None:
    assert uniform(0, 1) == uniform(0.0, 1.0) != uniform(0, 2)
    assert len({choice({"a": 1}), choice({"a": 1}), choice({"a": 2})}) == 2
    assert QLogNormal(0, 1, 0.5) != quniform(0, 1, 0.5)
    assert Space({"a": uniform(0, 1)}) != "a"
    assert Space({"a": randint(1), "b": randint(1)}) != Space({"b": randint(1), "a": randint(1)})
    with pytest.raises(AttributeError):
        uniform(0, 1).min_value = 3  # type: ignore[misc]


def test_tuples_are_kept_at_any_depth_and_equal_lists() -> None:
    space = Space({"a": choice([(1, 1), (1, (2, 3)), [4, (5,)], {"x": (6, "u"), "y": [7]}])})
    options = [space.grid_at(i)["a"] for i in range(space.size or 0)]
    assert options == [(1, 1), (1, (2, 3)), [4, (5,)], {"x": (6, "u"), "y": [7]}]
    assert [type(option) for option in options] == [tuple, tuple, list, dict]
    again = parse_space(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert [again.grid_at(i)["a"] for i in range(4)] == options
    assert again.sample(np.random.default_rng(3)) == space.sample(np.random.default_rng(3))
    # Whoever has lists for them (a script's JSON, a run of before) means the same.
    for option in options:
        listed = json.loads(json.dumps({"a": option}))
        assert space.contains(listed)
        assert space.key(listed) == space.key({"a": option})
        assert space.unit(listed).tolist() == space.unit({"a": option}).tolist()
        assert space.own(listed) == {"a": option}


def test_a_list_and_a_tuple_of_the_same_items_are_one_option() -> None:
    with pytest.warns(UserWarning, match="options listed more than once"):
        assert choice([[1, 2], (1, 2), 3]).values == ([1, 2], 3)


def test_nobody_can_change_a_tuple_of_the_space() -> None:
    space = Space({"a": choice((1, [2]), 3)})
    space.grid_at(0)["a"][1].append(3)
    assert space.grid_at(0) == {"a": (1, [2])}
