"""Ray Tune's release workload "bookkeeping": trials of one second on 16 logical CPUs, one report each.

Counted is each slot's time from its first end after all slots have had one (while sixteen actors start on few cores,
those that work already wait for a core, which says nothing about bookkeeping) to the end of its last trial, and held
against the ideal: a second for each trial in between. Tune's published run of 10,000 such trials on 16 cores took 14 %
more than the ideal.

    python benchmarks/sleepers.py --peers-python .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, ends_of, ends_when_all_work, facts_of, peer, sweep_of

SLOTS = 16


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    trials = 160 if options.quick else 480
    ours, again, tunes = [], [], []
    for _ in range(options.rounds):
        with embedded_ray(SLOTS):
            ours.append(100 * (raydrive(trials + SLOTS) - 1))
        if not options.quick:
            with embedded_ray(SLOTS):
                again.append(100 * (raydrive(trials + SLOTS, reuse_processes=True) - 1))
        if options.peers_python:
            tune = peer(options.peers_python, "_tune_peer.py", "sleepers", trials + SLOTS, SLOTS)
            # Tune does not say which slot a trial had: from the end of the first wave to the end of the last one.
            tunes.append(100 * (tune["s"] / (tune["trials"] / SLOTS) - 1))
    what = f"{trials} trials of 1 s on {SLOTS} slots, over the ideal"
    say(Figure("sleepers", what, ours, "%", reach="<= 2"))
    if again:
        say(Figure("sleepers.again", "the same with reuse_processes", again, "%", reach="<= 2"))
    if tunes:
        say(Figure("sleepers.tune", "the same on Ray Tune, reuse_actors", tunes, "%"))


def train(params: dict[str, Any]) -> None:
    """One second, one report."""
    from raydrive import Run

    time.sleep(1.0)
    Run.get_context().log("score", params["x"])


def raydrive(trials: int, **more: Any) -> float:
    """Returns the seconds that a trial of a second takes a slot, from one end to the next, of all slots together."""
    from raydrive import Experiment, Workspace

    config = sweep_of(train, trials, SLOTS, **more)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = Experiment(Workspace(folder), "sleepers").submit(config)
        run.wait_for_completion()
        facts = facts_of(run)
    ends: dict[str, list[float]] = {}
    for end, slot in ends_of(facts):
        ends.setdefault(slot, []).append(end)
    begin = ends_when_all_work(facts)[0]
    counted = [kept for of in ends.values() if (kept := [end for end in of if end >= begin])]
    return sum(of[-1] - of[0] for of in counted) / sum(len(of) - 1 for of in counted)


if __name__ == "__main__":
    benchmark(__doc__, measure)
