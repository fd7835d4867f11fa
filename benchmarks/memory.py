"""What a driver holds in memory for each trial that is over, and whether ten million reports fit into one.

Judge, sampler, policy and loop are the real ones; the trials are simulated, four at a time, and log 100 values each.
Nearly all of them live to do so: the policies are loose, or each trial better than the one before. Counted is the
resident memory of a process of its own, beyond what it had after a small run.

    python benchmarks/memory.py            10,000 trials by policy, then 100,000 trials with 10,000,000 reports
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from _common import Figure, Say, benchmark

REPORTS = 100


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    trials = 1_000 if options.quick else 10_000
    for policy in ("none", "bandit", "median"):
        found = once(policy, trials)
        if found["reports"] < 0.9 * REPORTS * found["trials"]:
            raise SystemExit(f"{policy}: only {found['reports']:,} reports, too many trials were stopped")
        what = f"a finished trial of {REPORTS} reports, policy {policy}"
        say(Figure(f"memory.trial.{policy}", what, [found["bytes"] / found["trials"]], "B", reach="<= 2000"))
    if options.quick:
        return
    began = time.monotonic()
    found = once("bandit", 100_000)
    took = time.monotonic() - began
    what = f"{found['trials']:,} trials, {found['reports']:,} reports, policy bandit"
    say(Figure("memory.ten_million", what, [found["bytes"] / 1e9], "GB", reach="<= 4"))
    say(Figure("memory.ten_million.s", f"{what}: simulated and judged in", [took], "s"))


def once(policy: str, trials: int) -> dict[str, float]:
    """Returns bytes, trials and reports of a run in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("scale.py")), "--memory", policy, str(trials), str(REPORTS)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


if __name__ == "__main__":
    benchmark(__doc__, measure)
