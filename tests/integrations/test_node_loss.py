"""A trial's node is killed while a real library trains: it continues from its checkpoint, on the same curve."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from callback_contract import EPOCHS, needs

TESTS = Path(__file__).parents[1]
CONTRACTS = (
    "test_lightning_callback:TestAtTheEndOfValidation",
    "test_transformers_callback:TestTransformers",
    "test_keras_callback:TestKerasOnTorch",
    "test_xgboost_callback:TestXGBoost",
    "test_lightgbm_callback:TestLightGBM",
    "test_catboost_callback:TestCatBoost",
    "test_accelerate_trial:TestAccelerate",
    "test_partial_fit_loop:TestPartialFitLoop",
    "test_report_loop:TestJaxLoop",
)
pytestmark = [
    *needs("lightning", "transformers", "keras", "torch", "xgboost", "lightgbm", "catboost", "accelerate", "jax"),
    pytest.mark.ray,
    pytest.mark.timeout(1200),  # nine libraries at once on a machine with other work
]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What came of the trials of each contract: of the one that trained on, and of the one whose node was lost."""
    path = os.pathsep.join(
        [*(str(TESTS / name) for name in ("integrations", "runtime", "")), os.environ.get("PYTHONPATH", "")]
    )
    done = subprocess.run(
        [sys.executable, str(TESTS / "integrations" / "node_loss_scenarios.py"), *CONTRACTS],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=1100,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("{")]  # libraries print, too
    result: dict[str, Any] = json.loads(line)
    return result


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_trial_whose_node_is_lost_has_the_same_curve(found: dict[str, Any], contract: str) -> None:
    module, name = contract.split(":")
    whole, lost = found[contract]
    assert (whole["state"], whole["losses"]) == ("Completed", 0), whole["why"]
    assert (lost["state"], lost["attempt"], lost["losses"]) == ("Completed", 2, 1), lost["why"]
    assert len(lost["curve"]) == EPOCHS
    tolerance = getattr(importlib.import_module(module), name).tolerance
    assert lost["curve"] == pytest.approx(whole["curve"], rel=tolerance, abs=0)
