"""Trials that are paused and go on: every rule, one by one; what holds of any history is in ``test_histories.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from journalled_sweep import Decisions, StartedSweep

from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.paused_trials import PausedTrials, Promotion
from raydrive.core.early_stopping.policies import NoTerminationPolicy, Policy
from raydrive.core.early_stopping.verdict import Verdict
from raydrive.core.records import (
    CANCELED,
    COMPLETED,
    FAILED,
    PAUSED,
    Cancelled,
    Close,
    Ended,
    Finish,
    Launch,
    Lost,
    Pause,
    Reported,
    Resumed,
    Started,
    Stop,
    Suggested,
)
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.trial_record import Continuation, Suggestion, TrialRecord
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.summary import notices, row, summarize
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.runtime.simulated import SimulatedRunner
from raydrive.testing.memory import Memory
from raydrive.testing.sweep_invariants import check_journal


@dataclass(frozen=True)
class AtTwo:
    """Pauses each trial at interval 2; once three have got there, those above 0.5 go on."""

    restart: bool = False

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        return Verdict(False, f"paused at {interval}", pause=interval == 2)

    def promote(self, paused: PausedTrials, curves: Curves, least: float) -> Promotion | None:
        for level in paused.levels:
            best = paused.best(level)
            if paused.position(best)[1] >= 3 and (curves.best(best) or 0.0) > 0.5:
                return Promotion(best, "above 0.5")
        return None


def config_of(policy: Policy | None = None, **limits: Any) -> RunConfig:
    return RunConfig(
        experiment="pauses",
        metric=Metric(name="accuracy", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"lr": uniform(0, 1)}),
        policy=policy or AtTwo(),
        limits=Limits(**{"max_total_runs": 10, "max_concurrent_runs": 1, **limits}),
        trial=TrialSpec(kind="function"),
        seed=0,
    )


class Court(StartedSweep):
    """One whose trials pause."""

    def suggest(self, until: int | None = None) -> int:
        trial = len(self.sweep.trials)
        self.tell(Suggested(self.at(), trial, {"lr": 0.5}, "random", {}, until))
        self.begin(trial)
        return trial

    def pause(self, trial: int, *values: float) -> Decisions:
        """Trains a trial until it is paused."""
        self.report(trial, *values)
        self.save(trial)
        return self.end(trial)


Make = Callable[..., Court]


@pytest.fixture
def court() -> Iterator[Make]:
    courts: list[Court] = []

    def make(policy: Policy | None = None, **limits: Any) -> Court:
        courts.append(Court(config_of(policy, **limits)))
        return courts[-1]

    yield make
    for each in courts:
        each.verify()


def test_a_pause_waits_for_a_checkpoint_of_its_interval(court: Make) -> None:
    one = court()
    trial = one.suggest()
    one.report(trial, 0.1)
    one.save(trial, 1)
    why = "paused at 2"
    assert one.report(trial, 0.2) == (Pause(trial, 1, why, "policy", 2),)
    assert one.report(trial, 0.3) == ()  # it trains on until what it has is saved
    assert one.save(trial, 1) == ()
    assert one.save(trial, 3) == (Stop(trial, 1, why, "pause"),)
    assert one.sweep.free_slots == 0  # its place is free once its process is gone
    one.end(trial)
    paused = one.sweep.trials[trial]
    assert (paused.state, paused.why, paused.open, paused.failures, paused.pauses) == (PAUSED, why, True, 0, 1)
    assert (one.sweep.open_trials, one.sweep.paused_trials, one.sweep.free_slots) == ((), (paused,), 1)


def test_a_pause_is_at_once_where_the_checkpoint_is_there(court: Make) -> None:
    one = court()
    trial = one.suggest()
    one.report(trial, 0.1)
    one.save(trial, 2)  # saved before the value is logged
    assert [type(each) for each in one.report(trial, 0.2)] == [Pause, Stop]


def test_a_paused_trial_goes_on_from_its_checkpoint(court: Make) -> None:
    one = court(max_total_runs=3)
    for value in (0.6, 0.7):
        assert one.pause(one.suggest(), 0.1, value) == ()
    trial = one.suggest()
    one.report(trial, 0.1, 0.2)
    one.save(trial, 2)
    assert one.end(trial) == (Launch(1, 2, {"lr": 0.5}, "2", 2, why="above 0.5", last_value=0.7),)
    one.begin(1)
    assert (one.sweep.trials[1].why, one.sweep.trials[1].pause) == ("", None)
    assert "continued after a pause: above 0.5" in row(one.sweep, one.sweep.trials[1], 99.0).why
    one.report(1, 0.8)
    assert one.end(1, 0) == (
        Close(1, COMPLETED, "ended by itself after 3 intervals"),
        Launch(0, 2, {"lr": 0.5}, "2", 2, why="above 0.5", last_value=0.6),
    )
    one.begin(0)
    end = Close(2, CANCELED, "paused at interval 2: nothing will continue it", by="policy")
    assert one.end(0, 0) == (
        Close(0, COMPLETED, "ended by itself after 2 intervals"),
        end,
        Finish(COMPLETED, "max_total_runs of 3 reached"),
    )
    assert one.sweep.trials[2].stop_by == "policy"


def test_what_was_trained_beyond_the_checkpoint_is_trained_again_and_counts_once(court: Make) -> None:
    one = court(max_total_runs=1)
    trial = one.suggest()
    one.report(trial, 0.1, 0.9, 0.95)
    one.save(trial, 2)
    one.report(trial, 0.97)
    one.end(trial)
    assert list(one.sweep.curves.values(trial)) == [0.1, 0.9, 0.95, 0.97]
    assert one.sweep.finished is not None  # nothing else is to come, and nothing will continue it


@pytest.mark.parametrize("lost", [True, False])
def test_an_attempt_that_is_lost_while_it_pauses_is_paused(court: Make, lost: bool) -> None:
    one = court()
    trial = one.suggest()
    one.report(trial, 0.1, 0.2)
    one.save(trial, 2)
    attempt = one.attempt(trial)
    one.tell(Lost(one.at(), trial, attempt, "node died") if lost else Ended(one.at(), trial, attempt, 1, "Killed"))
    found = one.sweep.trials[trial]
    assert (found.state, found.losses, found.failures) == (PAUSED, 0, 0)


@pytest.mark.parametrize("lost", [True, False])
def test_an_attempt_that_ends_before_its_checkpoint_starts_again_and_pauses_then(court: Make, lost: bool) -> None:
    one = court(max_attempts=2)
    trial = one.suggest()
    one.report(trial, 0.1, 0.2)
    fact = Lost(one.at(), trial, 1, "node died") if lost else Ended(one.at(), trial, 1, 1, "ValueError: x")
    assert one.tell(fact) == (Launch(trial, 2, {"lr": 0.5}),)
    one.begin(trial)
    (stop,) = one.save(trial, 2)
    assert isinstance(stop, Stop)
    one.end(trial)
    assert one.sweep.trials[trial].state == PAUSED


def test_a_user_ends_a_paused_trial(court: Make) -> None:
    one = court()
    one.pause(one.suggest(), 0.1, 0.2)
    assert one.tell(Cancelled(one.at(), 0, "cancelled by ann")) == (Close(0, CANCELED, "cancelled by ann", by="user"),)
    assert (one.sweep.trials[0].stop_by, one.sweep.paused_trials) == ("user", ())
    assert not one.sweep.accepts(Cancelled(one.at(), 0, "again"))


def test_a_user_ends_a_trial_that_is_being_paused(court: Make) -> None:
    one = court()
    trial = one.suggest()
    one.report(trial, 0.1, 0.2)
    one.save(trial, 2)
    assert one.tell(Cancelled(one.at(), trial, "by ann")) == (Stop(trial, 1, "by ann", "user"),)
    assert one.end(trial) == (Close(trial, CANCELED, "by ann"),)


def test_a_run_that_ends_ends_its_paused_trials(court: Make) -> None:
    one = court(max_concurrent_runs=2)
    one.pause(one.suggest(), 0.1, 0.2)
    busy = one.suggest()
    why = "cancelled by ann"
    assert one.tell(Cancelled(one.at(), None, why)) == (
        Stop(busy, 1, why, "run"),
        Close(0, CANCELED, f"paused at interval 2: {why}", by="run"),
    )
    assert one.end(busy) == (Close(busy, CANCELED, why), Finish(CANCELED, why))


def test_a_script_that_saves_no_checkpoint_is_refused(court: Make) -> None:
    one = court(max_concurrent_runs=2)
    trial, other = one.suggest(), one.suggest()
    one.report(trial, 0.1, 0.2, 0.3)
    close, stop = one.end(trial, 0)
    assert close == Close(trial, COMPLETED, "ended by itself after 3 intervals")
    assert isinstance(stop, Stop)
    assert (stop.trial, stop.by) == (other, "run")
    assert stop.why.startswith(
        "the policy pauses trials, and no trial has saved a checkpoint to continue from: trial 0 was"
    )
    assert one.end(other)[-1] == Finish(FAILED, stop.why)


def test_a_script_that_saves_no_checkpoint_may_start_again(court: Make) -> None:
    one = court(AtTwo(restart=True), max_total_runs=3)
    for value in (0.6, 0.7, 0.2):
        trial = one.suggest()
        pause, stop = one.report(trial, 0.1, value)
        assert isinstance(pause, Pause)
        assert isinstance(stop, Stop)
        assert pause.why.endswith("it saves no checkpoint: if it continues, it starts again from the beginning")
        decisions = one.end(trial)
    assert decisions == (Launch(1, 2, {"lr": 0.5}, None, 0, why="above 0.5"),)
    one.begin(1)
    one.tell(Reported(one.at(), 1, 2, 99, 1, 0.1))  # it logs again what it has logged
    assert list(one.sweep.curves.values(1)) == [0.1, 0.7]


def test_that_a_pause_waits_for_a_first_checkpoint_is_told(court: Make) -> None:
    one = court()
    trial = one.suggest()
    one.report(trial, 0.1, 0.2, 0.3)
    assert notices(one.sweep) == []  # it may be on its way
    one.report(trial, 0.4)
    (told,) = notices(one.sweep)
    assert told.startswith(
        "trial 0 is to pause since interval 2 and keeps training: no trial has saved a checkpoint yet"
    )
    one.save(trial, 1)
    assert notices(one.sweep) == []


def test_parameters_of_a_policy_may_have_the_names_of_methods(court: Make) -> None:
    @dataclass(frozen=True)
    class Odd:
        level: int = 3
        promote: float = 0.5
        restart: str = "never"

        def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
            return Verdict(False, f"paused at {interval}", pause=True)

    one = court(Odd())
    one.pause(one.suggest(), 0.1)
    assert [trial.state for trial in one.sweep.trials] == [PAUSED]


def test_paused_trials_have_a_place_in_tables(court: Make) -> None:
    one = court()
    one.pause(one.suggest(), 0.1, 0.2)
    summary = summarize(one.sweep, 99.0)
    assert (summary.counts[PAUSED], summary.done, summary.total) == (1, 0, 1)
    assert summarize(one.sweep, 99.0, interrupted=True).counts[PAUSED] == 1  # it trained nowhere before, either
    shown = row(one.sweep, one.sweep.trials[0], 99.0, interrupted=True)
    assert (shown.state, shown.why) == (PAUSED, "paused at 2")


class Choosing(RandomParameterSampling):
    """Starts two trials up to interval 2, has the better one go on to 4, and that is all."""

    continues = True
    build: Any = lambda self, seed, maximize: self
    cheap = True

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | Continuation | None:
        return Suggestion({"lr": 0.1 * (1 + number)}, "model", until=2) if number < 2 else self.go_on(history)

    def go_on(self, history: Sequence[TrialRecord]) -> Continuation | None:
        best = max((seen for seen in history if seen.state == PAUSED), key=lambda seen: seen.value or 0.0)
        return Continuation(best.number, 4, "model", {"gain": 1.0}) if len(best.curve) < 4 else None


@pytest.mark.parametrize("total", [2, 3])
def test_a_sampler_may_choose_which_trial_goes_on_and_how_far(total: int) -> None:
    config = replace(config_of(NoTerminationPolicy(), max_total_runs=total), sampling=Choosing({"lr": uniform(0, 1)}))
    memory, runner = (
        Memory(),
        SimulatedRunner(lambda n, params: ((1.0, params["lr"] * k) for k in range(1, 9)), checkpoint_every=1),
    )
    sweep = Sweep(config)
    loop = DecisionLoop(sweep, config.sampling, runner, memory, lambda: runner.now)  # type: ignore[arg-type]
    loop.take([Started(0.0, 1)])
    for fact in runner.facts():
        loop.take([fact])
    check_journal(config, memory.lines)
    facts = [records.load(line)[0] for line in memory.lines]
    assert [fact for fact in facts if isinstance(fact, Resumed)] == [
        Resumed(facts[-1].at - 2, 1, 4, "model", {"gain": 1.0})
    ]
    assert [(trial.state, sweep.curves.length(trial.number)) for trial in sweep.trials] == [
        (CANCELED, 2),
        (CANCELED, 4),
    ]
    assert sweep.trials[1].pause is None
    assert sweep.finished is not None


def test_positions_among_equal_trials_are_all_different() -> None:
    curves = Curves(maximize=True)
    for trial, value in enumerate((0.5, 0.5, 0.9, 0.5, 0.1)):
        curves.add(trial, 1, value)
    paused = PausedTrials(curves)
    for trial in (4, 3, 1):
        paused.add(trial)
    assert paused.at(1) == [1, 3, 4]
    # 2 is better, and 0, which is equal to 1 and 3, is not paused: it has moved on.
    assert [paused.position(trial) for trial in (1, 3, 4)] == [(3, 5), (4, 5), (5, 5)]
    paused.discard(1)
    assert (paused.at(1), len(paused), 1 in paused, list(paused)) == ([3, 4], 2, False, [4, 3])
