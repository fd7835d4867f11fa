"""The loop that asks and tells samplers, raydrive's and its peers'; numpy alone, so that it runs in any environment.

Tasks are a module with ``tasks()``; each task has ``name``, ``space`` (a list of dicts: name, type float | int |
choice, low, high, log, q, choices), ``evaluate(params)`` (smaller is better), ``budget``, ``optimum``, ``rs_median``.
"""

from __future__ import annotations

import heapq
import importlib
import json
import math
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

PUBLIC = Path(__file__).resolve().parents[2] / "shared" / "quality" / "public" / "tasks.py"
"""Tasks that are not part of the repository."""


class Sampler(Protocol):
    """What is asked for configurations and told their values."""

    def ask(self) -> tuple[Any, dict[str, Any]] | None:
        """Returns a handle and a configuration, None when there is none left."""

    def tell(self, handle: Any, value: float) -> None:
        """Takes the outcome of a configuration."""


Make = Callable[[str, list[dict[str, Any]], int, int], Sampler]
"""Makes a sampler of a name, a space, a seed and how many trials will be in flight."""


def play(task: Any, sampler: Sampler, seed: int, workers: int, trials: int) -> tuple[list[float], list[float]]:
    """Returns values in order of finishing, and CPU milliseconds of each suggestion.

    A trial's length is drawn by task and seed, the same for every sampler, as in ../shared/quality/harness.py. What a
    sampler does when it is told a value belongs to the cost of the suggestion after it.
    """
    rng = np.random.default_rng([zlib.crc32(task.name.encode()), seed, 77])
    length = np.exp(0.5 * rng.normal(size=trials))
    values: list[float] = []
    cost: list[float] = []
    running: list[tuple[float, int, Any, dict[str, Any]]] = []
    now, asked, told_ms = 0.0, 0, 0.0
    while len(values) < trials:
        while asked < trials and len(running) < workers:
            before = time.process_time()
            answer = sampler.ask()
            cost.append((time.process_time() - before) * 1e3 + told_ms)
            told_ms = 0.0
            if answer is None:  # a small space is exhausted
                trials = asked
                break
            heapq.heappush(running, (now + length[asked], asked, *answer))
            asked += 1
        if not running:
            break
        now, _, handle, params = heapq.heappop(running)
        values.append(task.evaluate(snapped(task.space, params)))
        before = time.process_time()
        sampler.tell(handle, values[-1])
        told_ms += (time.process_time() - before) * 1e3
    return values, cost


def snapped(space: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """Returns params as the tables of tasks list them: 0.3, not 0.30000000000000004; bounds not passed by rounding."""
    out = dict(params)
    for d in space:
        if d["type"] == "choice":
            continue
        value = min(max(float(out[d["name"]]), d["low"]), d["high"])
        if d["type"] == "int":
            value = round(value)
        elif d["q"]:
            value = min(d["low"] + round((value - d["low"]) / d["q"]) * d["q"], d["high"])
        out[d["name"]] = value
    return out


def regret(task: Any, values: list[float]) -> float:
    """Returns 0 at the best known value, 1 at the median of random search, clipped to [0, 1]."""
    return float(np.clip((min(values) - task.optimum) / (task.rs_median - task.optimum), 0.0, 1.0))


def load(path: Path) -> list[Any]:
    """Returns the tasks of a module given by path; relative imports work when its folders are packages."""
    folder, parts = path.parent, [path.stem]
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    sys.path.insert(0, str(folder))
    return list(importlib.import_module(".".join(parts)).tasks())


def error(x: np.ndarray) -> float:
    """Returns the standard error of a mean."""
    return float(x.std(ddof=1) / math.sqrt(len(x))) if len(x) > 1 else math.nan


def cell_key(cell: dict[str, Any]) -> tuple[Any, ...]:
    """Returns what tells a cell from all others."""
    return tuple(cell[name] for name in ("sampler", "task", "seed", "workers", "trials"))


def recorded(record: Path | None) -> list[dict[str, Any]]:
    """Returns the lines of a record that are whole; a line that a cut left half written is not one."""
    if record is None or not record.exists():
        return []
    found = []
    for line in record.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


class Cells:
    """Regrets of single runs. Each is written down as it ends and not played again, so a cut loses nothing.

    Args:
        record: A file of JSON lines to go on from and add to; None keeps nothing.
        make: Makes the samplers.
        more: Added to each cell that is played: versions, for example.
        keep_errors: A sampler's exception is recorded with the cell in place of a regret; else it is raised.
    """

    def __init__(
        self, record: Path | None, make: Make, more: dict[str, Any] | None = None, *, keep_errors: bool = False
    ) -> None:
        self._record, self._make, self._more, self._keep_errors = record, make, more or {}, keep_errors
        self._known = {cell_key(cell): cell for cell in recorded(record) if "task" in cell}

    def has(self, task: Any, name: str, seed: int, workers: int, trials: int) -> bool:
        """Tells whether a cell is on record."""
        return (name, task.name, seed, workers, trials) in self._known

    def get(self, task: Any, name: str, seed: int, workers: int, trials: int) -> dict[str, Any]:
        """Returns a cell: ``regret``; ``ms`` and ``mean_ms``, CPU milliseconds of a suggestion after the first 15."""
        key = (name, task.name, seed, workers, trials)
        cell = self._known.get(key)
        if cell is None:
            cell = dict(zip(("sampler", "task", "seed", "workers", "trials"), key, strict=True))
            cell |= {**self._played(task, name, seed, workers, trials), **self._more}
            self._known[key] = cell
            if self._record is not None:
                write(self._record, cell)
        return cell

    def _played(self, task: Any, name: str, seed: int, workers: int, trials: int) -> dict[str, Any]:
        try:
            sampler = self._make(name, task.space, seed, workers)
            values, cost = play(task, sampler, seed, workers, min(trials, task.budget))
        except Exception as problem:
            if not self._keep_errors:
                raise
            text = (str(problem).strip().splitlines() or [""])[0]
            return {"error": f"{type(problem).__name__}: {text}"[:300]}
        later = cost[15:] or cost
        return {"regret": regret(task, values), "ms": float(np.median(later)), "mean_ms": float(np.mean(later))}


def write(record: Path, line: dict[str, Any]) -> None:
    """Adds a line to a record, after the end of one that a cut left half written."""
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("a+b") as file:
        file.seek(0, 2)
        broken = file.tell() > 0
        if broken:
            file.seek(-1, 2)
            broken = file.read(1) != b"\n"
        file.write(("\n" if broken else "").encode() + json.dumps(line).encode() + b"\n")
