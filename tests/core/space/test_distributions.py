"""Numeric expressions: what they draw, and where a value is found again."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from number_expressions import numbers

from raydrive.core.space.search_space import (
    Expression,
    RandInt,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)

UNIT = [i / 2000 for i in range(2000)]


def draws(expression: Expression) -> list[Any]:
    return [expression.quantile(u) for u in UNIT]


units = st.floats(0, 1, exclude_max=True)


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
