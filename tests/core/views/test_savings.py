from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.records import CANCELED, Began, Ended, Fact, Lost, Reported, Started, Suggested
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.savings import NOT_COMPLETED, Forecast, Saving, Span, saving
from raydrive.testing.runners import function_config


def sweep_of(*facts: Fact, **options: Any) -> Sweep:
    policy = BanditPolicy(slack_amount=0.1)
    sweep = Sweep(function_config(tuple(range(99)), **{"max_concurrent_runs": 50, "policy": policy, **options}))
    for fact in facts:
        assert sweep.accepts(fact), fact
        sweep.handle(fact)
    return sweep


def trial(number: int, *values: float, start_s: float, pace_s: float, at: float = 10.0, code: int = 0) -> list[Fact]:
    """One whole trial: it logs first after ``start_s`` and one pace, then every ``pace_s``, and ends with its last."""
    facts: list[Fact] = [Started(at, 1)] if number == 0 else []
    facts += [Suggested(at, number, {}), Began(at, number, 1)]
    times = [at + start_s + pace_s * k for k in range(1, len(values) + 1)]
    facts += [Reported(t, number, 1, k, k, value) for k, (t, value) in enumerate(zip(times, values, strict=True), 1)]
    return [*facts, Ended(times[-1], number, 1, code)]


GOOD = [1.0] * 10


def test_start_up_is_no_pace() -> None:
    """One of ten intervals was trained, after 60 s of imports: nine seconds were saved, not nine times 61."""
    sweep = sweep_of(
        *trial(0, *GOOD, start_s=60.0, pace_s=1.0), *trial(1, 0.5, start_s=60.0, pace_s=1.0, at=99.0, code=-15)
    )
    assert sweep.trials[1].state == CANCELED
    found = saving(sweep)
    assert (found.stopped, found.intervals, found.share) == (1, 9, 9 / 20)
    assert found.span is not None
    assert found.seconds == found.span.seconds == 9.0
    assert found.span.low_s < 9.0 < found.span.high_s


def test_nothing_stopped_nothing_saved() -> None:
    assert saving(sweep_of(*trial(0, *GOOD, start_s=1.0, pace_s=1.0))) == Saving(0, 0, Span(0.0, 0.0, 0.0), 0.0)


def test_a_trial_stopped_at_the_length_of_the_completed_ones_saved_nothing() -> None:
    facts = trial(0, 1.0, start_s=1.0, pace_s=1.0)
    sweep = sweep_of(*facts, *trial(1, 0.5, start_s=9.0, pace_s=1.0, at=50.0, code=-15))
    assert saving(sweep) == Saving(1, 0, Span(0.0, 0.0, 0.0), 0.0)


def test_without_a_completed_trial_there_is_no_figure() -> None:
    facts = trial(0, *GOOD, start_s=1.0, pace_s=1.0)[:-1]  # it trains on
    sweep = sweep_of(*facts, *trial(1, 0.5, start_s=9.0, pace_s=1.0, at=50.0, code=-15))
    assert saving(sweep) == Saving(1, None, None, 0.0, NOT_COMPLETED)


def slow_sweep(intervals: int, *, timeout_s: float | None = None) -> Sweep:
    """A completed trial at 1 s an interval, and one that goes four times as slowly and falls behind at an interval."""
    values = [1.0] * intervals
    policy = BanditPolicy(slack_amount=0.1, delay_evaluation=intervals)
    fast = trial(0, *[2.0] * 10, start_s=5.0, pace_s=1.0)
    slow = trial(1, *values, start_s=5.0, pace_s=4.0, at=50.0, code=-15)
    return sweep_of(*fast, *slow, policy=policy, trial_timeout_s=timeout_s)


def test_a_trial_of_its_own_pace_saves_at_that_pace() -> None:
    found = saving(slow_sweep(5))
    assert found.seconds == pytest.approx(5 * 4.0)


def test_one_report_is_no_pace_and_the_completed_trials_tell() -> None:
    assert saving(slow_sweep(1)).seconds == pytest.approx(9 * 1.0)


def test_no_trial_saves_more_than_its_time_limit_leaves() -> None:
    span = saving(slow_sweep(5, timeout_s=30.0)).span
    assert span is not None
    assert span.seconds == span.high_s == 30.0 - 25.0


EIGHT_HOURS_S = 28_800.0


def slept(facts: list[Fact], place: int) -> list[Fact]:
    """The same trial on a laptop that slept before one of its facts."""
    return facts[:place] + [replace(fact, at=fact.at + EIGHT_HOURS_S) for fact in facts[place:]]


def test_a_pause_of_a_completed_trial_is_not_everybodys_pace() -> None:
    facts = [fact for n in (0, 1) for fact in trial(n, *GOOD, start_s=5.0, pace_s=1.0, at=10.0 + 50 * n)]
    facts += slept(trial(2, *GOOD, start_s=5.0, pace_s=1.0, at=200.0), 6)
    found = saving(sweep_of(*facts, *trial(3, 0.5, start_s=5.0, pace_s=1.0, at=40_000.0, code=-15)))
    assert found.seconds is not None
    assert found.seconds <= 9 * (1.0 + 1.0 + 3.0) / 3


def test_a_pause_of_a_stopped_trial_is_not_its_pace() -> None:
    facts = [fact for n in (0, 1, 2) for fact in trial(n, *GOOD, start_s=5.0, pace_s=1.0, at=10.0 + 50 * n)]
    facts += slept(trial(3, *[0.5] * 4, start_s=5.0, pace_s=1.0, at=40_000.0, code=-15), 4)
    found = saving(sweep_of(*facts, policy=BanditPolicy(slack_amount=0.1, delay_evaluation=4)))
    assert found.seconds is not None
    assert found.seconds <= 9.0


def test_time_between_two_attempts_is_no_pace() -> None:
    """Lost after two intervals, begun again an hour later, it repeats what no checkpoint holds: 2 s each."""
    facts = trial(0, *[2.0] * 10, start_s=5.0, pace_s=1.0)
    facts += [Suggested(50.0, 1, {}), Began(50.0, 1, 1)]
    facts += [Reported(60.0, 1, 1, 1, 1, 1.0), Reported(62.0, 1, 1, 2, 2, 1.0), Lost(63.0, 1, 1, "node gone")]
    facts += [Began(3600.0, 1, 2), *(Reported(3700.0 + 2 * k, 1, 2, k, k, 1.0) for k in range(1, 6))]
    sweep = sweep_of(*facts, Ended(3711.0, 1, 2, -15), policy=BanditPolicy(slack_amount=0.1, delay_evaluation=5))
    assert (sweep.trials[1].gaps, sweep.trials[1].gaps_s) == (5, 10.0)
    assert saving(sweep).seconds == pytest.approx(5 * 2.0)


def test_lengths_of_stopped_trials_count_as_cut_short() -> None:
    """Half of the trials want 10 intervals and half 50; those of 50 are stopped at 20: a median would be 10."""
    facts: list[Fact] = []
    for number in range(4):
        facts += trial(number, *[2.0] * (50 if number == 0 else 10), start_s=5.0, pace_s=1.0, at=10.0 + 100 * number)
    for number in range(4, 6):
        facts += trial(number, *[1.0] * 20, start_s=5.0, pace_s=1.0, at=600.0 + 100 * number, code=-15)
    sweep = sweep_of(*facts, policy=BanditPolicy(slack_amount=0.1, delay_evaluation=20))
    found = saving(sweep)
    assert found.intervals == 2 * 30
    assert found.seconds == pytest.approx(60.0)


def test_what_a_part_of_the_trials_would_have_cost_adds_up() -> None:
    facts = trial(0, *GOOD, start_s=1.0, pace_s=1.0)
    for number in (1, 2):
        facts += trial(number, 0.5, start_s=1.0, pace_s=1.0, at=50.0 * number, code=-15)
    forecast = Forecast(sweep_of(*facts))
    parts = [forecast.of({1}), forecast.of({2}), forecast.of(set()), forecast.of()]
    assert [part.seconds for part in parts if part] == [9.0, 9.0, 0.0, 18.0]


@pytest.mark.parametrize("pace_s", [0.0, 1e-12, 1e12, 1e300])
def test_any_pace_gives_finite_figures(pace_s: float) -> None:
    facts = trial(0, *GOOD, start_s=1.0, pace_s=pace_s)
    facts += trial(1, 0.5, start_s=1.0, pace_s=pace_s, at=facts[-1].at, code=-15)
    span = saving(sweep_of(*facts)).span
    assert span is not None
    assert all(map(math.isfinite, (span.seconds, span.low_s, span.high_s)))
    assert 0.0 <= span.low_s <= span.seconds <= span.high_s


def test_limits_beyond_all_sums_of_floats_are_no_error() -> None:
    """As `make fuzz` found it: two trials whose time limits add up to more than a float holds."""
    from raydrive.core.views.savings import _sum

    assert _sum([1e308, 1e308]) == math.inf
    assert _sum([0.1] * 10) == 1.0
