"""What early-stopped trials are worth: read with their estimated end, with their last value as final, or dropped.

Searches in tables of learning curves: each trial is the one of largest log expected improvement in the table, trained
with median stopping. Families: ``taskset`` (recorded) and ``lcbench``, ``lcbench moved`` (a surrogate of recorded ones,
and the same network with other biases, so another optimum), from ../shared/quality if it is there; ``power laws`` (made
up: some fast learners end high, some diverge). Regret is 0 at the best end in the table, 1 at the median of random
search without stopping, averaged over the search; only trials that were not stopped count. All three readings have the
same first trials, so differences are paired.

    python benchmarks/stopped_trials.py [--seeds 30] [--trials 40] [--delay 2] [--record FILE]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from raydrive.core.search.bayesian.curve_extrapolation import CurveExtrapolation
from raydrive.core.search.bayesian.gp_sampler import GpSampler
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import Space, uniform

SHARED = Path(__file__).resolve().parents[2] / "shared"
READINGS = ("end", "last", "drop")
FIRST = 12
"""Trials at random; the same for all readings."""


@dataclass(frozen=True)
class Family:
    """A table of trials: positions in [0, 1] ``(n, d)`` and curves ``(n, intervals)``."""

    name: str
    units: np.ndarray
    curves: np.ndarray

    def regret(self, best: list[float]) -> float:
        """Returns the mean over the trials after the first ones.

        0 is the best end in the table, 1 the median best one of as many random trials as the whole search has.
        """
        trials = len(best)
        ends = self.curves.min(axis=1)
        rng = np.random.default_rng(0)
        usual = np.median([ends[rng.permutation(len(ends))[:trials]].min() for _ in range(400)])
        return float(np.mean(np.clip((np.array(best[FIRST:]) - ends.min()) / (usual - ends.min()), 0, 2)))


def taskset() -> Family:
    from quality.public.tasks import curve_tables  # type: ignore[import-not-found]

    table: Any = curve_tables()[0]
    sound = np.all(np.isfinite(table.curves), axis=1)
    # ranks: the recorded columns have scales of their own
    units = (np.argsort(np.argsort(table.params[sound].astype(float), axis=0), axis=0) + 0.5) / sound.sum()
    return Family("taskset", units, table.curves[sound])


def lcbench(moved: bool) -> Family:
    from quality.public.core import from_unit  # type: ignore[import-not-found]
    from quality.public.tasks import DATA, lcbench  # type: ignore[import-not-found]

    task: Any = lcbench(DATA, "167168")
    if moved:
        bias = task._net.b0
        shift = 1.5 * bias.std() * np.random.default_rng(22).standard_normal(len(bias))
        task._net.b0 = bias + shift.astype(bias.dtype)
    units = np.random.default_rng(7).random((500, len(task.space)))
    points = [{d["name"]: from_unit(d, u) for d, u in zip(task.space, row, strict=True)} for row in units]
    none = np.empty((500, 0), int)
    columns = []
    for epoch in range(1, 53):
        inputs = np.array([task._inputs(point, epoch)[0] for point in points], float)
        columns.append(task._shift + task._scale * task._net(inputs, none))
    return Family("lcbench moved" if moved else "lcbench", units, np.array(columns).T)


def power_laws() -> Family:
    rng, k = np.random.default_rng(3), np.arange(1, 41)
    u = rng.random((600, 5))
    rate = 4 * u[:, 0] - 4
    end = 0.1 + 0.5 * (u[:, 1] - 0.3) ** 2 + 0.05 * (rate + 2.5) ** 2 + 0.15 * (u[:, 2] - 0.6) ** 2 + 0.05 * u[:, 3]
    speed = 0.25 + 0.9 * u[:, 0] + 0.3 * (u[:, 4] - 0.5)
    curves = end[:, None] + (1.0 - end)[:, None] * k ** (-speed[:, None])
    diverged = rate > -0.6
    curves[diverged] = np.minimum(2.3, curves[diverged] + 0.02 * k**1.2)
    return Family("power laws", u, curves + 0.004 * rng.standard_normal(curves.shape))


def families() -> list[Callable[[], Family]]:
    if not (SHARED / "quality" / "public").is_dir():
        print(f"no recorded curves: {SHARED / 'quality'} is not there; made-up ones only")
        return [power_laws]
    sys.path.insert(0, str(SHARED))
    return [taskset, lambda: lcbench(False), lambda: lcbench(True), power_laws]


def told(seen: TrialRecord, reading: str) -> TrialRecord | None:
    """Returns a trial as one of the three readings shows it to the model."""
    if not seen.stopped or reading == "end":
        return seen
    return None if reading == "drop" else replace(seen, state="Completed", curve=(), stopped=False)


def train(curve: np.ndarray, others: list[np.ndarray], first: int) -> tuple[np.ndarray, bool]:
    """Returns what a trial logs under median stopping (interval 1, delay ``first``), and whether it was stopped."""
    for k in range(first, len(curve)):
        means = [np.mean(other[:k]) for other in others if len(other) >= k]
        if means and np.min(curve[:k]) > np.median(means):
            return curve[:k], True
    return curve, False


def search(family: Family, reading: str, seed: int, trials: int, delay: int) -> tuple[list[float], list[Any]]:
    """Returns the best end so far among trials that were not stopped, by trial, and the errors of estimated ends."""
    units, curves = family.units, family.curves
    space = Space({f"x{j}": uniform(0, 1) for j in range(units.shape[1])})
    sampler = BayesianParameterSampling(space).build(seed, maximize=False)
    assert isinstance(sampler, GpSampler)
    rng = np.random.default_rng(seed)
    left = list(rng.permutation(len(units)))
    history: list[TrialRecord] = []
    logged: list[np.ndarray] = []
    chosen: list[int] = []
    for number in range(trials):
        shown = [t for seen in history if (t := told(seen, reading)) is not None]
        pick = left[0]
        if number >= FIRST and len(shown) >= 3:
            experience = sampler._reader.read(shown)
            process, used, _ = sampler._process(experience)
            score = sampler._score(process, used, rng)
            pick = left[int(np.argmax(score(units[left])))]
        left.remove(pick)
        curve, stopped = train(curves[pick], logged, delay)
        logged.append(curve)
        chosen.append(pick)
        params = {f"x{j}": float(u) for j, u in enumerate(units[pick])}
        state = "Canceled" if stopped else "Completed"
        history.append(TrialRecord(number, params, float(np.min(curve)), state, curve.tolist(), stopped))
    endings = CurveExtrapolation([curve for curve, seen in zip(logged, history, strict=True) if not seen.stopped])
    errors = []
    for pick, seen in zip(chosen, history, strict=True):
        if seen.stopped and seen.value is not None:
            true = float(np.min(curves[pick]))
            ending = endings.estimate(seen.curve)
            errors.append(((seen if ending is None else ending).value - true, seen.value - true))
    ends = [np.inf if seen.stopped or seen.value is None else seen.value for seen in history]
    return np.minimum.accumulate(ends).tolist(), errors


def played(record: Path | None) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Returns the searches that were written down."""
    lines = record.read_text(encoding="utf-8").splitlines() if record is not None and record.exists() else []
    return {(cell["family"], cell["seed"], cell["trials"], cell["delay"]): cell for cell in map(json.loads, lines)}


def play(family: Family, seed: int, trials: int, delay: int) -> dict[str, Any]:
    """Returns the regret of each reading, and the errors of estimated ends and of last values."""
    cell: dict[str, Any] = {"family": family.name, "seed": seed, "trials": trials, "delay": delay}
    for reading in READINGS:
        best, errors = search(family, reading, seed, trials, delay)
        cell[reading] = family.regret(best)
        if reading == "end":
            cell["errors"] = errors
    return cell


def show(cells: list[dict[str, Any]]) -> None:
    """Prints regrets, paired differences with their standard errors, and how far estimates are from true ends."""
    names = list(dict.fromkeys(cell["family"] for cell in cells))
    print("| family | searches | estimated end | last value | dropped | last less end | dropped less end |")
    print("|---|---|---|---|---|---|---|")
    for name in [*names, "all"]:
        own = [cell for cell in cells if name in (cell["family"], "all")]
        values = {reading: np.array([cell[reading] for cell in own]) for reading in READINGS}
        row = [f"{values[reading].mean():.3f}" for reading in READINGS]
        for reading in ("last", "drop"):
            more = values[reading] - values["end"]
            error = more.std(ddof=1) / np.sqrt(len(more)) if len(more) > 1 else float("nan")
            row.append(f"{more.mean():+.3f} ± {error:.3f}")
        print(f"| {name} | {len(own)} | {' | '.join(row)} |")
    print("\nMedian error of final values, and its median size")
    print("| family | stopped trials | estimated end | last value |\n|---|---|---|---|")
    for name in names:
        off = np.array([pair for cell in cells if cell["family"] == name for pair in cell["errors"]])
        if len(off):
            size = np.median(np.abs(off), axis=0)
            parts = [f"{m:+.4g}, {d:.4g}" for m, d in zip(np.median(off, axis=0), size, strict=True)]
            print(f"| {name} | {len(off)} | {' | '.join(parts)} |")


def main() -> int:
    """Runs the comparison; returns the exit code."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, default=30)
    words.add_argument("--trials", type=int, default=40)
    words.add_argument("--delay", type=int, default=2, help="delay_evaluation of median stopping")
    words.add_argument("--first", type=int, default=0, help="the first seed")
    words.add_argument("--record", type=Path, help="JSON lines of searches played already; the others are added")
    given = words.parse_args()
    tables = [make() for make in families()]
    known = played(given.record)
    cells = []
    for seed in range(given.first, given.first + given.seeds):
        for family in tables:
            cell = known.get((family.name, seed, given.trials, given.delay))
            if cell is None:
                cell = play(family, seed, given.trials, given.delay)
                if given.record is not None:
                    with given.record.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(cell) + "\n")
            cells.append(cell)
        print(f"  seed {seed}", flush=True)
    show(cells)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
