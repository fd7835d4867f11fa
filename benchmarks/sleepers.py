"""Ray Tune's release workload "bookkeeping": trials of one second on 16 logical CPUs, one report each.

The time counted begins when every slot has had a trial (sixteen actors starting at once on few cores say nothing about
bookkeeping) and is held against the ideal: trials divided by slots, in seconds. Tune's published run of 10,000 such
trials on 16 cores took 14 % more than the ideal.

    python benchmarks/sleepers.py --peers-python .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, ends_when_all_work, facts_of, peer, sweep_of

SLOTS = 16


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    trials = 160 if options.quick else 480
    ours, tunes = [], []
    for _ in range(options.rounds):
        with embedded_ray(SLOTS):
            ours.append(over_ideal(*raydrive(trials + SLOTS)))
        if options.peers_python:
            tune = peer(options.peers_python, "_tune_peer.py", "sleepers", trials + SLOTS, SLOTS)
            tunes.append(over_ideal(tune["s"], tune["trials"]))
    what = f"{trials} trials of 1 s on {SLOTS} slots, over the ideal"
    say(Figure("sleepers", what, ours, "%", reach="<= 2"))
    if tunes:
        say(Figure("sleepers.tune", "the same on Ray Tune, reuse_actors", tunes, "%"))


def over_ideal(seconds: float, trials: float) -> float:
    """Returns how many percent longer than the ideal that is."""
    return 100 * (seconds / (trials / SLOTS) - 1)


def train(params: dict[str, Any]) -> None:
    """One second, one report."""
    from raydrive import Run

    time.sleep(1.0)
    Run.get_context().log("score", params["x"])


def raydrive(trials: int) -> tuple[float, int]:
    """Returns seconds from the first end of each slot on, and how many trials ended in them."""
    from raydrive import Experiment, Workspace

    config = sweep_of(train, trials, SLOTS)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = Experiment(Workspace(folder), "sleepers").submit(config)
        run.wait_for_completion()
        facts = facts_of(run)
    full = ends_when_all_work(facts)
    # The slots are not in step: what ends within the last second is a wave that no whole second was counted for.
    return full[-SLOTS] - full[0], len(full) - SLOTS


if __name__ == "__main__":
    benchmark(__doc__, measure)
