"""Many trials at the same time, on virtual time: what one driver's loop would bear if nothing else were in the way.

Loop, judge, sampler, median stopping and the journal on disk are the real ones; the trials are simulated, each logs 20
values, and facts come in turns of 0.1 virtual seconds, as a driver takes them. CPU time of this process only.

    python benchmarks/many_at_once.py             1,000, 10,000 and 100,000 at the same time
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _common import Figure, Say, benchmark

REPORTS = 20
TURN_S = 0.1
REPORT_EVERY_S = 10.0


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures each size in a process of its own, because memory is counted."""
    first: list[float] = []
    for trials in (1_000, 10_000) if options.quick else (1_000, 10_000, 100_000):
        command = [sys.executable, __file__, "--child", str(trials)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        key, what = f"concurrent.{trials}", f"{trials:,} trials at the same time"
        us = [found["us"]]
        say(Figure(key, f"{what}: judged and written", us, "us/report", "1,000 trials" if first else "", first or None))
        first = first or us
        say(Figure(f"{key}.memory", f"{what}: memory", [found["bytes"] / trials], "B/trial"))
        say(Figure(f"{key}.journal", f"{what}: journal", [found["journal"] / found["reports"]], "B/report"))


def child(trials: int) -> dict[str, float]:
    """Runs a sweep whose trials are all open at once."""
    import numpy  # noqa: F401  the judge imports it when it first compares curves: the process's memory, no trial's
    from scale import SPACE, resident

    from raydrive import MedianStoppingPolicy, PrimaryMetricGoal, RandomParameterSampling
    from raydrive.core.config.run_config import Limits, RunConfig
    from raydrive.core.config.trial_spec import Metric, TrialSpec
    from raydrive.core.records import Fact, Reported, Started
    from raydrive.core.sweep.sweep import Sweep
    from raydrive.runtime.decision_loop import DecisionLoop
    from raydrive.runtime.simulated import SimulatedRunner
    from raydrive.storage.journal.writer import JournalWriter
    from raydrive.storage.run_layout import RunLayout

    rng = random.Random(0)  # curves are shared: those of the simulation are not what memory is counted for
    made = [[(REPORT_EVERY_S * rng.uniform(0.5, 1.5), rng.random()) for _ in range(REPORTS)] for _ in range(997)]

    def model(number: int, params: object) -> list[tuple[float, float]]:
        return made[number % len(made)]

    config = RunConfig(
        experiment="concurrent",
        metric=Metric(name="score", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling(SPACE),
        policy=MedianStoppingPolicy(delay_evaluation=REPORTS // 2),
        limits=Limits(max_total_runs=trials, max_concurrent_runs=trials, max_duration_s=None),
        trial=TrialSpec(kind="function"),
        seed=0,
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        layout = RunLayout.create(folder, "concurrent", "concurrent-1")
        runner = SimulatedRunner(model)
        before = resident()
        sweep = Sweep(config, lean=True)
        writer = JournalWriter.open(layout.journal)
        loop = DecisionLoop(sweep, config.sampling.build(0, True), runner, writer, lambda: runner.now)
        loop.take([Started(0.0, writer.epoch)])
        spent, reports, turn, until = 0.0, 0, list[Fact](), TURN_S
        for fact in runner.facts():
            turn.append(fact)
            if runner.now >= until:
                until = runner.now + TURN_S
                reports += sum(type(one) is Reported for one in turn)
                began = time.process_time()
                loop.take(turn)
                spent += time.process_time() - began
                turn = []
        loop.take(turn)
        used = resident() - before
        journal = sum(file.stat().st_size for file in Path(folder).rglob("journal/*"))
    return {"us": spent / reports * 1e6, "bytes": used, "journal": journal, "reports": reports}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(int(sys.argv[2]))))
    else:
        benchmark(__doc__, measure)
