from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from raydrive import AutoPolicy, NoTerminationPolicy, PrimaryMetricGoal, RandomParameterSampling, uniform
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.policies import policy_from_json
from raydrive.core.objective import Objective
from raydrive.runtime.simulated import simulate
from raydrive.testing.memory import Memory
from raydrive.testing.policies import PolicyContract
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import check_journal, picture

AUTO = AutoPolicy()
WHOLE = 20


class TestAuto(PolicyContract):
    def make(self) -> AutoPolicy:
        return AutoPolicy()


def power(end: float) -> list[float]:
    """Who is ahead stays ahead."""
    return [end + (1.0 - end) / (t + 1.0) for t in range(1, WHOLE + 1)]


def slow(end: float) -> list[float]:
    """Who is ahead until the middle ends last."""
    return [end if t > WHOLE / 2 else 2.0 - end + 1.0 / t for t in range(1, WHOLE + 1)]


def finished(ends: list[float], curve: object = power, maximize: bool = False) -> Curves:
    curves, sign = Curves(maximize), -1.0 if maximize else 1.0
    for trial, end in enumerate(ends):
        for interval, value in enumerate(curve(end), 1):  # type: ignore[operator]
            curves.add(trial, interval, sign * value)
        curves.finished.append(trial)
    return curves


def judged(curves: Curves, values: list[float], trial: int = 100) -> list[tuple[int, bool, str]]:
    """The interval, the verdict and its reason, of each value looked at."""
    sign, out = (-1.0 if curves.maximize else 1.0), []
    for interval, value in enumerate(values, 1):
        curves.add(trial, interval, sign * value)
        verdict = AUTO.judge(trial, interval, curves)
        if verdict is not None:
            out.append((interval, verdict.stop, verdict.why))
    return out


ENDS = [0.1, 0.22, 0.3, 0.37, 0.45, 0.52, 0.6, 0.7]


@pytest.mark.parametrize("maximize", [False, True])
def test_what_cannot_become_the_best_any_more_stops_with_the_numbers(maximize: bool) -> None:
    found = judged(finished(ENDS, maximize=maximize), power(0.65))
    interval, stop, why = next(one for one in found if one[1])
    assert stop
    assert interval < WHOLE / 2
    best = "-0.1429" if maximize else "0.1429"
    assert why.startswith(f"auto: best {'-' * maximize}0.")
    assert f"better than {best}: less than 5 % of an average trial's" in why
    assert why.endswith("(8 finished trials)")


def test_what_may_become_the_best_goes_on() -> None:
    assert not any(stop for _, stop, _ in judged(finished(ENDS), power(0.1)))
    assert not any(stop for _, stop, _ in judged(finished(ENDS), power(0.12)))


def test_where_early_values_tell_nothing_of_the_end_nothing_is_stopped_early() -> None:
    rng = np.random.default_rng(3)
    shuffled = dict(zip(ENDS, rng.permutation(ENDS).tolist(), strict=True))

    def chance(end: float) -> list[float]:
        return [end if t > 15 else 1.0 + shuffled[end] for t in range(1, WHOLE + 1)]

    found = judged(finished(ENDS, chance), [1.7] * 10)
    assert not any(stop for interval, stop, _ in found)


def test_slow_learners_that_end_best_are_not_stopped_while_they_are_behind() -> None:
    found = judged(finished(ENDS, slow), slow(0.12))
    assert not any(stop for _, stop, _ in found), found


def test_nothing_is_stopped_before_five_have_finished() -> None:
    found = judged(finished(ENDS[:4]), power(0.9))
    assert {stop for _, stop, _ in found} == {False}
    assert found[0][2] == "auto: at interval 2, 4 of at least 5 trials have finished"
    assert judged(Curves(False), power(0.9)) == []


def test_trials_that_ended_much_shorter_than_others_are_no_ends_to_compare_with() -> None:
    curves = finished(ENDS[:4])
    for trial in range(10, 20):
        for interval in range(1, 6):
            curves.add(trial, interval, 0.5)
        curves.finished.append(trial)
    assert not any(stop for _, stop, _ in judged(curves, power(0.9)))


def test_a_trial_without_finite_values_stops_where_all_others_had_some() -> None:
    found = judged(finished(ENDS), [math.nan] * 5)
    assert found[0] == (2, True, "auto: no finite value up to interval 2; all 8 finished trials had one")
    late = finished(ENDS)
    for interval, value in enumerate([math.nan] * 12 + [0.2] * 8, 1):
        late.add(50, interval, value)
    late.finished.append(50)
    assert not judged(late, [math.nan] * 5)[0][1]


def test_trials_that_are_all_alike_go_on() -> None:
    assert not any(stop for _, stop, _ in judged(finished([0.4] * 8), power(0.4)))
    assert not any(stop for _, stop, _ in judged(finished([0.4] * 8), power(0.6)))


def test_the_end_that_counts_is_that_of_the_objective() -> None:
    curves = Curves(False, None, Objective.of("last", False))
    for trial, end in enumerate(ENDS):
        for interval, value in enumerate([0.01, *power(end)[1:]] if trial == 7 else power(end), 1):
            curves.add(trial, interval, value)
        curves.finished.append(trial)
    why = [why for _, _, why in judged(curves, power(0.2)) if "better than" in why]
    assert why
    assert all("better than 0.1429" in one for one in why), "not than 0.01, which trial 7 lost again"


def test_a_run_with_it_trains_less_finds_the_same_and_is_resumed_as_it_was() -> None:
    def train(number: int, params: object) -> list[tuple[float, float]]:
        end = 0.1 + 0.8 * (number * 0.618 % 1.0)
        return [(1.0, value) for value in power(end)]

    memory = Memory()
    config = function_config(max_total_runs=40, max_concurrent_runs=4)
    config = replace(
        config,
        policy=AUTO,
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        metric=replace(config.metric, goal=PrimaryMetricGoal.MINIMIZE),
    )
    sweep = simulate(config, train, writer=memory)
    assert picture(check_journal(config, memory.lines)) == picture(sweep)
    free = simulate(replace(config, policy=NoTerminationPolicy()), train)
    assert sweep.best is not None
    assert free.best is not None
    assert sweep.best.value == free.best.value
    trained = sum(sweep.curves.length(trial.number) for trial in sweep.trials)
    assert trained < 0.6 * 40 * WHOLE
    assert sum(trial.stop_by == "policy" for trial in sweep.trials) > 20


@pytest.mark.parametrize("raw", ["auto", "Auto", {"type": "auto"}, {"type": "AutoPolicy"}])
def test_it_is_written_by_name(raw: object) -> None:
    assert policy_from_json(raw) == AUTO
    assert AUTO.to_json() == {"type": "auto"}
