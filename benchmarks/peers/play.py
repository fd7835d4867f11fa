"""Plays the cells of one peer; run by ``../quality_peers.py`` in the environment of that peer.

    python play.py NAME --record FILE --tasks FILE [FILE ...] --seeds FIRST COUNT --workers 1 4 --trials 50

Cells on record are not played again. Exit code 3: the peer does not run here, and the last line tells why.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import importlib
import signal
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from _ask_tell import Cells, load  # noqa: E402 - from the folder above

DOES_NOT_RUN = 3


class TooSlowError(Exception):
    """A cell took longer than it may."""


def late(signum: int, frame: FrameType | None) -> None:
    """Ends a cell whose CPU seconds are used up."""
    raise TooSlowError("its CPU seconds were used up")


def main() -> int:
    """Plays; returns the exit code."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("name")
    words.add_argument("--record", type=Path, required=True)
    words.add_argument("--tasks", type=Path, nargs="+", required=True)
    words.add_argument("--seeds", type=int, nargs=2, required=True, metavar=("FIRST", "COUNT"))
    words.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    words.add_argument("--trials", type=int, default=50)
    words.add_argument("--limit-s", type=int, default=1800, help="CPU seconds of a cell")
    words.add_argument("--commit", default="", help="what raydrive's cells were played with")
    given = words.parse_args()
    tasks = [task for path in given.tasks for task in load(path)]
    wanted = [
        (task, seed, workers)
        for seed in range(given.seeds[0], sum(given.seeds))
        for workers in given.workers
        for task in tasks
    ]
    known = Cells(given.record, lambda *words: None)  # type: ignore[arg-type, return-value]
    missing = [cell for cell in wanted if not known.has(cell[0], given.name, cell[1], cell[2], given.trials)]
    if not missing:
        return 0
    warnings.simplefilter("ignore")
    try:
        peer = importlib.import_module(f"{given.name}_peer")
        peer.Peer(tasks[0].space, 0, 1, given.trials)
    except Exception as problem:
        print(f"{type(problem).__name__}: {(str(problem).strip().splitlines() or [''])[0]}"[:400])
        return DOES_NOT_RUN
    play(peer, given, missing)
    return 0


def play(peer: ModuleType, given: argparse.Namespace, missing: list[tuple[Any, int, int]]) -> None:
    """Plays what is not on record."""

    def make(name: str, space: list[dict[str, Any]], seed: int, workers: int) -> Any:
        return peer.Peer(space, seed, workers, given.trials)

    cells = Cells(given.record, make, {"version": given.commit or metadata.version(peer.PACKAGE)}, keep_errors=True)
    signal.signal(signal.SIGPROF, late)
    for task, seed, workers in missing:
        began = time.perf_counter()
        signal.setitimer(signal.ITIMER_PROF, given.limit_s)  # counts CPU time, so that a busy machine changes nothing
        cell = cells.get(task, given.name, seed, workers, given.trials)
        signal.setitimer(signal.ITIMER_PROF, 0)
        found = cell.get("error") or f"regret {cell['regret']:.3f}, {cell['mean_ms']:.0f} CPU ms a suggestion"
        seconds = time.perf_counter() - began
        print(f"  {given.name}, {task.name}, seed {seed}, {workers} in flight: {found} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
