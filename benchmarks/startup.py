"""How long one waits before anything happens: import and ``--help``.

python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

from _common import Figure, Say, benchmark


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    python, times = sys.executable, 3 if options.quick else max(5, 3 * options.rounds)
    for key, command, bound in (
        ("pass", [python, "-c", "pass"], ""),
        ("import raydrive", [python, "-c", "import raydrive"], "<= 0.1"),
        ("raydrive --help", [os.path.join(os.path.dirname(python), "raydrive"), "--help"], "<= 0.5"),
    ):
        seconds(command)
        say(Figure(f"startup.{key}", key, [seconds(command) for _ in range(times)], "s", reach=bound))


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
    benchmark(__doc__, measure)
