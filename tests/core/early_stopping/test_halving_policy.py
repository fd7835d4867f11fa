"""Successive halving against its definition, whole runs on virtual time, and what is wrong with its arguments."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.halving_policy import SuccessiveHalvingPolicy
from raydrive.core.early_stopping.paused_trials import PausedTrials
from raydrive.core.early_stopping.policies import policy_from_json
from raydrive.core.errors import ConfigError
from raydrive.core.records import CANCELED, COMPLETED, FAILED, Close, Launch, Pause, Reported, Ticked
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.runtime.simulated import simulate
from raydrive.testing.memory import Memory
from raydrive.testing.policies import PolicyContract
from raydrive.testing.sweep_invariants import check, check_journal, picture

NAN = math.nan


class TestPromote(PolicyContract):
    def make(self) -> SuccessiveHalvingPolicy:
        return SuccessiveHalvingPolicy(max_intervals=12)


class TestStop(PolicyContract):
    def make(self) -> SuccessiveHalvingPolicy:
        return SuccessiveHalvingPolicy(mode="stop", reduction_factor=2)


class TestBrackets(PolicyContract):
    def make(self) -> SuccessiveHalvingPolicy:
        return SuccessiveHalvingPolicy(max_intervals=9, brackets=3, max_paused=4, restart=True)


def config_of(
    policy: SuccessiveHalvingPolicy, *, total: int = 27, at_a_time: int = 3, maximize: bool = True
) -> RunConfig:
    return RunConfig(
        experiment="halving",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE if maximize else PrimaryMetricGoal.MINIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        policy=policy,
        limits=Limits(max_total_runs=total, max_concurrent_runs=at_a_time, max_duration_s=None),
        trial=TrialSpec(kind="function"),
        seed=0,
    )


def run_of(policy: SuccessiveHalvingPolicy, value: Any = math.sin, **options: Any) -> tuple[Sweep, Memory]:
    """A run in which trial n logs a value of its own 27 times."""
    memory, config = Memory(), config_of(policy, **options)
    sweep = simulate(config, lambda n, _: ((1.0, value(n)) for _ in range(27)), writer=memory)
    check(sweep)
    assert picture(check_journal(config, memory.lines)) == picture(sweep)
    lean = Sweep(config, lean=True)
    for fact, decisions in map(records.load, memory.lines):
        assert lean.handle(fact) == decisions
    return sweep, memory


def lengths(sweep: Sweep) -> dict[int, int]:
    return dict(sorted(Counter(sweep.curves.length(trial.number) for trial in sweep.trials).items()))


def decisions(memory: Memory, kind: type[Any]) -> list[Any]:
    return [one for line in memory.lines for one in records.load(line)[1] if isinstance(one, kind)]


def test_a_whole_run_halves_exactly_when_nothing_comes_too_early() -> None:
    """With all trials at a time, each rung sees all that come to it: 27, 9, 3, 1, as in synchronous halving."""
    sweep, memory = run_of(
        SuccessiveHalvingPolicy(min_intervals=1, max_intervals=27), value=lambda n: -float(n), at_a_time=27
    )
    assert sum(trial.state == COMPLETED for trial in sweep.trials) == 1
    assert sweep.trials[0].state == COMPLETED
    assert all(count >= least for count, least in zip(lengths(sweep).values(), (1, 1, 1, 1), strict=True))
    assert sorted(lengths(sweep)) == [1, 3, 9, 27]
    whys = {close.why for close in decisions(memory, Close) if close.state == CANCELED}
    assert all("is not among the best" in why and "no further trial will reach interval" in why for why in whys)
    assert {close.by for close in decisions(memory, Close) if close.state == CANCELED} == {"policy"}


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("at_a_time", [1, 4, 40])
@pytest.mark.parametrize("total", [1, 2, 3, 5, 25, 40])
def test_a_run_ends_with_the_best_trial_trained_to_its_end(total: int, at_a_time: int, maximize: bool) -> None:
    values = random.Random(total).sample(range(100), total)
    policy = SuccessiveHalvingPolicy(min_intervals=1, max_intervals=27)
    options = {"total": total, "at_a_time": at_a_time, "maximize": maximize}
    sweep, memory = run_of(policy, lambda n: float(values[n]), **options)
    assert sweep.finished is not None
    assert sweep.finished.state == COMPLETED
    best = values.index(max(values) if maximize else min(values))
    assert (sweep.trials[best].state, sweep.curves.length(best)) == (COMPLETED, 27)
    assert not [trial for trial in sweep.trials if trial.open]
    assert all(launch.why for launch in decisions(memory, Launch) if launch.attempt > 1)


def test_no_interval_is_trained_twice() -> None:
    sweep, memory = run_of(SuccessiveHalvingPolicy(min_intervals=1, max_intervals=27), total=40)
    reports = [fact for fact, _ in map(records.load, memory.lines) if isinstance(fact, Reported)]
    assert len(reports) == sum(sweep.curves.length(trial.number) for trial in sweep.trials)
    assert sum(trial.pauses for trial in sweep.trials) == len(decisions(memory, Pause)) > 20


def test_the_highest_rung_goes_first_and_a_new_trial_only_without_one() -> None:
    """Asked of the record: whenever a trial begins or goes on, no rung above it had one to promote."""
    policy = SuccessiveHalvingPolicy(min_intervals=1, max_intervals=27)
    config, memory = config_of(policy, total=60), Memory()
    simulate(config, lambda n, _: ((1.0, math.sin(n)) for _ in range(27)), writer=memory)
    sweep, came_back = Sweep(config), 0
    for fact, decided in map(records.load, memory.lines):
        sweep.apply(fact, [one for one in decided if not isinstance(one, Launch)])
        paused = PausedTrials(sweep.curves, policy.level)
        for trial in sweep.paused_trials:
            paused.add(trial.number)
        for launch in (one for one in decided if isinstance(one, Launch)):
            best = policy.promote(paused, sweep.curves, 0)
            if launch.attempt > 1 and len(sweep.trials) < 60:
                assert best is not None
                assert launch.trial == best.trial
                came_back += 1
            elif len(sweep.trials) < 60:
                assert best is None
            if launch.attempt > 1:
                paused.discard(launch.trial)
            sweep.apply(Ticked(fact.at), [launch])
    assert came_back > 3


def test_stop_has_no_paused_trials() -> None:
    sweep, memory = run_of(SuccessiveHalvingPolicy(mode="stop", min_intervals=1, max_intervals=27), total=60)
    assert not decisions(memory, Pause)
    assert max(trial.attempt for trial in sweep.trials) == 1
    assert sorted(lengths(sweep)) == [1, 3, 9, 27]
    sweep, _ = run_of(
        SuccessiveHalvingPolicy(mode="stop", min_intervals=1, max_intervals=27), lambda n: -float(n), total=30
    )
    assert sweep.trials[29].why.startswith(
        "successive halving: rung 1 at interval 1: best -29 is at place 30 of 30, not among the best 10 = ceil(30/3), "
        "which begin at -9"
    )


def test_at_most_so_many_are_paused_and_those_with_the_least_prospect_go() -> None:
    most = 0
    policy = SuccessiveHalvingPolicy(max_intervals=9, max_paused=4)
    config, memory = config_of(policy, total=60), Memory()
    simulate(config, lambda n, _: ((1.0, math.sin(n)) for _ in range(9)), writer=memory)
    sweep = Sweep(config)
    for fact, decided in map(records.load, memory.lines):
        sweep.apply(fact, decided)
        most = max(most, len(sweep.paused_trials))
    dropped = [one for one in decisions(memory, Close) if "more than 4 trials are paused" in one.why]
    assert most == 4
    assert dropped
    assert sweep.curves.length(sweep.best.trial) == 9 if sweep.best else False


def test_brackets_are_hyperbands_shares_and_pass_their_rungs_unasked() -> None:
    policy = SuccessiveHalvingPolicy(min_intervals=1, max_intervals=27, brackets=4)
    count = Counter(policy.bracket(n) for n in range(540))
    # n of Hyperband for R = 27, eta = 3: 27, 12, 6, 4 configurations
    assert {b: round(count[b] / 540 * 49) for b in range(4)} == {0: 27, 1: 12, 2: 6, 3: 4}
    sweep, memory = run_of(policy, lambda n: -float(n), total=40)
    for pause in decisions(memory, Pause):
        assert pause.interval >= policy.rungs[policy.bracket(pause.trial)]
    last = [trial for trial in sweep.trials if policy.bracket(trial.number) == 3]
    assert last
    assert {trial.state for trial in last} == {COMPLETED}


def test_values_that_are_no_numbers_never_go_on() -> None:
    sweep, memory = run_of(SuccessiveHalvingPolicy(max_intervals=9), lambda n: NAN, total=9)
    assert {trial.state for trial in sweep.trials} == {CANCELED}
    assert max(lengths(sweep)) == 1
    assert "no finite value" in decisions(memory, Pause)[0].why
    assert {trial.why for trial in sweep.trials} == {"successive halving: no finite value up to interval 1"}


def test_training_that_saves_no_checkpoint_is_refused_or_starts_again() -> None:
    def no_checkpoint(policy: SuccessiveHalvingPolicy) -> Sweep:
        return simulate(
            config_of(policy, total=9), lambda n, _: ((1.0, float(n)) for _ in range(9)), checkpoint_every=0
        )

    refused = no_checkpoint(SuccessiveHalvingPolicy(max_intervals=9)).finished
    assert refused is not None
    assert refused.state == FAILED
    assert "no trial has saved a checkpoint to continue from: trial 0 was to pause at interval 1" in refused.why
    again = no_checkpoint(SuccessiveHalvingPolicy(max_intervals=9, restart=True))
    assert again.finished is not None
    assert again.finished.state == COMPLETED
    assert any(trial.pauses for trial in again.trials)


def test_what_a_pause_and_a_promotion_tell() -> None:
    _, memory = run_of(SuccessiveHalvingPolicy(min_intervals=1, max_intervals=27), lambda n: 0.5 - n / 100, total=27)
    whys = [pause.why for pause in decisions(memory, Pause)]
    head = "successive halving: rung 1 at interval 1: best"
    assert whys[0] == f"{head} 0.5 is at place 1 of 1, and none continues before 3 have reached it"
    promotion = next(launch.why for launch in decisions(memory, Launch) if launch.attempt > 1)
    assert promotion.startswith(head)
    assert ", among the best " in promotion


@given(
    st.lists(st.sampled_from((0.1, 0.2, 0.2, 0.9, NAN, -1.0)), min_size=1, max_size=30),
    st.integers(2, 4),
    st.booleans(),
)
def test_never_more_than_the_share_of_a_rung_is_promoted(values: list[float], factor: int, maximize: bool) -> None:
    """Against the definition, ties included: floor(n/eta) of a rung, and none of them worse than one left behind."""
    policy, curves = SuccessiveHalvingPolicy(reduction_factor=factor), Curves(maximize)
    paused, promoted = PausedTrials(curves, policy.level), []
    for trial, value in enumerate(values):
        curves.add(trial, 1, value)
        verdict = policy.judge(trial, 1, curves)
        assert verdict is not None
        if verdict.pause:
            paused.add(trial)
        else:
            promoted.append(trial)
        while (found := policy.promote(paused, curves, 0)) is not None:
            paused.discard(found.trial)
            promoted.append(found.trial)
        assert len(promoted) == len(set(promoted))
        finite = [v if maximize else -v for v in values[: trial + 1] if math.isfinite(v)]
        share = (trial + 1) // factor
        cut = sorted(finite, reverse=True)[:share]
        waiting = [values[n] if maximize else -values[n] for n in paused if math.isfinite(values[n])]
        assert sum(value > max(cut, default=math.inf) for value in waiting) == 0
        if cut and len(cut) == share:
            assert all(value <= cut[-1] for value in waiting)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"mode": "half"}, "policy.mode: found 'half'"),
        ({"min_intervals": 0}, "policy.min_intervals: found 0"),
        ({"reduction_factor": 1}, "policy.reduction_factor: found 1"),
        ({"reduction_factor": 2.5}, "policy.reduction_factor: found 2.5"),
        ({"min_intervals": 9, "max_intervals": 9}, "policy.max_intervals: found 9"),
        ({"max_intervals": 9, "brackets": 4}, "policy.brackets: found 4"),
        ({"mode": "stop", "restart": True}, "policy.restart: found True"),
        ({"mode": "stop", "max_paused": 3}, "policy.max_paused: found 3"),
        ({"restart": "yes"}, "policy.restart: found 'yes'"),
        ({"max_paused": 0}, "policy.max_paused: found 0"),
    ],
)
def test_what_is_wrong_is_told(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SuccessiveHalvingPolicy(**given)
    assert problem in str(caught.value)


def test_the_v2_form() -> None:
    raw = {"type": "successive_halving", "mode": "stop", "min_intervals": "2", "max_intervals": 50.0, "brackets": 2}
    policy = SuccessiveHalvingPolicy("stop", 2, 50, brackets=2)
    assert policy_from_json(raw) == policy_from_json(json.loads(json.dumps(policy.to_json()))) == policy
    assert policy_from_json("SuccessiveHalving") == SuccessiveHalvingPolicy()
    assert policy.rungs == (2, 6, 18)


@pytest.mark.parametrize(("whole", "first"), [(None, 1), (9, 1), (27, 2), (50, 3), (1600, 100)])
def test_the_first_rung_is_at_a_sixteenth_of_a_whole_training(whole: int | None, first: int) -> None:
    assert SuccessiveHalvingPolicy(max_intervals=whole).rungs[0] == first
