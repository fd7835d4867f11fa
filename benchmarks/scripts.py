"""What a script trial costs: fifty runs of a script that imports scikit-learn, one at a time.

Held against a bare loop of ``subprocess.run``: plain (a fresh interpreter each) and with ``preload`` (forked from a
process that has imported it already). The time runs from one trial's end to the next one's.

    python benchmarks/scripts.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from _common import Figure, Say, benchmark, embedded_ray, facts_of, sweep_of

SCRIPT = """
import argparse
import sklearn.linear_model
from raydrive.context import Run

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
Run.get_context().log("score", parser.parse_args().x)
"""


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures in turns."""
    trials, rounds = 8 if options.quick else 50, options.rounds
    bare, plain, preloaded = [], [], []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, embedded_ray(2):
        Path(folder, "train.py").write_text(SCRIPT)
        for _ in range(rounds):
            bare.append(loop(folder, trials))
            plain.append(raydrive(folder, trials, []))
            preloaded.append(raydrive(folder, trials, ["sklearn.linear_model"]))
    say(Figure("scripts.plain", "a script trial, plain", plain, "s", "bare subprocess", bare, "<= 1.05"))
    say(Figure("scripts.preload", "a script trial, preloaded", preloaded, "s", "bare subprocess", bare, "<= 0.1"))


def loop(folder: str, trials: int) -> float:
    """Returns the median seconds of a script in a bare loop."""
    took = []
    for _ in range(trials):
        began = time.perf_counter()
        subprocess.run([sys.executable, "train.py", "--x", "0.5"], cwd=folder, check=True, capture_output=True)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def raydrive(folder: str, trials: int, preload: list[str]) -> float:
    """Returns the median seconds from one trial's end to the next one's."""
    from raydrive import Experiment, ScriptRunConfig, Workspace

    config = sweep_of(ScriptRunConfig(folder, "train.py", preload=preload), trials + 1, 1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as storage:
        run = Experiment(Workspace(storage), "scripts").submit(config)
        run.wait_for_completion()
        ends = [fact.at for fact in facts_of(run) if type(fact).__name__ == "Ended"]
    return statistics.median(after - before for before, after in pairwise(ends))


if __name__ == "__main__":
    benchmark(__doc__, measure)
