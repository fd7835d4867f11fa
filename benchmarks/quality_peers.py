"""raydrive's sampler beside other optimisers: paired differences of regret over the same tasks and seeds.

    python benchmarks/quality_peers.py [--peers hebo,smac,...] [--seeds 10] [--record FILE] [--table-only]
                                       (make quality-peers)

Each peer gets an environment of its own below ``--environments`` and is asked and told by the loop of ``quality.py``,
on the public tasks (``--tasks``; left out where they are not there), on ``own_tasks.py`` and ``registry_tasks.py``.
Cells are written to the record as they end and not played again: a run that is cut goes on. What does not install, or
does not run here, gets a row with the reason. raydrive's own cells are played again with ``--again``, when the sampler
has changed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from _ask_tell import PUBLIC, error, load, recorded, write
from _peer_environments import PEERS, TABLES, install, install_tables, python_of

HERE = Path(__file__).resolve().parent
OWN = "raydrive"
DOES_NOT_RUN = 3


def commit() -> str:
    """Returns the commit of raydrive that is measured, empty outside a checkout."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def play(name: str, python: Path | str, given: argparse.Namespace, paths: list[Path], seed: int) -> None:
    """Has the cells of one sampler and seed played in its environment; notes in the record why that is not possible."""
    command = [str(python), str(HERE / "peers" / "play.py"), name, "--record", str(given.record.resolve())]
    command += ["--seeds", str(seed), "1", "--trials", str(given.trials), "--limit-s", str(given.limit_s)]
    command += ["--workers", *given.workers.split(","), "--tasks", *map(str, paths)]
    command += ["--commit", commit()] if name == OWN else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        last = ""
        for line in process.stdout or ():
            last = line.strip()
            print(line, end="", flush=True)
    if process.returncode:
        reason = last if process.returncode == DOES_NOT_RUN else f"exit code {process.returncode}: {last}"
        write(given.record, {"sampler": name, "reason": f"does not run: {reason}"[:300]})


def drop(record: Path, name: str) -> None:
    """Takes the cells of a sampler out of a record."""
    kept = [line for line in recorded(record) if line["sampler"] != name]
    record.unlink(missing_ok=True)
    for line in kept:
        write(record, line)


def paired(lines: Iterable[dict[str, Any]], name: str, workers: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Returns the regrets of a peer and of raydrive in the cells that both have, and the seed of each cell."""
    cells = [line for line in lines if line.get("workers") == workers and "regret" in line]
    own = {(cell["task"], cell["seed"]): cell["regret"] for cell in cells if cell["sampler"] == OWN}
    both = [cell for cell in cells if cell["sampler"] == name and (cell["task"], cell["seed"]) in own]
    theirs = np.array([cell["regret"] for cell in both])
    ours = np.array([own[cell["task"], cell["seed"]] for cell in both])
    return theirs, ours, [cell["seed"] for cell in both]


def difference(theirs: np.ndarray, ours: np.ndarray) -> tuple[float, float]:
    """Returns the mean of paired differences, above 0 where raydrive is ahead, and its standard error over cells."""
    more = theirs - ours
    return float(more.mean()), error(more)


def table(lines: list[dict[str, Any]], tasks: list[str], workers: int, names: list[str]) -> list[str]:
    """Returns the table of one number of trials in flight as Markdown: a row for each peer, the most regret last."""
    head = "| peer | version | seeds | cells | regret | raydrive's | difference | its error | in errors | CPU ms |"
    rows, reasons = [], []
    lines = [line for line in lines if "task" not in line or line["task"] in tasks]
    for name in names:
        theirs, ours, seeds = paired(lines, name, workers)
        if not len(theirs):
            reasons.append(f"| {PEERS[name].title} | {reason(lines, name, workers)} |" + " |" * 8)
            continue
        mine = [x for x in lines if x["sampler"] == name and x.get("workers") == workers]
        mean, its_error = difference(theirs, ours)
        cost = np.median([cell["mean_ms"] for cell in mine if "mean_ms" in cell])
        failed = sum("error" in cell for cell in mine)
        title = PEERS[name].title + (f" ({failed} cells failed)" if failed else "")
        ratio = f"{mean / its_error:.1f}" if its_error > 0 else ""
        rows.append(
            (
                theirs.mean() - ours.mean(),
                f"| {title} | {mine[-1].get('version', '')} | {len(set(seeds))} | {len(theirs)} | {theirs.mean():.3f} "
                f"| {ours.mean():.3f} | {mean:+.3f} | {its_error:.3f} | {ratio} | {cost:.0f} |",
            )
        )
    return [head, "|---|" + "---|" * 9, *(row for _, row in sorted(rows)), *reasons]


def reason(lines: list[dict[str, Any]], name: str, workers: int) -> str:
    """Returns why a peer has no cells."""
    mine = [line for line in lines if line["sampler"] == name]
    told = [line["reason"] for line in mine if "reason" in line]
    failed = [line["error"] for line in mine if line.get("workers") == workers and "error" in line]
    if told:
        return str(told[-1])
    return f"every cell failed: {failed[-1]}" if failed else "not played"


def by_task(lines: list[dict[str, Any]], tasks: list[str], workers: int, names: list[str]) -> list[str]:
    """Returns mean differences by task as Markdown, in cells that both have."""
    shown = [name for name in names if len(paired(lines, name, workers)[0])]
    rows = [f"| task | {' | '.join(PEERS[name].title for name in shown)} |", "|---|" + "---|" * len(shown)]
    for task in tasks:
        few = [line for line in lines if line.get("task") == task]
        found = [paired(few, name, workers)[:2] for name in shown]
        means = [f"{(theirs - ours).mean():+.2f}" if len(theirs) else "" for theirs, ours in found]
        rows.append(f"| {task} | {' | '.join(means)} |")
    return rows


def main() -> int:
    """Installs, plays and prints; returns the exit code."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--peers", default=",".join(PEERS))
    words.add_argument("--tasks", type=Path, default=PUBLIC, help="the public tasks: a module with tasks()")
    words.add_argument("--only-these-tasks", action="store_true", help="leave out our own")
    words.add_argument("--seeds", type=int, default=10)
    words.add_argument("--trials", type=int, default=50)
    words.add_argument("--workers", default="1,4")
    words.add_argument("--limit-s", type=int, default=1800, help="CPU seconds of a cell")
    words.add_argument("--record", type=Path, default=Path("build/quality-peers.jsonl"))
    words.add_argument("--environments", type=Path, default=Path(".venv-quality"))
    words.add_argument("--torch", default="torch==2.13.0", help="what pip is given, before anything that needs it")
    words.add_argument("--again", action="store_true", help="play raydrive's own cells anew")
    words.add_argument("--table-only", action="store_true", help="print what is on record")
    given = words.parse_args()
    names = [name for name in given.peers.split(",") if name]
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        print(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}", file=sys.stderr)
        return 2
    paths = [given.tasks.resolve()] if given.tasks.exists() else []
    if not paths:
        print(f"no tasks at {given.tasks}: only our own are played (--tasks names another module)")
    if not given.only_these_tasks:
        paths += [HERE / "own_tasks.py", HERE / "registry_tasks.py"]
        tables = install_tables(given.environments.resolve())
        if tables is None:
            print(f"{TABLES} does not install: the tables of registry_tasks.py are left out")
        os.environ["HPO_TABLES"] = str(tables)
    if given.again:
        drop(given.record, OWN)
    if not given.table_only:
        play_all(names, given, paths)
    lines = recorded(given.record)
    for path in paths:
        tasks = [task.name for task in load(path)]
        if not tasks:
            continue
        for workers in map(int, given.workers.split(",")):
            print(f"\n{path.parent.name}/{path.name}: {len(tasks)} tasks, {given.trials} trials, {workers} in flight\n")
            print("\n".join(table(lines, tasks, workers, names)), "\n")
            print("\n".join(by_task(lines, tasks, workers, names)))
    return 0


def play_all(names: list[str], given: argparse.Namespace, paths: list[Path]) -> None:
    """Plays seed by seed, all samplers in turn, so that what is cut can still be compared."""
    ready = []
    for name in names:
        problem = install(name, given.environments.resolve(), given.torch)
        if problem:
            write(given.record, {"sampler": name, "reason": problem})
            print(f"{PEERS[name].title} {problem}")
        else:
            ready.append(name)
    for seed in range(given.seeds):
        play(OWN, sys.executable, given, paths, seed)
        for name in ready:
            play(name, python_of(name, given.environments.resolve()), given, paths, seed)


if __name__ == "__main__":
    raise SystemExit(main())
