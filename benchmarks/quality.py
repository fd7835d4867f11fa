"""How few trials the samplers need: normalised regret on optimisation tasks, beside Optuna when it is installed.

    python benchmarks/quality.py [--tasks PATH] [--seeds 3] [--trials 50] [--workers 1,4] [--samplers raydrive,...]
                                 [--record FILE] [--no-timing | --only-timing [--counts 20,50] [--clock cpu]]

Tasks are a module with ``tasks()`` (default: ../shared/quality/public/tasks.py); each has ``name``, ``space`` (a list
of dicts: name, type float | int | choice, low, high, log, q, choices), ``evaluate(params)`` (smaller is better),
``budget``, ``optimum`` and ``rs_median``. Regret is 0 at the best known value and 1 at the median of random search.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import importlib.util
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from _ask_tell import PUBLIC, Cells, error, load
from _raydrive_sampler import Raydrive

from raydrive.core.search.trial_record import TrialRecord


class Optuna:
    """An Optuna sampler as ask and tell."""

    def __init__(self, space: list[dict[str, Any]], seed: int, sampler: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        made = optuna.samplers.TPESampler if sampler == "tpe" else optuna.samplers.GPSampler
        self._space = space
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study = optuna.create_study(sampler=made(seed=seed))

    def ask(self) -> tuple[Any, dict[str, Any]]:
        """Returns a handle and a configuration."""
        trial = self._study.ask()
        out = {}
        for d in self._space:
            name = d["name"]
            if d["type"] == "choice":
                out[name] = trial.suggest_categorical(name, d["choices"])
            elif d["type"] == "int":
                out[name] = trial.suggest_int(name, d["low"], d["high"], log=d["log"])
            else:
                out[name] = trial.suggest_float(name, d["low"], d["high"], log=d["log"], step=d["q"])
        return trial, out

    def tell(self, handle: Any, value: float) -> None:
        """Takes the outcome of a configuration."""
        self._study.tell(handle, value)


SAMPLERS = {
    "raydrive": (Raydrive, "gp"),
    "raydrive-tpe": (Raydrive, "tpe"),
    "optuna-tpe": (Optuna, "tpe"),
    "optuna-gp": (Optuna, "gp"),
}


def made(name: str, space: list[dict[str, Any]], seed: int, workers: int) -> Any:
    """Returns a sampler; how many trials will be in flight is nothing that these ask for."""
    kind, option = SAMPLERS[name]
    return kind(space, seed, option)


def available(name: str) -> bool:
    """Tells whether a sampler can run here."""
    needed = {"optuna-tpe": ["optuna"], "optuna-gp": ["optuna", "torch"]}.get(name, [])
    return all(importlib.util.find_spec(module) is not None for module in needed)


def compare(tasks: list[Any], names: list[str], each: list[int], seeds: int, trials: int, cells: Cells) -> None:
    """Plays everything, seed by seed, and prints a table for each number of trials in flight."""
    found: dict[int, list[Any]] = {workers: [] for workers in each}
    for seed in range(seeds):
        for workers in each:
            rows = [[cells.get(task, name, seed, workers, trials) for name in names] for task in tasks]
            found[workers].append(rows)
            means = (f"{name} {np.mean([row[k]['regret'] for row in rows]):.3f}" for k, name in enumerate(names))
            print(f"  seed {seed}, {workers} in flight: " + ", ".join(means), flush=True)
    for workers, outcome in found.items():
        # by seed, task and sampler
        print(f"\n{trials} trials, {workers} in flight, {seeds} seeds, {len(tasks)} tasks")
        regrets, cost = (np.array([[[c[x] for c in r] for r in s] for s in outcome]) for x in ("regret", "ms"))
        show(tasks, names, regrets, cost)


def show(tasks: list[Any], names: list[str], regrets: np.ndarray, cost: np.ndarray) -> None:
    """Prints a table of all samplers, one by task, and how far the first sampler is ahead of each other one."""
    rank = (regrets[..., :, None] > regrets[..., None, :]).sum(-1) + (
        (regrets[..., :, None] == regrets[..., None, :]).sum(-1) + 1
    ) / 2
    by_seed, order = regrets.mean(axis=1), np.argsort(regrets.mean(axis=(0, 1)), kind="stable")
    print("| sampler | mean regret | standard error | average rank | less the first | its error | CPU ms |")
    print("|---|---|---|---|---|---|---|")
    for k in order:
        more = by_seed[:, k] - by_seed[:, 0]
        print(
            f"| {names[k]} | {by_seed[:, k].mean():.3f} | {error(by_seed[:, k]):.3f} | {rank[..., k].mean():.2f} "
            f"| {more.mean():+.3f} | {error(more):.3f} | {np.median(cost[..., k]):.1f} |"
        )
    print(f"\n| task | {' | '.join(names[k] for k in order)} |\n|---|{'---|' * len(names)}")
    for i, task in enumerate(tasks):
        print(f"| {task.name} | {' | '.join(f'{regrets[:, i, k].mean():.3f}' for k in order)} |")


def timing(names: list[str], counts: list[int], clock: str, repeats: int = 5) -> None:
    """Prints milliseconds of a suggestion after n trials of a smooth function in 10 dimensions.

    The first suggestion of a fresh sampler, which has to fit from nothing, stands apart from those that follow.
    """
    space = [dict(name=f"x{j}", type="float", low=0.0, high=1.0, log=False, q=None, choices=None) for j in range(10)]
    now = time.process_time if clock == "cpu" else time.perf_counter
    print(f"\n{clock} ms per suggestion, median (first one of a fresh sampler), 10 float dimensions, after n trials")
    print(f"| sampler | {' | '.join(map(str, counts))} |\n|---|{'---|' * len(counts)}")
    for name in names:
        kind, option = SAMPLERS[name]
        row = []
        for count in counts:
            sampler, rng = kind(space, 0, option), np.random.default_rng(0)
            points = rng.random((count, 10))
            _fill(sampler, points, _bowl(points) + 0.01 * rng.standard_normal(count))
            spent = []
            for _ in range(1 + repeats):
                before = now()
                answer = sampler.ask()
                spent.append((now() - before) * 1e3)
                if answer:
                    sampler.tell(answer[0], float(_bowl(np.array([[*answer[1].values()]]))[0]))
            row.append(f"{np.median(spent[1:]):.0f} ({spent[0]:.0f})")
        print(f"| {name} | {' | '.join(row)} |", flush=True)


def _bowl(points: np.ndarray) -> np.ndarray:
    return np.asarray(((points - 0.4) ** 2) @ np.geomspace(3, 0.03, 10))


def _fill(sampler: Any, points: np.ndarray, values: np.ndarray) -> None:
    """Gives a sampler trials that it did not propose."""
    if isinstance(sampler, Raydrive):
        for n, (x, y) in enumerate(zip(points, values, strict=True)):
            params = {f"x{j}": float(v) for j, v in enumerate(x)}
            sampler.history.append(TrialRecord(n, params, float(y), "Completed"))
        return
    import optuna

    unit = {f"x{j}": optuna.distributions.FloatDistribution(0.0, 1.0) for j in range(points.shape[1])}
    for x, y in zip(points, values, strict=True):
        params = {f"x{j}": float(v) for j, v in enumerate(x)}
        sampler._study.add_trial(optuna.trial.create_trial(params=params, distributions=unit, value=float(y)))


def main() -> int:
    """Runs the comparison; returns the exit code."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--tasks", type=Path, help="a module with tasks()")
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--trials", type=int, default=50)
    words.add_argument("--workers", default="1,4")
    words.add_argument("--samplers", default=",".join(SAMPLERS))
    words.add_argument("--record", type=Path, help="JSON lines of runs played already; the others are added")
    words.add_argument("--no-timing", action="store_true")
    words.add_argument("--only-timing", action="store_true", help="milliseconds a suggestion, no tasks")
    words.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu says more on a busy machine")
    words.add_argument("--counts", default="20,50,100,500", help="trials after which suggestions are timed")
    given = words.parse_args()
    names = [name for name in given.samplers.split(",") if name]
    unknown = [name for name in names if name not in SAMPLERS]
    if unknown:
        print(f"no such sampler: {', '.join(unknown)}; there are {', '.join(SAMPLERS)}", file=sys.stderr)
        return 2
    missing = [name for name in names if not available(name)]
    if missing:
        print(f"left out, not installed here: {', '.join(missing)} (pip install optuna, and torch for GPSampler)")
        names = [name for name in names if name not in missing]
    path = given.tasks or PUBLIC
    if given.only_timing:
        pass
    elif not path.exists():
        print(f"no tasks at {path}: name a task module with --tasks PATH", file=sys.stderr)
        # the default tasks are not part of the repository; only a path that was asked for must exist
        if given.tasks:
            return 2
    else:
        each = [int(workers) for workers in given.workers.split(",")]
        compare(load(path), names, each, given.seeds, given.trials, Cells(given.record, made))
    if not given.no_timing:
        timing(names, [int(count) for count in given.counts.split(",")], given.clock)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
