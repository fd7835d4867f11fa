"""What raydrive starts of Ray, and what its actors load: only what a run needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import environment

pytestmark = pytest.mark.ray

JOB = """
import json, sys, time
import psutil
import raydrive as rd

def train(params):
    rd.Run.get_context().log("score", params["x"])
    time.sleep(30)

config = rd.HyperDriveConfig(rd.RandomParameterSampling({"x": rd.uniform(0, 1)}), "score", "maximize", 1, 1,
                             run_config=train, seed=0)
run = rd.Experiment(rd.Workspace(sys.argv[1]), "lean").submit(config)
while not run.refresh().reports:
    time.sleep(0.05)

def loaded(process):
    with open(f"/proc/{process.pid}/maps") as file:
        text = file.read()
    return sorted(name for name in ("numpy", "pyarrow", "pydantic_core") if f"/{name}/" in text)

below = psutil.Process().children(recursive=True)
lines = {process: " ".join(process.cmdline()) for process in below}
print("RESULT " + json.dumps({
    "scripts": sorted({part for line in lines.values() for part in line.split() if part.endswith(".py")}),
    "trial": [loaded(process) for process, line in lines.items() if line.startswith("ray::TrialActor")],
    "driver": [loaded(process) for process, line in lines.items() if line.startswith("ray::Driver")],
}), flush=True)
run.cancel()
"""


def test_a_local_run_starts_no_process_and_loads_no_library_that_it_has_no_use_for(tmp_path: Path) -> None:
    job = tmp_path / "job.py"
    job.write_text(JOB)
    done = subprocess.run(
        [sys.executable, str(job), str(tmp_path / "storage")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    answer = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert answer, done.stderr
    found = json.loads(answer[0][7:])
    names = {Path(script).name for script in found["scripts"]}
    assert not names & {"dashboard.py", "monitor.py", "log_monitor.py"}
    assert "default_worker.py" in names or found["trial"], "the processes were not found"
    assert found["trial"] == [[]]
    assert len(found["driver"]) == 1
    assert "pydantic_core" not in found["driver"][0]
