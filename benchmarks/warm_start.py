"""What a warm start saves: regret of 10 trials that know 25 earlier ones, beside 10 and 35 trials that know none.

    python benchmarks/warm_start.py [--tasks PATH] [--seeds 5]

Tasks and regret are those of ``quality.py``; the earlier trials themselves do not count in the regret.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from quality import PUBLIC, expression, load, regret, snapped

from raydrive.core.records import COMPLETED
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.trial_record import TrialRecord


def play(task: Any, seed: int, trials: int, before: Sequence[TrialRecord] = ()) -> list[TrialRecord]:
    """Returns the trials of one run."""
    space = {d["name"]: expression(d) for d in task.space}
    sampler = BayesianParameterSampling(space).build(seed, maximize=False, before=before)
    history: list[TrialRecord] = []
    for number in range(trials):
        suggestion = sampler.ask(number, history)
        if suggestion is None:
            break
        value = float(task.evaluate(snapped(task.space, dict(suggestion.params))))
        history.append(TrialRecord(number, suggestion.params, value, COMPLETED))
    return history


def main() -> None:
    """Plays everything and prints a line per way to start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=Path, default=PUBLIC)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    sys.modules.pop("quality", None)  # the tasks may live in a package of that name
    tasks = load(given.tasks)
    table: dict[str, list[float]] = {}
    for task in tasks:
        for seed in range(given.seeds):
            earlier = [
                TrialRecord(-1 - one.number, one.params, one.value, one.state) for one in play(task, 100 + seed, 25)
            ]
            runs = {
                "cold, 10 trials": play(task, seed, 10),
                "warm, 10 trials": play(task, seed, 10, earlier),
                "cold, 35 trials": play(task, seed, 35),
            }
            for name, trials in runs.items():
                values = [one.value for one in trials if one.value is not None]
                table.setdefault(name, []).append(regret(task, values))
    for name, rows in table.items():
        by_task = np.array(rows).reshape(len(tasks), given.seeds).mean(axis=1)
        parts = " ".join(f"{task.name} {value:.3f}" for task, value in zip(tasks, by_task, strict=True))
        print(f"{name}: mean regret {by_task.mean():.3f}   {parts}")


if __name__ == "__main__":
    main()
