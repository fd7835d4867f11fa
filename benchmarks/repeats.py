"""One more trial of a run whose configurations are tried several times, early and late: it has to cost the same.

The sampler is asked as a driver asks it, with the history of a run of so many trials that goes on by one trial.

    python benchmarks/repeats.py             1,000, 4,000 and 16,000 trials
"""

from __future__ import annotations

import argparse
import random
import time

from _common import Figure, Say, benchmark

ASKED = 200


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures each size."""
    for race in (True, False):
        first: list[float] = []
        for trials in (1_000, 4_000) if options.quick else (1_000, 4_000, 16_000):
            found = cost_us(trials, race)
            key = f"repeats.{'race' if race else 'all'}.{trials}"
            what = f"{'racing' if race else 'each three times'}: one more trial after {trials:,}"
            say(Figure(key, what, [found], "us", "1,000 trials" if first else "", first or None))
            first = first or [found]


def cost_us(trials: int, race: bool) -> float:
    """Returns the microseconds of one question, the mean of the last ones."""
    from raydrive import PrimaryMetricGoal, RandomParameterSampling, uniform
    from raydrive.core.config.run_config import Limits, RunConfig
    from raydrive.core.config.run_rules import RunRules
    from raydrive.core.config.trial_spec import Metric, TrialSpec
    from raydrive.core.records import Began, Ended, Reported, Started, Suggested
    from raydrive.core.sweep.sweep import Sweep
    from raydrive.core.sweep.warm_start_data import sampler_of

    config = RunConfig(
        experiment="repeats",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=trials, max_concurrent_runs=4, first_failures=0),
        trial=TrialSpec(kind="function"),
        seed=1,
        rules=RunRules.of({"repeats": {"max": 3, "race": race}}),
    )
    sweep, sampler, rng, spent = Sweep(config, lean=True), sampler_of(config), random.Random(0), 0.0
    sweep.handle(Started(0.0, 1))
    for number in range(trials):
        begin = time.perf_counter()
        answer = sampler.ask(number, sweep.history)
        spent += (time.perf_counter() - begin) * (number >= trials - ASKED)
        sweep.handle(Suggested(1.0, number, answer.params))
        sweep.handle(Began(1.0, number, 1))
        value = answer.params["x"] + rng.gauss(0.0, 0.02)
        sweep.handle(Reported(1.0, number, 1, 1, 1, value))
        sweep.handle(Ended(1.0, number, 1, 0))
    return spent / ASKED * 1e6


if __name__ == "__main__":
    benchmark(__doc__, measure)
