"""The numbers that rules are judged by, and what a run will have used at its end."""

from __future__ import annotations

import math
import random
import statistics

from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.finish.budgets import HOUR_S, Line
from raydrive.core.finish.forecast import rest_s
from raydrive.core.finish.progress import Progress, due_s, improves, reaches
from raydrive.core.finish.rules import NoImprovement

values = st.lists(st.floats(-10, 10), max_size=40)


@given(values, st.floats(0, 3), st.booleans())
def test_trials_since_the_last_improvement_are_those_that_do_not_beat_it(
    found: list[float], tolerance: float, maximize: bool
) -> None:
    progress = Progress()
    for value in found:
        progress.close(value, NoImprovement(3, tolerance), maximize)
    if not found:
        assert progress.reference is None
        return
    assert progress.reference is not None
    place = len(found) - 1 - progress.since
    assert found[place] == progress.reference
    assert not any(improves(value, progress.reference, tolerance, maximize) for value in found[place + 1 :])


def test_trials_without_a_value_do_not_count() -> None:
    progress = Progress()
    for value in (0.5, None, math.nan, None, 0.4):
        progress.close(value, NoImprovement(3), True)
    assert (progress.reference, progress.since) == (0.5, 1)


def test_a_target_is_reached_from_its_better_side() -> None:
    assert reaches(0.97, 0.97, True)
    assert not reaches(0.96, 0.97, True)
    assert reaches(0.1, 0.2, False)
    assert not reaches(None, 0.2, False)
    assert not reaches(math.nan, 0.2, False)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.integers(0, 8)), max_size=20))
def test_hours_add_up(attempts: list[tuple[float, int]]) -> None:
    progress = Progress()
    for seconds, gpus in attempts:
        progress.train(seconds, {"gpu": gpus, "cpu": 1.0})
    expected = sum(seconds * gpus for seconds, gpus in attempts) / HOUR_S
    assert math.isclose(progress.hours.get("gpu", 0.0), expected, rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(progress.trained_s, sum(seconds for seconds, _ in attempts), rel_tol=1e-9, abs_tol=1e-12)


@given(st.floats(0.1, 100), st.floats(0, 50), st.integers(1, 8))
def test_a_budget_is_used_up_when_that_was_foretold(limit: float, used: float, running: int) -> None:
    line = Line("budget.gpu_hours", limit, {"gpu": 1.0})
    due = due_s([line], {"gpu": used}, {"gpu": running})
    assert due is not None
    assert line.spent({"gpu": used + running * due / HOUR_S}) >= limit * (1 - 1e-9)
    assert due == 0.0 or line.spent({"gpu": used + running * 0.9 * due / HOUR_S}) < limit


def test_nothing_comes_closer_where_nothing_runs() -> None:
    assert due_s([Line("cost", 1.0, {"gpu": 1.0})], {"gpu": 0.5}, {"gpu": 0}) is None


def test_the_error_of_a_forecast_is_as_large_as_forecasts_are_wrong() -> None:
    """Of 600 drawn runs the truth lies within one standard deviation in about two of three."""
    rng, inside, ratios = random.Random(3), 0, []
    for _ in range(600):
        durations = [rng.lognormvariate(3.0, 0.4) for _ in range(40)]
        found = rest_s(durations[:15], [], 25)
        assert found is not None
        truth = sum(durations[15:])
        inside += abs(truth - found.value) <= found.error
        ratios.append(found.value / truth)
    assert 0.58 <= inside / 600 <= 0.78
    assert 0.97 <= statistics.mean(ratios) <= 1.05


def test_what_is_running_goes_on_as_long_as_those_that_were_as_long() -> None:
    found = rest_s([10.0, 20.0, 30.0], [15.0], 0)
    assert found is not None
    assert found.value == ((20 - 15) + (30 - 15)) / 2
    assert rest_s([10.0], [50.0], 0) is not None
    assert rest_s([], [5.0], 3) is None
