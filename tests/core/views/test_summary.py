from __future__ import annotations

import json
import math
from typing import Any

import pytest

from raydrive.core.records import (
    CANCELED,
    COMPLETED,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    Began,
    Ended,
    Fact,
    Lost,
    Reported,
    Started,
    Suggested,
)
from raydrive.core.sweep.state import Best
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.summary import INTERRUPTED, notices, ranked, row, row_json, summarize
from raydrive.testing.runners import function_config


def sweep_of(*facts: Fact, **options: Any) -> Sweep:
    sweep = Sweep(function_config(tuple(range(9)), **{"max_concurrent_runs": 4, **options}))
    for fact in facts:
        assert sweep.accepts(fact), fact
        sweep.handle(fact)
    return sweep


def begun(*trials: int, at: float = 10.0) -> list[Fact]:
    facts: list[Fact] = [Started(at, 1)]
    for trial in trials:
        facts += [Suggested(at, trial, {"--lr": 0.5, "units": trial}, "test"), Began(at, trial, 1, "node1", 7, "0")]
    return facts


def curve(trial: int, *values: float, at: float = 11.0) -> list[Fact]:
    return [Reported(at + k, trial, 1, k, k, value) for k, value in enumerate(values, start=1)]


def test_a_run_that_has_not_begun_is_queued() -> None:
    summary = summarize(Sweep(function_config()), 5.0)
    assert (summary.state, summary.why, summary.total, summary.best, summary.reports) == (QUEUED, "", 0, None, 0)
    assert summary.counts == dict.fromkeys((QUEUED, RUNNING, INTERRUPTED, PAUSED, COMPLETED, CANCELED, FAILED), 0)
    assert not summary.metric_missing


def test_the_summary_of_a_running_run() -> None:
    facts = [*begun(0, 1, 2), Suggested(10.0, 3, {"x": 1}), *curve(0, 0.5, 0.7), *curve(1, 0.6)]
    summary = summarize(sweep_of(*facts, Ended(15.0, 0, 1, 0), Ended(15.0, 1, 1, 3)), 40.0)
    assert (summary.state, summary.why, summary.total, summary.max_total_runs) == (RUNNING, "", 4, 9)
    assert summary.counts == {QUEUED: 1, RUNNING: 1, INTERRUPTED: 0, PAUSED: 0, COMPLETED: 1, CANCELED: 0, FAILED: 1}
    assert summary.done == 2
    assert (summary.best, summary.reports, summary.elapsed_s) == (Best(0, 0.7, 2), 3, 30.0)


def test_of_an_interrupted_run_no_trial_trains_or_waits() -> None:
    sweep = sweep_of(*begun(0, 1), Suggested(10.0, 2, {"x": 1}), *curve(0, 0.5), Ended(15.0, 0, 1, 0))
    summary = summarize(sweep, 20.0, interrupted=True)
    assert summary.counts == {QUEUED: 0, RUNNING: 0, INTERRUPTED: 2, PAUSED: 0, COMPLETED: 1, CANCELED: 0, FAILED: 0}
    assert (summary.total, summary.done) == (3, 1)
    states = [row(sweep, trial, 20.0, interrupted=True).state for trial in sweep.trials]
    assert states == [COMPLETED, INTERRUPTED, INTERRUPTED]
    assert [row(sweep, trial, 20.0).state for trial in sweep.trials] == [COMPLETED, RUNNING, QUEUED]


def test_the_clock_of_a_run_that_is_over_stands_still() -> None:
    sweep = sweep_of(*begun(0), *curve(0, 0.5), Ended(25.0, 0, 1, 0), max_total_runs=1)
    summary = summarize(sweep, 1e9)
    assert (summary.state, summary.why, summary.elapsed_s) == (COMPLETED, "its only trial has ended", 15.0)


def test_a_run_that_is_ending_says_why() -> None:
    facts = [*begun(0, 1, 2), Ended(11.0, 0, 1, 1), Ended(12.0, 1, 1, 1, "OSError: x")]
    summary = summarize(sweep_of(*facts, first_failures=2), 13.0)
    assert summary.state == RUNNING
    assert summary.why == "the first 2 trials failed and none succeeded; trial 1: exit code 1: OSError: x"


def test_a_row_tells_of_one_trial() -> None:
    sweep = sweep_of(*begun(0, 1), *curve(0, 0.5, 0.9, 0.7))
    one = row(sweep, sweep.trials[0], 30.0)
    assert (one.number, one.state, one.best, one.last, one.intervals, one.seconds) == (0, RUNNING, 0.9, 0.7, 3, 20.0)
    assert (one.why, one.attempt, one.node, one.gpus) == ("", 1, "node1", "0")
    other = row(sweep, sweep.trials[1], 30.0)
    assert (other.best, other.last, other.intervals) == (None, None, 0)
    assert json.loads(json.dumps(row_json(one))) == {
        "trial": 0,
        "state": "Running",
        "param_lr": 0.5,
        "param_units": 0,
        "best": 0.9,
        "last": 0.7,
        "intervals": 3,
        "seconds": 20.0,
        "why": "",
        "attempt": 1,
        "node": "node1",
        "gpus": "0",
        "gpu_percent": None,
        "gpu_memory_bytes": None,
        "gpu_nodes": [],
        "losses": 0,
        "nodes": [],
        "notes": [],
    }


def test_a_trial_that_waits_has_no_training_time_until_it_began() -> None:
    waiting: list[Fact] = [Started(1.0, 1), Suggested(1.0, 0, {})]
    sweep = sweep_of(*waiting)
    assert row(sweep, sweep.trials[0], 9.0).seconds is None
    sweep = sweep_of(*waiting, Began(2.0, 0, 1), Lost(7.0, 0, 1, "gone"))
    assert row(sweep, sweep.trials[0], 99.0).seconds == 5.0
    sweep = sweep_of(*waiting, Began(2.0, 0, 1), Lost(7.0, 0, 1, "gone"), Began(10.0, 0, 2))
    assert row(sweep, sweep.trials[0], 12.0).seconds == 7.0


@pytest.mark.parametrize(("maximize", "order"), [(True, [2, 0, 3, 1, 4]), (False, [3, 0, 2, 1, 4])])
def test_trials_best_first_ties_by_number_and_the_rest_last(maximize: bool, order: list[int]) -> None:
    facts = [*begun(0, 1, 2, 3, 4), *curve(1, math.nan)]
    values = {0: (0.5, 0.5), 2: (0.5, 0.9) if maximize else (0.5,), 3: (0.5,) if maximize else (0.1,)}
    for trial, own in values.items():
        facts += curve(trial, *own)
    sweep = sweep_of(*facts, maximize=maximize, max_concurrent_runs=5)
    assert [trial.number for trial in ranked(sweep)] == order
    assert [trial.number for trial in ranked(sweep, top=2)] == order[:2]


def test_a_trial_that_is_lost_again_and_again_is_noticed() -> None:
    facts: list[Fact] = [*begun(0, 1)]
    for attempt, node in ((1, "a"), (2, "b"), (3, "c")):
        facts += [Began(20.0, 0, attempt, node, 1)] if attempt > 1 else []
        facts += [Lost(21.0, 0, attempt, f"{node} is gone")]
    sweep = sweep_of(*facts, Lost(22.0, 1, 1, "one loss is no news"))
    text = "lost 3 times on 3 nodes (node1, b, c); last: c is gone"
    assert notices(sweep) == [f"trial 0 was {text}"]
    assert row(sweep, sweep.trials[0], 30.0).why == text
    assert row(sweep, sweep.trials[0], 30.0).losses == 3
