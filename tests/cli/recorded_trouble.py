"""Recorded runs in which something went wrong, and the golden files of what a user reads of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raydrive.api.run import HyperDriveRun
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.records import Began, Fact, Started, Suggested, dump
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout

GOLDEN = Path(__file__).parent / "golden"
RUN = "first-20261129-120000-0001"
AT = 1_795_000_000.0
"""When the recorded runs begin, seconds since the epoch."""


def expect(name: str, text: str, **stands_for: object) -> None:
    """Compares a text with its golden file; ``GOLDEN=write`` writes the file.

    Args:
        name: The file's, without its ending.
        text: What a user reads.
        stands_for: Words of the file, in capitals, for what differs from run to run.
    """
    for word, found in stands_for.items():
        text = text.replace(str(found), word.upper())
    text = "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())
    path = GOLDEN / f"first_hour_{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text(), path


def config(trials: int = 8, metric: str = "accuracy", kind: str = "command", **limits: Any) -> RunConfig:
    """Returns a configuration whose first failures do not end the run, unless they are to."""
    return RunConfig(
        experiment="first",
        metric=Metric(name=metric, goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"lr": uniform(0, 1)}),
        limits=Limits(**{"max_total_runs": trials, "max_concurrent_runs": 4, "first_failures": 0, **limits}),
        trial=TrialSpec(kind=kind, command="python train.py"),
        seed=0,
    )


def begun(*trials: int) -> list[Fact]:
    """Returns the facts of a driver that has started some trials."""
    facts: list[Fact] = [] if trials and trials[0] else [Started(AT, 1)]
    for number in trials:
        facts += [
            Suggested(AT + number, number, {"lr": (number + 1) / 8}, "random"),
            Began(AT + number, number, 1, "node", 100 + number),
        ]
    return facts


def sweep_of(run_config: RunConfig, facts: Sequence[Fact]) -> tuple[Sweep, list[str]]:
    """Returns the sweep that these facts lead to, and the lines of its journal."""
    sweep, lines = Sweep(run_config), list[str]()
    for fact in facts:
        assert sweep.accepts(fact), fact
        lines.append(dump(fact, sweep.handle(fact)))
    return sweep, lines


def recorded(
    storage: Path, run_config: RunConfig, facts: Sequence[Fact], logs: dict[int, str] | None = None
) -> HyperDriveRun:
    """Returns a run whose journal holds these facts and what the judge decided, with logs by trial."""
    layout = RunLayout.create(str(storage), "first", RUN)
    layout.write_config(json.dumps(run_config.to_json()).encode())
    with JournalWriter.open(layout.journal) as writer:
        writer.append(sweep_of(run_config, facts)[1])
    for number, text in (logs or {}).items():
        folder = Path(layout.trial(number).uri.removeprefix("file://")) / "attempt-1"
        folder.mkdir(parents=True)
        (folder / "log.txt").write_text(text)
    return HyperDriveRun.open(layout.uri)
