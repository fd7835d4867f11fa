"""A run without settings of its policy on a real Ray: what ``trials`` and ``whatif`` tell of it.

Ray is needed: that reasons reach the journal from a trial that is stopped while it trains, in the middle of others.
"""

from __future__ import annotations

import json
import math
import re
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from raydrive import (
    AutoPolicy,
    Experiment,
    GridParameterSampling,
    HyperDriveConfig,
    Resources,
    Run,
    Workspace,
    choice,
)
from raydrive.cli.app import app

pytestmark = pytest.mark.usefixtures("cluster")

WHOLE = 8


def train(params: dict[str, Any]) -> None:
    """Early values tell the end, but for a little."""
    run = Run.get_context()
    for interval in range(1, WHOLE + 1):
        run.log("loss", params["x"] + 1.0 / interval + 0.01 * math.sin(9 * params["x"] + interval))
        time.sleep(0.3 if params["x"] > 1.0 else 0.02)  # a stop comes while it trains


def output(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_stopped_trial_has_the_numbers_that_its_chance_was_reckoned_from(storage: str) -> None:
    config = HyperDriveConfig(
        # Good ones first: the model needs trials that have finished.
        GridParameterSampling({"x": choice([0.1, 0.15, 0.2, 0.12, 0.17, 0.22, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5])}),
        *("loss", "minimize", 12, 2),
        policy=AutoPolicy(),
        run_config=train,
        resources=Resources(cpus=0.5),
    )
    run = Experiment(Workspace(storage), "auto").submit(config)
    run.wait_for_completion()
    stopped = [trial for trial in run.sweep.trials if trial.state == "Canceled"]
    assert stopped
    assert all(trial.number >= 5 for trial in stopped), "five finished trials are needed"
    shown = json.loads(output("trials", run.id, "--storage", storage, "-o", "json"))
    reasons = {one["trial"]: one["why"] for one in shown["trials"]}
    for trial in stopped:
        found = re.fullmatch(
            r"auto: best (\S+) at interval (\d+) foretells an end of \S+ \+- \S+, a chance of \S+ % to be better than "
            r"(\S+): less than 5 % of an average trial's \S+ % \((\d+) finished trials\)",
            reasons[trial.number],
        )
        assert found, reasons[trial.number]
        own, interval, best, finished = found.groups()
        curve = list(run.sweep.curves.values(trial.number))
        assert float(own) == pytest.approx(min(curve[: int(interval)]), rel=1e-3)
        assert float(own) > float(best)
        assert int(finished) >= 5
    again = output("whatif", run.id, "--storage", storage, "--policy", "auto")
    assert re.search(r"^automatic +[1-9]", again, re.MULTILINE), again
