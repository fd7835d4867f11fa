"""What-if of a run on Ray gives back the run, and its own policy played again stops the same trials."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import raydrive
from raydrive.core.views.savings import saving
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.run_history import open_history
from raydrive.studio.data.whatif import play, what_if

pytestmark = pytest.mark.ray


def test_it_is_what_it_was(cluster: str, tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        for k in range(1, 7):
            time.sleep(0.05 + 0.05 * params["x"])
            raydrive.Run.get_context().log("score", params["x"] * k)

    space = {"x": raydrive.uniform(0.1, 1.0)}
    policy = raydrive.BanditPolicy(slack_factor=0.2, delay_evaluation=2)
    run = raydrive.tune(
        train,
        space,
        metric="score",
        goal="maximize",
        policy=policy,
        max_total_trials=8,
        concurrent_trials=2,
        resources={"cpus": 1},
        storage=str(tmp_path),
        show_output=False,
    )
    history = open_history(RunLayout.open(run.uri))
    outcome, own = what_if(history, policy), saving(history.sweep)
    stops = tuple((t.number, t.why) for t in history.sweep.trials if t.stop_by == "policy")
    assert tuple((number, why) for number, _, why in outcome.stopped) == stops
    assert stops
    assert (len(outcome.stopped), outcome.saved_share, outcome.saved_s) == (own.stopped, own.share, own.seconds)
    assert {number for number, _, _ in play(history, policy).stopped} == {number for number, _ in stops}
