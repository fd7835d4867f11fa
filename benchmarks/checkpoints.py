"""What saving a checkpoint costs the training: 1 MB after each short step, 100 MB after each longer one.

In one process and in turns, each step: the time of ``save_checkpoint`` and that of ``shutil.copytree`` of the same
folder to a place on the same disk. The file is written anew before; steps last so long that the upload beside them has
room.
Beside it, where an environment with the peers is given, the same loop on Ray Tune's ``report(..., checkpoint=...)``.

    python benchmarks/checkpoints.py --peers-python .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, facts_of, peer, sweep_of

SIZES = ((1, 0.5, 20), (100, 3.0, 8))
"""Megabytes, seconds of a step, steps."""


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures in turns with the peer."""
    for megabytes, step_s, steps in SIZES[:1] if options.quick else SIZES:
        saved, copied, tunes, tune_copies = [], [], [], []
        for _ in range(options.rounds):
            with embedded_ray(2):
                save_ms, copy_ms = raydrive(megabytes, step_s, steps)
            saved.append(save_ms)
            copied.append(copy_ms)
            if options.peers_python:
                step_ms = int(1000 * step_s)
                tune = peer(options.peers_python, "_tune_peer.py", "checkpoints", megabytes, step_ms, steps)
                tunes.append(tune["save_ms"])
                tune_copies.append(tune["copy_ms"])
        what = f"training held up by a checkpoint of {megabytes} MB each {step_s:g} s"
        say(Figure(f"checkpoints.{megabytes}", what, saved, "ms", "a local copy", copied, "<= 1.2"))
        if tunes:
            what = f"the same on Ray Tune, {megabytes} MB"
            say(Figure(f"checkpoints.{megabytes}.tune", what, tunes, "ms", "a local copy", tune_copies))


def train(params: dict[str, Any]) -> None:
    """Saves each step, and copies for comparison; what it logs at the end is what it took."""
    import os
    import shutil
    import statistics
    import tempfile
    import time

    from raydrive import Run

    run = Run.get_context()
    with tempfile.TemporaryDirectory(dir=params["at"]) as place:
        model = os.path.join(place, "model")
        os.mkdir(model)
        data = os.urandom(1 << 20)
        saves, copies = [], []
        for step in range(params["steps"]):
            with open(os.path.join(model, "weights"), "wb") as file:
                for _ in range(params["megabytes"]):
                    file.write(data)

            def save() -> None:
                began = time.perf_counter()
                run.save_checkpoint(model)
                saves.append(time.perf_counter() - began)

            def copy() -> None:
                copied = os.path.join(place, "copy")
                began = time.perf_counter()
                shutil.copytree(model, copied)
                copies.append(time.perf_counter() - began)
                shutil.rmtree(copied)

            first, second = (save, copy) if step % 2 else (copy, save)
            run.log("score", float(step))
            first()
            second()
            time.sleep(params["step_s"])
    run.log("save_ms", 1000 * statistics.median(saves))
    run.log("copy_ms", 1000 * statistics.median(copies))


def raydrive(megabytes: int, step_s: float, steps: int) -> tuple[float, float]:
    """Returns the median milliseconds of a save and of a copy."""
    from raydrive import Experiment, Workspace, choice

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        space = {
            "megabytes": choice(megabytes),
            "step_s": choice(step_s),
            "steps": choice(steps),
            "at": choice(tempfile.gettempdir()),
        }
        config = sweep_of(train, 1, 1, space=space)
        run = Experiment(Workspace(folder), "checkpoints").submit(config)
        run.wait_for_completion()
        facts = facts_of(run)
    kept = sum(type(fact).__name__ == "Checkpointed" for fact in facts)
    if kept != steps:
        raise SystemExit(f"{kept} of {steps} checkpoints are in the journal")
    rows = [fact.metrics for fact in facts if type(fact).__name__ == "Reported"]
    found = {name: statistics.median(row[name] for row in rows if name in row) for name in ("save_ms", "copy_ms")}
    return found["save_ms"], found["copy_ms"]


if __name__ == "__main__":
    benchmark(__doc__, measure)
