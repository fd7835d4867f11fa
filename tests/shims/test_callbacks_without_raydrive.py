"""The callbacks in a Python that has no raydrive: what a trial puts on its path is enough."""

from __future__ import annotations

import subprocess
from pathlib import Path

import raydrive

SHIMS = Path(raydrive.__file__).parent / "shims"
SCRIPT = """
import importlib.util, sys
import raydrive
from raydrive.integrations.sklearn import PartialFitLoop
from raydrive.integrations.trial_report import TrialReport

class Model:
    pass

for epoch in PartialFitLoop(Model(), epochs=2):
    TrialReport({"loss": "theirs"}).report({"theirs": epoch / 2, "other": 1}, step=epoch)
try:
    from raydrive import RaydriveSearchCV
except ImportError as error:
    print(error)
"""


def test_callbacks_print_and_searches_tell_that_they_need_raydrive(old_python: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [old_python, "-c", SCRIPT],
        cwd=tmp_path,
        env={"PYTHONPATH": str(SHIMS)},
        text=True,
        capture_output=True,
        timeout=60,
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["loss = 0.5 (step 1)", "loss = 1.0 (step 2)"], done.stderr
    assert "raydrive is not installed" in lines[2]
