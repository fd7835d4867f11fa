"""What a trial uses of its GPU, told while it trains: a cluster that claims to have one, a library for NVML."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gpu_libraries import PYNVML, write_libraries

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys, time
import ray, raydrive
from raydrive import HyperDriveConfig, Experiment, RandomParameterSampling, Resources, Run, Workspace, uniform

def train(params):
    Run.get_context().log("x", 1.0)
    time.sleep(600)

if __name__ == "__main__":
    ray.init(num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}), "x", "maximize", 1,
        run_config=train, resources=Resources(cpus=1, gpus=1),
    )
    run = Experiment(Workspace(sys.argv[1]), "gpu").submit(config)
    while not run.heartbeat().get("gpu_use"):
        time.sleep(0.5)
    (row,) = run.rows()
    print("FOUND", run.heartbeat()["gpu_use"], row["gpus"], row["gpu_percent"], row["gpu_memory_bytes"])
    run.cancel()
    run.wait_for_completion(show_output=False)
    (row,) = run.rows()
    print("THEN", row["state"], row["gpu_percent"], row["gpu_memory_bytes"])
"""


def test_it_is_in_the_heartbeat_while_it_trains_and_recorded_afterwards(tmp_path: Path) -> None:
    libraries = write_libraries(tmp_path / "libraries", pynvml=PYNVML)
    (tmp_path / "submit.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "submit.py"), str(tmp_path / "storage")],
        env={**os.environ, "PYTHONPATH": f"{libraries}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "FOUND {'0': {'gpu_percent': 40.0}} 0 40.0 None" in done.stdout
    assert "THEN Canceled 40.0 None" in done.stdout
