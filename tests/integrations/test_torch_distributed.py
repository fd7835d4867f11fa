"""torch.distributed over gloo on several raylets: the curves are those of plain torchrun, to the last digit."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.ray,
    pytest.mark.integrations,
    pytest.mark.timeout(900),  # as long as the scenarios may take on a machine with other work
    pytest.mark.skipif(
        importlib.util.find_spec("torch") is None, reason="large library: `make integrations` installs torch"
    ),
]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What came of each scenario, and the curves of plain torchrun by learning rate."""
    command = [sys.executable, str(Path(__file__).with_name("ddp_scenarios.py"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_eight_trials_with_a_bandit_have_the_curves_of_torchrun(found: dict[str, Any]) -> None:
    trials = found["bandit"]
    assert len(trials) == 8
    for trial in trials:
        own, plain = trial["values"], found["plain"][repr(trial["lr"])]
        assert own == plain[: len(own)]
        assert len(own) == 12 or trial["state"] == "Canceled"
    assert "Canceled" in {trial["state"] for trial in trials}


def test_torchrun_in_the_command_starts_the_processes_of_each_node(found: dict[str, Any]) -> None:
    (trial,) = found["torchrun"]
    assert trial["values"] == found["plain"][repr(trial["lr"])]
    assert len(trial["values"]) == 12


def test_a_trial_that_loses_a_node_goes_on_with_the_same_curve(found: dict[str, Any]) -> None:
    (trial,) = found["killed"]
    assert (trial["attempt"], trial["state"]) == (2, "Completed")
    plain = found["plain"][repr(trial["lr"])]
    assert trial["values"][:4] == plain[:4]
    # DistributedDataParallel sums gradients in another order in the first step of a process.
    assert trial["values"] == pytest.approx(plain, rel=1e-6)
