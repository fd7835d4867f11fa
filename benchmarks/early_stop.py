"""From the report that decides to a dead process tree, over trials that a policy stops.

python benchmarks/early_stop.py
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, facts_of, percentile, sweep_of


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    p50, p99 = [], []
    for _ in range(options.rounds):
        with embedded_ray():
            took = [1000 * seconds for seconds in once(20 if options.quick else 100)]
        p50.append(percentile(took, 50))
        p99.append(percentile(took, 99))
    say(Figure("stop.p50", "deciding report to dead process tree: p50", p50, "ms", reach="<= 20"))
    say(Figure("stop.p99", "deciding report to dead process tree: p99", p99, "ms", reach="<= 100"))


def train(params: dict[str, Any]) -> None:
    """The first trial sets the bar; each other one works a while, has a child, logs what stops it, and goes on."""
    from raydrive import Run

    run = Run.get_context()
    if run.number == 0:
        run.log("score", 100.0)
        return
    child = os.fork()
    if child == 0:
        time.sleep(600)
    time.sleep(0.1)
    Path(params["folder"], f"{run.number}.new").write_text(f"{time.time()} {os.getpid()} {child}")
    os.rename(f"{params['folder']}/{run.number}.new", f"{params['folder']}/{run.number}.said")
    run.log("score", 1.0)
    time.sleep(600)


def once(trials: int) -> list[float]:
    """Returns seconds from just before log() to when neither the process nor its child exists, by trial."""
    from raydrive import BanditPolicy, Experiment, Workspace, choice, uniform

    took: dict[str, float] = {}
    over = threading.Event()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, tempfile.TemporaryDirectory() as said:
        watcher = threading.Thread(target=watch, args=(Path(said), took, over))
        watcher.start()
        config = sweep_of(
            train,
            trials + 1,
            1,
            cpus=0.5,
            space={"folder": choice(said), "x": uniform(0, 1)},
            policy=BanditPolicy(slack_factor=0.1),
        )
        run = Experiment(Workspace(folder), "early-stop").submit(config)
        run.wait_for_completion()
        over.set()
        watcher.join()
        stopped = {fact.trial for fact in facts_of(run) if type(fact).__name__ == "Reported"}
    if len(took) != trials:
        raise SystemExit(f"{len(took)} of {trials} stopped trials were seen to die ({len(stopped)} logged)")
    return list(took.values())


def watch(folder: Path, took: dict[str, float], over: threading.Event) -> None:
    """Notes, looking each half millisecond, when the processes of a trial are gone."""
    living: dict[str, tuple[float, list[str]]] = {}
    while not over.is_set():
        for path in folder.glob("*.said"):
            if path.name not in took and path.name not in living:
                at, *pids = path.read_text().split()
                living[path.name] = (float(at), pids)
        for name, (at, pids) in list(living.items()):
            if not any(os.path.exists(f"/proc/{pid}") for pid in pids):
                took[name] = time.time() - at
                del living[name]
        time.sleep(0.0005)


if __name__ == "__main__":
    benchmark(__doc__, measure)
