"""What early-stopped trials are worth: read with their estimated end, with their last value as final, or dropped.

Replays recorded learning curves (taskset in ../shared/quality): each trial is the recorded one of largest log expected
improvement, trained with median stopping. Prints how far estimates are from the true ends, and the best final loss.

    python benchmarks/stopped_trials.py [--seeds 10] [--trials 60]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from raydrive.core.bayes import BayesianParameterSampling
from raydrive.core.endings import Endings
from raydrive.core.gp_sampler import GpSampler
from raydrive.core.space import Space, uniform
from raydrive.core.unseen import Seen

SHARED = Path(__file__).resolve().parents[2] / "shared"
READINGS = ("end", "last", "drop")


def told(seen: Seen, reading: str) -> Seen | None:
    """Returns a trial as one of the three readings shows it to the model."""
    if not seen.stopped or reading == "end":
        return seen
    return None if reading == "drop" else replace(seen, state="Completed", curve=(), stopped=False)


def train(curve: np.ndarray, others: list[np.ndarray], first: int = 5) -> tuple[np.ndarray, bool]:
    """Returns what a trial logs under median stopping (interval 1, delay 5), and whether it was stopped."""
    for k in range(first, len(curve)):
        means = [np.mean(other[:k]) for other in others if len(other) >= k]
        if means and np.min(curve[:k]) > np.median(means):
            return curve[:k], True
    return curve, False


def search(units: np.ndarray, curves: np.ndarray, reading: str, seed: int, trials: int) -> tuple[float, list[float]]:
    """Returns the best final loss among trials that were not stopped, and the errors of estimated ends."""
    space = Space({f"x{j}": uniform(0, 1) for j in range(units.shape[1])})
    sampler = BayesianParameterSampling(space).build(seed, maximize=False)
    assert isinstance(sampler, GpSampler)
    rng = np.random.default_rng(seed)
    left = list(rng.permutation(len(units)))
    history: list[Seen] = []
    logged: list[np.ndarray] = []
    chosen: list[int] = []
    for number in range(trials):
        shown = [t for seen in history if (t := told(seen, reading)) is not None]
        pick = left[0]
        if number >= 12 and len(shown) >= 3:
            experience = sampler._reader.read(shown)
            process, used, _ = sampler._process(experience)
            score = sampler._score(process, used, rng)
            pick = left[int(np.argmax(score(units[left])))]
        left.remove(pick)
        curve, stopped = train(curves[pick], logged)
        logged.append(curve)
        chosen.append(pick)
        params = {f"x{j}": float(u) for j, u in enumerate(units[pick])}
        state = "Canceled" if stopped else "Completed"
        history.append(Seen(number, params, float(np.min(curve)), state, curve.tolist(), stopped))
    endings = Endings([curve for curve, seen in zip(logged, history, strict=True) if not seen.stopped])
    errors = []
    for pick, seen in zip(chosen, history, strict=True):
        if seen.stopped and seen.value is not None:
            true = float(np.min(curves[pick]))
            ending = endings.estimate(seen.curve)
            errors.append(((seen if ending is None else ending).value - true, seen.value - true))
    best = min(seen.value for seen in history if not seen.stopped and seen.value is not None)
    return best, errors


def main() -> int:
    """Runs the comparison; returns the exit code."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, default=10)
    words.add_argument("--trials", type=int, default=60)
    given = words.parse_args()
    if not (SHARED / "quality" / "public").is_dir():
        print(f"no recorded curves: {SHARED / 'quality'} is not there, nothing to compare")
        return 0
    sys.path.insert(0, str(SHARED))
    from quality.public.tasks import curve_tables  # type: ignore[import-not-found]

    table: Any = curve_tables()[0]
    sound = np.all(np.isfinite(table.curves), axis=1)
    curves, params = table.curves[sound], table.params[sound].astype(float)
    # ranks: the recorded columns have scales of their own
    units = (np.argsort(np.argsort(params, axis=0), axis=0) + 0.5) / len(params)
    optimum = float(curves.min())
    bests: dict[str, list[float]] = {reading: [] for reading in READINGS}
    errors: list[tuple[float, float]] = []
    for seed in range(given.seeds):
        for reading in READINGS:
            best, found = search(units, curves, reading, seed, given.trials)
            bests[reading].append(best - optimum)
            if reading == "end":
                errors.extend(found)
    off = np.array(errors)
    mean, root = np.abs(off).mean(axis=0), np.sqrt((off**2).mean(axis=0))
    print(f"{len(off)} stopped trials, error of their final value: mean absolute, root mean square")
    print(f"estimated end {mean[0]:.4f} {root[0]:.4f}; last value {mean[1]:.4f} {root[1]:.4f}")
    print(
        "| stopped trials are | best final loss above the optimum, mean | median | standard error |\n|---|---|---|---|"
    )
    for reading, values in bests.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
        print(f"| {reading} | {np.mean(values):.4f} | {np.median(values):.4f} | {error:.4f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
