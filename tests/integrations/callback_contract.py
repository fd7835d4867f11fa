"""What every callback must keep, with the real library: metrics, a policy's stop, a kill that leaves the same curve.

Subclass it, name the metric, and give a training function that calls ``after_interval`` after each report. The kill is
one of the training process, which the next attempt cannot tell from that of a node: it starts in a new process with
what the storage has. ``test_node_loss.py`` kills the node itself, with nine of the libraries at work on it.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attempts import train_in_attempts, wait_for_storage

from raydrive import BanditPolicy
from raydrive.context import Run

EPOCHS = 6


def needs(*libraries: str) -> list[pytest.MarkDecorator]:
    """Marks of a file whose libraries only ``make integrations`` installs."""
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    reason = f"large libraries: `make integrations` installs {', '.join(missing)} and runs this"
    return [pytest.mark.integrations, pytest.mark.skipif(bool(missing), reason=reason)]


def after_interval(params: dict[str, Any], step: int) -> None:
    """Kills the first attempt, or waits for its node's end, where that is asked for; or for a policy's stop."""
    if Run.get_context().attempt == 1 and params.get("stay") and step == params["stay"]:
        wait_for_storage()
        time.sleep(600)
    if Run.get_context().attempt == 1 and step == params.get("kill"):
        wait_for_storage()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(params.get("pause", 0.0))


class CallbackContract:
    """Inherit, and set these."""

    train: Callable[[dict[str, Any]], object]
    """A ``staticmethod`` that trains ``EPOCHS`` intervals."""
    metric: str
    goal = "maximize"
    others: tuple[str, ...] = ()
    """Further metrics that are logged."""
    tolerance = 0.0
    """Relative difference of the curves before and after a kill, where the library itself does not go on exactly."""

    def test_each_interval_is_logged_and_a_killed_trial_has_the_same_curve(self, tmp_path: Path) -> None:
        whole = train_in_attempts(tmp_path / "whole", type(self).train, self.metric, goal=self.goal)
        assert (whole.state, len(whole.launches)) == ("Completed", 1), whole.why
        assert len(whole.curve) == EPOCHS
        assert len(set(whole.curve)) > 1, "a constant curve would show nothing"
        for name in self.others:
            assert len(whole.metrics[name]) == EPOCHS
        killed = train_in_attempts(
            tmp_path / "killed", type(self).train, self.metric, goal=self.goal, params={"kill": 3}
        )
        assert (killed.state, len(killed.launches)) == ("Completed", 2), killed.why
        assert killed.launches[1].resume_from is not None
        assert killed.launches[1].interval == 3
        assert killed.curve == pytest.approx(whole.curve, rel=self.tolerance, abs=0)

    def test_a_trial_that_is_killed_behind_its_last_interval_ends_well(self, tmp_path: Path) -> None:
        killed = train_in_attempts(tmp_path, type(self).train, self.metric, goal=self.goal, params={"kill": EPOCHS})
        assert (killed.state, len(killed.launches), len(killed.curve)) == ("Completed", 2, EPOCHS), killed.why

    def test_a_policy_stops_it_in_the_middle(self, tmp_path: Path) -> None:
        better = 1e6 if self.goal == "maximize" else -1e6
        stopped = train_in_attempts(
            tmp_path,
            type(self).train,
            self.metric,
            goal=self.goal,
            policy=BanditPolicy(slack_amount=1.0, delay_evaluation=2),
            others={0: [better] * EPOCHS},
            params={"pause": 2.0},
        )
        assert stopped.state == "Canceled", stopped.why
        assert stopped.why.startswith("bandit")
        assert 2 <= len(stopped.curve) < EPOCHS
