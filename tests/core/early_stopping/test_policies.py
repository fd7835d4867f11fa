"""The policies against their definitions in exact arithmetic, the reference's worked examples, and bad input."""

from __future__ import annotations

import doctest
import json
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
    policy_from_json,
)
from raydrive.core.early_stopping.verdict import Verdict
from raydrive.core.errors import ConfigError, show
from raydrive.testing.policies import PolicyContract

DOCS = Path(__file__).parents[3] / "docs" / "policies.md"
NAN, INF = math.nan, math.inf


def run_of(*rows: list[float], maximize: bool = True) -> Curves:
    """Trials 0, 1, ... that had these values, reported interval by interval."""
    curves = Curves(maximize)
    for k in range(max(map(len, rows))):
        for trial, row in enumerate(rows):
            if k < len(row):
                curves.add(trial, k + 1, row[k])
    return curves


def judged(policy, trial, k, curves) -> tuple[bool, str]:
    verdict = policy.judge(trial, k, curves)
    return verdict.stop, verdict.why


# --- The contract of every policy -------------------------------------------------------------------------------------


class TestBanditFactor(PolicyContract):
    def make(self):
        return BanditPolicy(slack_factor=0.1)


class TestBanditAmount(PolicyContract):
    def make(self):
        return BanditPolicy(evaluation_interval=2, slack_amount=0.2, delay_evaluation=3)


class TestBanditWithoutSlack(PolicyContract):
    def make(self):
        return BanditPolicy(slack_factor=0)


class TestMedian(PolicyContract):
    def make(self):
        return MedianStoppingPolicy()


class TestMedianLater(PolicyContract):
    def make(self):
        return MedianStoppingPolicy(evaluation_interval=3, delay_evaluation=2)


class TestTruncation(PolicyContract):
    def make(self):
        return TruncationSelectionPolicy(40)


class TestTruncationOfNearlyAll(PolicyContract):
    def make(self):
        return TruncationSelectionPolicy(truncation_percentage=99, evaluation_interval=2)


class TestNoTermination(PolicyContract):
    def make(self):
        return NoTerminationPolicy()


# --- Against the definitions ------------------------------------------------------------------------------------------

VALUES = st.one_of(st.integers(-24, 24).map(lambda n: n / 8), st.sampled_from([NAN, INF, -INF, 0.0]))
EVENTS = st.lists(st.tuples(st.integers(-2, 5), VALUES), min_size=1, max_size=50)
FAR = Fraction(10) ** 9
"""Stands for the worst there can be: so far out that nothing else comes near."""


def exact(value: float, maximize: bool) -> Fraction:
    if not math.isfinite(value):
        return -FAR if maximize else FAR
    return Fraction(value)


def best_of(values, maximize):
    return (max if maximize else min)(values)


def bandit_stops(rows, trial, k, maximize, factor, amount) -> bool:
    finite = [value for row in rows.values() for value in row[:k] if abs(value) < FAR]
    own = best_of(rows[trial][:k], maximize)
    if not finite:
        return False
    best = best_of(finite, maximize)
    if abs(own) >= FAR:
        return True
    if maximize:
        slack = amount if amount is not None else abs(best) * factor / (1 + factor)
        return own < best - slack
    return own > best + (amount if amount is not None else abs(best) * factor)


def median_stops(rows, trial, k, maximize) -> bool:
    worst = exact(NAN, maximize)
    means = sorted(worst if worst in row[:k] else sum(row[:k]) / k for row in rows.values() if len(row) >= k)
    n = len(means)
    median = (means[(n - 1) // 2] + means[n // 2]) / 2
    own = best_of(rows[trial][:k], maximize)
    return own < median if maximize else own > median


def truncation_stops(rows, trial, k, maximize, percentage) -> bool:
    tops = [best_of(row[:k], maximize) for row in rows.values() if len(row) >= k]
    own = best_of(rows[trial][:k], maximize)
    better = sum(top > own if maximize else top < own for top in tops)
    return better + 1 > len(tops) - len(tops) * percentage // 100


@given(
    EVENTS,
    st.booleans(),
    st.sampled_from(["0", "0.1", "0.2", "0.25", "1", "3"]),
    st.sampled_from(["factor", "amount"]),
    st.integers(1, 99),
    st.integers(1, 3),
    st.integers(0, 4),
)
def test_each_report_is_judged_by_the_definition(events, maximize, slack, kind, percentage, every, delay):
    factor, amount = (Fraction(slack), None) if kind == "factor" else (None, Fraction(slack))
    bandit = BanditPolicy(every, delay_evaluation=delay, **{f"slack_{kind}": float(slack)})
    median = MedianStoppingPolicy(every, delay)
    truncation = TruncationSelectionPolicy(percentage, every, delay)
    curves, rows = Curves(maximize), {}
    for trial, value in events:
        rows.setdefault(trial, []).append(exact(value, maximize))
        k = len(rows[trial])
        curves.add(trial, k, value)
        answers = [policy.judge(trial, k, curves) for policy in (bandit, median, truncation)]
        if k % every or k < delay:
            assert answers == [None, None, None]
            continue
        assert [answer.stop for answer in answers] == [
            bandit_stops(rows, trial, k, maximize, factor, amount),
            median_stops(rows, trial, k, maximize),
            truncation_stops(rows, trial, k, maximize, percentage),
        ]


@given(EVENTS, st.integers(1, 99))
def test_median_and_truncation_do_not_care_which_way_is_up(events, percentage):
    for policy in (MedianStoppingPolicy(), TruncationSelectionPolicy(percentage)):
        up, down = Curves(True), Curves(False)
        for trial, value in events:
            k = up.length(trial) + 1
            up.add(trial, k, value)
            down.add(trial, k, -value)
            assert policy.judge(trial, k, up).stop == policy.judge(trial, k, down).stop


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.floats(0, 10), st.booleans())
def test_bandit_never_stops_the_best_whatever_its_sign(values, slack, maximize):
    curves = run_of(*[[value] for value in values], maximize=maximize)
    best, by = curves.incumbent(1)
    for policy in (BanditPolicy(slack_factor=slack), BanditPolicy(slack_amount=slack)):
        assert not policy.judge(by, 1, curves).stop
        cut = policy.cut(best, maximize)
        assert cut <= best if maximize else cut >= best


# --- Worked examples and recorded evidence of the reference -----------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "delay", "looked_at"),
    [
        (1, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
        (1, 5, [5, 6, 7, 8]),
        (2, 0, [2, 4, 6, 8]),
        (2, 5, [6, 8]),
        (100, 200, [200, 300]),
        (2, 10, [10, 12]),
    ],
)
@pytest.mark.parametrize("kind", [BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy])
def test_the_intervals_looked_at(kind, every, delay, looked_at):
    own = {BanditPolicy: {"slack_factor": 0.1}, TruncationSelectionPolicy: {"truncation_percentage": 10}}.get(kind, {})
    policy = kind(evaluation_interval=every, delay_evaluation=delay, **own)
    curves = Curves(True)
    seen = []
    for k in range(1, looked_at[-1] + 1):
        curves.add(0, k, 0.5)
        if policy.judge(0, k, curves) is not None:
            seen.append(k)
    assert seen == looked_at


def test_no_termination_looks_at_nothing():
    assert NoTerminationPolicy().judge(1, 1, run_of([0.9], [0.1])) is None


def test_bandit_documented_cuts():
    assert BanditPolicy(slack_factor=0.2).cut(0.8, True) == pytest.approx(0.6667, abs=5e-5)
    assert BanditPolicy(slack_amount=0.2).cut(0.8, True) == pytest.approx(0.6)
    assert BanditPolicy(slack_factor=0.1).cut(1.0, True) == pytest.approx(0.91, abs=1e-3)
    assert BanditPolicy(slack_factor=0.1).cut(0.5, False) == pytest.approx(0.55)
    assert BanditPolicy(slack_amount=0.1).cut(0.5, False) == pytest.approx(0.6)


def test_bandit_signs():
    """Where HyperDrive's own formulas stop the best trial."""
    assert BanditPolicy(slack_factor=0.2).cut(-0.5, True) == pytest.approx(-0.5 - 0.5 / 6)
    assert BanditPolicy(slack_factor=0.1).cut(-100, False) == pytest.approx(-90)
    assert BanditPolicy(slack_amount=0.2).cut(-0.5, True) == pytest.approx(-0.7)
    assert BanditPolicy(slack_factor=0.1).cut(0, True) == 0 == BanditPolicy(slack_factor=0.1).cut(0, False)


def test_bandit_recorded_maximise():
    """Recorded run: best 0.92 of a finished trial, f = 0.2; 0.76 was cancelled, 0.77333 was not."""
    curves = run_of([0.92], [0.76], [0.77333])
    policy = BanditPolicy(slack_factor=0.2)
    assert judged(policy, 1, 1, curves) == (
        True,
        "bandit: best 0.76 at interval 1 is below 0.7667 = 0.92/(1+0.2), set by trial 0",
    )
    assert judged(policy, 2, 1, curves) == (
        False,
        "bandit: best 0.7733 at interval 1 is not below 0.7667 = 0.92/(1+0.2), set by trial 0",
    )


def test_bandit_recorded_minimise():
    """Recorded run: f = 0.1; whoever was cancelled was outside best*1.1, nobody inside was."""
    curves = run_of([10.0], [10.99], [11.0], [11.01], maximize=False)
    policy = BanditPolicy(slack_factor=0.1)
    assert [policy.judge(trial, 1, curves).stop for trial in range(4)] == [False, False, False, True]
    assert policy.judge(3, 1, curves).why == (
        "bandit: best 11.01 at interval 1 is above 11 = 10*(1+0.1), set by trial 0"
    )


def test_bandit_at_the_cut_goes_on_whatever_rounding_says():
    """0.8 - 0.2 is 0.6000000000000001 to a computer; the documents say 0.6."""
    curves = run_of([0.8], [0.6], [0.5999])
    assert 0.8 - 0.2 > 0.6
    policy = BanditPolicy(slack_amount=0.2)
    assert judged(policy, 1, 1, curves) == (
        False,
        "bandit: best 0.6 at interval 1 is not below 0.6 = 0.8-0.2, set by trial 0",
    )
    assert judged(policy, 2, 1, curves)[0]


def test_bandit_measures_a_young_trial_by_what_others_had_then():
    old = [0.1, 0.2, 0.9]
    assert not BanditPolicy(slack_factor=0.1).judge(1, 2, run_of(old, [0.1, 0.2])).stop
    assert BanditPolicy(slack_factor=0.1).judge(1, 3, run_of(old, [0.1, 0.2, 0.3])).stop


@pytest.mark.parametrize(
    ("policy", "rows", "maximize", "why"),
    [
        (
            BanditPolicy(slack_factor=0.1),
            ([-0.5], [-0.6]),
            True,
            "bandit: best -0.6 at interval 1 is below -0.5455 = -0.5-|-0.5|*0.1/(1+0.1), set by trial 0",
        ),
        (
            BanditPolicy(slack_factor=0.1),
            ([-100.0], [-80.0]),
            False,
            "bandit: best -80 at interval 1 is above -90 = -100+|-100|*0.1, set by trial 0",
        ),
        (
            BanditPolicy(slack_amount=0.25),
            ([2.5], [3.0]),
            False,
            "bandit: best 3 at interval 1 is above 2.75 = 2.5+0.25, set by trial 0",
        ),
        (
            BanditPolicy(slack_factor=0),
            ([0.8], [0.79999]),
            True,
            "bandit: best 0.79999 at interval 1 is below 0.8 = 0.8/(1+0), set by trial 0",
        ),
        (
            BanditPolicy(slack_factor=0.1),
            ([0.8], [NAN]),
            True,
            "bandit: no finite value up to interval 1, which counts as below 0.7273 = 0.8/(1+0.1), set by trial 0",
        ),
        (
            BanditPolicy(slack_factor=0.5),
            ([123456.0], [234567.0]),
            False,
            "bandit: best 234567 at interval 1 is above 185184 = 123456*(1+0.5), set by trial 0",
        ),
    ],
)
def test_bandit_shows_the_formula_it_used(policy, rows, maximize, why):
    assert judged(policy, 1, 1, run_of(*rows, maximize=maximize)) == (True, why)


def test_bandit_says_who_set_the_best():
    curves = run_of([0.9], [0.8])
    assert BanditPolicy(slack_factor=0.1).judge(0, 1, curves).why.endswith("set by this trial")
    curves.add(-3, 1, 2.0)
    assert BanditPolicy(slack_factor=0.1).judge(0, 1, curves).why.endswith("set by trial -3 of an earlier run")


def test_bandit_waits_while_nothing_is_finite():
    curves = run_of([NAN], [INF], [-INF])
    for trial in range(3):
        assert judged(BanditPolicy(slack_factor=0.1), trial, 1, curves) == (
            False,
            "bandit: no trial has a finite value up to interval 1",
        )


def test_bandit_with_more_slack_than_floats_can_hold():
    curves = run_of([1e308], [-1e308], [NAN])
    policy = BanditPolicy(slack_amount=1.7e308)
    assert [policy.judge(trial, 1, curves).stop for trial in range(3)] == [False, True, True]
    curves = run_of([-1e308], [1.5e308], [NAN], maximize=False)
    assert [BanditPolicy(slack_factor=5).judge(t, 1, curves).stop for t in range(3)] == [False, False, True]


def test_median_worked_example():
    """Running means of the others 0.50, 0.60, 0.70; values 0.4, 0.55, 0.58, best 0.58."""
    curves = run_of([0.5] * 3, [0.6] * 3, [0.7] * 3, [0.4, 0.55, 0.58])
    policy = MedianStoppingPolicy()
    # The trial's own mean, 0.51, counts too ("across all training runs"), so the median is 0.555 and it goes on; the
    # median of the others alone, 0.6, would stop it.
    assert judged(policy, 3, 3, curves) == (
        False,
        "median: best 0.58 at interval 3 is not below the median 0.555 of the running means of 4 trials",
    )
    curves.add(4, 1, 0.6)
    curves.add(4, 2, 0.6)
    curves.add(4, 3, 0.6)
    assert judged(policy, 3, 3, curves) == (
        True,
        "median: best 0.58 at interval 3 is below the median 0.6 of the running means of 5 trials",
    )
    assert policy.judge(0, 3, curves).stop
    assert not policy.judge(1, 3, curves).stop


def test_median_minimise_and_one_trial():
    curves = run_of([1.0], [2.0], [3.0], maximize=False)
    assert judged(MedianStoppingPolicy(), 2, 1, curves) == (
        True,
        "median: best 3 at interval 1 is above the median 2 of the running means of 3 trials",
    )
    assert judged(MedianStoppingPolicy(), 0, 1, run_of([0.5])) == (
        False,
        "median: best 0.5 at interval 1 is not below the median 0.5 of the running mean of 1 trial",
    )


def test_median_counts_only_trials_that_came_so_far():
    curves = run_of([0.2, 0.2], [0.9], [0.9], [0.3, 0.3])
    assert judged(MedianStoppingPolicy(), 3, 1, curves) == (
        True,
        "median: best 0.3 at interval 1 is below the median 0.6 of the running means of 4 trials",
    )
    assert judged(MedianStoppingPolicy(), 3, 2, curves) == (
        False,
        "median: best 0.3 at interval 2 is not below the median 0.25 of the running means of 2 trials",
    )


def test_median_of_what_is_no_finite_number():
    policy = MedianStoppingPolicy()
    curves = run_of([NAN, NAN], [0.5, 0.5])
    assert judged(policy, 0, 1, curves) == (
        True,
        "median: no finite value up to interval 1, which counts as below the median of the running means of 2 trials",
    )
    assert judged(policy, 1, 1, curves) == (
        False,
        "median: no finite median of the running means of 2 trials at interval 1",
    )
    # One NaN among good values makes the mean as bad as can be, but the best still counts for the trial itself.
    curves = run_of([0.9, NAN], [0.5, 0.5], [0.6, 0.6])
    assert judged(policy, 0, 2, curves) == (
        False,
        "median: best 0.9 at interval 2 is not below the median 0.5 of the running means of 3 trials",
    )
    assert not any(policy.judge(trial, 1, run_of([NAN], [INF], [-INF])).stop for trial in range(3))


def test_truncation_of_ten():
    curves = run_of(*[[round(0.5 + trial / 100, 2)] for trial in range(1, 11)])
    policy = TruncationSelectionPolicy(truncation_percentage=20)
    assert judged(policy, 1, 1, curves) == (
        True,
        "truncation: best 0.52 at interval 1 ranks 9 of 10, among the worst 2 = floor(10*20/100)",
    )
    assert judged(policy, 2, 1, curves) == (
        False,
        "truncation: best 0.53 at interval 1 ranks 8 of 10, not among the worst 2 = floor(10*20/100)",
    )


def test_truncation_ties_are_in_the_trials_favour():
    curves = run_of([0.1], [0.1], [0.1], [0.5], [0.6], [0.7], [0.8], [0.9], [0.9], [0.9])
    assert not TruncationSelectionPolicy(20).judge(0, 1, curves).stop  # ranks 8 of 10, as do two others
    assert TruncationSelectionPolicy(30).judge(0, 1, curves).stop


def test_truncation_rounds_down():
    curves = run_of([0.1], [0.2], [0.3], [0.4])
    assert not TruncationSelectionPolicy(24).judge(0, 1, curves).stop
    assert TruncationSelectionPolicy(25).judge(0, 1, curves).stop


def test_truncation_ranks_what_is_no_finite_number_last():
    curves = run_of([NAN], [0.1], [0.2], [0.3], [0.4])
    assert judged(TruncationSelectionPolicy(20), 0, 1, curves) == (
        True,
        "truncation: no finite value up to interval 1 ranks 5 of 5, among the worst 1 = floor(5*20/100)",
    )
    curves.add(9, 1, INF)
    assert not TruncationSelectionPolicy(20).judge(9, 1, curves).stop  # ranks 5 of 6, with the other one


def test_truncation_needs_the_trial_to_have_come_so_far():
    with pytest.raises(ValueError, match="trial 0 has 1 intervals, asked for its standing at 2"):
        TruncationSelectionPolicy(20).judge(0, 2, run_of([0.5]))


def test_a_verdict_is_a_value():
    assert Verdict(True, "because 1") == Verdict(True, lambda: "because 1") != Verdict(False, "because 1")
    assert len({Verdict(True, "x"), Verdict(True, lambda: "x")}) == 1
    assert repr(Verdict(False, "1 < 2")) == "Verdict(stop=False, why='1 < 2')"
    assert Verdict(True, "x") != "x"
    with pytest.raises(AttributeError):
        Verdict(True, "x").stop = False


# --- Bad input --------------------------------------------------------------------------------------------------------


def problems_of(call) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        call()
    return [(problem.where, problem.found) for problem in caught.value.problems]


@pytest.mark.parametrize("bad", [-0.1, NAN, INF, -INF, True, "0.1", [0.1], 10**400, 1j])
@pytest.mark.parametrize("name", ["slack_factor", "slack_amount"])
def test_a_slack_is_a_finite_number_of_0_or_more(name, bad):
    assert problems_of(lambda: BanditPolicy(**{name: bad})) == [(f"policy.{name}", show(bad))]


@pytest.mark.parametrize("bad", [-1, 1.0, 1.5, NAN, True, "1", None])
@pytest.mark.parametrize(
    "make",
    [
        lambda **given: BanditPolicy(slack_factor=0.1, **given),
        MedianStoppingPolicy,
        lambda **given: TruncationSelectionPolicy(10, **given),
    ],
)
def test_intervals_are_whole_numbers(make, bad):
    found = problems_of(lambda: make(evaluation_interval=bad, delay_evaluation=bad))
    assert found == [("policy.evaluation_interval", show(bad)), ("policy.delay_evaluation", show(bad))]
    assert problems_of(lambda: make(evaluation_interval=0)) == [("policy.evaluation_interval", "0")]
    assert make(delay_evaluation=0).delay_evaluation == 0


@pytest.mark.parametrize("bad", [0, 100, 200, -1, 20.0, 0.2, NAN, True, "20", None])
def test_a_truncation_percentage_is_a_whole_number_from_1_to_99(bad):
    assert problems_of(lambda: TruncationSelectionPolicy(bad)) == [("policy.truncation_percentage", show(bad))]


def test_exactly_one_slack():
    neither = problems_of(BanditPolicy)
    assert neither == [("policy", "neither slack_factor nor slack_amount")]
    both = problems_of(lambda: BanditPolicy(slack_factor=40, slack_amount=3))
    assert both == [("policy", "slack_factor=40, slack_amount=3")]


def test_all_problems_at_once():
    found = problems_of(lambda: BanditPolicy(0, -1, NAN, 2.5))
    assert [where for where, _ in found] == [
        "policy",
        "policy.slack_factor",
        "policy.slack_amount",
        "policy.evaluation_interval",
        "policy.delay_evaluation",
    ]
    found = problems_of(
        lambda: policy_from_json(
            {"type": "truncation_selection", "evaluation_intervall": 2, "delay_evaluation": -1},
            "sweep.early_termination",
        )
    )
    assert found == [
        ("sweep.early_termination.evaluation_intervall", "an unknown key"),
        ("sweep.early_termination.truncation_percentage", "nothing"),
        ("sweep.early_termination.delay_evaluation", "-1"),
    ]


def test_policies_cannot_be_changed():
    with pytest.raises(AttributeError):
        BanditPolicy(slack_factor=0.1).slack_factor = 0.2
    assert hash(BanditPolicy(slack_factor=0.1)) == hash(BanditPolicy(1, 0.1))


def test_numpy_numbers_are_numbers():
    policy = BanditPolicy(np.int64(2), slack_factor=np.float32(0.5), delay_evaluation=np.int32(4))
    assert json.loads(json.dumps(policy.to_json())) == BanditPolicy(2, 0.5, None, 4).to_json()
    assert problems_of(lambda: MedianStoppingPolicy(np.bool_(True)))[0][0] == "policy.evaluation_interval"


# --- JSON and YAML ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "raw"),
    [
        (
            BanditPolicy(slack_factor=0.1, delay_evaluation=5),
            {"type": "bandit", "evaluation_interval": 1, "slack_factor": 0.1, "delay_evaluation": 5},
        ),
        (
            BanditPolicy(slack_amount=0),
            {"type": "bandit", "evaluation_interval": 1, "slack_amount": 0, "delay_evaluation": 0},
        ),
        (MedianStoppingPolicy(2), {"type": "median_stopping", "evaluation_interval": 2, "delay_evaluation": 0}),
        (
            TruncationSelectionPolicy(20),
            {
                "type": "truncation_selection",
                "truncation_percentage": 20,
                "evaluation_interval": 1,
                "delay_evaluation": 0,
            },
        ),
        (NoTerminationPolicy(), {"type": "none"}),
    ],
)
def test_the_json_form(policy, raw):
    assert policy.to_json() == raw
    assert policy_from_json(raw) == policy


@pytest.mark.parametrize(
    ("raw", "policy"),
    [
        (None, NoTerminationPolicy()),
        ("none", NoTerminationPolicy()),
        ({"type": "Default"}, NoTerminationPolicy()),
        ({"type": "NoTerminationPolicy"}, NoTerminationPolicy()),
        ("median_stopping", MedianStoppingPolicy()),
        ({"type": "MedianStopping"}, MedianStoppingPolicy()),
        ({"type": "MEDIAN_STOPPING", "evaluation_interval": 0}, MedianStoppingPolicy()),
        ({"type": "Bandit", "slack_factor": 0.1, "evaluation_interval": 0}, BanditPolicy(slack_factor=0.1)),
        ({"type": "bandit", "slack_factor": 0.1, "slack_amount": 0}, BanditPolicy(slack_factor=0.1)),
        ({"type": "bandit", "slack_factor": 0.0, "slack_amount": 2}, BanditPolicy(slack_amount=2)),
        ({"type": "bandit", "slack_factor": None, "slack_amount": 0}, BanditPolicy(slack_amount=0)),
        ({"type": "bandit", "slack_factor": "1e-1", "delay_evaluation": "5"}, BanditPolicy(1, 0.1, None, 5)),
        (
            {"type": "TruncationSelection", "truncation_percentage": 20.0, "evaluation_interval": 0},
            TruncationSelectionPolicy(20),
        ),
        ({"type": "truncation-selection", "truncation_percentage": 20}, TruncationSelectionPolicy(20)),
    ],
)
def test_what_v2_files_write(raw, policy):
    assert policy_from_json(raw) == policy


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"type": "bandid", "slack_factor": 0.1}, "early_termination.type: found 'bandid'; .* Did you mean 'bandit'?"),
        ({"slack_factor": 0.1}, "early_termination.type: found nothing; allowed: bandit, median_stopping"),
        ({"type": None}, "early_termination.type: found None; allowed: bandit"),
        ({"type": 3}, "early_termination.type: found 3; allowed: bandit"),
        ({"type": "bandit", "slack_facto": 0.1}, "early_termination.slack_facto: .* Did you mean 'slack_factor'?"),
        ({"type": "median_stopping", "slack_factor": 0.1}, "slack_factor belongs to bandit, not to median_stopping"),
        (
            {"type": "truncation_selection", "truncation_percentage": 20, "exclude_finished_jobs": True},
            "finished trials always count",
        ),
        ({"type": "truncation_selection"}, "truncation_percentage: found nothing; allowed: a value"),
        (
            {"type": "truncation_selection", "truncation_percentage": 200},
            "truncation_percentage: found 200; .* 1 to 99",
        ),
        ({"type": "bandit"}, "early_termination: found neither .* Add slack_factor: 0.1"),
        ("bandit", "early_termination: found neither"),
        (
            {"type": "bandit", "slack_factor": 40, "slack_amount": 3},
            "early_termination: found .* Remove one of them",
        ),
        ({"type": "bandit", "slack_factor": "-0.1"}, "early_termination.slack_factor: found -0.1"),
        ({"type": "bandit", "slack_factor": "lots"}, "early_termination.slack_factor: found 'lots'"),
        ({"type": "bandit", "slack_factor": 0.1, "evaluation_interval": False}, "evaluation_interval: found False"),
        ({"type": "bandit", "slack_factor": 0.1, "evaluation_interval": 2.7}, "evaluation_interval: found 2.7"),
        ({"type": "none", 5: 6}, "early_termination.5: found an unknown key; allowed: type"),
        ({"type": "bandid", "slak_factor": 0.1}, "Did you mean 'slack_factor'?"),
        ([1], r"early_termination: found \[1\]; allowed: an object"),
        (True, "early_termination: found True"),
    ],
)
def test_what_is_wrong_in_a_file_is_located(raw, message):
    with pytest.raises(ConfigError, match=message):
        policy_from_json(raw)


def test_the_page_shows_what_happens():
    """Every Python example of docs/policies.md runs and prints what the page says."""
    text = DOCS.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 4
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, DOCS.name, str(DOCS), 0)
    result = doctest.DocTestRunner(verbose=False).run(test)
    assert result.attempted >= 10
    assert result.failed == 0
