"""Search spaces: what each expression draws, how it may be written, and what is refused."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import itertools
import json
import math
import pathlib
import pickle
import statistics
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from raydrive.core.errors import ConfigError
from raydrive.core.space.search_space import (
    Choice,
    Dimension,
    Expression,
    LogUniform,
    QLogNormal,
    QUniform,
    RandInt,
    Space,
    Uniform,
    choice,
    lognormal,
    loguniform,
    normal,
    parse_space,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    space_from_json,
    uniform,
)

KINDS = ["randint", "uniform", "quniform", "loguniform", "qloguniform", "normal", "qnormal", "lognormal", "qlognormal"]
UNIT = [i / 2000 for i in range(2000)]


def draws(expression: Expression) -> list[Any]:
    return [expression.quantile(u) for u in UNIT]


# --- random expressions ----------------------------------------------------------------------------------------------

finite_float = st.floats(-1e6, 1e6, allow_nan=False)
exponent = st.floats(-20, 20)
step = st.sampled_from([0.001, 0.05, 0.1, 0.25, 0.3, 1, 2, 2.0, 7, 16, 100.0])


def _ordered(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(numbers, numbers).filter(lambda pair: pair[1] - pair[0] > 1e-3).map(tuple)


def _quantised(cls: Callable[..., Expression], *arguments: float) -> Expression | None:
    try:
        return cls(*arguments)
    except ConfigError:  # a step that leaves one value
        return None


@st.composite
def numbers(draw: st.DrawFn) -> Expression:
    kind = draw(st.sampled_from(KINDS))
    if kind == "randint":
        return RandInt(draw(st.integers(1, 10**6)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "uniform" in kind:
            bounds = draw(_ordered(exponent if "log" in kind else finite_float))
        else:
            spread = st.floats(0.01, 2 if "log" in kind else 1e3)
            bounds = (draw(st.floats(-5, 5) if "log" in kind else finite_float), draw(spread))
        made = {
            "uniform": uniform, "loguniform": loguniform, "normal": normal, "lognormal": lognormal,
            "quniform": quniform, "qloguniform": qloguniform, "qnormal": qnormal, "qlognormal": qlognormal,
        }[kind]  # fmt: skip
        if kind[0] != "q":
            return made(*bounds)
        found = _quantised(made, *bounds, draw(step))
        assume(found is not None)
        return found  # type: ignore[return-value]


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
units = st.floats(0, 1, exclude_max=True)


# --- what expressions draw -------------------------------------------------------------------------------------------


@given(numbers(), st.lists(units, min_size=1, max_size=10))
def test_every_draw_belongs_and_can_be_found_again(expression: Expression, unit: list[float]) -> None:
    for u in [*unit, 0.0, 1.0]:
        value = expression.quantile(u)
        assert expression.contains(value), (expression, u, value)
        assert math.isfinite(value)
        assert 0 <= expression.position(value) <= 1


@given(numbers(), units)
def test_position_undoes_quantile(expression: Expression, u: float) -> None:
    assume(1e-6 < u < 1 - 1e-6)  # in the far tails one value spans many positions
    value = expression.quantile(u)
    again = expression.quantile(expression.position(value))
    if isinstance(expression, RandInt) or expression.kind.startswith("q"):
        assert again == value
        assert type(again) is type(value)
    else:
        assert math.isclose(again, value, rel_tol=1e-9, abs_tol=1e-9 * 1e6)
        assert math.isclose(expression.position(value), u, abs_tol=1e-6)


@given(numbers(), units, units)
def test_quantiles_grow(expression: Expression, one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert expression.quantile(low) <= expression.quantile(high)


@given(numbers(), units)
def test_quantised_values_are_written_as_a_person_would(expression: Expression, u: float) -> None:
    assume(expression.kind.startswith("q"))
    value, q = expression.quantile(u), expression.q  # type: ignore[attr-defined]
    if q == int(q):
        assert isinstance(value, int) == (abs(value) <= 2**53)
    else:
        assert isinstance(value, float)
        decimals = len(repr(q).split(".")[1])
        assert value == round(value, decimals)
        assert len(repr(value).partition(".")[2].partition("e")[0]) <= decimals or "e" in repr(value)


def test_a_tenth_stays_a_tenth() -> None:
    assert sorted(set(draws(quniform(0, 1, 0.1)))) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert set(draws(quniform(-0.3, 0.3, 0.1))) == {-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3}
    assert not any(math.copysign(1, value) < 0 for value in draws(quniform(-0.3, 0.3, 0.1)) if value == 0)
    assert quniform(0, 1, 1e-5).quantile(0.123456) == 0.12346


def test_hyperdrives_rounding_may_leave_the_bounds() -> None:
    assert quniform(1, 10, 4).options() == (0, 4, 8)
    assert set(draws(quniform(1, 10, 4))) == {0, 4, 8}
    assert quniform(3, 11, 4).options() == (4, 8, 12)
    assert quniform(0, 0.55, 0.1).options() == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


def test_values_at_the_ends_take_half_a_cell() -> None:
    values = draws(quniform(0, 10, 1))
    assert [values.count(value) for value in (0, 5, 10)] == pytest.approx([100, 200, 100], abs=1)
    assert [quniform(0, 10, 1).position(v) for v in (0, 5, 10)] == [0.025, 0.5, 0.975]


def test_whole_steps_give_whole_numbers() -> None:
    assert [repr(quniform(16, 64, q).quantile(0.25)) for q in (4, 4.0)] == ["28", "28"]
    assert repr(quniform(0, 4, 0.5).quantile(0.5)) == "2.0"
    assert type(quniform(0, 2e20, 1).quantile(0.9)) is float


def test_loguniform_is_exp_of_uniform_to_base_e() -> None:
    # 100 recorded draws of a real loguniform(-6, -2) lay in [0.002507, 0.13217].
    values = draws(loguniform(-6, -2))
    assert min(values) == pytest.approx(math.exp(-6))
    assert max(values) == pytest.approx(math.exp(-2), rel=0.01)
    assert statistics.median(values) == pytest.approx(math.exp(-4), rel=0.01)


def test_randint_is_zero_up_to_upper() -> None:
    assert randint(5).options() == (0, 1, 2, 3, 4)
    assert [draws(randint(5)).count(i) for i in range(5)] == [400] * 5
    assert randint(2**63).quantile(1 - 2**-53) < 2**63
    assert randint(10**9).options() is None


def test_normals() -> None:
    values = draws(normal(10, 2))[1:]
    assert statistics.mean(values) == pytest.approx(10, abs=0.01)
    assert statistics.stdev(values) == pytest.approx(2, rel=0.01)
    assert statistics.median(draws(lognormal(1, 0.5))) == pytest.approx(math.e, rel=0.01)
    assert set(draws(qnormal(0, 1, 2))[1:]) == {-4, -2, 0, 2, 4}
    assert set(draws(qlognormal(0, 1, 0.5))) >= {0.0, 0.5, 1.0, 1.5}
    assert min(draws(qlognormal(0, 1, 0.5))) == 0


@pytest.mark.parametrize("expression", [normal(0, 1), qnormal(0, 1, 0.1), lognormal(0, 1), qlognormal(0, 1, 1)])
def test_normals_are_finite_at_both_ends(expression: Expression) -> None:
    for u in (0.0, 2.0**-60, 1 - 2.0**-53, 1.0):
        assert math.isfinite(expression.quantile(u))
    assert expression.count is None
    assert expression.options() is None
    with pytest.raises(IndexError):
        expression.option_at(0)


def test_positions_outside_are_clipped() -> None:
    for expression in (uniform(0, 1), loguniform(-2, 0), quniform(0, 1, 0.1), qloguniform(0, 3, 1), randint(7)):
        assert expression.position(-1e300) == expression.position(expression.quantile(0.0))
        assert expression.position(1e300) == pytest.approx(expression.position(expression.quantile(1.0)))
    assert lognormal(0, 1).position(-3) == 0
    assert qnormal(0, 1, 1).position(1e300) == 1
    assert qnormal(0, 1, 1e-200).position(1e300) == 1


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


# --- what is refused, in Python --------------------------------------------------------------------------------------

NAN, INF = math.nan, math.inf
BAD_CALLS: list[tuple[Callable[[], object], str, str]] = [
    (lambda: uniform(1, 0), "uniform.min_value", "Swap the bounds."),
    (lambda: uniform(1, 1), "uniform.min_value", "A fixed value is choice(1)."),
    (lambda: loguniform(0, 0), "loguniform.min_value", "choice(1.0)"),
    (lambda: uniform(NAN, 1), "uniform.min_value", "found nan; allowed: a finite number"),
    (lambda: uniform(0, INF), "uniform.max_value", "found inf"),
    (lambda: uniform(0, 10**400), "uniform.max_value", "a finite number"),
    (lambda: uniform(-1e308, 1.7e308), "uniform.min_value", "the width overflows"),
    (lambda: uniform(-(10**308), 10**308), "uniform.min_value", "the width overflows"),
    (lambda: uniform(False, 1), "uniform.min_value", "found False"),
    (lambda: uniform("0", 1), "uniform.min_value", "found '0'"),  # type: ignore[arg-type]
    (lambda: uniform(None, 1), "uniform.min_value", "found None"),  # type: ignore[arg-type]
    (lambda: quniform(0, 1, 0), "quniform.q", "Without quantising it is uniform."),
    (lambda: quniform(0, 1, -0.1), "quniform.q", "a number above 0"),
    (lambda: quniform(0, 1, NAN), "quniform.q", "a finite number"),
    (lambda: quniform(0, 1, True), "quniform.q", "found True"),
    (lambda: quniform(0, 1, 5), "quniform.q", "All values round to 0"),
    (lambda: quniform(0, 1, 1e-308), "quniform.q", "Finer steps are lost in rounding."),
    (lambda: quniform(0, 1.7e308, 1.5e308), "quniform.q", "to stay finite"),
    (lambda: loguniform(0, 710), "loguniform.max_value", "values up to 710 need log(710) = 6.5"),
    (lambda: loguniform(-800, 0), "loguniform.min_value", "at least -745"),
    (lambda: qloguniform(0, 1000, 1), "qloguniform.max_value", "at most 709.78"),
    (lambda: normal(0, 0), "normal.sigma", "A fixed value is choice(value)."),
    (lambda: normal(0, -1), "normal.sigma", "found -1; allowed: a number above 0"),
    (lambda: normal(NAN, 1), "normal.mu", "found nan"),
    (lambda: normal(0, 1e308), "normal.sigma", "to stay finite"),
    (lambda: lognormal(0, 100), "lognormal.sigma", "found 100 with mu 0"),
    (lambda: lognormal(-800, 1), "lognormal.sigma", "at least -745"),
    (lambda: qnormal(0, 1, 0), "qnormal.q", "Without quantising it is normal."),
    (lambda: qlognormal(705, 1, 1), "qlognormal.sigma", "at most 709.78"),
    (lambda: qlognormal(0, 1, -2), "qlognormal.q", "a number above 0"),
    (lambda: randint(0), "randint.upper", "found 0; allowed: a whole number from 1"),
    (lambda: randint(-3), "randint.upper", "found -3"),
    (lambda: randint(2.7), "randint.upper", "found 2.7"),  # type: ignore[arg-type]
    (lambda: randint(True), "randint.upper", "found True"),
    (lambda: randint("5"), "randint.upper", "found '5'"),  # type: ignore[arg-type]
    (lambda: randint(2**63 + 1), "randint.upper", "2**63"),
    (lambda: choice(), "choice.values", "0 options"),
    (lambda: choice([]), "choice.values", "0 options"),
    (lambda: choice(range(0)), "choice.values", "0 options"),
    (lambda: choice(np.array([])), "choice.values", "0 options"),
    (lambda: choice(range(10**9)), "choice.values", "use randint or quniform"),
    (lambda: choice([1, 2], [3, 4]), "choice.values[0]", "choice([[...], [...]])"),
    (lambda: choice([1, 2], 3), "choice.values[0]", "a single value"),
    (lambda: choice({1, 2}), "choice.values[0]", "write sorted(...)"),
    (lambda: choice(1, NAN), "choice.values[1]", "found nan"),
    (lambda: choice(1, object()), "choice.values[1]", "(object)"),
    (lambda: choice(1, max), "choice.values[1]", "builtin_function_or_method"),
    (lambda: choice({1: 2}), "choice.values[0].1", "Write '1'."),
    (lambda: choice(uniform(0, 1), 2), "choice.values[0]", '{"value": uniform(...)}'),
    (lambda: choice({"a": [uniform(0, 1)]}), "choice.values[0].a[0]", "expressions only inside a dict"),
    (lambda: choice({"a": {"type": "unifrom", "min_value": 0, "max_value": 1}}), "choice.values[0].a.type", "uniform"),
    (lambda: choice({"a": {"type": "uniform", "min_value": 1}}), "choice.values[0].a.max_value", "found nothing"),
    (lambda: Choice([1]), "choice.values", "1 to 100,000 options"),  # type: ignore[arg-type]
    (lambda: Choice(()), "choice.values", "0 options"),
    (lambda: Uniform(2, 1), "uniform.min_value", "below max_value (1)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "where", "text"), BAD_CALLS, ids=[f"{i}-{row[1]}" for i, row in enumerate(BAD_CALLS)])
def test_nonsense_is_refused_with_its_place(call: Callable[[], object], where: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        call()
    assert where in [problem.where for problem in caught.value.problems]
    assert text in str(caught.value)


def test_all_problems_of_an_expression_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        quniform(3, 1, 0)
    assert [problem.where for problem in caught.value.problems] == ["quniform.min_value", "quniform.q"]
    with pytest.raises(ConfigError) as caught:
        choice(1, NAN, {2: 3}, {"a": randint, "b": {"type": "randint", "upper": 0}})
    assert [problem.where for problem in caught.value.problems] == [
        "choice.values[1]",
        "choice.values[2].2",
        "choice.values[3].a",
        "choice.values[3].b.upper",
    ]


def test_an_option_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ConfigError, match="at most 32 levels"):
        choice(1, {"a": loop})


# --- what may be written ---------------------------------------------------------------------------------------------


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


LR = {"type": "loguniform", "min_value": -6, "max_value": -2}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (loguniform(-6, -2), loguniform(-6, -2)),
        (LR, loguniform(-6, -2)),
        ({**LR, "min_value": "-6", "max_value": " -2e0 "}, loguniform(-6, -2)),
        ({**LR, "type": "LogUniform"}, loguniform(-6, -2)),
        ({**LR, "type": "log_uniform"}, loguniform(-6, -2)),
        (["loguniform", [-6, -2]], loguniform(-6, -2)),
        (("loguniform", (-6, -2)), loguniform(-6, -2)),
        ({"type": "quniform", "min_value": "0.1", "max_value": 1, "q": "1e-1"}, quniform(0.1, 1, 0.1)),
        ({"type": "randint", "upper": "5"}, randint(5)),
        ({"type": "randint", "upper": 5.0}, randint(5)),
        (["randint", [5]], randint(5)),
        ({"type": "choice", "values": [1, "a"]}, choice(1, "a")),
        ({"type": "choice", "values": range(3)}, choice(0, 1, 2)),
        ({"type": "choice", "values": [[1, 2]]}, choice([[1, 2]])),
        (["choice", [[1, 2]]], choice(1, 2)),
        (["choice", [1, 2]], choice(1, 2)),
        (["choice", [[{"a": ["uniform", [0, 1]]}]]], choice({"a": uniform(0, 1)})),
        ({"type": "choice", "values": [{"a": LR, "b": 3}]}, choice({"a": loguniform(-6, -2), "b": 3})),
        (
            {"type": "choice", "values": [{"a": {"type": "Choice", "values": [{"b": LR}]}}]},
            choice({"a": choice({"b": loguniform(-6, -2)})}),
        ),
        (["qlognormal", [0, 1, 0.5]], qlognormal(0, 1, 0.5)),
    ],
)
def test_the_three_ways_of_writing(raw: Any, expected: Expression) -> None:
    assert parse_space({"x": raw}).expressions["x"] == expected


BAD_SPACES: list[tuple[Any, list[str], str]] = [
    (None, ["search_space"], "a mapping of parameter names"),
    ({}, ["search_space"], "one parameter or more"),
    ([1], ["search_space"], "found [1]"),
    ({"a": 3}, ["search_space.a"], "choice(3), in YAML {type: choice, values: [3]}"),
    ({"a": "x"}, ["search_space.a"], "A fixed value is written choice('x')"),
    ({"a": None}, ["search_space.a"], "found None"),
    ({"a": [1, 2]}, ["search_space.a"], "Alternatives are written choice([...])"),
    ({"a": ["x", "y", "z"]}, ["search_space.a"], "Alternatives are written choice([...])"),
    ({"a": range(3)}, ["search_space.a"], "Alternatives are written choice([...])"),
    ({"a": uniform}, ["search_space.a"], "(function)"),
    ({"a": {"type": "unifrom"}}, ["search_space.a.type"], "Did you mean 'uniform'?"),
    ({"a": {"type": 3}}, ["search_space.a.type"], "found 3"),
    ({"a": {"min_value": 1, "max_value": 2, "q": 1}}, ["search_space.a.type"], "uniform or quniform"),
    ({"a": {}}, ["search_space.a.type"], "found nothing"),
    ({"a": {"type": "uniform"}}, ["search_space.a.min_value", "search_space.a.max_value"], "found nothing"),
    ({"a": {"type": "uniform", "min": 0, "max_value": "x"}},
     ["search_space.a.min", "search_space.a.min_value", "search_space.a.max_value"], "no such key"),
    ({"a": {"type": "uniform", "min_valu": 0, "max_value": 1}},
     ["search_space.a.min_valu", "search_space.a.min_value"], "Did you mean 'min_value'?"),
    ({"a": {"type": "uniform", "min_value": "abc", "max_value": "nan"}},
     ["search_space.a.min_value", "search_space.a.max_value"], "found 'abc'"),
    ({"a": {"type": "uniform", "min_value": True, "max_value": 2}}, ["search_space.a.min_value"], "found True"),
    ({"a": {"type": "randint", "upper": "2.7"}}, ["search_space.a.upper"], "found 2.7"),
    ({"a": {"type": "choice", "values": []}}, ["search_space.a.values"], "0 options"),
    ({"a": {"type": "choice"}}, ["search_space.a.values"], "a list of one or more options"),
    ({"a": {"type": "choice", "values": "abc"}}, ["search_space.a.values"], "A single option is written ['abc']."),
    ({"a": {"type": "choice", "values": 3}}, ["search_space.a.values"], "A single option is written [3]."),
    ({"a": {"type": "choice", "values": {1, 2}}}, ["search_space.a.values"], "write sorted(...)"),
    ({"a": {"type": "choice", "values": {"b": 1}}}, ["search_space.a.values"], "found {'b': 1}"),
    ({"a": {"type": "choice", "values": [1, {"depth": {"type": "randint", "upper": 0}}]}},
     ["search_space.a.values[1].depth.upper"], "found 0"),
    ({"a": ["uniform", [1]]}, ["search_space.a"], '["uniform", [min_value, max_value]]'),
    ({"a": ["unifrom", [1, 2]]}, ["search_space.a"], "Did you mean 'uniform'?"),
    ({"a": ["uniform", [2, 1]], "b": 3}, ["search_space.a.min_value", "search_space.b"], "Swap"),
    ({"": uniform(0, 1)}, ["search_space"], "the name ''"),
    ({"--": uniform(0, 1)}, ["search_space"], "the name '--'"),
    ({3: uniform(0, 1)}, ["search_space"], "the name 3"),
    ({"lr": uniform(0, 1), "--lr": uniform(0, 1)}, ["search_space.--lr"], "Both are the argument --lr."),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "wheres", "text"), BAD_SPACES)
def test_broken_spaces_are_refused_with_every_place(raw: Any, wheres: list[str], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_space(raw)
    assert [problem.where for problem in caught.value.problems] == wheres
    assert text in str(caught.value)


def test_errors_begin_with_the_name_the_caller_gives() -> None:
    with pytest.raises(ConfigError, match=r"^space\.a: found"):
        parse_space({"a": 1}, "space")


def test_a_space_holds_expressions_only() -> None:
    with pytest.raises(ConfigError, match=r"search_space\.a: found 3"):
        Space({"a": 3})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="no parameters"):
        Space({})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    | st.sampled_from(["choice", "uniform", "quniform", "randint", "type", "lognormal", "1e400", "-3"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "values", "min_value", "max_value", "q", "mu", "sigma", "upper", "x"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=3))
def test_whatever_is_written_is_read_or_refused(raw: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            space = parse_space(raw)
        except ConfigError:
            return
    assert parse_space(space.to_json()) == space
    assert space.contains(space.at([0.5] * len(space.dimensions)))


kinds = st.sampled_from([kind for kind in KINDS if kind != "randint"])
wild = (
    st.floats() | st.integers(-(10**310), 10**310) | st.sampled_from([0, 1, -1, 0.5, 709, 1e308, 5e-324, 1e-300, True])
)


@given(kinds, wild, wild, wild, st.lists(units, max_size=3))
def test_any_numbers_are_refused_or_draw_finite_values(
    kind: str, first: float, second: float, q: float, unit: list[float]
) -> None:
    arguments = [first, second, *([q] if kind.startswith("q") else [])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = parse_space({"x": [kind, arguments]}).expressions["x"]
        except ConfigError:
            return
    for u in [0.0, 0.5, 1.0, *unit]:
        value = found.quantile(u)
        assert math.isfinite(value)
        assert 0 <= found.position(value) <= 1


# --- the doubt about loguniform --------------------------------------------------------------------------------------


def test_bounds_from_other_tools_are_doubted() -> None:
    with pytest.warns(UserWarning, match=r"between 1\.0202 and 1\.10517") as caught:
        loguniform(0.02, 0.1)
    assert "loguniform(low=0.02, high=0.1)" in str(caught[0].message)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"search_space\.lr: {type: loguniform, min_value: 0\.02, max"):
        parse_space({"lr": {"type": "loguniform", "min_value": 0.02, "max_value": 1e-1}})
    with pytest.warns(UserWarning, match=r"qloguniform\(low=<smallest value>, high=0\.1, q=0\.01\)"):
        qloguniform(0, 0.1, 0.01)


def test_bounds_are_doubted_once_and_only_then() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loguniform(-9, -2)
        loguniform(0, 0.2)  # draws up to 1.22
        loguniform(-0.1, 0.1)
        made = LogUniform(1e-4, 1e-1)
        parse_space({"lr": made})
        assert space_from_json({"lr": made.to_json()}) == Space({"lr": made})


# --- the space -------------------------------------------------------------------------------------------------------


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


def test_expressions_compare_and_hash() -> None:
    assert uniform(0, 1) == uniform(0.0, 1.0) != uniform(0, 2)
    assert len({choice({"a": 1}), choice({"a": 1}), choice({"a": 2})}) == 2
    assert QLogNormal(0, 1, 0.5) != quniform(0, 1, 0.5)
    assert Space({"a": uniform(0, 1)}) != "a"
    assert Space({"a": randint(1), "b": randint(1)}) != Space({"b": randint(1), "a": randint(1)})
    with pytest.raises(AttributeError):
        uniform(0, 1).min_value = 3  # type: ignore[misc]


# ---------------------------------------------------------------------- tuples, and what cannot be an option


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
