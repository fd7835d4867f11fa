"""Trials over two nodes: launch to first step beside Ray Tune with a TorchTrainer, and their stop beside one node's.

    python benchmarks/gangs.py --peers-python .venv-distributed/bin/python

The environment has torch, ray[train,tune] and raydrive. A trial is 2 x 2 processes that meet over gloo and do one
all-reduce. Both use a Ray with 8 logical cores on this machine, one trial at a time; the first trial is left out, since
it waits for what is started once. Without that environment only the stop is measured: from the report that decides to
the death of all processes on both nodes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, peer, percentile, sweep_of
from early_stop import watch


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    stops(options, say)
    if options.peers_python:
        beside_ray_train(options, say)


def stops(options: argparse.Namespace, say: Say) -> None:
    """One node and two nodes in turn, so that a busy moment of the machine meets both."""
    one, two = [], []
    for _ in range(options.rounds):
        with embedded_ray():
            one.append(1000 * percentile(stopped(20 if options.quick else 60, nodes=1), 50))
            two.append(1000 * percentile(stopped(20 if options.quick else 60, nodes=2), 50))
    say(Figure("gangs.stop", "stop of a trial over two nodes: p50", two, "ms", "one node", one, "<= 1.5"))


def train(params: dict[str, Any]) -> None:
    """The first trial sets the bar; of each other one rank 0 logs what stops it when all ranks are there."""
    from raydrive import Run

    run = Run.get_context()
    if run.number == 0:
        run.log("score", 100.0)
        return
    folder, size = Path(params["folder"]), run.world_size
    (folder / f"{run.number}-{run.rank}.pid").write_text(str(os.getpid()))
    if run.rank == 0:
        pids: list[str] = []
        while len(pids) < size or not all(pids):
            time.sleep(0.001)
            pids = [path.read_text() for path in folder.glob(f"{run.number}-*.pid")]
        time.sleep(0.1)
        (folder / f"{run.number}.new").write_text(f"{time.time()} {' '.join(pids)}")
        os.rename(folder / f"{run.number}.new", folder / f"{run.number}.said")
        run.log("score", 1.0)
    time.sleep(600)


def stopped(trials: int, nodes: int) -> list[float]:
    """Returns seconds from just before log() to when no process of the trial exists, by trial."""
    from raydrive import BanditPolicy, Experiment, Resources, Workspace, choice, uniform

    took: dict[str, float] = {}
    over = threading.Event()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, tempfile.TemporaryDirectory() as said:
        watcher = threading.Thread(target=watch, args=(Path(said), took, over))
        watcher.start()
        config = sweep_of(
            train,
            trials + 1,
            1,
            space={"folder": choice(said), "x": uniform(0, 1)},
            policy=BanditPolicy(slack_factor=0.1),
            resources=Resources(cpus=0.5, nodes=nodes, strategy="PACK"),
        )
        run = Experiment(Workspace(folder), "gangs").submit(config)
        run.wait_for_completion(show_output=False)
        time.sleep(0.2)
        over.set()
        watcher.join()
    if len(took) != trials:
        raise SystemExit(f"{len(took)} of {trials} stopped trials were seen to die")
    return list(took.values())


def beside_ray_train(options: argparse.Namespace, say: Say) -> None:
    """Both in the peers' environment."""
    ours: dict[str, list[float]] = {"first_step_s": [], "trial_s": [], "cold_first_step_s": []}
    theirs: dict[str, list[float]] = {key: [] for key in ours}
    for _ in range(options.rounds):
        for record, name, trials in ((ours, "raydrive", 12), (theirs, "ray_train", 4)):
            for key, values in peer(options.peers_python, "_gang_peer.py", name, trials).items():
                record[key] += values
    other = "Ray Tune with a TorchTrainer"
    for key, what in (
        ("first_step_s", "2 x 2 processes: launch to first step"),
        ("cold_first_step_s", "2 x 2 processes: launch to first step, first trial"),
        ("trial_s", "2 x 2 processes: trivial trial in all"),
    ):
        reach = "" if key == "cold_first_step_s" else "<= 0.2"
        say(Figure(f"gangs.{key}", what, ours[key], "s", other, theirs[key], reach))


if __name__ == "__main__":
    benchmark(__doc__, measure)
