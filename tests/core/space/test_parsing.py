"""How expressions may be written, and what is refused or doubted."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from number_expressions import KINDS

from raydrive.core.errors import ConfigError
from raydrive.core.space.search_space import (
    Choice,
    Expression,
    LogUniform,
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

units = st.floats(0, 1, exclude_max=True)
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
    ({"lr": uniform(0, 1), "--lr": uniform(0, 1)}, ["search_space.--lr"], "Both become the argument --lr."),
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
