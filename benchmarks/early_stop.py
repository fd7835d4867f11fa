"""From the report that decides to a dead process tree, over 30 trials that a policy stops.

python benchmarks/early_stop.py --trials 30
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from _common import embedded_ray, facts_of, percentile, setting


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30, help="trials that are stopped")
    options = parser.parse_args()
    print(setting())
    with embedded_ray():
        took = [1000 * seconds for seconds in measure(options.trials)]
    print(
        f"deciding report to dead tree, {len(took)} trials: p50 {percentile(took, 50):.1f} ms, "
        f"p99 {percentile(took, 99):.1f} ms, largest {max(took):.1f} ms"
    )
    print(f"load at the end {os.getloadavg()[0]:.1f}")


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


def measure(trials: int) -> list[float]:
    """Returns seconds from just before log() to when neither the process nor its child exists, by trial."""
    from raydrive import (
        BanditPolicy,
        Experiment,
        HyperDriveConfig,
        RandomParameterSampling,
        Resources,
        Workspace,
        choice,
        uniform,
    )

    took: dict[str, float] = {}
    over = threading.Event()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as said:
        watcher = threading.Thread(target=watch, args=(Path(said), took, over))
        watcher.start()
        config = HyperDriveConfig(
            RandomParameterSampling({"folder": choice(said), "x": uniform(0, 1)}),
            "score",
            "maximize",
            trials + 1,
            1,
            policy=BanditPolicy(slack_factor=0.1),
            run_config=train,
            seed=0,
            resources=Resources(cpus=0.5),
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
    main()
