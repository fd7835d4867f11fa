"""Regret by the intervals trained: ``fidelity: intervals`` on learning-curve tasks, in virtual time.

    python benchmarks/intervals.py [--tasks PATH] [--workers 4] [--seeds 5] [--restart-cost 0] [--names a,b]

Tasks and harness are those of ../shared/quality (``public_mf``); ``benchmarks/own_mf_tasks.py`` holds ours. The peers'
stored results stand beside with ``python -m quality.mf_run --tuner intervals:Tuner``, where ../shared and this folder
are on the PYTHONPATH. Regret is 0 at the best known final value and 1 at the median random search of 30 whole
trainings; ``anytime`` is its mean over a budget of 30 whole trainings.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared"
sys.path[:0] = [str(SHARED), str(HERE)]

from _spaces import expression  # noqa: E402

from raydrive.core.records import COMPLETED, PAUSED, RUNNING  # noqa: E402
from raydrive.core.search.fidelity.interval_sampler import Intervals, IntervalSampler  # noqa: E402
from raydrive.core.search.trial_record import Continuation, Later, TrialRecord  # noqa: E402
from raydrive.core.space.search_space import parse_space  # noqa: E402


class Tuner:
    """raydrive's sampler as a tuner of the harness; its methods are described there."""

    def __init__(self, space: list[dict[str, Any]], seed: int, workers: int, max_epochs: int) -> None:
        self._longest = max_epochs
        self._space = parse_space({d["name"]: expression(d) for d in space})
        self._sampler = self.make(seed)
        self._params: list[dict[str, Any]] = []
        self._curves: list[list[float]] = []
        self._state: list[str] = []
        self._until: list[int | None] = []

    def make(self, seed: int) -> Any:
        """Returns the sampler."""
        first = max(1, round(self._longest / 32))
        return IntervalSampler(self._space, seed, False, Intervals(self._longest, first))

    def next_job(self) -> tuple[int, dict[str, Any] | None, int, int | None] | None:
        """Returns what to train."""
        history = [
            TrialRecord(k, p, min(c, default=None), s, c, objective="last", until=u)
            for k, (p, c, s, u) in enumerate(zip(self._params, self._curves, self._state, self._until, strict=True))
        ]
        answer = self._sampler.ask(len(history), history)
        if answer is None or isinstance(answer, Later):
            return None
        if isinstance(answer, Continuation):
            k = answer.trial
            self._state[k], self._until[k] = RUNNING, answer.until
            return k, None, len(self._curves[k]), answer.until
        self._params.append(dict(answer.params))
        self._curves.append([])
        self._state.append(RUNNING)
        self._until.append(answer.until)
        return len(history), dict(answer.params), 0, answer.until

    def report(self, trial: int, epoch: int, value: float) -> str:
        """Takes a value."""
        self._curves[trial].append(value)
        return "continue"

    def done(self, trial: int) -> None:
        """Takes the end of a step."""
        self._state[trial] = COMPLETED if len(self._curves[trial]) >= self._longest else PAUSED


def tasks_of(path: str | None) -> list[Any]:
    """Returns the tasks of a module, by default the public ones."""
    if path is None:
        from quality.public_mf.tasks import tasks

        return list(tasks())
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"--tasks: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return list(module.tasks())


def main(make: Any = Tuner) -> None:
    """Prints a row for each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--restart-cost", type=int, default=0)
    parser.add_argument("--names", default="")
    parser.add_argument("--each", action="store_true", help="print each seed, too")
    a = parser.parse_args()
    from quality.mf_run import regrets
    from quality.public_mf.mf_harness import run

    means = []
    heads = ["task", "at 10", "at 20", "at 30", "anytime", "its error", "trials", "whole", "ms"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for task in tasks_of(a.tasks):
        if not any(name in task.name for name in a.names.split(",")):
            continue
        rows = [run(task, make, seed, workers=a.workers, restart_cost=a.restart_cost) for seed in range(a.seeds)]
        found = np.array([regrets(task, row) for row in rows])
        if a.each:
            print("\n".join(f"  {k}: " + " ".join(f"{x:.2f}" for x in one) for k, one in enumerate(found)))
        error = found[:, 3].std(ddof=1) / len(rows) ** 0.5 if len(rows) > 1 else 0.0
        more = [np.mean([row[key] for row in rows]) for key in ("starts", "full", "cpu_next_ms")]
        figures = " | ".join(f"{x:.2f}" for x in [*found.mean(0), error])
        print(f"| {task.name} | {figures} | " + " | ".join(f"{x:.0f}" for x in more) + " |", flush=True)
        means.append(found.mean(0))
    print("| **all** | " + " | ".join(f"{x:.3f}" for x in np.mean(means, axis=0)) + " | | | | |")


if __name__ == "__main__":
    main()
