"""What may be an option of ``choice``, and the way out for what may not."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import pathlib
from typing import Any

import numpy as np
import pytest

from raydrive.core.errors import ConfigError
from raydrive.core.space.search_space import (
    QUniform,
    Space,
    choice,
    parse_space,
    quniform,
    randint,
)


def test_an_option_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ConfigError, match="at most 32 levels"):
        choice(1, {"a": loop})


class Colour(enum.IntEnum):
    RED = 3


class Word(str, enum.Enum):
    GREEN = "green"


@pytest.mark.parametrize(
    ("given_options", "values"),
    [
        ((1, 2), (1, 2)),
        (([1, 2],), (1, 2)),
        (((1, 2),), (1, 2)),
        ((range(1, 6, 2),), (1, 3, 5)),
        ((np.arange(3),), (0, 1, 2)),
        ((np.array([0.1, 0.2]),), (0.1, 0.2)),
        ((np.array([[1, 2], [3, 4]]),), ([1, 2], [3, 4])),
        (([[1, 2], [3]],), ([1, 2], [3])),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ((np.float32(0.5), np.int64(3), np.bool_(True), np.str_("a")), (0.5, 3, True, "a")),
        ((np.array(3),), (3,)),
        ((None, True, "x", 1.5), (None, True, "x", 1.5)),
        (([5],), (5,)),
        ((5,), (5,)),
        (("abc",), ("abc",)),
        ((Colour.RED, Word.GREEN), (3, "green")),
        (({"a": (1, np.int64(2))}, {}), ({"a": (1, 2)}, {})),
        ((1, True, "1", 1.5), (1, True, "1", 1.5)),
        (({"a": {"b": {"type": "resnet", "depth": 3}}},), ({"a": {"b": {"type": "resnet", "depth": 3}}},)),
        (({"type": "normal", "mu": 0, "sigma": 1},), ({"type": "normal", "mu": 0, "sigma": 1},)),
    ],
)  # fmt: skip
def test_choice_takes_what_python_has(given_options: tuple[Any, ...], values: tuple[Any, ...]) -> None:
    made = choice(*given_options)
    assert made.values == values
    assert [type(value) for value in made.values] == [type(value) for value in values]
    assert parse_space(json.loads(json.dumps(Space({"a": made}).to_json()))) == Space({"a": made})


def test_numpy_numbers_become_python_numbers() -> None:
    made = quniform(np.float32(0.5), np.int64(8), np.float64(0.5))
    assert made == quniform(0.5, 8, 0.5)
    assert [type(bound) for bound in (made.min_value, made.max_value, made.q)] == [float, int, float]
    assert type(randint(np.int32(4)).upper) is int
    assert randint(4.0).upper == 4  # type: ignore[arg-type]
    direct = QUniform(np.float64(0), np.float64(1), np.float64(0.1))
    assert direct.quantile(0.3) == 0.3
    assert direct.count == 11


def test_options_listed_twice_count_once_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="listed more than once"):
        made = choice(1, 2, 1.0, {"a": [1]}, {"a": [1]})
    assert made.values == (1, 2, {"a": [1]})


class Plain(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Layers:
    width: int = 3


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("option", "fix"),
    [
        ({1, 2}, "sorted(...)"),
        (frozenset({1}), "sorted(...)"),
        (b"x", "params['x'].encode()"),
        (pathlib.Path("/data"), "Path(params['x'])"),
        (Plain.RED, "'RED', and look it up in the training code: Plain[params['x']]"),
        (Layers(), "Layers(**params['x'])"),
        (Layers, "Choose among names"),
        (len, "Choose among names"),
        (lambda x: x, "Choose among names"),
        (object(), "Choose among names"),
        (np.array([1, 2]), "numpy.asarray(params['x'])"),
        (range(3), "tuple(range(...))"),
        (Pair(1, 2), "a dict, or tuple(...)"),
        (decimal.Decimal("0.1"), "Write float(...)"),
        (fractions.Fraction(1, 3), "Write float(...)"),
        (datetime.date(2020, 1, 1), ".isoformat()"),
        (1j, "[real, imaginary]"),
        ({"a": 1}.keys(), "Write list(...)"),
        (math.nan, "as text"),
        ({3: "x"}, "Write '3'."),
    ],
)
def test_what_would_not_arrive_as_it_is_has_a_way_out(option: Any, fix: str) -> None:
    for options in ([1, option], [{"deep": [option]}, 2]):
        with pytest.raises(ConfigError) as caught:
            choice(options)
        (problem,) = caught.value.problems
        assert fix in problem.fix
        assert problem.allowed


@pytest.mark.parametrize("options", [{"a": 1}.keys(), {"a": 1}.values(), iter([1, 2]), (x for x in [1]), map(str, [])])
def test_a_series_that_is_no_list_has_a_way_out(options: Any) -> None:
    with pytest.raises(ConfigError, match=r"Write list\(\.\.\.\)"):
        choice(options)
