"""What fuzzers have in common: the run that they ask about, and what they count."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.runtime.simulated import simulate
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout


@dataclass
class Count:
    """What a fuzzer has seen."""

    cases: int = 0
    refused: int = 0
    tracebacks: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)


def recorded(storage: Path) -> RunLayout:
    """A run of three trials, over, without a cluster."""
    config = RunConfig(
        experiment="fuzz",
        metric=Metric(name="acc", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"lr": uniform(0, 1)}),
        limits=Limits(max_total_runs=3, max_concurrent_runs=3),
        trial=TrialSpec(kind="command", command="python train.py"),
        seed=1,
    )
    layout = RunLayout.create(storage, "fuzz", "fuzz-20261119-120000-abcd")
    layout.write_config(json.dumps(config.to_json()).encode())
    with JournalWriter.open(layout.journal) as writer:
        simulate(config, lambda number, params: [(1.0, 0.5)], writer=writer)
    return layout
