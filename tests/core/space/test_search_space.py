"""The search space as a whole: points of its cube, its numbered list, its JSON."""

from __future__ import annotations

import itertools
import json
import math
import pickle
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from number_expressions import numbers

from raydrive.core.errors import ConfigError
from raydrive.core.space.search_space import (
    Choice,
    Dimension,
    Expression,
    QUniform,
    RandInt,
    Space,
    choice,
    normal,
    parse_space,
    quniform,
    randint,
    uniform,
)

plain = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1e-7, "a", "", "Ä b"])


def _choices(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Expression]:
    names = st.sampled_from(["k", "m", "type", "depth"])
    option = plain | st.lists(plain, max_size=2) | st.dictionaries(names, plain | children, max_size=3)
    return st.lists(option, min_size=1, max_size=4).map(_choice_of)


def _choice_of(options: list[Any]) -> Choice:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return choice(options)


expressions = st.recursive(numbers() | st.lists(plain, min_size=1, max_size=4).map(_choice_of), _choices, max_leaves=6)
spaces = st.dictionaries(st.sampled_from(["a", "b", "lr", "--x", "y z"]), expressions, min_size=1, max_size=3).map(
    Space
)
countable = st.recursive(
    st.integers(1, 4).map(RandInt) | st.lists(plain, min_size=1, max_size=3).map(_choice_of)
    | st.just(QUniform(0, 1, 0.5)),
    _choices,
    max_leaves=4,
)  # fmt: skip
finite_spaces = st.dictionaries(st.sampled_from("abc"), countable, min_size=1, max_size=3).map(Space)


def test_a_space_holds_expressions_only() -> None:
    with pytest.raises(ConfigError, match=r"search_space\.a: found 3"):
        Space({"a": 3})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="no parameters"):
        Space({})


def _same(one: Any, other: Any) -> bool:
    """Equal, with floats as near as exp, log and the normal's inverse allow."""
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and one.keys() == other.keys()
            and all(_same(v, other[k]) for k, v in one.items())
        )
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-3)
    return type(one) is type(other) and one == other


@given(spaces, st.randoms(use_true_random=False))
def test_points_of_the_cube_and_configurations(space: Space, random: Any) -> None:
    unit = [random.uniform(1e-5, 1 - 1e-5) for _ in space.dimensions]
    params = space.at(unit)
    assert space.contains(params)
    assert json.loads(json.dumps(params)) == params
    assert space.key(params) == space.key(json.loads(json.dumps(params)))
    found = space.unit(params)
    assert found.shape == (len(space.dimensions),)
    assert _same(space.at(found), params)
    for here, dimension in zip(found, space.dimensions, strict=True):
        active = dimension.parent is None or (
            not math.isnan(found[dimension.parent])
            and int(found[dimension.parent] * len(space.dimensions[dimension.parent].expression.options() or ()))
            == dimension.option
        )
        assert math.isnan(here) != active
        assert not active or 0 <= here <= 1


@given(spaces)
def test_json_gives_back_the_space(space: Space) -> None:
    again = parse_space(json.loads(json.dumps(space.to_json(), allow_nan=False)))
    assert again == space
    assert hash(again) == hash(space)
    assert repr(again) == repr(space)
    assert again.dimensions == space.dimensions
    assert list(again.expressions) == list(space.expressions)
    assert pickle.loads(pickle.dumps(space)) == space


@given(finite_spaces)
def test_the_numbered_list_holds_every_configuration_once(space: Space) -> None:
    assert space.size is not None
    assume(space.size <= 300)
    listed = [space.grid_at(index) for index in range(space.size)]
    assert all(space.contains(params) for params in listed)
    for outside in (-1, space.size):
        with pytest.raises(IndexError):
            space.grid_at(outside)
    # Options may overlap ({"a": 1} beside {"a": choice(1, 2)}); then the list repeats itself, and misses nothing.
    keys = {space.key(params) for params in listed}
    drawn = {space.key(space.at(point)) for point in np.random.default_rng(0).random((300, len(space.dimensions)))}
    assert drawn <= keys


def test_the_last_parameter_varies_fastest() -> None:
    space = Space({"a": choice("x", "y"), "b": quniform(0, 1, 0.5), "c": randint(2)})
    assert space.size == 12
    expected = itertools.product("xy", (0.0, 0.5, 1.0), (0, 1))
    assert [tuple(space.grid_at(i).values()) for i in range(12)] == list(expected)


def test_nested_options_are_listed_in_their_place() -> None:
    space = Space(
        {"m": choice({"k": 1, "a": choice(1, 2), "b": randint(2)}, "off", {"k": 2, "n": choice({"d": randint(2)}, 0)})}
    )
    assert [space.grid_at(i)["m"] for i in range(space.size or 0)] == [
        {"k": 1, "a": 1, "b": 0},
        {"k": 1, "a": 1, "b": 1},
        {"k": 1, "a": 2, "b": 0},
        {"k": 1, "a": 2, "b": 1},
        "off",
        {"k": 2, "n": {"d": 0}},
        {"k": 2, "n": {"d": 1}},
        {"k": 2, "n": 0},
    ]
    assert [(d.name, d.parent, d.option) for d in space.dimensions] == [
        ("m", None, None),
        ("m.values[0].a", 0, 0),
        ("m.values[0].b", 0, 0),
        ("m.values[2].n", 0, 2),
        ("m.values[2].n.values[0].d", 3, 0),
    ]
    assert space.dimensions[1] == Dimension("m.values[0].a", choice(1, 2), 0, 0)


def test_only_what_matters_has_a_coordinate() -> None:
    space = Space({"m": choice("off", {"g": uniform(0, 10), "h": {"i": uniform(0, 1)}}), "b": uniform(0, 1)})
    assert np.array_equal(space.unit({"m": "off", "b": 0.5}), [0.25, np.nan, np.nan, 0.5], equal_nan=True)
    assert space.unit({"m": {"g": 5, "h": {"i": 0.1}}, "b": 1}).tolist() == [0.75, 0.5, 0.1, 1.0]
    assert space.at([0.1, np.nan, np.nan, 0.5]) == {"m": "off", "b": 0.5}


def test_a_huge_list_is_never_made() -> None:
    space = Space({f"p{i}": randint(1000) for i in range(4)})
    assert space.size == 10**12
    assert list(space.grid_at(123_456_789_012).values()) == [123, 456, 789, 12]
    assert Space({f"p{i}": randint(2**60) for i in range(30)}).grid_at(2**1800 - 1)["p0"] == 2**60 - 1


def test_an_infinite_space_has_no_list() -> None:
    space = Space({"a": uniform(0, 1), "b": randint(2), "c": normal(0, 1)})
    assert space.size is None
    with pytest.raises(ConfigError) as caught:
        space.grid_at(0)
    assert [problem.where for problem in caught.value.problems] == ["search_space.a", "search_space.c"]


def test_params_that_do_not_belong() -> None:
    space = Space({"a": choice(1, {"b": uniform(0, 1)}), "c": quniform(0, 1, 0.5)})
    assert space.contains({"a": {"b": 0.5}, "c": 1})
    for params in ({"a": 1}, {"a": 1, "c": 0.5, "d": 1}, {"a": {"b": 2}, "c": 0}, {"a": {"b": 0.5, "x": 1}, "c": 0}):
        assert not space.contains(params)
    for params, text in (
        ({"a": 1}, "c: found nothing"),
        ({"a": 2, "c": 0}, "a: found 2; allowed: one of"),
        ({"a": 1, "c": "0"}, "c: found '0'; allowed: a number"),
        ({"a": 1, "c": math.nan}, "c: found nan"),
    ):
        with pytest.raises(ConfigError) as caught:
            space.unit(params)
        assert text in str(caught.value)
    assert space.unit({"a": 1, "c": 7}).tolist()[2] == space.unit({"a": 1, "c": 1}).tolist()[2]
    with pytest.raises(ConfigError, match="choice: found 9"):
        choice(1, 2).position(9)


def test_keys_tell_configurations_apart() -> None:
    space = Space({"a": choice([1, True, "1", None, [1], {"b": 1}])})
    assert len({space.key(space.grid_at(i)) for i in range(6)}) == 6
    assert space.key({"a": 1}) == space.key({"a": 1.0}) != space.key({"a": True})
    assert space.key({"a": {"x": 1, "y": 2}}) == space.key({"a": {"y": 2, "x": 1}})
    assert space.key({}) != space.key({"a": None})


def test_nobody_changes_the_space_through_its_configurations() -> None:
    space = Space({"a": choice([{"b": [1, 2], "c": {"d": 1}}, [3]])})
    written = json.dumps(space.to_json())
    for params in (space.at([0.0]), space.at([0.9]), space.grid_at(0), space.grid_at(1)):
        value = params["a"]
        if isinstance(value, dict):
            value["b"].append(9)
            value["c"]["d"] = 9
        else:
            value.append(9)
    space.expressions["a"].quantile(0.0)["b"].append(9)
    space.to_json()["a"]["values"][0]["b"].append(9)
    assert json.dumps(space.to_json()) == written


def test_sampling_takes_the_same_numbers_whatever_is_drawn() -> None:
    space = Space({"m": choice("off", {"g": uniform(0, 1)}), "b": uniform(0, 1)})
    for seed in range(5):
        rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
        space.sample(rng)
        again.random(3)
        assert rng.random() == again.random()
