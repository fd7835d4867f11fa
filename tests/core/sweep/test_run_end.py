"""Runs that a rule of ``finish_when`` ends: when, why, and that the journal tells it with its numbers."""

from __future__ import annotations

from typing import Any

import pytest

from raydrive.api.submit.extension import check_extension
from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.errors import RunOverError
from raydrive.core.records import COMPLETED, EndRun, Estimated
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.end_rules import rule_states
from raydrive.runtime.simulated import simulate
from raydrive.testing.memory import Memory
from raydrive.testing.sweep_invariants import check, check_journal, picture


def config(
    finish_when: dict[str, Any], sampling: SamplingSpec | None = None, goal: str = "maximize", **limits: Any
) -> RunConfig:
    return RunConfig(
        experiment="e",
        metric=Metric(name="m", goal=PrimaryMetricGoal(goal), value=limits.pop("value", "best")),
        sampling=sampling or RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(**{"max_total_runs": 60, "max_concurrent_runs": 2, **limits}),
        trial=TrialSpec(kind="function", resources=Resources(cpus=2, gpus=1, accelerator_type="A100")),
        seed=1,
        rules=RunRules.of({"finish_when": finish_when}),
    )


def ended(run: RunConfig, curve: Any) -> tuple[Sweep, EndRun, Memory]:
    """Runs it on virtual time; returns it with the decision that has ended it, and its journal."""
    memory = Memory()
    sweep = simulate(run, curve, writer=memory)
    check(sweep)
    assert picture(check_journal(run, memory.lines)) == picture(sweep)
    (end,) = [one for line in memory.lines for one in records.load(line)[1] if isinstance(one, EndRun)]
    assert sweep.finished is not None
    assert (sweep.finished.state, sweep.finished.why) == (COMPLETED, end.why)
    return sweep, end, memory


def test_a_target_ends_the_run_at_the_report_that_reaches_it() -> None:
    sweep, end, memory = ended(
        config({"target": 0.8}), lambda trial, params: [(60.0, 0.1), (60.0, 0.1 * trial), (60.0, 0.9 * (trial == 7))]
    )
    assert (end.rule, end.numbers) == ("target", {"trial": 7, "value": 0.9, "target": 0.8})
    assert end.why == "target reached: m of trial 7 is 0.9, the target is 0.8"
    assert len(sweep.trials) < 60
    fact = next(records.load(line)[0] for line in memory.lines if end in records.load(line)[1])
    assert isinstance(fact, records.Reported)
    assert fact.value == 0.9
    assert rule_states(sweep, sweep.last_at)[0].left == 0.0


def test_a_target_of_a_last_value_is_reached_when_the_trial_is_over() -> None:
    sweep, end, _ = ended(
        config({"target": 0.8}, value="last"),
        lambda trial, params: [(60.0, 0.9), (60.0, 0.9 if trial == 4 else 0.2)],
    )
    assert end.numbers["trial"] == 4
    assert sweep.trials[4].state == COMPLETED


def test_a_lack_of_improvement_ends_the_run() -> None:
    sweep, end, _ = ended(
        config({"no_improvement": {"trials": 5, "tolerance": 0.01}}),
        lambda trial, params: [(60.0, min(trial, 6) * 0.1 + trial * 0.0001)],
    )
    assert end.rule == "no_improvement"
    assert end.numbers["trials"] == 5
    assert abs(end.numbers["reference"] - 0.6006) < 1e-9
    assert len(sweep.trials) in (12, 13)


def test_a_trial_that_is_better_already_holds_the_end_back() -> None:
    sweep, _, _ = ended(
        config({"no_improvement": 3}),
        lambda trial, params: [(30.0, 5.0), (900.0, 5.0)] if trial == 1 else [(60.0, 1.0)],
    )
    assert sweep.trials[1].state == COMPLETED


@pytest.mark.parametrize(
    ("rules", "hours", "rule"),
    [
        ({"budget": {"gpu_hours": 2.0}}, 2.0, "budget.gpu_hours"),
        ({"budget": {"gpu_hours": 9.0, "cpu_hours": 5.0}}, 2.5, "budget.cpu_hours"),
        ({"cost": {"limit": 10.0, "prices": {"A100": 3.0, "cpu": 1.0}}}, 2.0, "cost"),
    ],
)
def test_a_budget_ends_the_run_to_the_second(rules: dict[str, Any], hours: float, rule: str) -> None:
    sweep, end, _ = ended(config(rules), lambda trial, params: [(400.0 + 37.0 * trial, 0.5)])
    assert end.rule == rule
    assert sum(trial.trained_s for trial in sweep.trials) / 3600 == pytest.approx(hours, abs=1e-6)
    assert end.numbers["spent"] == pytest.approx(end.numbers["limit"])
    with pytest.raises(RunOverError, match="end again at once"):
        check_extension("r", sweep, {"max_total_runs": 99})


def test_a_budget_forecasts_what_the_whole_run_would_use() -> None:
    run = config({"budget": {"gpu_hours": 1000.0}}, max_total_runs=40)
    memory = Memory()
    whole = simulate(run, lambda trial, params: [(300.0 + 200.0 * (trial % 3), 0.5)], writer=memory)
    truth = sum(trial.trained_s for trial in whole.trials) / 3600
    half = Sweep.replay(run, map(records.load, memory.lines[: len(memory.lines) // 2]))
    (state,) = rule_states(half, half.last_at)
    assert state.now is not None
    assert state.forecast is not None
    assert state.error is not None
    assert state.now < truth
    assert abs(state.forecast - truth) <= 3 * state.error
    assert "left; forecast without this limit" in state.text


def test_the_bound_of_the_model_ends_the_run() -> None:
    """A parabola: after some trials the model knows that nothing is much better than what was found."""
    sampling = BayesianParameterSampling({"x": uniform(0, 1)})
    run = config({"expected_gain_below": 0.01}, sampling, "minimize", max_concurrent_runs=1)
    sweep, end, memory = ended(run, lambda trial, params: [(60.0, (params["x"] - 0.3) ** 2)])
    estimated = [fact for line in memory.lines if isinstance(fact := records.load(line)[0], Estimated)]
    assert end.rule == "expected_gain_below"
    gains = [fact.gain for fact in estimated]
    assert end.numbers["gain"] == max(gains[-5:]) < 0.01
    assert all(max(gains[k : k + 5]) >= 0.01 for k in range(len(gains) - 5))
    assert sweep.best is not None
    assert sweep.best.value < 0.01  # the truth, 0, is within the bound
    assert len(sweep.trials) < 60
    assert rule_states(sweep, sweep.last_at)[0].now == end.numbers["gain"]


def test_an_extended_run_counts_trials_without_improvement_anew() -> None:
    run = config({"no_improvement": 2})
    sweep, _, _ = ended(run, lambda trial, params: [(60.0, 1.0)])
    sweep.handle(records.Started(sweep.last_at + 5.0, 2, {}, {"max_total_runs": 99}))
    assert sweep.finished is None
    assert sweep.progress.since == 0
    assert sweep.free_slots == 2
