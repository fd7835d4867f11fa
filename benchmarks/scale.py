"""What the judge costs as a run grows: per report, per trial, in memory, and to take up again.

Everything is the real thing but the trials, which are simulated: loop, judge, sampler, policy, journal lines (made, and
thrown away). Trials log 100 values each, four at a time. The costs at n trials are those of the last tenth of a run of
n trials, so that whatever grows with the run shows in full and is not hidden in an average. Times are CPU times of this
process: the lower quartile over stretches of 400 reports, or of 8 trials. "Replayed" is to read a journal line and to
fold it, as a resumed run does with each.

    python benchmarks/scale.py            100, 1,000 and 10,000 trials; about four minutes
    python benchmarks/scale.py --quick    100 and 1,000

Ends with 1 when a cost at the most trials is more than 1.5 times that at the fewest, or a report costs more than 25 us.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    Policy,
    TruncationSelectionPolicy,
)
from raydrive.core.records import Ended, Reported, Started
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import choice, loguniform, quniform, randint, uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.runtime.decision_loop import DecisionLoop, Writer
from raydrive.runtime.simulated import SimulatedRunner
from raydrive.testing.memory import Memory

REPORTS = 100
FLAT = 1.5
REPORT_US = 25.0
ROUNDS = 3
SPACE = {
    "lr": loguniform(-9, -2),
    "dropout": uniform(0, 0.5),
    "units": quniform(16, 512, 16),
    "layers": randint(8),
    "optimizer": choice({"name": "adam"}, {"name": "sgd", "momentum": uniform(0, 1)}),
    "activation": choice("relu", "tanh", "gelu"),
}
POLICIES: dict[str, Policy] = {
    "none": NoTerminationPolicy(),
    # Loose ones, so that most trials live to log all their values and every report is judged.
    "bandit": BanditPolicy(slack_factor=3.0),
    "median": MedianStoppingPolicy(),
    "truncation": TruncationSelectionPolicy(1),
}


def curves() -> list[list[tuple[float, float]]]:
    """Learning curves that rise, with noise; trials share them, so that making them costs nothing."""
    rng = random.Random(0)
    made = []
    for _ in range(997):
        top, pace = rng.uniform(0.5, 1.0), rng.uniform(0.9, 0.99)
        values = [top * (1 - 0.5 * pace**k) + rng.gauss(0, 0.01) for k in range(1, REPORTS + 1)]
        made.append([(rng.uniform(0.5, 1.5), value) for value in values])
    return made


class Rising(Sequence[Sequence[tuple[float, float]]]):
    """Curves that median stopping has to compare and stops none of: the first is the best, the others ever better."""

    def __init__(self, curve: Sequence[tuple[float, float]]) -> None:
        self._curve = curve

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, number: Any) -> Any:
        above = 1e-7 * number if number else 1.0
        return [(seconds, value + above) for seconds, value in self._curve]


def config_of(policy: str, trials: int) -> RunConfig:
    return RunConfig(
        experiment="scale",
        metric=Metric(name="accuracy", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling(SPACE),
        policy=POLICIES[policy],
        limits=Limits(max_total_runs=trials, max_concurrent_runs=4, max_duration_s=None),
        trial=TrialSpec(kind="function"),
        seed=0,
    )


class Counter:
    """A writer that counts bytes and keeps nothing."""

    def __init__(self) -> None:
        self.bytes = 0

    def append(self, lines: Sequence[str]) -> None:
        """Counts."""
        self.bytes += sum(map(len, lines))


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds by stretch of the last tenth of a run; bytes of the journal, of all of it."""

    report: list[float]
    trial: list[float]
    bytes_per_report: float


def measure(policy: str, trials: int, made: list[list[tuple[float, float]]]) -> Cost:
    """Runs a sweep and times what it takes: reports in one clock, everything about trials in the other."""
    config, writer = config_of(policy, trials), Counter()
    runner = SimulatedRunner(lambda number, params: made[number % len(made)])
    sweep = Sweep(config, lean=True)
    loop = DecisionLoop(sweep, config.sampling.build(0, True), runner, writer, lambda: runner.now)
    loop.take([Started(0.0, 1)])
    late, clock = trials - max(25, trials // 10), time.process_time
    reports, others, ended = array("d"), array("d"), 0
    gc.collect()
    for fact in runner.facts():
        if len(sweep.trials) < late:
            loop.take([fact])
            continue
        start = clock()
        loop.take([fact])
        (reports if type(fact) is Reported else others).append(clock() - start)
        ended += type(fact) is Ended
    overhead = _clock_overhead()
    trial_us = [(mean - overhead) * 1e6 * len(others) / ended for mean in _means(others, 8 * len(others) // ended)]
    report_us = [(mean - overhead) * 1e6 for mean in _means(reports, 400)]
    return Cost(report_us, trial_us, writer.bytes / max(1, sweep.reports))


def _means(times: Sequence[float], size: int) -> list[float]:
    size = max(1, min(size, len(times)))
    return [sum(times[i : i + size]) / size for i in range(0, len(times) - size + 1, size)]


def _typical(stretches: Iterable[float]) -> float:
    """The lower quartile: other work on this machine only ever adds, and a regular cost is in every stretch."""
    return statistics.quantiles(stretches, n=4)[0]


def _clock_overhead() -> float:
    clock = time.process_time
    start = clock()
    for _ in range(10_000):
        clock()
    return (clock() - start) / 10_000


def replay_us(policy: str, trials: int, made: list[list[tuple[float, float]]]) -> float:
    """Returns the microseconds to read one line of a journal of so many trials and to fold it."""
    config = config_of(policy, trials)
    writer = Memory()
    run(config, writer, made)
    gc.collect()
    start = time.process_time()
    Sweep.replay(config, map(records.load, writer.lines), lean=True)
    return (time.process_time() - start) / len(writer.lines) * 1e6


def run(
    config: RunConfig, writer: Writer | None, made: Sequence[Sequence[tuple[float, float]]], reports: int = REPORTS
) -> Sweep:
    runner = SimulatedRunner(lambda number, params: made[number % len(made)][:reports])
    sweep = Sweep(config, lean=True)
    loop = DecisionLoop(sweep, config.sampling.build(0, True), runner, writer, lambda: runner.now)
    loop.take([Started(0.0, 1)])
    for fact in runner.facts():
        loop.take([fact])
    return sweep


def resident() -> int:
    """Bytes of memory this process holds."""
    gc.collect()
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))


def memory_in_this_process(policy: str, trials: int, reports: int) -> dict[str, float]:
    made: Sequence[Sequence[tuple[float, float]]] = curves()
    made = Rising(made[0]) if policy == "median" else made
    run(config_of(policy, 20), None, made, reports)  # whatever is loaded once
    before = resident()
    sweep = run(config_of(policy, trials), None, made, reports)
    return {"bytes": resident() - before, "trials": len(sweep.trials), "reports": sweep.reports}


def memory(policy: str, trials: int) -> tuple[float, float]:
    """Returns bytes per trial and bytes per report, of runs in processes of their own."""
    short, long = (
        json.loads(
            subprocess.run(
                [sys.executable, __file__, "--memory", policy, str(trials), str(reports)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for reports in (10, REPORTS)
    )
    per_report = (long["bytes"] - short["bytes"]) / (long["reports"] - short["reports"])
    return (short["bytes"] - per_report * short["reports"]) / trials, per_report


def table(sizes: Sequence[int]) -> bool:
    """Prints the costs and returns whether all of them are flat and small enough."""
    made, good = curves(), True
    print(
        f"{'policy':<11}{'trials':>7}{'us/report':>11}{'ratio':>7}{'us/trial':>10}{'ratio':>7}{'journal B/report':>18}"
    )
    for policy in POLICIES:
        runs: dict[int, list[Cost]] = {size: [] for size in sizes}
        for _ in range(ROUNDS):  # sizes take turns, so that a busy minute of this machine hits all of them
            for size in sizes:
                runs[size] += [measure(policy, size, made) for _ in range(max(1, 400 // size))]
        first: tuple[float, float] | None = None
        for size in sizes:
            report = _typical(chain.from_iterable(run.report for run in runs[size]))
            trial = _typical(chain.from_iterable(run.trial for run in runs[size]))
            first = first or (report, trial)
            ratios = (report / first[0], trial / first[1])
            good = good and (size < sizes[-1] or max(ratios) <= FLAT) and report <= REPORT_US
            print(
                f"{policy:<11}{size:>7}{report:>11.1f}{ratios[0]:>7.2f}{trial:>10.0f}{ratios[1]:>7.2f}"
                f"{runs[size][0].bytes_per_report:>18.0f}",
                flush=True,
            )
    return good


def memory_table(sizes: Sequence[int]) -> bool:
    """Prints what a run holds in memory and how fast it is taken up again; returns whether that is flat."""
    made, good = curves(), True
    print(f"\n{'policy':<11}{'trials':>7}{'B/trial':>9}{'B/report':>10}{'us/line replayed':>18}{'ratio':>7}")
    for policy in POLICIES:
        first = 0.0
        for size in sizes:
            per_trial, per_report = memory(policy, size)
            replayed = min(replay_us(policy, size, made) for _ in range(3 if size <= 1000 else 1))
            first = first or replayed
            good = good and replayed <= FLAT * first
            print(
                f"{policy:<11}{size:>7}{per_trial:>9.0f}{per_report:>10.1f}{replayed:>18.1f}{replayed / first:>7.2f}",
                flush=True,
            )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 and 1,000 trials only")
    parser.add_argument("--memory", nargs=3, metavar=("POLICY", "TRIALS", "REPORTS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        policy, trials, reports = arguments.memory
        print(json.dumps(memory_in_this_process(policy, int(trials), int(reports))))
        return 0
    sizes = (100, 1_000) if arguments.quick else (100, 1_000, 10_000)
    good = table(sizes)
    good = memory_table(sizes[1:]) and good
    print(f"\n{'flat' if good else 'NOT flat'}: within {FLAT} times, reports within {REPORT_US:g} us")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
