"""How fast trials may log: four at a time flat out, until each report is in the durable journal.

python benchmarks/reports.py --reports 1000
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import embedded_ray, facts_of, setting

TRIALS = 4


def main() -> None:
    """Measures with one metric and with ten."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=1000, help="reports of each of the four trials")
    options = parser.parse_args()
    print(setting())
    with embedded_ray():
        for metrics in (1, 10):
            rate, medians, p99s = measure(options.reports, metrics)
            print(
                f"{metrics:2} metrics: {rate:8.0f} reports/s durable, log() median {max(medians):.0f} us "
                f"p99 {max(p99s):.0f} us (the slowest of {TRIALS} trials each)",
                flush=True,
            )
    print(f"load at the end {os.getloadavg()[0]:.1f}")


def train(params: dict[str, Any]) -> None:
    """Logs flat out, all trials from the same moment on; then how long the calls took."""
    from raydrive import Run

    run = Run.get_context()
    row = {f"m{number}": 0.5 for number in range(params["metrics"])}
    run.log("score", 0.0)
    Path(params["meet"], str(os.getpid())).touch()
    while len(os.listdir(params["meet"])) < TRIALS:
        time.sleep(0.01)
    took = []
    for number in range(params["reports"]):
        began = time.perf_counter()
        if len(row) > 1:
            run.log_row("row", **row)
        else:
            run.log("score", float(number))
        took.append(time.perf_counter() - began)
    took.sort()
    run.log("median_us", took[len(took) // 2] * 1e6)
    run.log("p99_us", took[int(len(took) * 0.99)] * 1e6)


def measure(reports: int, metrics: int) -> tuple[float, list[float], list[float]]:
    """Returns reports per second, and of each trial median and 99th percentile of a call of log() in us.

    The time runs from the first report to the last write of the journal, the ends of the trials included.
    """
    from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Resources, Workspace, choice

    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as meet:
        space = {
            "reports": choice(reports),
            "metrics": choice(metrics),
            "meet": choice(meet),
            "trial": choice(*range(TRIALS)),
        }
        config = HyperDriveConfig(
            RandomParameterSampling(space),
            "score",
            "maximize",
            TRIALS,
            TRIALS,
            run_config=train,
            seed=0,
            resources=Resources(cpus=0.5),
        )
        run = Experiment(Workspace(folder), "reports").submit(config)
        run.wait_for_completion()
        written = max(path.stat().st_mtime for path in Path(folder).rglob("journal/*"))
        facts = [fact for fact in facts_of(run) if type(fact).__name__ == "Reported"]
    extra = [fact.metrics for fact in facts if "median_us" in fact.metrics or "p99_us" in fact.metrics]
    logged = len(facts) - len(extra)
    if logged != TRIALS * (reports + 1):
        raise SystemExit(f"{logged} reports in the journal, {TRIALS * (reports + 1)} logged")
    medians = [row["median_us"] for row in extra if "median_us" in row]
    p99s = [row["p99_us"] for row in extra if "p99_us" in row]
    return logged / (written - min(fact.at for fact in facts)), medians, p99s


if __name__ == "__main__":
    main()
