"""Real training to a target accuracy: wall-clock time and training seconds, beside Ray Tune and Optuna.

    python benchmarks/end_to_end.py [--seeds 5] [--tasks mlp,cnn] [--record FILE]      (make bench-e2e)

Runs in one environment with raydrive, ``ray[tune]``, Optuna and torch. Every tool gets the same objective, space,
target, two cores and two trials at a time, and more trials than it can train; it is ended when a trial has reported
the target, or after ``--limit`` seconds. Training has one thread for each trial. Tunings are written to the record as
they end, and not run again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _ask_tell import recorded, write

TARGETS = {"mlp": 0.973, "cnn": 0.988}
CONTENDERS = [
    "raydrive-intervals",
    "raydrive-median",
    "raydrive-halving",
    "tune-asha",
    "tune-optuna",
    "optuna-hyperband",
]


def read(record: Path) -> list[tuple[float, float, float, int]]:
    """Returns what trainings have reported: time, accuracy, seconds of the epoch, epoch; in order of time."""
    if not record.exists():
        return []
    rows = [line.split() for line in record.read_text().splitlines()]
    return sorted((float(at), float(accuracy), float(seconds), int(epoch)) for at, accuracy, seconds, epoch in rows)


def outcome(
    rows: list[tuple[float, float, float, int]], target: float, began: float, called: float, ended: float
) -> dict[str, Any]:
    """Returns what a tuning took until the target was reported, or until it was ended.

    Args:
        rows: What its trainings reported, in order of time.
        target: Accuracy to reach.
        began: When its process was started.
        called: When its tuning function was called.
        ended: When it was ended.

    Returns:
        ``reached``; ``wall_s`` from ``called`` and ``with_start_s`` from ``began``; ``training_s``, the seconds of all
        epochs that were over by then; ``epochs`` and ``trials``, how many; ``best``, the best accuracy.
    """
    before = []
    for row in rows:
        before.append(row)
        if row[1] >= target:
            break
    reached = bool(before) and before[-1][1] >= target
    end = before[-1][0] if reached else ended
    return {
        "reached": reached,
        "wall_s": end - called,
        "with_start_s": end - began,
        "training_s": sum(row[2] for row in before),
        "epochs": len(before),
        "trials": sum(row[3] == 1 for row in before),
        "best": max((row[1] for row in before), default=0.0),
    }


def tuning(name: str, task: str, seed: int, target: float, limit_s: float) -> dict[str, Any]:
    """Runs one tuning in a process of its own and returns its outcome."""
    here = Path(__file__).resolve().parent
    env = {**os.environ, "PYTHONPATH": f"{here}:{os.environ.get('PYTHONPATH', '')}", "PYTHONWARNINGS": "ignore"}
    env |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        record, started, log = Path(folder, "record"), Path(folder, "started"), Path(folder, "log")
        command = [sys.executable, str(here / "_e2e_contender.py"), name, task, str(seed), str(record), str(started)]
        began = time.time()
        with log.open("w") as file:
            process = subprocess.Popen(command, cwd=folder, env=env, stdout=file, stderr=file, start_new_session=True)
        try:
            while process.poll() is None and time.time() - began < limit_s:
                time.sleep(0.1)
                if any(row[1] >= target for row in read(record)):
                    break
            early = process.poll() is not None and not any(row[1] >= target for row in read(record))
            ended = time.time()
        finally:
            end(process)
        rows = read(record)
        if early or not started.exists():
            raise SystemExit(f"{name}, {task}, seed {seed}: it ended by itself:\n{log.read_text()[-3000:]}")
        return outcome(rows, target, began, float(started.read_text()), ended)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a contender with all that it started; what it has measured lies in files."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(int(path.name)) == process.pid:
                os.kill(int(path.name), signal.SIGKILL)


def table(cells: list[dict[str, Any]], task: str) -> list[str]:
    """Returns the rows of a task as Markdown: medians, smallest and largest; one that was ended counts so long."""
    lines = [
        "| tool | reached | wall-clock s | with start s | training s | trials begun | ratio to the first, wall-clock |",
        "|---|---|---|---|---|---|---|",
    ]
    first: float | None = None
    for name in CONTENDERS:
        mine = [cell for cell in cells if cell["tool"] == name and cell["task"] == task]
        if not mine:
            continue
        wall = statistics.median(cell["wall_s"] for cell in mine)
        first = wall if first is None else first
        reached = f"{sum(cell['reached'] for cell in mine)} of {len(mine)}"
        times = " | ".join(spread(mine, key) for key in ("wall_s", "with_start_s", "training_s"))
        lines.append(f"| {name} | {reached} | {times} | {spread(mine, 'trials', 0)} | {wall / first:.2f} |")
    return lines


def spread(cells: list[dict[str, Any]], key: str, digits: int = 1) -> str:
    """Returns median, smallest and largest as text."""
    values = [cell[key] for cell in cells]
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> int:
    """Measures what is not on record, and prints the tables."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--tasks", default=",".join(TARGETS))
    words.add_argument("--tools", default=",".join(CONTENDERS))
    words.add_argument("--limit", type=float, default=75.0, help="seconds after which a tuning is ended")
    words.add_argument("--record", type=Path, default=Path("build/end-to-end.jsonl"))
    given = words.parse_args()
    cells = recorded(given.record)
    known = {(cell["tool"], cell["task"], cell["seed"]) for cell in cells}
    for seed in range(given.seeds):
        for task in given.tasks.split(","):
            for name in given.tools.split(","):
                if (name, task, seed) in known:
                    continue
                cell = {"tool": name, "task": task, "seed": seed, "target": TARGETS[task], "limit_s": given.limit}
                cell |= {**tuning(name, task, seed, TARGETS[task], given.limit), "load": os.getloadavg()[0]}
                write(given.record, cell)
                cells.append(cell)
                took = f"{cell['wall_s']:.1f} s" + ("" if cell["reached"] else f", not reached: {cell['best']:.4f}")
                print(f"  {task}, seed {seed}, {name}: {took}, {cell['trials']} trials", flush=True)
    for task in given.tasks.split(","):
        print(f"\n{task}: accuracy {TARGETS[task]}, two trials at a time; median (smallest to largest)\n")
        print("\n".join(table(cells, task)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
