"""What users may ask of a run: what it is answered, and each refusal with its words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.errors import ConfigError
from raydrive.core.json_values import json_of
from raydrive.core.records import Began, Cancelled, Checkpointed, Ended, Reported, Started, Suggested
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.sampling_record import sampling_record
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.user_requests.history import notices, paused_text, steps
from raydrive.core.user_requests.requests import plan

SPACE = {"lr": uniform(0, 1), "units": choice(8, 16)}
INSTEAD = "Start a new run that learns from this one: raydrive.warm_start in its sweep file names it."


def a_config(**changes: Any) -> RunConfig:
    command = "python train.py --lr ${{search_space.lr}} --units ${{search_space.units}}"
    config = RunConfig(
        experiment="asked",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling(SPACE, seed=1),
        limits=Limits(max_total_runs=4, max_concurrent_runs=2),
        trial=TrialSpec(kind="command", command=command),
        seed=1,
    )
    return replace(config, **changes)


def a_sweep(**changes: Any) -> Sweep:
    """Trial 0 has failed, trial 1 trains and has a checkpoint."""
    sweep = Sweep(a_config(**changes))
    facts: list[Any] = [Started(0.0, 1)]
    for number in (0, 1):
        facts += [Suggested(1.0, number, {"lr": 0.1 + number / 10, "units": 8}), Began(2.0, number, 1)]
    facts += [Reported(3.0, 1, 1, 1, 1, 0.5), Checkpointed(3.5, 1, 1, 1, "1"), Ended(4.0, 0, 1, 1, "ValueError: x")]
    for fact in facts:
        assert sweep.accepts(fact)
        sweep.handle(fact)
    return sweep


def edit(**patch: Any) -> dict[str, Any]:
    return {"do": "edit", "patch": patch, "by": "ada"}


def space_of(**expressions: Any) -> dict[str, Any]:
    return sampling_record(RandomParameterSampling(expressions, seed=1))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"do": "delete"}, "do: found 'delete'; allowed: edit, pause, unpause, add, retry, stop, note"),
        (edit(), "edit: found an edit that changes nothing"),
        (edit(limits={"max_total_runs": 4}), "edit: found an edit that changes nothing"),
        (edit(limits={"max_total_runs": 0}), "max_total_runs: found 0; allowed: a whole number of 1 or more"),
        (
            edit(metric={"name": "loss"}),
            "metric: found {'name': 'loss'}; allowed: no change while a run is active: its tri",
        ),
        (edit(metric={"name": "loss"}), INSTEAD),
        (
            edit(code="x"),
            "code: found 'x'; allowed: no change while a run is active: its trials would not be comparable",
        ),
        (edit(trial={"command": "x"}), "raydrive.command: found 'x'; allowed: a change of limits, early_termination"),
        (edit(seed=3), "seed: found 3; allowed: a change of limits, early_termination"),
        (
            edit(trial={"resources": json_of(Resources(nodes=2))}),
            "raydrive.resources.nodes: found 2; allowed: no change while a run is active: its code relies on the "
            "number",
        ),
        (
            edit(policy={"type": "mine:Policy"}),
            "early_termination.type: found 'mine:Policy'; allowed: a type of raydrive's own, or the class that the run",
        ),
        (
            edit(sampling={**space_of(**SPACE), "type": "mine:Sampling"}),
            "sampling_algorithm.type: found 'mine:Sampling'; allowed: a type of raydrive's own",
        ),
        (
            edit(sampling=space_of(lr=uniform(0, 1))),
            "search_space.units: found nothing; allowed: an expression: trial.command passes ${{search_space.units}}",
        ),
        (
            {**edit(limits={"max_total_runs": 9}), "expect_revision": 7},
            "--expect-revision: found 7, but the run has rev",
        ),
        ({"do": "unpause"}, "RUN: found a run that is not paused; allowed: a run paused with raydrive pause"),
        ({"do": "add", "points": []}, "points: found nothing; allowed: one configuration or more"),
        (
            {"do": "add", "points": [{"params": {"lr": 0.5}}]},
            "point.units: found nothing; allowed: a value of this parameter. Set it, or take it from a trial: --like",
        ),
        (
            {"do": "add", "points": [{"params": {"lr": 7, "units": 8}}]},
            "point.lr: found 7; allowed: a number from 0 to 1. To try it, widen the space first: raydrive edit RUN",
        ),
        (
            {"do": "add", "points": [{"params": {"lr": 0.5, "unit": 8, "units": 8}}]},
            "point.unit: found 8; allowed: a parameter of the search space: lr, units. Did you mean 'units'?",
        ),
        (
            {"do": "add", "points": [{"params": {"lr": 0.5, "units": 8}}] * 3},
            "points: found 3 configurations; allowed: at most 2, the rest of 4 trials: given configurations count. "
            "raydrive edit RUN --set limits.max_total_trials=5",
        ),
        (
            {"do": "retry"},
            "TRIAL: found nothing; failed trials: 0; allowed: numbers of trials that have ended, or --failed",
        ),
        (
            {"do": "retry", "trials": [1]},
            "TRIAL: found 1, which is Running; allowed: a trial that has ended: Failed, Ca",
        ),
        ({"do": "retry", "trials": [9]}, "TRIAL: found 9; allowed: the number of a trial: 0 to 1"),
        ({"do": "stop", "trial": 1}, "--reason: found nothing; allowed: the reason"),
        (
            {"do": "stop", "trial": 0, "why": "x"},
            "TRIAL: found 0, which is Failed; allowed: a trial that is queued, ru",
        ),
        ({"do": "stop", "trial": "0", "why": "x"}, "TRIAL: found '0'; allowed: the number of a trial: 0 to 1"),
        ({"do": "cancel", "trial": 7}, "TRIAL: found 7; allowed: the number of a trial: 0 to 1"),
        ({"do": "cancel", "trial": "all"}, "TRIAL: found 'all'; allowed: the number of a trial: 0 to 1"),
        ({"do": "note"}, "text: found nothing; allowed: text, or --tag key=value"),
        ({"do": "note", "text": "x", "trial": 5}, "TRIAL: found 5; allowed: the number of a trial: 0 to 1"),
        ({"do": "note", "tags": {"a": 3}}, "tags.a: found 3; allowed: strings by name"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(request_: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(a_sweep(), request_, 9.0)
    assert words in str(caught.value)


def test_all_problems_of_an_edit_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        plan(a_sweep(), edit(metric="x", seed=2, trial={"command": "x", "python": "y"}), 9.0)
    assert len(caught.value.problems) == 4


def test_a_run_that_is_ending_takes_notes_only() -> None:
    sweep = a_sweep()
    sweep.handle(Cancelled(9.0, None, "enough"))
    for request in ({"do": "pause"}, {"do": "retry", "failed": True}, edit(limits={"max_total_runs": 9})):
        with pytest.raises(ConfigError, match="found a run that is ending: enough; allowed: a run that has not ended"):
            plan(sweep, request, 9.0)
    assert plan(sweep, {"do": "note", "text": "why"}, 9.0).facts


def test_a_run_without_failed_trials_has_none_to_retry() -> None:
    sweep = Sweep(a_config())
    with pytest.raises(ConfigError, match="--failed: found no failed trial"):
        plan(sweep, {"do": "retry", "failed": True}, 9.0)


def test_a_cancel_tells_what_is_over_already() -> None:
    sweep = a_sweep()
    assert plan(sweep, {"do": "cancel", "trial": 0}, 9.0).notes == ("trial 0 had already ended",)
    (fact,) = plan(sweep, {"do": "cancel", "trial": 1, "by": "ada"}, 9.0).facts
    assert fact == Cancelled(9.0, 1, "canceled by ada")
    sweep.handle(Cancelled(9.0, None, "enough"))
    ending = plan(sweep, {"do": "cancel"}, 9.0)
    assert (ending.facts, ending.notes) == ((), ("the run had already ended",))
    sweep.handle(Ended(10.0, 1, 1, -15))
    assert plan(sweep, {"do": "cancel"}, 11.0).notes == ("the run had already ended: Canceled, enough",)


def test_a_run_that_is_over_does_not_pause_and_tells_what_would_end_it_again() -> None:
    sweep = a_sweep(limits=Limits(max_total_runs=2, max_concurrent_runs=2, max_duration_s=5.0))
    sweep.handle(Ended(5.5, 1, 1, 1, "x"))
    assert sweep.finished is not None
    with pytest.raises(
        ConfigError, match=r"RUN: found a run that has ended \(Failed\); allowed: a run that has not ended"
    ):
        plan(sweep, {"do": "pause"}, 9.0)
    found = plan(sweep, {"do": "retry", "trials": [0]}, 9.0)
    assert found.notes == ("the run has used its time of 5 s: also raise limits.timeout, or it ends again at once",)


def test_an_edit_of_an_older_state_tells_who_was_faster() -> None:
    sweep = a_sweep()
    done(sweep, edit(limits={"max_total_runs": 9}))
    with pytest.raises(ConfigError) as caught:
        plan(sweep, {**edit(limits={"max_total_runs": 8}), "expect_revision": 0}, 9.0)
    assert "allowed: the present revision: 1 edits were made since, the last one by ada" in str(caught.value)


def done(sweep: Sweep, request: dict[str, Any], at: float = 9.0) -> list[str]:
    planned = plan(sweep, request, at)
    for fact in planned.facts:
        assert sweep.accepts(fact)
        sweep.handle(fact)
    return [*planned.recorded, planned.effect, *planned.notes]


def test_answers_tell_what_is_recorded_and_when_it_takes_effect() -> None:
    sweep = a_sweep()
    assert done(sweep, edit(limits={"max_total_runs": 9, "max_concurrent_runs": 1})) == [
        "limits.max_total_trials: 4 -> 9",
        "limits.max_concurrent_trials: 2 -> 1",
        "limits now",
    ]
    assert done(sweep, edit(policy=policy_record(BanditPolicy(slack_factor=0.2))))[-1] == (
        "the policy from the next report on"
    )
    wider = space_of(lr=uniform(0, 2), units=choice(8, 16, 64), more=choice("x"))
    assert done(sweep, edit(sampling=wider)) == [
        "search_space.lr: uniform(0, 1) -> uniform(0, 2)",
        "search_space.units: choice(8, 16) -> choice(8, 16, 64)",
        "search_space.more: nothing -> choice('x')",
        "the search space and sampling from the next trial on",
        "2 of 2 trials are outside the new space: its sampling ignores them",
    ]
    lines = done(sweep, edit(trial={"resources": json_of(Resources(cpus=2))}))
    assert lines[0] == "raydrive.resources.cpus: 1 -> 2"
    assert lines[1].startswith("the settings of trials from their next attempt on")
    assert done(sweep, {"do": "pause", "now": True, "by": "ada"})[:2] == [
        "the run pauses: no further trial is started",
        "trial 1 pauses, with a checkpoint of interval 1",
    ]
    assert paused_text(sweep) == "paused by ada: no further trial is started until raydrive unpause"
    with pytest.raises(ConfigError, match="found a run that is already paused"):
        plan(sweep, {"do": "pause"}, 9.0)
    assert done(sweep, {"do": "retry", "trials": [0]})[0] == "trial 0 is tried again, from its start"
    assert notices(sweep) == ["to be tried again: trial 0"]
    done(sweep, {"do": "note", "trial": 1, "text": "odd", "tags": {"who": "ada"}, "by": "ada"})
    found = [(one.what, one.trial, one.revision, one.text) for one in steps(sweep)]
    assert found[0] == ("edit", None, 1, "limits.max_total_trials: 4 -> 9; limits.max_concurrent_trials: 2 -> 1")
    assert [one[0] for one in found] == ["edit", "edit", "edit", "edit", "pause", "retry", "note"]
    assert found[-1] == ("note", 1, None, "odd who=ada")


def test_an_exchanged_policy_is_told_as_a_whole() -> None:
    assert done(a_sweep(), edit(policy=policy_record(BanditPolicy(slack_factor=0.2))))[0] == (
        "early_termination: none -> bandit (evaluation_interval=1, slack_factor=0.2, delay_evaluation=0)"
    )


def test_a_stop_counts_as_a_policys() -> None:
    sweep = a_sweep()
    done(sweep, {"do": "stop", "trial": 1, "why": "it diverges", "by": "ada"})
    sweep.handle(Ended(10.0, 1, 1, -15))
    trial = sweep.trials[1]
    assert (trial.state, trial.stop_by, trial.why) == ("Canceled", "policy", "stopped by ada: it diverges")
    assert sweep.history[1].stopped
    assert sweep.history[1].value == 0.5


def test_what_a_run_that_is_over_is_asked_takes_effect_when_it_goes_on() -> None:
    sweep = a_sweep()
    sweep.handle(Ended(5.0, 1, 1, 0))
    done(sweep, edit(limits={"max_total_runs": 2}))
    assert sweep.finished is not None
    done(sweep, {"do": "retry", "failed": True})
    assert notices(sweep)[-1] == "what was changed since its end takes effect when the run is resumed: raydrive resume"
    decisions = sweep.handle(Started(20.0, 2))
    assert sweep.finished is None
    assert [(one.trial, one.attempt) for one in decisions] == [(0, 2)]  # type: ignore[union-attr]
