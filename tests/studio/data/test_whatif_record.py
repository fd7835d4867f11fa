"""What-if of a run's own policy is the run, and the virtual run of that policy keeps the record's order."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs
from recorded import config, learning, record

from raydrive.core.early_stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    Policy,
    TruncationSelectionPolicy,
)
from raydrive.core.views.savings import saving
from raydrive.core.views.summary import seconds_of
from raydrive.storage.folder.arrow import ArrowFolder
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import RunHistory, open_history
from raydrive.studio.data.whatif import in_advance, play, what_if

RELEASED = Path(__file__).parents[2] / "formats" / "0.1.0"
EXPECTED: dict[str, dict[str, Any]] = json.loads((RELEASED / "EXPECTED.json").read_text())
POLICIES: dict[str, Policy] = {
    "bandit": BanditPolicy(slack_factor=0.1, delay_evaluation=2),
    "median": MedianStoppingPolicy(delay_evaluation=1),
    "truncation": TruncationSelectionPolicy(truncation_percentage=30, delay_evaluation=2),
    "none": NoTerminationPolicy(),
}


def stops_of(history: RunHistory) -> list[tuple[int, int, str]]:
    curves = history.sweep.curves
    return [
        (t.number, curves.length(t.number), t.why) for t in history.sweep.trials if t.stop_by == "policy" and not t.open
    ]


def is_the_run(history: RunHistory) -> None:
    """Compares the outcome of the run's own policy with the run's own figures, each to the last digit."""
    outcome, own = what_if(history, history.config.policy), saving(history.sweep)
    assert list(outcome.stopped) == stops_of(history)
    assert len(outcome.stopped) == own.stopped
    assert outcome.saved_share == own.share
    assert outcome.saved_s == (own.seconds or 0.0)
    if own.span is not None:
        assert (outcome.saved_low_s, outcome.saved_high_s) == (own.span.low_s, own.span.high_s)
    last_at = history.sweep.last_at
    assert outcome.trained_s == sum(seconds_of(t, t.ended_at or last_at) or 0.0 for t in history.sweep.trials)
    assert (outcome.unknown, outcome.lost_best) == (0, False)
    best = history.sweep.best
    assert best is not None
    assert (outcome.best_trial, outcome.best) == (best.trial, best.value)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_released_run_is_what_it_was(name: str, tmp_path: Path) -> None:
    shutil.copytree(RELEASED, tmp_path / "runs")
    place = tmp_path / "runs" / name
    objects = name.startswith("objects/")
    history = open_history(
        RunLayout.open(ArrowFolder(fs.LocalFileSystem(), str(place), str(place)) if objects else place)
    )
    is_the_run(history)
    first = in_advance(history)[0]
    page = Documents(history).head()["saving"]
    assert len(first["stopped"]) == page["stopped"]
    assert first["saved_share"] == page["share"]


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("concurrent", [1, 4, 7])
def test_a_fresh_run_is_what_it_was_and_plays_the_same(name: str, concurrent: int, tmp_path: Path) -> None:
    curve = learning(12)
    layout = record(tmp_path, config(30, policy=POLICIES[name], concurrent=concurrent), curve)
    history = open_history(layout)
    is_the_run(history)
    assert list(play(history, POLICIES[name]).stopped) == stops_of(history)


@pytest.mark.parametrize("name", ["bandit", "median", "truncation"])
def test_logs_at_the_same_time_keep_their_order(name: str, tmp_path: Path) -> None:
    curve = learning(8)
    layout = record(
        tmp_path, config(24, policy=POLICIES[name], concurrent=6), lambda n, p: [(1.0, v) for _, v in curve(n, p)]
    )
    history = open_history(layout)
    is_the_run(history)
    assert list(play(history, POLICIES[name]).stopped) == stops_of(history)
    assert stops_of(history)


def test_limits_of_the_run_change_nothing(tmp_path: Path) -> None:
    plan = config(20, policy=POLICIES["bandit"], concurrent=4)
    plan = replace(plan, limits=replace(plan.limits, trial_timeout_s=7.0, max_duration_s=25.0))
    is_the_run(open_history(record(tmp_path, plan, learning(12))))
