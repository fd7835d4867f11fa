"""What becomes of trials that run out of memory, where the run has a rule for that."""

from __future__ import annotations

from typing import Any

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.out_of_memory.recognition import BY_KERNEL, BY_RAY, OF_GPU
from raydrive.core.records import (
    FAILED,
    INFEASIBLE,
    Began,
    Close,
    Decision,
    Ended,
    Finish,
    Launch,
    Lost,
    Started,
    Suggested,
)
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.testing.sweep_invariants import check

GIB = 2**30
RULE = {"memory": "x2", "up_to": "20GiB", "attempts": 4}


def started(on_oom: dict[str, Any] | None, **limits: Any) -> Sweep:
    sweep = Sweep(
        RunConfig(
            experiment="e",
            metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
            sampling=RandomParameterSampling({"x": uniform(0, 1)}),
            limits=Limits(**{"max_total_runs": 9, "max_concurrent_runs": 9, **limits}),
            trial=TrialSpec(kind="function", resources=Resources(memory=8 * GIB)),
            seed=0,
            rules=RunRules.of({"on_oom": on_oom}),
        )
    )
    sweep.handle(Started(0.0, 1))
    return sweep


def fails(sweep: Sweep, trial: int, words: str, code: int = -9) -> tuple[Decision, ...]:
    """A trial begins, if it is new it is suggested first, and ends; returns what follows."""
    if trial == len(sweep.trials):
        sweep.handle(Suggested(1.0, trial, {"x": 0.5}))
    attempt = sweep.trials[trial].attempt
    sweep.handle(Began(2.0, trial, attempt))
    found = sweep.handle(Ended(3.0, trial, attempt, code, words))
    check(sweep)
    return found


def test_the_next_attempt_reserves_more_up_to_the_limit() -> None:
    sweep, amounts = started(RULE), []
    for _ in range(9):
        (decision,) = fails(sweep, 0, BY_KERNEL)
        if isinstance(decision, Close):
            break
        assert isinstance(decision, Launch)
        amounts.append(decision.memory)
    assert amounts == [16 * GIB, 20 * GIB]
    assert (decision.state, decision.outcome) == (FAILED, INFEASIBLE)
    assert decision.why == f"infeasible with 20 GiB in attempt 3: {BY_KERNEL}"
    assert sweep.trials[0].infeasible
    assert sweep.trials[0].failures == 0


def test_an_actor_that_the_memory_monitor_kills_is_the_same_and_no_loss_of_the_budget() -> None:
    sweep = started(RULE, max_losses=0)
    sweep.handle(Suggested(1.0, 0, {"x": 0.5}))
    (decision,) = sweep.handle(Lost(3.0, 0, 1, f"its actor died: {BY_RAY}, because its node ran low"))
    assert isinstance(decision, Launch)
    assert decision.memory == 16 * GIB


def test_later_attempts_keep_what_they_have() -> None:
    sweep = started(RULE)
    fails(sweep, 0, BY_KERNEL)
    (decision,) = sweep.handle(Lost(4.0, 0, 2, "node died"))
    assert isinstance(decision, Launch)
    assert decision.memory == 16 * GIB


def test_a_gpu_without_memory_is_infeasible_at_once() -> None:
    sweep = started(RULE, max_attempts=3)
    (decision,) = fails(sweep, 0, f"{OF_GPU}torch.OutOfMemoryError: CUDA out of memory.", 1)
    assert isinstance(decision, Close)
    assert decision.outcome == INFEASIBLE


def test_the_first_failures_do_not_end_the_run_by_it() -> None:
    sweep = started({}, first_failures=2)
    for trial in range(4):
        fails(sweep, trial, OF_GPU, 1)
    assert sweep.ending is None
    fails(sweep, 4, "ValueError: x", 1)
    assert sweep.ending is None
    decisions = fails(sweep, 5, "ValueError: x", 1)
    assert sweep.ending is not None
    assert sweep.ending.why.startswith("the first 2 trials failed and none succeeded; trial 5")
    assert isinstance(decisions[-1], Finish)


def test_without_the_rule_it_is_a_failure_like_any_other() -> None:
    sweep = started(None, first_failures=2, max_attempts=2)
    (decision,) = fails(sweep, 0, BY_KERNEL)
    assert decision == Launch(0, 2, {"x": 0.5})
    (decision,) = fails(sweep, 0, BY_KERNEL)
    assert isinstance(decision, Close)
    assert decision.outcome == ""


def test_what_is_infeasible_teaches_the_sampler_as_a_failed_trial() -> None:
    sweep = started({})
    fails(sweep, 0, OF_GPU, 1)
    assert sweep.history[0].state == FAILED
    assert sweep.history[0].value is None
