"""Trials that log other metrics than the primary one: the nearest name, and the end of a strict run."""

from __future__ import annotations

import pytest

from raydrive.core import records
from raydrive.core.records import (
    CANCELED,
    FAILED,
    Began,
    Close,
    Decision,
    Ended,
    Fact,
    Finish,
    Reported,
    Started,
    Suggested,
)
from raydrive.core.sweep.missing_metric import missing_text, nearest_name
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.trouble import metric_notice
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import check_journal


class Told:
    """A sweep of two trials under way, which keeps its journal."""

    def __init__(self, **limits: int) -> None:
        self.config = function_config(tuple(range(9)), **{"max_concurrent_runs": 2, "first_failures": 0, **limits})
        self.sweep = Sweep(self.config)
        self.lines: list[str] = []
        self.seq = [0, 0]
        self(Started(1.0, 1))
        for number in (0, 1):
            self(Suggested(2.0, number, {"x": number}, "test"))
            self(Began(3.0, number, 1))

    def __call__(self, fact: Fact) -> tuple[Decision, ...]:
        assert self.sweep.accepts(fact), fact
        decisions = self.sweep.handle(fact)
        self.lines.append(records.dump(fact, decisions))
        return decisions

    def log(self, trial: int, *names: str) -> tuple[Decision, ...]:
        """One report, in which ``score`` is the primary metric."""
        self.seq[trial] += 1
        value = 0.5 if "score" in names else None
        others = {name: 0.1 for name in names if name != "score"}
        interval = 0 if value is None else self.sweep.curves.length(trial) + 1
        return self(Reported(4.0, trial, 1, self.seq[trial], interval, value, others))

    def replayed(self) -> Sweep:
        """The sweep that a new driver, or a reader, takes up."""
        return Sweep.replay(self.config, map(records.load, self.lines))


@pytest.mark.parametrize(
    ("name", "logged", "nearest"),
    [
        ("accuracy", ["loss", "val_acc"], "val_acc"),
        ("val_acc", ["train_acc", "val_accuracy"], "val_accuracy"),
        ("Accuracy", ["accuracy", "loss"], "accuracy"),
        ("eval_f1", ["epoch", "f1"], "f1"),
        ("auc", ["logloss"], "logloss"),
        ("auc", [], ""),
    ],
)
def test_the_nearest_name(name: str, logged: list[str], nearest: str) -> None:
    assert nearest_name(name, logged) == nearest


def test_what_a_trial_that_ended_without_it_is_told() -> None:
    told = "ended without logging the primary metric 'accuracy'"
    near = "it logged 'loss', 'val_acc'. Did you mean 'val_acc'?"
    assert missing_text("accuracy", ["loss", "val_acc"]) == f"{told}; {near}"
    assert missing_text("accuracy", ["loss"]) == f"{told}; it logged 'loss'."
    assert missing_text("accuracy", []) == f"{told}, or any other"


def test_a_trial_that_logged_it_on_another_rank_alone_is_told_which() -> None:
    assert missing_text("accuracy", ["loss", "rank_1/loss", "rank_1/accuracy"]) == (
        "ended without logging the primary metric 'accuracy' on rank 0; it logged 'rank_1/loss', 'rank_1/accuracy'. "
        "Log it on rank 0; if another rank is the one that counts, set the environment variable RAYDRIVE_ALL_RANKS=1"
    )
    assert missing_text("accuracy", ["loss", "rank_1/loss"]) == missing_text("accuracy", ["loss"])


def test_what_other_ranks_log_first_is_no_reason_to_tell_or_to_end_a_run() -> None:
    told = Told(strict=1)
    for _ in range(3):
        assert told.log(0, "rank_1/score", "rank_1/loss") == ()
    assert metric_notice(told.sweep) == ""
    told.log(0, "score")
    assert told.sweep.ending is None


def test_names_of_rank_0_are_remembered_whatever_others_log() -> None:
    told = Told()
    told.log(0, *(f"rank_{rank}/loss" for rank in range(1, 50)))
    told.log(0, "loss")
    logged = told.sweep.trials[0].logged
    assert (logged[0], len(logged)) == ("loss", 32)
    assert told.replayed().trials[0].logged == logged


def test_the_first_report_without_it_is_told_and_the_first_with_it_ends_that() -> None:
    told = Told()
    assert metric_notice(told.sweep) == ""
    assert told.log(0, "scores") == ()
    assert metric_notice(told.sweep) == (
        "no trial has logged the primary metric 'score' so far; trial 0 logs 'scores'. "
        'Write primary_metric_name="scores" (metric="scores" in tune()) to tune for \'scores\''
    )
    told.log(1, "score")
    assert metric_notice(told.sweep) == ""


def test_without_strict_a_run_goes_on() -> None:
    told = Told()
    assert all(told.log(0, "loss") == () for _ in range(50))
    assert told.sweep.ending is None


def test_strict_ends_the_run_when_a_metric_comes_again_without_the_primary_one() -> None:
    told = Told(strict=1)
    assert told.log(0, "loss") == ()  # the primary one may come next
    assert told.log(0, "accuracy") == ()
    stops = told.log(0, "loss")
    assert [(stop.trial, stop.by) for stop in stops] == [(0, "run"), (1, "run")]  # type: ignore[union-attr]
    assert told.sweep.free_slots == 0
    why = told.sweep.ending.why if told.sweep.ending else ""
    assert why.startswith("ended early by strict: no trial has logged the primary metric 'score'; trial 0 logs 'loss'")
    assert told.log(0, "loss") == ()  # it is stopping
    assert told(Ended(5.0, 0, 1, -15)) == (Close(0, CANCELED, why),)
    assert told(Ended(5.0, 1, 1, -15)) == (Close(1, CANCELED, why), Finish(FAILED, why))
    check_journal(told.config, told.lines)


@pytest.mark.parametrize("reports", [5, 50])
def test_strict_with_a_number_waits_for_so_many_reports(reports: int) -> None:
    told = Told(strict=reports)
    for _ in range(reports):
        assert told.log(0, "loss") == ()
    assert len(told.log(0, "loss")) == 2


@pytest.mark.parametrize("logs", [("loss", "score"), ("score",)])
def test_strict_lets_a_run_be_whose_trials_log_the_primary_metric(logs: tuple[str, ...]) -> None:
    told = Told(strict=1)
    for _ in range(3):
        assert all(told.log(0, name) == () for name in logs)
    assert all(told.log(1, "loss") == () for _ in range(5))  # what another trial logs shows that the name is right
    assert told.sweep.ending is None


def test_strict_ends_the_run_when_a_trial_ends_without_it() -> None:
    told = Told(strict=1)
    told.log(0, "loss")
    close, stop = told(Ended(5.0, 0, 1, 0))
    text = "ended without logging the primary metric 'score'; it logged 'loss'."
    assert close == Close(0, FAILED, text)
    assert (stop.trial, stop.by, stop.why) == (  # type: ignore[union-attr]
        1,
        "run",
        f"ended early by strict: trial 0 {text}",
    )


def test_a_crash_is_no_missing_metric() -> None:
    told = Told(strict=1)
    told.log(0, "loss")
    assert len(told(Ended(5.0, 0, 1, 1, "ValueError: no"))) == 1
    assert told.sweep.ending is None


def test_a_driver_that_takes_over_goes_on_with_the_end() -> None:
    told = Told(strict=1)
    for _ in range(2):
        told.log(0, "loss")
    again = told.replayed()
    assert again.ending == told.sweep.ending
    assert [trial.stop_by for trial in again.open_trials] == ["run", "run"]
    told(Started(9.0, 2))
    assert told.sweep.free_slots == 0
    told(Ended(10.0, 0, 1, -15))
    *_, finish = told(Ended(10.0, 1, 1, -15))
    assert isinstance(finish, Finish)
    assert finish.state == FAILED


def test_a_run_before_strict_reads_and_writes_as_it_did() -> None:
    assert "strict" not in Told().config.to_json()["limits"]
    assert Told(strict=5).config.to_json()["limits"]["strict"] == 5
