"""A training script with the real wandb: its configuration is the trial's, and what it logs reaches the trial, too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from script_runs import RunScript, run_script

pytestmark = pytest.mark.integrations
pytest.importorskip("wandb")
__all__ = ["run_script"]

SCRIPT = """\
import wandb
assert "site-packages" in wandb.__file__, wandb.__file__
run = wandb.init(project="p", config={"lr": 1.0, "layers": 2})
assert (wandb.config.lr, wandb.config.layers) == (0.1, 2), dict(wandb.config)
for epoch in range(3):
    wandb.log({"loss": 1.0 - epoch / 4, "note": "x"})
run.log({"late": 1}, step=7)
assert run.offline
wandb.finish()
"""


def test_an_installed_wandb_logs_to_the_trial_too(
    run_script: RunScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    file = tmp_path / "train.py"
    file.write_text(SCRIPT)
    done = run_script(file, python=sys.executable)
    assert done.metrics["loss"] == [1.0, 0.75, 0.5]
    assert done.metrics["late"] == [1.0]
    assert list((tmp_path / "cwd" / "wandb").glob("offline-run-*"))
