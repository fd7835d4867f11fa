"""Curves against a naive reference in exact arithmetic that rescans everything."""

from __future__ import annotations

import math
import random
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.early_stopping.curves import MARK, Curves

# Eighths are exact in a float, and few enough for plenty of ties.
VALUES = st.one_of(
    st.integers(-24, 24).map(lambda n: n / 8), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0])
)
EVENTS = st.lists(st.tuples(st.integers(-2, 5), VALUES), max_size=60)
WORST = (False, Fraction(0))
"""Scores of the reference: (is finite, signed value), so that what is no number is below all numbers."""


class Naive:
    """The definitions, word for word."""

    def __init__(self, events: list[tuple[int, float]], maximize: bool) -> None:
        self.events, self.maximize = events, maximize
        self.curves: dict[int, list[float]] = {}
        for trial, value in events:
            self.curves.setdefault(trial, []).append(value)

    def score(self, value: float) -> tuple[bool, Fraction]:
        return (True, Fraction(value) * (1 if self.maximize else -1)) if math.isfinite(value) else WORST

    def top(self, trial: int, k: int) -> tuple[bool, Fraction]:
        return max(map(self.score, self.curves[trial][:k]), default=WORST)

    def mean(self, trial: int, k: int) -> tuple[bool, Fraction]:
        scores = [self.score(value) for value in self.curves[trial][:k]]
        if not all(finite for finite, _ in scores):
            return WORST
        return True, sum((score for _, score in scores), Fraction(0)) / k

    def incumbent(self, k: int) -> tuple[float, int] | None:
        best, count = None, dict.fromkeys(self.curves, 0)
        for trial, value in self.events:
            count[trial] += 1
            if count[trial] <= k and math.isfinite(value) and (best is None or self.score(value) > self.score(best[0])):
                best = value, trial
        return best

    def reached(self, k: int) -> list[int]:
        return [trial for trial, values in self.curves.items() if len(values) >= k]


def fill(events: list[tuple[int, float]], maximize: bool) -> Curves:
    curves = Curves(maximize)
    for trial, value in events:
        assert curves.add(trial, curves.length(trial) + 1, value)
    return curves


def check(curves: Curves, naive: Naive) -> None:
    """Every answer at every interval."""
    sign = 1 if naive.maximize else -1
    assert list(curves.trials) == list(naive.curves)
    for k in range(1, max(map(len, naive.curves.values()), default=0) + 2):
        assert curves.incumbent(k) == naive.incumbent(k)
        reached = naive.reached(k)
        tops = [naive.top(trial, k) for trial in reached]
        means = sorted(naive.mean(trial, k) for trial in reached)
        median = curves.median_of_means(k)
        if not means:
            assert median is None
        else:
            assert median is not None
            low, high = means[(len(means) - 1) // 2], means[len(means) // 2]
            assert median.n == len(means)
            assert median.better == (pytest.approx(float(sign * high[1])) if high[0] else -sign * math.inf)
            middle = pytest.approx(float(sign * (low[1] + high[1]) / 2)) if low[0] else -sign * math.inf
            assert median.value == middle
        for trial in naive.curves:
            finite, top = naive.top(trial, k)
            assert curves.best_until(trial, k) == (sign * top if finite else None)
            if trial not in reached:
                with pytest.raises(ValueError, match=f"trial {trial} has"):
                    curves.rank(trial, k)
                continue
            n, worse, equal = standing = curves.rank(trial, k)
            mine = naive.top(trial, k)
            assert (n, worse, equal) == (len(tops), sum(top < mine for top in tops), tops.count(mine))
            assert standing.rank == 1 + sum(top > mine for top in tops)


@given(EVENTS, st.booleans())
def test_every_answer_of_a_filled_history_is_the_definition(events, maximize):
    naive = Naive(events, maximize)
    curves = fill(events, maximize)
    check(curves, naive)
    for trial, values in naive.curves.items():
        assert list(map(repr, curves.values(trial))) == list(map(repr, values))
        assert curves.length(trial) == len(values)
        scores = [naive.score(value) for value in values]
        first = scores.index(max(scores)) if max(scores) != WORST else None
        assert curves.best_interval(trial) == (first + 1 if first is not None else None)
        assert curves.best(trial) == (values[first] if first is not None else None)


@given(EVENTS, st.booleans(), st.integers(1, 4))
def test_answers_stay_right_while_reports_come_in(events, maximize, every):
    """Columns that are kept up report by report hold what a fresh look would find."""
    curves = Curves(maximize)
    for at, (trial, value) in enumerate(events, start=1):
        curves.add(trial, curves.length(trial) + 1, value)
        if not at % every:
            check(curves, Naive(events[:at], maximize))


@pytest.mark.parametrize("maximize", [True, False])
def test_long_curves_are_right_at_every_interval(maximize):
    """Beyond the first marks; asked live, asked at the end, asked in the middle of a curve."""
    rng = random.Random(3)
    rows = [[rng.choice([rng.random(), rng.random() * k, -k / 7]) for k in range(3 * MARK + 5)] for _ in range(5)]
    rows[4][MARK + 3] = math.nan
    live, late = Curves(maximize), Curves(maximize)
    for k in range(1, len(rows[0]) + 1):
        for trial, row in enumerate(rows):
            live.add(trial, k, row[k - 1])
            late.add(trial, k, row[k - 1])
            live.rank(trial, k)
            live.median_of_means(k)
    for k in range(1, len(rows[0]) + 1):
        assert late.median_of_means(k) == live.median_of_means(k)  # to the last bit
        assert late.incumbent(k) == live.incumbent(k)
        for trial, row in enumerate(rows):
            assert late.rank(trial, k) == live.rank(trial, k)
            best = (max if maximize else min)(value for value in row[:k] if math.isfinite(value))
            assert late.best_until(trial, k) == live.best_until(trial, k) == best


@given(st.integers(0, 2**32), st.booleans(), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_many_values_at_once_are_as_one_by_one(seed, maximize, sizes):
    rng = random.Random(seed)
    odd = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, 0.1, 0.1] + [rng.random() for _ in range(24)]
    single, many = Curves(maximize), Curves(maximize)
    for size in sizes:
        batch = {trial: [rng.choice(odd) for _ in range(size)] for trial in (3, 7)}
        rows = []
        for trial, values in batch.items():
            start = many.length(trial)
            rows += [(trial, start + 1 + i, values[i]) for i in many.extend(trial, np.array(values)).tolist()]
            for value in values:
                single.add(trial, single.length(trial) + 1, value)
        if rows:
            many.add_incumbents(*(np.array(column) for column in zip(*rows, strict=True)))
        for trial in batch:
            left, right = single._curves[trial], many._curves[trial]
            assert repr(left.values) == repr(right.values)
            assert repr((left.top, left.top_at, left.total, left.marks)) == repr(
                (right.top, right.top_at, right.total, right.marks)
            )
        longest = max(map(single.length, batch))
        assert repr([single.incumbent(k) for k in range(longest + 2)]) == repr(
            [many.incumbent(k) for k in range(longest + 2)]
        )


def test_only_the_next_interval_is_taken():
    """A relaunched trial goes back to its checkpoint and repeats intervals; they must not lengthen the curve."""
    curves = Curves(True)
    assert not curves.add(0, 2, 0.5)
    assert list(curves.trials) == []
    assert curves.add(0, 1, 0.1)
    assert curves.add(0, 2, 0.2)
    for interval in (0, 1, 2, 4, -1):
        assert not curves.add(0, interval, 9.0)
    assert list(curves.values(0)) == [0.1, 0.2]
    assert curves.incumbent(9) == (0.2, 0)


def test_a_trial_that_logged_nothing():
    curves = Curves(False)
    assert (curves.length(7), list(curves.values(7)), curves.best(7)) == (0, [], None)
    assert (curves.best_interval(7), curves.best_until(7, 3), curves.incumbent(3)) == (None, None, None)
    assert curves.median_of_means(1) is None


def test_the_first_to_achieve_the_best_has_it():
    """First by arrival, also where a later one has the same value at an earlier interval."""
    curves = fill([(0, 0.1), (0, 0.9), (1, 0.9), (2, 0.9)], True)
    assert curves.incumbent(1) == (0.9, 1)
    assert curves.incumbent(2) == (0.9, 0)
    assert fill([(5, -0.0), (6, 0.0)], False).incumbent(1) == (0.0, 5)


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_never_a_best(maximize, bad):
    curves = fill([(0, bad), (0, bad), (1, 0.5), (1, bad)], maximize)
    assert curves.best(0) is None
    assert curves.best(1) == 0.5
    assert curves.incumbent(2) == (0.5, 1)
    assert curves.rank(0, 2) == (2, 0, 1)
    assert curves.rank(1, 2).rank == 1
    worst = -math.inf if maximize else math.inf
    assert curves.median_of_means(2) == (worst, 2, worst)
    assert curves.median_of_means(1) == (worst, 2, 0.5)


def test_a_whole_number_beyond_the_floats_is_infinite():
    curves = Curves(True)
    curves.add(0, 1, 10**400)
    curves.add(0, 2, -(10**400))
    curves.add(0, 3, 1)
    assert list(curves.values(0)) == [math.inf, -math.inf, 1.0]
    assert curves.best(0) == 1


def test_rounding_never_makes_a_mean_better_than_the_best():
    curves = fill([(0, 0.1)] * 3, True)
    assert (0.1 + 0.1 + 0.1) / 3 > 0.1
    assert curves.median_of_means(3) == (0.1, 1, 0.1)


def test_the_median_of_huge_values_does_not_overflow():
    assert fill([(0, 1.5e308), (1, 1.7e308)], True).median_of_means(1) == (1.6e308, 2, 1.7e308)


def test_memory_is_8_bytes_a_report_and_a_constant_a_trial():
    tracemalloc.start()
    try:
        curves = Curves(True)
        for trial in range(200):
            for k in range(1, 501):
                curves.add(trial, k, float(k))
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert size < 200 * 500 * 10 + 200 * 600
