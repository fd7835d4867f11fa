"""What ends a run early, as it is written: read, checked, and back again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.errors import ConfigError
from raydrive.core.finish.budgets import lines_of, misfits, weights_of
from raydrive.core.finish.rules import Budget, Cost, FinishWhen, NoImprovement, finish_when_of

above_0 = st.floats(1e-6, 1e6)
rules = st.builds(
    FinishWhen,
    target=st.none() | st.floats(-1e9, 1e9),
    no_improvement=st.none() | st.builds(NoImprovement, st.integers(1, 99), st.floats(0, 9)),
    expected_gain_below=st.none() | above_0,
    budget=st.none() | st.builds(Budget, above_0, st.none() | above_0),
    cost=st.none() | st.builds(Cost, above_0, st.dictionaries(st.sampled_from(["A100", "cpu"]), above_0, min_size=1)),
)


@given(rules)
def test_what_is_written_is_read_again(given_rules: FinishWhen) -> None:
    raw = given_rules.to_json()
    if raw:
        assert finish_when_of(raw) == given_rules


def test_a_number_of_trials_stands_for_the_mapping() -> None:
    assert finish_when_of({"no_improvement": 20}) == FinishWhen(no_improvement=NoImprovement(20, 0.0))


def test_nothing_is_no_rule() -> None:
    assert finish_when_of(None) is None


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ({}, "finish_when"),
        ([1], "finish_when"),
        ({"target": float("nan")}, "finish_when.target"),
        ({"target": True}, "finish_when.target"),
        ({"no_improvement": True}, "finish_when.no_improvement"),
        ({"no_improvement": {"tolerance": 1}}, "finish_when.no_improvement.trials"),
        ({"budget": {}}, "finish_when.budget"),
        ({"budget": 3}, "finish_when.budget"),
        ({"cost": {"limit": 1}}, "finish_when.cost.prices"),
        ({"cost": {"limit": 1, "prices": 3}}, "finish_when.cost.prices"),
        ({"cost": {"limit": 1, "prices": {"cpu": -1}}}, "finish_when.cost.prices.cpu"),
        ({"stop_at": 3}, "finish_when.stop_at"),
    ],
)
def test_what_cannot_be_used_is_named(raw: Any, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        finish_when_of(raw)
    assert where in [problem.where for problem in caught.value.problems]


def test_the_price_of_the_accelerator_goes_before_that_of_any_gpu() -> None:
    amounts = {"cpu": 4.0, "gpu": 2.0, "accelerator:A100": 2.0}
    assert weights_of(amounts, {"gpu": 1.0, "cpu": 0.1}) == {"gpu": 1.0, "cpu": 0.1}
    assert weights_of(amounts, {"gpu": 1.0, "A100": 3.0}) == {"accelerator:A100": 3.0}
    (line,) = lines_of(finish_when_of({"cost": {"limit": 9, "prices": {"A100": 3.0, "cpu": 0.5}}}), amounts)
    assert line.spent(amounts) == 2 * 3.0 + 4 * 0.5


def test_rules_that_could_never_hold_are_refused() -> None:
    given_rules = finish_when_of({"expected_gain_below": 1, "budget": {"gpu_hours": 1}})
    assert given_rules is not None
    assert [one.where for one in misfits(given_rules, {"cpu": 1.0, "gpu": 0.0}, "grid")] == [
        "finish_when.expected_gain_below",
        "finish_when.budget.gpu_hours",
    ]
    assert misfits(given_rules, {"cpu": 1.0, "gpu": 0.5}, "bayesian gp") == []
