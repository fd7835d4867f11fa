"""How long one waits before anything happens: import, --help, and a run of one trial with a Ray of its own.

python benchmarks/startup.py --times 5
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

from _common import setting, spread

RUN = """
from raydrive import Run, choice, RandomParameterSampling, HyperDriveConfig, Experiment, Workspace
def train(params):
    Run.get_context().log("score", 1.0)
config = HyperDriveConfig(RandomParameterSampling({"x": choice(1)}), "score", "maximize", 1, 1, run_config=train)
run = Experiment(Workspace("."), "startup").submit(config)
run.wait_for_completion()
assert run.get_status() == "Completed", run.get_status()
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5, help="how often import and --help are timed")
    options = parser.parse_args()
    print(setting())
    python = sys.executable
    for name, command, times in (
        ("python -c pass", [python, "-c", "pass"], options.times),
        ("import raydrive", [python, "-c", "import raydrive"], options.times),
        ("raydrive --help", [os.path.join(os.path.dirname(python), "raydrive"), "--help"], options.times),
        ("a run of 1 trial, Ray started and ended", [python, "-c", RUN], 1),
    ):
        took = [seconds(command) for _ in range(times)]
        print(f"{name:<42}{spread(took, 3)} s", flush=True)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


def seconds(command: list[str]) -> float:
    """Returns how long a command takes; ends this script when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr[-800:]}")
    return took


if __name__ == "__main__":
    main()
