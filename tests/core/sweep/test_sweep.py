"""Every rule of the judge, one by one; what must hold of any history is in ``test_histories.py``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from journalled_sweep import Decisions, JournalledSweep

from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policies import BanditPolicy, NoTerminationPolicy, Policy
from raydrive.core.records import (
    CANCELED,
    COMPLETED,
    FAILED,
    OUTPUTS,
    QUEUED,
    RUNNING,
    Began,
    Cancelled,
    Checkpointed,
    Close,
    Decision,
    Ended,
    Fact,
    Finish,
    Launch,
    Lost,
    Noted,
    Reported,
    Started,
    Stop,
    Suggested,
    Ticked,
)
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.state import NOTES_KEPT, losses_text
from raydrive.core.user_facts import Retried
from raydrive.core.views.summary import trial_notices


def config_of(
    *, policy: Policy | None = None, maximize: bool = True, metric: str = "accuracy", **limits: Any
) -> RunConfig:
    return RunConfig(
        experiment="rules",
        metric=Metric(name=metric, goal=PrimaryMetricGoal.MAXIMIZE if maximize else PrimaryMetricGoal.MINIMIZE),
        sampling=RandomParameterSampling({"lr": uniform(0, 1)}),
        policy=policy or NoTerminationPolicy(),
        limits=Limits(**{"max_total_runs": 10, "max_concurrent_runs": 2, **limits}),
        trial=TrialSpec(kind="function"),
        seed=0,
    )


class Court(JournalledSweep):
    """One whose driver, trials and times the test names."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self._seq: dict[tuple[int, int], int] = {}

    def start(self, epoch: int = 1, at: float | None = None, **limits: Any) -> Decisions:
        return self.tell(Started(self.at(at), epoch, {}, limits))

    def suggest(self, number: int = 1) -> Decisions:
        decisions: list[Decision] = []
        for _ in range(number):
            trial = len(self.sweep.trials)
            decisions.extend(self.tell(Suggested(self.at(), trial, {"lr": 0.5 + trial}, "random")))
        return tuple(decisions)

    def exhaust(self) -> Decisions:
        return self.tell(Suggested(self.at(), len(self.sweep.trials), None))

    def begin(self, trial: int, at: float | None = None) -> Decisions:
        return self.tell(Began(self.at(at), trial, self.sweep.trials[trial].attempt, "node", 77, "0,1"))

    def report(self, trial: int, value: float | None, interval: int | None = None, **metrics: Any) -> Decisions:
        attempt = self.sweep.trials[trial].attempt
        seq = self._seq[trial, attempt] = self._seq.get((trial, attempt), 0) + 1
        if interval is None:
            interval = self.sweep.curves.length(trial) + 1
        return self.tell(Reported(self.at(), trial, attempt, seq, interval, value, metrics))

    def log(self, trial: int, **metrics: Any) -> Decisions:
        return self.report(trial, None, 0, **metrics)

    def end(self, trial: int, code: int | None = 0, error: str = "") -> Decisions:
        return self.tell(Ended(self.at(), trial, self.sweep.trials[trial].attempt, code, error))

    def lose(self, trial: int, at: float | None = None) -> Decisions:
        return self.tell(Lost(self.at(at), trial, self.sweep.trials[trial].attempt, "node died"))

    def cancel(self, trial: int | None = None, why: str = "cancelled by ann") -> Decisions:
        return self.tell(Cancelled(self.at(), trial, why))

    def tick(self, at: float) -> Decisions:
        """As the loop does: recorded only when something came of it."""
        self.now = at
        fact, ending = Ticked(at), self.sweep.ending
        assert self.sweep.accepts(fact)
        decisions = self.sweep.handle(fact)
        if decisions or self.sweep.ending is not ending:
            self.lines.append(records.dump(fact, decisions))
        return decisions

    def running(self, number: int) -> Court:
        self.start()
        self.suggest(number)
        for trial in range(number):
            self.begin(trial)
        return self


@pytest.fixture
def court() -> Iterator[Callable[..., Court]]:
    """Makes courts; whatever a test did with them, their sweeps and journals are checked in the end."""
    courts: list[Court] = []

    def make(**options: Any) -> Court:
        courts.append(Court(config_of(**options)))
        return courts[-1]

    yield make
    for each in courts:
        each.verify()


Make = Callable[..., Court]


# ---------------------------------------------------------------------------------------------- launching and budgets


def test_nothing_is_wanted_before_a_driver_is_in_charge(court: Make) -> None:
    one = court()
    assert one.sweep.free_slots == 0
    assert not one.sweep.accepts(Suggested(1.0, 0, {"lr": 1}))
    assert not one.sweep.accepts(Ticked(1e12))
    assert one.start() == ()
    assert one.sweep.free_slots == 2


def test_a_suggestion_is_launched_as_the_first_attempt(court: Make) -> None:
    one = court()
    one.start()
    assert one.suggest() == (Launch(0, 1, {"lr": 0.5}),)
    trial = one.sweep.trials[0]
    assert (trial.state, trial.attempt, trial.origin, trial.pid) == (QUEUED, 1, "random", 0)
    assert one.begin(0) == ()
    assert (trial.state, trial.node, trial.pid, trial.gpus) == (RUNNING, "node", 77, "0,1")


@pytest.mark.parametrize(
    ("total", "concurrent", "wanted"), [(10, 3, [3, 2, 1, 0]), (2, 5, [2, 1, 0]), (1, 1, [1, 0]), (3, 3, [3, 2, 1, 0])]
)
def test_wanted_keeps_both_limits(court: Make, total: int, concurrent: int, wanted: list[int]) -> None:
    one = court(max_total_runs=total, max_concurrent_runs=concurrent)
    one.start()
    seen = [one.sweep.free_slots]
    while one.sweep.free_slots:
        one.suggest()
        seen.append(one.sweep.free_slots)
    assert seen == wanted
    assert not one.sweep.accepts(Suggested(9.0, len(one.sweep.trials), {"lr": 0}))


def test_a_closed_trial_makes_room(court: Make) -> None:
    one = court().running(2)
    one.report(0, 0.5)
    assert one.sweep.free_slots == 0
    one.end(0)
    assert one.sweep.free_slots == 1
    assert one.suggest() == (Launch(2, 1, {"lr": 2.5}),)


def test_a_suggestion_out_of_turn_is_dropped(court: Make) -> None:
    one = court()
    one.start()
    one.suggest()
    assert not one.sweep.accepts(Suggested(3.0, 0, {"lr": 1}))
    assert not one.sweep.accepts(Suggested(3.0, 2, {"lr": 1}))


def test_the_last_trial_ends_the_run(court: Make) -> None:
    one = court(max_total_runs=2).running(2)
    for trial in (0, 1):
        one.report(trial, 0.5)
    assert one.end(0) == (Close(0, COMPLETED, "ended by itself after 1 interval"),)
    one.report(1, 0.6)
    finish = Finish(COMPLETED, "max_total_runs of 2 reached")
    assert one.end(1) == (Close(1, COMPLETED, "ended by itself after 2 intervals"), finish)
    assert one.sweep.finished == finish
    assert one.sweep.count == {COMPLETED: 2, CANCELED: 0, FAILED: 0}


def test_an_exhausted_space_ends_the_run_with_its_last_trial(court: Make) -> None:
    one = court().running(1)
    assert one.exhaust() == ()
    assert one.sweep.exhausted
    assert one.sweep.free_slots == 0
    one.report(0, 0.5)
    assert one.end(0)[-1] == Finish(COMPLETED, "the search space is exhausted after 1 configurations")


def test_a_space_exhausted_while_nothing_runs_ends_the_run_at_once(court: Make) -> None:
    one = court().running(1)
    one.report(0, 0.5)
    one.end(0)
    assert one.exhaust() == (Finish(COMPLETED, "the search space is exhausted after 1 configurations"),)


# ---------------------------------------------------------------------------------------------- policies


def test_a_policy_stop_with_the_words_of_the_verdict(court: Make) -> None:
    one = court(policy=BanditPolicy(slack_amount=0.1)).running(2)
    assert one.report(0, 0.8) == ()
    why = "bandit: best 0.5 at interval 1 is below 0.7 = 0.8-0.1, set by trial 0"
    assert one.report(1, 0.5) == (Stop(1, 1, why, "policy"),)
    trial = one.sweep.trials[1]
    assert (trial.state, trial.stop_by, trial.why) == (RUNNING, "policy", why)
    assert one.sweep.free_slots == 0  # its place is free once its process is gone
    assert one.report(1, 0.1) == ()  # still alive within the grace period: recorded, not judged again
    assert list(one.sweep.curves.values(1)) == [0.5, 0.1]
    assert one.end(1, -15) == (Close(1, CANCELED, why),)
    assert (trial.failures, one.sweep.count[CANCELED], one.sweep.history[1].stopped) == (0, 1, True)


@pytest.mark.parametrize("code", [0, 1, -9, None])
def test_a_stopped_trial_is_canceled_however_it_ends(court: Make, code: int | None) -> None:
    one = court(policy=BanditPolicy(slack_amount=0.1), max_attempts=3).running(2)
    one.report(0, 0.8)
    one.report(1, 0.5)
    (close,) = one.end(1, code, "Traceback")
    assert isinstance(close, Close)
    assert (close.state, close.why[:6]) == (CANCELED, "bandit")


def test_a_stopped_trial_that_is_lost_is_canceled_not_relaunched(court: Make) -> None:
    one = court(policy=BanditPolicy(slack_amount=0.1)).running(2)
    one.report(0, 0.8)
    one.report(1, 0.5)
    (close,) = one.lose(1)
    assert isinstance(close, Close)
    assert close.state == CANCELED


def test_a_report_without_the_primary_metric_is_not_judged(court: Make) -> None:
    one = court(policy=BanditPolicy(slack_amount=0.1)).running(2)
    one.report(0, 0.8)
    assert one.log(1, loss=3.0) == ()
    assert one.report(1, 0.75) == ()


def test_an_interval_logged_again_is_neither_recorded_nor_judged_again(court: Make) -> None:
    """What the others have logged since must not count against an interval that was judged when it was new."""
    one = court(policy=BanditPolicy(slack_amount=0.1)).running(2)
    one.report(0, 0.5)
    one.lose(0)
    one.begin(0)
    one.report(1, 0.9)
    assert one.report(0, 0.4, interval=1) == ()
    assert list(one.sweep.curves.values(0)) == [0.5]
    (stop,) = one.report(0, 0.6)
    assert isinstance(stop, Stop)


# ---------------------------------------------------------------------------------------------- failures


def test_the_first_failures_end_the_run(court: Make) -> None:
    one = court(max_concurrent_runs=1)
    one.start()
    for trial in range(2):
        one.suggest()
        assert one.end(trial, 1, "Traceback\nValueError: no") == (Close(trial, FAILED, "exit code 1: ValueError: no"),)
    one.suggest()
    close, finish = one.end(2, -11)
    assert close == Close(2, FAILED, "killed by signal 11")
    assert finish == Finish(FAILED, "the first 3 trials failed and none succeeded; trial 2: killed by signal 11")


def test_the_first_failures_stop_what_still_runs(court: Make) -> None:
    one = court(max_concurrent_runs=3, first_failures=2).running(3)
    one.end(0, 1)
    close, stop = one.end(1, None, "no such file")
    assert close == Close(1, FAILED, "could not be started: no such file")
    assert stop == Stop(2, 1, "the first 2 trials failed and none succeeded; trial 1: " + close.why, "run")
    assert one.sweep.free_slots == 0
    assert one.end(2, -15) == (Close(2, CANCELED, stop.why), Finish(FAILED, stop.why))


@pytest.mark.parametrize("first_failures", [0, 4])
def test_no_guard_before_its_number_or_when_it_is_off(court: Make, first_failures: int) -> None:
    one = court(max_concurrent_runs=3, first_failures=first_failures).running(3)
    for trial in range(3):
        assert len(one.end(trial, 1)) == 1
    assert one.sweep.ending is None


def test_one_success_keeps_the_run_going(court: Make) -> None:
    one = court(max_concurrent_runs=4).running(4)
    one.report(0, 0.1)
    one.end(0)
    for trial in (1, 2, 3):
        assert len(one.end(trial, 1)) == 1
    assert one.sweep.free_slots == 4


def test_the_guard_waits_for_a_running_trial_that_has_logged(court: Make) -> None:
    one = court(max_concurrent_runs=4).running(4)
    one.report(3, 0.1)
    for trial in (0, 1, 2):
        assert len(one.end(trial, 1)) == 1
    assert one.sweep.free_slots == 3
    assert isinstance(one.end(3, 1)[-1], Finish)  # it failed as well: nothing has worked


def test_a_canceled_trial_is_no_failure_for_the_guard(court: Make) -> None:
    one = court(max_concurrent_runs=4).running(4)
    one.cancel(0)
    one.end(0, -15)
    for trial in (1, 2, 3):
        one.end(trial, 1)
    assert one.sweep.ending is None


def test_a_run_whose_every_trial_failed_failed(court: Make) -> None:
    one = court(max_total_runs=2, first_failures=0).running(2)
    one.end(0, 1)
    assert one.end(1, 3, "OSError: disk")[-1] == Finish(
        FAILED, "all 2 trials failed; the last: exit code 3: OSError: disk"
    )


def test_an_empty_space_completes(court: Make) -> None:
    one = court()
    one.start()
    assert one.exhaust() == (Finish(COMPLETED, "the search space is exhausted after 0 configurations"),)


@pytest.mark.parametrize(
    ("logged", "why"),
    [
        ([], "ended without logging the primary metric 'accuracy', or any other"),
        ([{"loss": 1}], "ended without logging the primary metric 'accuracy'; it logged 'loss'."),
        (
            [{"loss": 1}, {"Acuracy": 0.9, "loss": 2}],
            "ended without logging the primary metric 'accuracy'; it logged 'loss', 'Acuracy'. Did you mean 'Acuracy'?",
        ),
        (
            [{"ACCURACY": 0.9}],
            "ended without logging the primary metric 'accuracy'; it logged 'ACCURACY'. Did you mean 'ACCURACY'?",
        ),
        ([{"accuracy": [0.1]}], "logged the primary metric 'accuracy' but never as a number; log one number at a time"),
    ],
)
def test_a_missing_primary_metric_names_what_was_logged(court: Make, logged: list[dict[str, Any]], why: str) -> None:
    one = court(max_attempts=3).running(2)
    for metrics in logged:
        one.log(0, **metrics)
    assert one.end(0) == (Close(0, FAILED, why),)  # once more would log no more
    assert (one.sweep.metric_missing, one.sweep.without_metric) == (True, 1)
    one.log(1, loss=1)
    one.report(1, 0.5)
    assert not one.sweep.metric_missing
    assert one.sweep.trials[1].logged == ()  # of no use any more


def test_a_crash_is_no_missing_metric(court: Make) -> None:
    one = court().running(1)
    one.end(0, 1)
    assert (one.sweep.metric_missing, one.sweep.without_metric) == (False, 1)


def test_a_missing_metric_after_a_retry_is_one(court: Make) -> None:
    one = court(max_attempts=2).running(1)
    one.end(0, 1)
    one.begin(0)
    one.end(0, 0)
    assert one.sweep.metric_missing


def test_a_failed_attempt_is_retried_until_max_attempts(court: Make) -> None:
    one = court(max_attempts=3).running(1)
    one.report(0, 0.5)
    assert one.end(0, 1) == (Launch(0, 2, {"lr": 0.5}),)
    assert one.sweep.trials[0].state == QUEUED
    one.begin(0)
    assert one.end(0, 1) == (Launch(0, 3, {"lr": 0.5}),)
    one.begin(0)
    assert one.end(0, 1, "MemoryError") == (Close(0, FAILED, "exit code 1 (attempt 3): MemoryError"),)


def test_a_retry_that_works_completes(court: Make) -> None:
    one = court(max_attempts=2).running(1)
    one.end(0, 1)
    one.begin(0)
    one.report(0, 0.5)
    assert one.end(0) == (Close(0, COMPLETED, "ended by itself after 1 interval"),)


def test_losing_an_attempt_never_counts(court: Make) -> None:
    one = court(max_attempts=1).running(1)
    for attempt in range(2, 12):
        one.report(0, 0.5)
        assert one.lose(0) == (Launch(0, attempt, {"lr": 0.5}),)
        one.begin(0)
    trial = one.sweep.trials[0]
    assert (trial.losses, trial.failures, trial.attempt) == (10, 0, 11)
    assert isinstance(one.end(0, 1)[0], Close)


def test_losses_without_progress_start_ever_later(court: Make) -> None:
    """Two starts are 2, 4, 8 ... 300 seconds apart; what was logged or saved in between makes it begin anew."""
    one = court().running(1)
    waits, at = [], 100.0
    for _ in range(12):
        (launch,) = one.lose(0, at)
        assert isinstance(launch, Launch)
        waits.append((launch.not_before or at) - at)
        at = max(at, launch.not_before or at)
        one.begin(0)
    assert waits == [0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    one.report(0, 0.5)
    assert one.lose(0, at) == (Launch(0, 14, {"lr": 0.5}),)
    assert one.sweep.trials[0].losses_without_progress == 0
    one.begin(0)
    one.lose(0, at)
    one.begin(0)
    (launch,) = one.lose(0, at + 1.5)  # it ran for a while: that counts
    assert launch == Launch(0, 16, {"lr": 0.5}, not_before=at + 2.0)


def test_losses_have_a_budget_of_their_own_when_one_is_set(court: Make) -> None:
    one = court(max_losses=2, first_failures=0).running(2)
    for _ in range(2):
        assert isinstance(one.lose(0)[0], Launch)
        one.begin(0)
    why = "lost 3 times on 1 node (node); last: node died; max_losses is 2"
    assert one.lose(0) == (Close(0, FAILED, why),)
    assert one.sweep.trials[0].why == why


def test_a_notice_says_where_a_trial_was_lost(court: Make) -> None:
    one = court().running(1)
    assert losses_text(one.sweep.trials[0]) == ""
    one.lose(0)
    assert losses_text(one.sweep.trials[0]) == "lost once on 1 node (node); last: node died"
    one.lose(0)  # before it began: nobody knows where
    assert losses_text(one.sweep.trials[0]) == "lost 2 times on 1 node (node); last: node died"
    for node in ("a", "b", "a"):
        one.tell(Began(one.at(), 0, one.sweep.trials[0].attempt, node, 1))
        one.lose(0)
    assert losses_text(one.sweep.trials[0]) == "lost 5 times on 3 nodes (node, b, a); last: node died"


def test_a_relaunch_goes_on_from_the_last_checkpoint(court: Make) -> None:
    one = court().running(1)
    for value in (0.1, 0.2, 0.3):
        one.report(0, value)
    one.tell(Checkpointed(one.at(), 0, 1, 2, "00002"))
    assert one.lose(0) == (Launch(0, 2, {"lr": 0.5}, "00002", 2),)
    one.begin(0)
    one.tell(Checkpointed(one.at(), 0, 2, 3, "00003"))
    again = Launch(0, 3, {"lr": 0.5}, "00003", 3, last_value=0.3)
    assert one.lose(0) == (again,), "it may have nothing left to train but to return its last value"
    one.begin(0)
    one.report(0, 0.33, interval=3)  # trained again: the first value stands
    one.report(0, 0.4, interval=4)
    assert list(one.sweep.curves.values(0)) == [0.1, 0.2, 0.3, 0.4]
    assert one.sweep.reports == 5


# ---------------------------------------------------------------------------------------------- notices


def test_a_notice_is_recorded_once_and_what_is_missing_becomes_part_of_the_reason(court: Make) -> None:
    one = court().running(2)
    one.report(0, 0.5)
    for text, about in (("not kept: wandb/", ""), ("a.txt could not be stored", OUTPUTS)):
        one.tell(Noted(one.at(), 0, 1, text, about))
    assert not one.sweep.accepts(Noted(one.at(), 0, 1, "not kept: wandb/"))
    assert not one.sweep.accepts(Noted(one.at(), 1, 2, "of an attempt that is not there"))
    assert one.sweep.trials[0].notes == ("not kept: wandb/", "a.txt could not be stored")
    assert not one.sweep.trials[1].notes
    one.tell(Noted(one.at(), 1, 1, "not kept: wandb/"))
    assert trial_notices(one.sweep) == ["trials 0, 1: not kept: wandb/", "trial 0: a.txt could not be stored"]
    one.tell(Ended(one.at(), 0, 1, 0))
    assert one.sweep.trials[0].why == "ended by itself after 1 interval; a.txt could not be stored"
    for number in range(NOTES_KEPT - 1):
        one.tell(Noted(one.at(), 1, 1, f"notice {number}"))
    assert not one.sweep.accepts(Noted(one.at(), 1, 1, "one too many"))
    assert trial_notices(one.sweep, most=1) == [
        "trials 0, 1: not kept: wandb/",
        "20 other notices of trials are left out here; their pages have them",
    ]


def test_notices_that_differ_in_sizes_only_are_one(court: Make) -> None:
    one = court().running(2)
    for number, size in enumerate(("1.2 MB, 14 files", "873 bytes, 1 file")):
        one.tell(Noted(one.at(), number, 1, f"not kept: wandb/ ({size}); add it"))
    assert trial_notices(one.sweep) == ["trials 0, 1: not kept: wandb/; add it"]
    one.tell(Noted(one.at(), 0, 1, "not kept: x (3 kB); add it"))
    assert trial_notices(one.sweep)[1] == "trial 0: not kept: x (3 kB); add it"


# ---------------------------------------------------------------------------------------------- time


def test_a_timeout_is_per_attempt_and_cancels_the_trial(court: Make) -> None:
    one = court(trial_timeout_s=60, max_duration_s=None)
    one.start(at=0.0)
    one.suggest(2)
    one.begin(0, at=100.0)
    assert one.sweep.due_at == 160.0
    one.lose(0)
    assert one.sweep.due_at is None
    one.begin(0, at=200.0)
    one.begin(1, at=230.0)
    one.report(0, 0.5)
    assert one.tick(259.9) == ()
    why = "timeout: ran for 60 s, the limit of one attempt"
    assert one.tick(260.0) == (Stop(0, 2, why, "timeout"),)
    assert one.tick(261.0) == ()
    assert one.sweep.due_at == 290.0
    assert one.end(0, -15) == (Close(0, CANCELED, why),)
    assert one.sweep.ending is None


def test_a_trial_waiting_for_its_reservation_does_not_time_out(court: Make) -> None:
    one = court(trial_timeout_s=60, max_duration_s=None)
    one.start()
    one.suggest()
    assert one.tick(1e6) == ()


@pytest.mark.parametrize(("limit_s", "words"), [(90, "90 s"), (3600, "60 min"), (86400.0, "24 h"), (0.5, "0.5 s")])
def test_a_run_whose_time_is_over_is_completed_and_its_trials_canceled(court: Make, limit_s: float, words: str) -> None:
    one = court(max_duration_s=limit_s)
    one.start(at=1000.0)
    one.suggest(2)
    one.report(0, 0.5)
    assert one.sweep.due_at == 1000 + limit_s
    assert one.tick(999 + limit_s) == ()
    why = f"max_duration of {words} reached"
    assert one.tick(1000.0 + limit_s) == (Stop(0, 1, why, "run"), Stop(1, 1, why, "run"))
    assert (one.sweep.free_slots, one.sweep.due_at, one.sweep.finished) == (0, None, None)
    assert one.end(1, -15) == (Close(1, CANCELED, why),)
    assert one.end(0, -15) == (Close(0, CANCELED, why), Finish(COMPLETED, why))


def test_time_that_is_over_while_nothing_runs_ends_the_run_at_once(court: Make) -> None:
    one = court(max_duration_s=60)
    one.start(at=0.0)
    assert one.tick(60.0) == (Finish(COMPLETED, "max_duration of 60 s reached"),)
    assert not one.sweep.accepts(Ticked(61.0))


def test_time_between_two_drivers_does_not_count(court: Make) -> None:
    one = court(max_duration_s=100)
    one.start(at=1000.0)
    one.suggest(1)
    one.begin(0, at=1010.0)
    one.report(0, 0.1)
    one.now = 1030.0
    one.report(0, 0.2)  # at 1031: the last sign of life
    one.start(2, at=9000.0)
    assert one.sweep.elapsed_s(9000.0) == 31.0
    assert one.sweep.due_at == 9069.0
    one.lose(0, at=9000.5)
    assert one.sweep.trials[0].trained_s == 21.0  # nor is it training time
    one.start(3, at=20_000.0)
    assert one.sweep.elapsed_s(20_010.0) == 41.5
    assert one.tick(20_068.0) == ()
    assert len(one.tick(20_068.5)) == 1


def test_an_attempt_that_outlived_its_driver_trained_until_it_was_last_heard_of(court: Make) -> None:
    one = court()
    one.start(at=1000.0)
    one.suggest(1)
    one.begin(0, at=1010.0)
    one.start(2, at=2000.0)
    one.now = 2099.0
    one.report(0, 0.5)  # adopted: it never stopped training
    one.lose(0, at=5001.0)  # its node took a while to be declared dead
    assert one.sweep.trials[0].trained_s == 1090.0


def test_training_time_is_that_of_all_attempts(court: Make) -> None:
    one = court(max_attempts=2)
    one.start()
    one.suggest()
    one.begin(0, at=100.0)
    one.now = 109.0
    one.end(0, 1)
    one.begin(0, at=200.0)
    one.lose(0, at=205.0)
    assert one.sweep.trials[0].trained_s == 15.0
    one.begin(0, at=300.0)
    one.tell(Ended(299.0, 0, 3, 1))  # a clock set back
    assert one.sweep.trials[0].trained_s == 15.0


# ---------------------------------------------------------------------------------------------- users


def test_a_user_cancels_one_trial(court: Make) -> None:
    one = court().running(2)
    assert one.cancel(1) == (Stop(1, 1, "cancelled by ann", "user"),)
    assert not one.sweep.accepts(Cancelled(9.0, 1, "again"))
    assert one.end(1, -15) == (Close(1, CANCELED, "cancelled by ann"),)
    assert not one.sweep.accepts(Cancelled(9.0, 1, "again"))
    assert not one.sweep.accepts(Cancelled(9.0, 7, "no such trial"))
    assert one.sweep.free_slots == 1
    assert not one.sweep.history[1].stopped


def test_a_user_cancels_the_run(court: Make) -> None:
    one = court().running(2)
    one.cancel(0, "bad luck")
    assert one.cancel() == (Stop(1, 1, "cancelled by ann", "run"),)
    assert not one.sweep.accepts(Cancelled(9.0, None, "again"))
    assert one.end(0, -15) == (Close(0, CANCELED, "bad luck"),)
    finish = Finish(CANCELED, "cancelled by ann")
    assert one.end(1, 0) == (Close(1, CANCELED, "cancelled by ann"), finish)
    assert not one.sweep.accepts(Cancelled(9.0, None, "again"))


def test_a_run_without_open_trials_is_cancelled_at_once(court: Make) -> None:
    one = court()
    one.start()
    assert one.cancel() == (Finish(CANCELED, "cancelled by ann"),)


def test_nothing_is_retried_while_the_run_ends(court: Make) -> None:
    one = court(max_attempts=5).running(2)
    one.cancel()
    assert one.end(0, 1) == (Close(0, CANCELED, "cancelled by ann"),)
    assert one.lose(1)[0] == Close(1, CANCELED, "cancelled by ann")


def test_a_duration_that_ends_while_the_user_cancels_changes_nothing(court: Make) -> None:
    one = court(max_duration_s=60).running(1)
    one.cancel()
    assert one.tick(1e9) == ()
    assert one.end(0, -15)[-1] == Finish(CANCELED, "cancelled by ann")


# ---------------------------------------------------------------------------------------------- ghosts and duplicates


def test_facts_of_earlier_attempts_are_ghosts(court: Make) -> None:
    one = court().running(1)
    one.report(0, 0.5)
    one.lose(0)
    ghosts: list[Fact] = [
        Began(9.0, 0, 1),
        Reported(9.0, 0, 1, 2, 2, 0.9),
        Checkpointed(9.0, 0, 1, 1, "00001"),
        Ended(9.0, 0, 1, 0),
        Lost(9.0, 0, 1, "again"),
    ]
    assert not any(one.sweep.accepts(ghost) for ghost in ghosts)
    one.begin(0)
    one.report(0, 0.6)
    one.end(0)
    late: list[Fact] = [Began(9.0, 0, 2), Reported(9.0, 0, 2, 9, 3, 0.9), Ended(9.0, 0, 2, 0), Lost(9.0, 0, 2, "x")]
    assert not any(one.sweep.accepts(fact) for fact in late)


def test_what_was_recorded_is_not_recorded_twice(court: Make) -> None:
    one = court().running(1)
    for value in (0.1, 0.2, 0.3):
        one.report(0, value)
    assert [one.sweep.accepts(Reported(9.0, 0, 1, seq, seq, 0.5)) for seq in (1, 2, 3, 4)] == [
        False,
        False,
        False,
        True,
    ]
    assert not one.sweep.accepts(Began(9.0, 0, 1))
    assert not one.sweep.accepts(Reported(9.0, 3, 1, 1, 1, 0.5))
    assert not one.sweep.accepts(Started(9.0, 1))
    assert not one.sweep.accepts(Started(9.0, 0))


def test_a_new_attempt_counts_its_reports_from_one(court: Make) -> None:
    one = court().running(1)
    one.report(0, 0.1)
    one.report(0, 0.2)
    one.lose(0)
    assert one.sweep.accepts(Reported(9.0, 0, 2, 1, 1, 0.5))


# ---------------------------------------------------------------------------------------------- the best


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([(0, 0.5)], (0, 0.5, 1)),
        ([(0, 0.5), (1, 0.5), (1, 0.5)], (0, 0.5, 1)),
        ([(1, 0.5), (0, 0.5)], (1, 0.5, 1)),
        ([(0, 0.5), (1, 0.4), (1, 0.9), (0, 0.9)], (1, 0.9, 2)),
        ([(0, 0.9), (0, 0.1)], (0, 0.9, 1)),
        ([(0, math.nan), (1, 0.1)], (1, 0.1, 1)),
        ([(0, math.inf), (1, -math.inf), (1, -3.0)], (1, -3.0, 2)),
        ([(0, 0.2), (0, math.nan), (0, math.inf)], (0, 0.2, 1)),
        ([(0, 0.0), (1, 0)], (0, 0.0, 1)),
        ([(0, None), (0, 7)], (0, 7.0, 2)),
        ([(0, 1.0), (1, 10**400), (1, 2)], (1, 2.0, 2)),
    ],
)
def test_the_best_is_finite_and_the_first_that_was_as_good(
    court: Make, maximize: bool, values: list[tuple[int, float | None]], best: tuple[int, float, int]
) -> None:
    one = court(maximize=maximize).running(2)
    sign = 1 if maximize else -1
    for trial, value in values:
        one.report(trial, None if value is None else sign * value)
    found = one.sweep.best
    assert found is not None
    assert (found.trial, sign * found.value, found.interval) == best


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_finite_value_no_best_but_an_interval(court: Make, value: float) -> None:
    one = court().running(1)
    one.report(0, value)
    assert (one.sweep.best, one.sweep.curves.length(0)) == (None, 1)
    assert one.end(0) == (Close(0, COMPLETED, "ended by itself after 1 interval"),)


# ---------------------------------------------------------------------------------------------- drivers come and go


def test_a_new_driver_relaunches_what_was_lost(court: Make) -> None:
    one = court().running(2)
    one.report(0, 0.3)
    assert one.start(2) == ()
    assert one.sweep.epoch == 2
    assert one.lose(0) == (Launch(0, 2, {"lr": 0.5}),)
    assert one.lose(1) == (Launch(1, 2, {"lr": 1.5}),)
    one.begin(0)
    one.report(0, 0.4)
    assert list(one.sweep.curves.values(0)) == [0.3, 0.4]


def test_a_new_driver_goes_on_ending(court: Make) -> None:
    one = court().running(2)
    one.cancel()
    assert one.start(2) == ()
    assert one.lose(0) == (Close(0, CANCELED, "cancelled by ann"),)
    assert one.lose(1)[-1] == Finish(CANCELED, "cancelled by ann")


def test_a_run_that_is_over_stays_over_without_new_limits(court: Make) -> None:
    one = court(max_total_runs=1).running(1)
    one.report(0, 0.5)
    one.end(0)
    assert one.start(2) == ()
    assert one.sweep.finished is not None
    assert one.sweep.free_slots == 0


def test_more_trials_open_a_run_that_is_over(court: Make) -> None:
    one = court(max_total_runs=1).running(1)
    one.report(0, 0.5)
    one.end(0)
    assert one.start(2, max_total_runs=3, max_concurrent_runs=4) == ()
    assert (one.sweep.finished, one.sweep.free_slots, one.sweep.limits.max_total_runs) == (None, 2, 3)
    one.suggest(2)
    for trial in (1, 2):
        one.begin(trial)
        one.report(trial, 0.1)
    one.end(1)
    assert one.end(2)[-1] == Finish(COMPLETED, "max_total_runs of 3 reached")


def test_limits_that_do_not_help_end_the_run_again(court: Make) -> None:
    one = court(max_total_runs=2).running(2)
    for trial in (0, 1):
        one.report(trial, 0.5)
        one.end(trial)
    assert one.start(2, max_total_runs=1) == (Finish(COMPLETED, "max_total_runs of 1 reached"),)


def test_more_time_opens_a_run_whose_time_was_over(court: Make) -> None:
    one = court(max_duration_s=60)
    one.start(at=0.0)
    one.suggest()
    one.report(0, 0.5)
    one.tick(60.0)
    one.now = 61.0
    one.end(0, -15)
    one.start(2, at=1000.0, max_duration_s=100.0)
    assert one.sweep.free_slots == 2
    assert one.sweep.due_at == 1000.0 + 100.0 - 62.0
    one.tick(1040.0)
    assert one.sweep.finished == Finish(COMPLETED, "max_duration of 100 s reached")


def test_a_trial_being_stopped_when_the_driver_died_is_canceled_even_if_the_run_goes_on(court: Make) -> None:
    one = court(max_duration_s=60)
    one.start(at=0.0)
    one.suggest()
    one.tick(60.0)
    one.start(2, at=100.0, max_duration_s=None)
    assert one.sweep.ending is None
    assert one.lose(0) == (Close(0, CANCELED, "max_duration of 60 s reached"),)
    assert one.sweep.free_slots == 2


# ---------------------------------------------------------------------------------------------- history


def test_history_shows_samplers_the_trials_as_they_stand(court: Make) -> None:
    one = court().running(2)
    one.report(0, 0.5)
    one.report(0, 0.25)
    history = one.sweep.history
    assert (len(history), [seen.number for seen in history], history[-1].number) == (2, [0, 1], 1)
    assert (history[0].value, list(history[0].curve), history[0].state) == (0.5, [0.5, 0.25], RUNNING)
    assert (history[1].value, list(history[1].curve), history[1].params) == (None, [], {"lr": 1.5})
    assert [seen.number for seen in history[1:]] == [1]


def test_a_frozen_history_does_not_move(court: Make) -> None:
    one = court().running(2)
    one.report(0, 0.5)
    one.report(1, 0.1)
    before = one.sweep.history.frozen()
    one.report(0, 0.9)
    one.end(1)
    assert [list(seen.curve) for seen in before] == [[0.5], [0.1]]
    assert [seen.state for seen in before] == [RUNNING, RUNNING]
    after = one.sweep.history.frozen()
    assert [list(seen.curve) for seen in after] == [[0.5, 0.9], [0.1]]
    assert [seen.state for seen in after] == [RUNNING, COMPLETED]
    one.suggest()
    one.end(0)
    last = one.sweep.history.frozen()
    assert last == tuple(one.sweep.history)
    assert last[1] is after[1]  # a closed trial is copied once


def test_a_history_tells_when_a_trial_that_was_over_changes(court: Make) -> None:
    """By another mark: samplers keep what they made of trials that are over as long as it is the same."""
    one = court().running(2)
    one.report(1, 0.1)
    one.end(1)
    mark = one.sweep.history.mark
    assert mark is not None
    one.suggest()
    assert one.sweep.history.frozen().mark is one.sweep.history.mark is mark
    one.tell(Retried(one.at(), 1))
    assert one.sweep.history.frozen().mark is one.sweep.history.mark is not mark
