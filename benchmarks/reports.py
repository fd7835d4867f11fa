"""How fast trials may log: all of them flat out, until each report is in the durable journal.

Beside it, where an environment with the peers is given: Ray Tune with its default loggers.

    python benchmarks/reports.py --peers-python .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, facts_of, peer, percentile, sweep_of


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures 4 and 16 trials, with one metric and with ten."""
    for trials in (4, 16):
        for metrics in (1, 10):
            rates, medians, p99s, slowest, peers = [], [], [], [], []
            for _ in range(options.rounds):
                with embedded_ray(16):
                    rate, calls = once(trials, options.reports, metrics)
                rates.append(rate)
                together = [call for trial in calls for call in trial]
                medians.append(percentile(together, 50))
                p99s.append(percentile(together, 99))
                slowest.append(max(percentile(trial, 99) for trial in calls))
                if options.peers_python:
                    peers.append(peer(options.peers_python, "_tune_peer.py", "reports", trials, 100, metrics)["per_s"])
            what, key = f"{trials} trials, {metrics} metric{'s' * (metrics > 1)}", f"reports.{trials}.{metrics}"
            if peers:
                say(Figure(key, f"reports, {what}", rates, "/s durable", "Ray Tune", peers, ">= 20"))
            else:
                say(Figure(key, f"reports, {what}", rates, "/s durable", reach=">= 10000" if trials == 4 else ""))
            say(Figure(f"{key}.p50", f"log(), {what}: median", medians, "us", reach="<= 50"))
            say(Figure(f"{key}.p99", f"log(), {what}: p99", p99s, "us", reach="<= 1000"))
            say(Figure(f"{key}.slowest", f"log(), {what}: p99 of the slowest trial", slowest, "us"))


def options_of(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--reports", type=int, default=1000, help="reports of each trial")


def train(params: dict[str, Any]) -> None:
    """Logs flat out, all trials from the same moment on, and leaves how long the calls took."""
    from raydrive import Run

    run = Run.get_context()
    row = {f"m{number}": 0.5 for number in range(params["metrics"])}
    run.log("score", 0.0)
    Path(params["meet"], str(os.getpid())).touch()
    while len(os.listdir(params["meet"])) < params["trials"]:
        time.sleep(0.01)
    took = []
    for number in range(params["reports"]):
        began = time.perf_counter()
        if len(row) > 1:
            run.log_row("row", **row)
        else:
            run.log("score", float(number))
        took.append(time.perf_counter() - began)
    Path(params["took"], str(os.getpid())).write_text(json.dumps([1e6 * call for call in took]))


def once(trials: int, reports: int, metrics: int) -> tuple[float, list[list[float]]]:
    """Returns reports per second, and the calls of log() of each trial, in us.

    The time runs from the first report to the last write of the journal, the ends of the trials included.
    """
    from raydrive import Experiment, Workspace, choice

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, tempfile.TemporaryDirectory() as meet:
        took = Path(meet, "took")
        took.mkdir()
        (place := Path(meet, "meet")).mkdir()
        space = {
            "reports": choice(reports),
            "metrics": choice(metrics),
            "meet": choice(str(place)),
            "took": choice(str(took)),
            "trials": choice(trials),
            "trial": choice(*range(trials)),
        }
        config = sweep_of(train, trials, trials, cpus=0.5, space=space)
        run = Experiment(Workspace(folder), "reports").submit(config)
        run.wait_for_completion()
        written = max(path.stat().st_mtime for path in Path(folder).rglob("journal/*"))
        facts = [fact for fact in facts_of(run) if type(fact).__name__ == "Reported"]
        calls = [json.loads(file.read_text()) for file in took.iterdir()]
    logged = len(facts)
    if logged != trials * (reports + 1):
        raise SystemExit(f"{logged} reports in the journal, {trials * (reports + 1)} logged")
    first = min(fact.at for fact in facts if fact.seq == 2)  # the one before it was logged while others still started
    return (logged - trials) / (written - first), calls


if __name__ == "__main__":
    benchmark(__doc__, measure, options_of)
