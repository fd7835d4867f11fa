"""Bounds that mean the values themselves, whole numbers between two bounds, and exponents that were meant as values."""

from __future__ import annotations

import itertools
import math
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raydrive
from raydrive.core.errors import ConfigError
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space import search_space
from raydrive.core.space.search_space import (
    Expression,
    IntRange,
    LogInt,
    LogUniform,
    Space,
    choice,
    int_range,
    log_int,
    log_range,
    loguniform,
    parse_space,
    qloguniform,
    space_from_json,
)
from raydrive.core.views.chart_axes import axes_of
from raydrive.sweepfile.loader import load_sweep

ANSWERS = Path(__file__).with_name("bounds_answers.txt")
SWEEP = """
type: sweep
trial: {command: "python train.py --lr ${{search_space.lr}}"}
search_space:
  lr: %s
objective: {goal: maximize, primary_metric: accuracy}
limits: {max_total_trials: 3}
"""


def answers() -> dict[str, str]:
    _, *sections = ANSWERS.read_text().split("\n== ")
    return {call: body.strip() for call, _, body in (section.partition("\n") for section in sections)}


def answer(call: str) -> str:
    """What a call answers: the error, or the expression and the warnings."""
    names = {name: getattr(search_space, name) for name in search_space.__all__}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = eval(call, names)
        except ConfigError as error:
            return str(error)
    return "\n".join([str(made), *(f"warning: {one.message}" for one in caught)])


@pytest.mark.parametrize("call", sorted(answers()))
def test_a_call_gets_its_answer(call: str) -> None:
    assert answer(call) == answers()[call]


@pytest.mark.parametrize("call", [call for call, text in answers().items() if "or values " in text])
def test_the_line_to_write_can_be_pasted(call: str) -> None:
    lines = [part.split("write ", 1)[1] for part in answers()[call].split("; ") if "write " in part]
    line = lines[-1].removesuffix(".")
    if "<smallest value>" not in line:
        assert "found" not in answer(line)
        assert "warning" not in answer(line)


# --- every way of writing them ---------------------------------------------------------------------------------------

LR = log_range(1e-5, 0.1)
Q16 = qloguniform(low=16, high=256, q=16)
WAYS: list[tuple[Any, str, Expression]] = [
    (loguniform(low=1e-5, high=0.1), "{loguniform: {low: 1e-5, high: 0.1}}", LR),
    (log_range(1e-5, 0.1), "{type: log_range, min_value: 1e-5, max_value: 0.1}", LR),
    (["log_range", [1e-5, 0.1]], "{log_range: [1e-5, 0.1]}", LR),
    (log_range(low=1e-5, high=0.1), "{type: log_range, low: 1e-5, high: 0.1}", LR),
    (
        {"type": "loguniform", "min_value": 1e-5, "max_value": "0.1", "bounds": "plain"},
        "{type: LogUniform, min_value: 1e-5, max_value: 0.1, bounds: Plain}",
        LR,
    ),
    (
        qloguniform(low=16, high=256, q=16),
        "{type: qloguniform, min_value: 16, max_value: 256, q: 16, bounds: plain}",
        Q16,
    ),
    (
        {"qloguniform": {"low": 16, "high": 256, "q": 16}},
        "{qloguniform: {low: 16, high: 256, q: 16}}",
        Q16,
    ),
    (log_int(16, 512), "{type: log_int, min_value: 16, max_value: 512}", LogInt(16, 512)),
    (log_int(16.0, 512), "{log_int: {low: 16, high: 512}}", LogInt(16, 512)),  # type: ignore[arg-type]
    (["log_int", [16, 512]], "[log_int, [16, 512]]", LogInt(16, 512)),
    (int_range(1, 8), "{type: int_range, min_value: 1, max_value: 8}", IntRange(1, 8)),
    (int_range(low=1, high=8), "{int_range: {low: 1, high: 8}}", IntRange(1, 8)),
    (loguniform(-10, -2), "{loguniform: [-10, -2]}", LogUniform(-10, -2)),
    ({"uniform": [0, 1]}, "{uniform: {min_value: 0, max_value: 1}}", raydrive.uniform(0, 1)),
    ({"choice": [1, 2]}, "{choice: [1, 2]}", choice(1, 2)),
    ({"randint": 4}, "{randint: 4}", raydrive.randint(4)),
]


@pytest.mark.parametrize(("python", "yaml", "meant"), WAYS)
def test_python_and_yaml_mean_the_same(python: Any, yaml: str, meant: Expression, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_space({"lr": python}).expressions == {"lr": meant}
        read = load_sweep(tmp_path / "sweep.yml", text=SWEEP % yaml).submission.config.sampling.space
    assert read.expressions == {"lr": meant}
    assert space_from_json(read.to_json()) == read


def test_inside_an_option_only_low_and_high_make_a_short_form() -> None:
    data = {"init": {"uniform": {"a": 1}}, "n": {"choice": [1]}}
    assert choice({"lr": {"loguniform": {"low": 1e-5, "high": 0.1}}, **data}).values == ({"lr": LR, **data},)


def test_what_was_recorded_is_read_as_it_is() -> None:
    """Runs of earlier versions hold bounds that are refused today, and options that are data."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        old = {
            "lr": {"type": "loguniform", "min_value": 1e-5, "max_value": 0.1},
            "units": {"type": "qloguniform", "min_value": 16, "max_value": 256, "q": 1},
            "x": {"type": "choice", "values": [{"a": {"loguniform": {"low": 1, "high": 2}}}]},
        }
        assert space_from_json(old).to_json() == old


# --- what is drawn ---------------------------------------------------------------------------------------------------


@given(low=st.integers(-50, 50), width=st.integers(1, 40))
def test_int_range_draws_both_bounds_and_all_between_equally(low: int, width: int) -> None:
    made, count = int_range(low, low + width), width + 1
    drawn = Counter(made.quantile((i + 0.5) / (10 * count)) for i in range(10 * count))
    assert drawn == {value: 10 for value in range(low, low + count)}
    assert made.options() == tuple(range(low, low + count))


@given(low=st.integers(1, 10_000), width=st.integers(1, 10**12))
def test_log_int_draws_both_bounds_and_nothing_beyond(low: int, width: int) -> None:
    made = log_int(low, low + width)
    assert made.quantile(0.0) == low
    assert made.quantile(1.0) == low + width
    assert made.contains(low)
    assert made.contains(low + width)
    assert not made.contains(low - 1)
    assert not made.contains(low + width + 1)
    assert not made.contains(low + 0.5)
    for u in (0.1, 0.5, 0.9):
        value = made.quantile(u)
        assert isinstance(value, int)
        assert made.quantile(made.position(value)) == value


def test_log_int_gives_each_octave_its_share() -> None:
    made = log_int(16, 512)
    drawn = [made.quantile(u) for u in np.random.default_rng(0).random(20_000)]
    shares = [sum(low <= value < 2 * low for value in drawn) / 20_000 for low in (16, 32, 64, 128, 256)]
    assert shares == pytest.approx([0.2] * 5, abs=0.015)


@given(low=st.floats(1e-300, 1e300), factor=st.floats(1.001, 1e6))
def test_no_value_lies_outside_plain_bounds(low: float, factor: float) -> None:
    made = log_range(low, low * factor)
    assert low <= made.quantile(0.0) <= made.quantile(0.5) <= made.quantile(1.0) <= low * factor
    assert made.contains(low)
    assert made.contains(low * factor)


def test_plain_bounds_are_the_values() -> None:
    made = loguniform(low=1e-5, high=0.1)
    assert isinstance(made, LogUniform)
    assert made.min_value == pytest.approx(math.log(1e-5), abs=1e-12)
    assert made.max_value == pytest.approx(math.log(0.1), abs=1e-12)
    assert made.quantile(0) == pytest.approx(1e-5)
    assert made.quantile(0.5) == pytest.approx(1e-3)
    assert made.quantile(1) == pytest.approx(0.1)
    assert made.contains(1e-5)
    assert made.contains(0.1)
    steps = qloguniform(low=16, high=256, q=16)
    assert steps.options() == tuple(range(16, 257, 16))


# --- samplers and charts ---------------------------------------------------------------------------------------------

SPACE = {"n": int_range(1, 4), "units": log_int(16, 64), "lr": log_range(1e-5, 0.1)}


@pytest.mark.parametrize(
    "sampling",
    [RandomParameterSampling(SPACE), RandomParameterSampling(SPACE, rule="sobol"), BayesianParameterSampling(SPACE)],
    ids=["random", "sobol", "bayesian"],
)
def test_samplers_stay_within_the_bounds_and_reach_them(sampling: SamplingSpec) -> None:
    sampler = sampling.build(0, True)
    history: list[TrialRecord] = []
    for number in range(24):
        suggestion = sampler.ask(number, history)
        assert suggestion is not None
        assert sampling.space.contains(suggestion.params)
        value = float(suggestion.params["units"])
        history.append(
            TrialRecord(
                number=number, params=suggestion.params, value=value, state="Completed", curve=(value,), stopped=False
            )
        )
    assert {record.params["n"] for record in history} == {1, 2, 3, 4}
    assert max(record.params["units"] for record in history) > 48


def test_a_grid_takes_whole_numbers_between_bounds() -> None:
    space = {"n": int_range(1, 3), "units": log_int(7, 8)}
    sampler = GridParameterSampling(space).build(0, True)
    history: list[TrialRecord] = []
    for number in range(6):
        suggestion = sampler.ask(number, history)
        assert suggestion is not None
        params = suggestion.params
        history.append(TrialRecord(number=number, params=params, value=1.0, state="Completed", curve=(), stopped=False))
    assert [(r.params["n"], r.params["units"]) for r in history] == list(itertools.product((1, 2, 3), (7, 8)))
    assert sampler.ask(6, history) is None


def test_a_grid_refuses_what_has_no_list() -> None:
    with pytest.raises(ConfigError) as caught:
        GridParameterSampling({"lr": log_range(1e-5, 0.1), "n": int_range(0, 10**6)})
    assert [problem.where for problem in caught.value.problems] == ["search_space.lr", "search_space.n"]
    assert "int_range or log_int, as a grid lists every value" in str(caught.value)


def test_charts_have_logarithmic_axes_for_them() -> None:
    space = Space(SPACE)
    rows = [space.at(np.full(3, u)) for u in (0.1, 0.5, 0.9)]
    assert {axis.name: axis.log for axis in axes_of(space, rows)} == {"n": False, "units": True, "lr": True}
