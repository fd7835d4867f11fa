"""Real training to a target accuracy: wall-clock time and training seconds, beside Ray Tune and Optuna.

    python benchmarks/end_to_end.py [--seeds 5] [--tasks mlp,cnn] [--record FILE]      (make bench-e2e, 25 minutes)
    python benchmarks/end_to_end.py --seeds 3 --tasks mlp --limit 40                   (eight minutes at most)

Runs in one environment with raydrive, ``ray[tune]``, Optuna and torch. Every tool gets the same objective, space,
target, two cores and two trials at a time, and more trials than it can train; it is ended when a trial has reported
the target, or ``--limit`` seconds after its tuning function was called. Training has one thread for each trial.
Tunings are written to the record as they end, and not run again. One whose process ends by itself is begun once more.

The second table is where the time went: before the first epoch was over, how many epochs the search needed, how long
an epoch took, and the part of the time in which the two places did not train (starts, checkpoints, decisions).
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
PLACES = 2
"""Trials at a time."""
STARTS_WITHIN_S = 120.0
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
        epochs that were over by then; ``first_s``, from ``called`` to the end of the first epoch; ``epochs`` and
        ``trials``, how many; ``best``, the best accuracy.
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
        "first_s": before[0][0] - called if before else end - called,
        "epochs": len(before),
        "trials": sum(row[3] == 1 for row in before),
        "best": max((row[1] for row in before), default=0.0),
    }


def tuning(name: str, task: str, seed: int, target: float, limit_s: float, *, again: bool = True) -> dict[str, Any]:
    """Runs one tuning in a process of its own and returns its outcome.

    Args:
        name: The contender.
        task: A task.
        seed: Of the tuning.
        target: Accuracy to reach.
        limit_s: Seconds after which it is ended, from the call of the tuning function.
        again: Whether it is begun once more if its process ends before.
    """
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
            while process.poll() is None and time.time() < _until(started, began, limit_s):
                time.sleep(0.1)
                if any(row[1] >= target for row in read(record)):
                    break
            early = process.poll() is not None and not any(row[1] >= target for row in read(record))
            ended = time.time()
        finally:
            end(process)
        rows, called = read(record), _time_in(started)
        if called is not None and not early:
            return outcome(rows, target, began, called, ended)
        print(f"  {name}, {task}, seed {seed}: it ended by itself:\n{log.read_text()[-3000:]}", flush=True)
    if again:
        return tuning(name, task, seed, target, limit_s, again=False)
    raise SystemExit(f"{name}, {task}, seed {seed}: it ended by itself twice")


def _time_in(file: Path) -> float | None:
    """The time in a file that a contender writes, None before it is there."""
    text = file.read_text() if file.exists() else ""
    return float(text) if text else None


def _until(started: Path, began: float, limit_s: float) -> float:
    """When a tuning is ended."""
    called = _time_in(started)
    return began + STARTS_WITHIN_S if called is None else called + limit_s


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a contender with all that it started; what it has measured lies in files."""
    mine = _descendants(process.pid)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
    for pid, began in mine.items():
        with contextlib.suppress(ProcessLookupError, PermissionError, FileNotFoundError):
            if _stat(pid)[19] == began:  # not another process of the same number
                os.kill(pid, signal.SIGKILL)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name: 1 is the parent, 19 when the process began."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _descendants(pid: int) -> dict[int, str]:
    """Returns the processes below one, sessions of their own included, with the times at which they began."""
    known: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            known[int(path.name)] = _stat(int(path.name))
    found, front = {}, {pid}
    while front:
        front = {one for one, fields in known.items() if int(fields[1]) in front and one not in found}
        found.update({one: known[one][19] for one in front})
    return found


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


def where(cells: list[dict[str, Any]], task: str) -> list[str]:
    """Returns, as Markdown, where the time of a task went by tool: medians, smallest and largest."""
    lines = [
        "| tool | first epoch over after s | epochs | s an epoch | places without training, % |",
        "|---|---|---|---|---|",
    ]
    for name in CONTENDERS:
        mine = [dict(cell) for cell in cells if cell["tool"] == name and cell["task"] == task and cell["epochs"]]
        if not mine:
            continue
        for cell in mine:
            cell["epoch_s"] = cell["training_s"] / cell["epochs"]
            cell["idle"] = 100.0 * (1.0 - cell["training_s"] / (PLACES * cell["wall_s"]))
        columns = (("first_s", 1), ("epochs", 0), ("epoch_s", 2), ("idle", 0))
        lines.append(f"| {name} | " + " | ".join(spread(mine, key, digits) for key, digits in columns) + " |")
    return lines


def lead(cells: list[dict[str, Any]], task: str) -> str:
    """Returns the first of raydrive's and the first of the others, by the median of the wall-clock time."""
    medians = {
        name: statistics.median(times)
        for name in CONTENDERS
        if (times := [cell["wall_s"] for cell in cells if cell["tool"] == name and cell["task"] == task])
    }
    ours = [name for name in medians if name.startswith("raydrive")]
    others = [name for name in medians if name not in ours]
    if not ours or not others:
        return ""
    first, second = min(ours, key=medians.__getitem__), min(others, key=medians.__getitem__)
    return (
        f"{first} {medians[first]:.1f} s, {second} {medians[second]:.1f} s: {medians[second] / medians[first]:.2f} "
        f"times as long; {', '.join(f'{n} {medians[n] / medians[first]:.2f}' for n in others if n != second)}"
    )


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
    words.add_argument("--limit", type=float, default=75.0, help="seconds from the call to the end")
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
        print("\n".join([*table(cells, task), "", lead(cells, task), "", *where(cells, task)]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
