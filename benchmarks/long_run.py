"""A run of 10,000 trials with 100 reports each: its size on disk, how long it takes to be read, and to be gone on with.

The run folder is what a driver leaves: configuration, code, and a journal that was written by the real writer, 200
facts at a time, and compacted by the driver's own code every 16 MB; only the trials were simulated. Counted is

- reading the journal into a judge that can go on: as it is on disk (a snapshot and the lines after it), and the same
  entries one by one;
- ``raydrive resume RUN --max-total-trials`` with four more trials to do, from storage alone: from the start of the
  command, which starts an embedded Ray, to the moment the driver has taken over, and to the end of the first new trial;
- bytes of the run's folder, before that.

Beside it Ray Tune (actors reused), at the size it manages in minutes: ``--tune-trials``, as many values each.

    python benchmarks/long_run.py --peers-python .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import Figure, Say, benchmark, facts_of, peer
from scale import REPORTS, curves

if TYPE_CHECKING:
    from raydrive.core.config.run_config import RunConfig
    from raydrive.storage.run_layout import RunLayout

MORE = 4
AT_ONCE = 100
TURN = 200


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    trials = 1_000 if options.quick else 10_000
    what, key = f"{trials:,} trials x {REPORTS} reports", f"long_run.{trials}"
    with tempfile.TemporaryDirectory() as storage:
        layout, lines = written(storage, trials)
        say(Figure(f"{key}.bytes", f"{what}: run folder", [size_of(layout, "") / 1e6], "MB"))
        say(Figure(f"{key}.lines", f"{what}: its entries as lines", [lines / 1e6], "MB"))
        say(Figure(f"{key}.blocks", f"{what}: read as it is on disk", [reading(layout, trials, "read_blocks")], "s"))
        say(Figure(f"{key}.entries", f"{what}: read entry by entry", [reading(layout, trials, "read")], "s"))
        over, ended = resumed(layout, storage, trials)
        say(Figure(f"{key}.over", f"{what}: raydrive resume, driver in charge after", [over], "s"))
        say(Figure(f"{key}.ended", f"{what}: raydrive resume, first trial ends after", [ended], "s"))
    if options.peers_python:
        count = 100 if options.quick else options.tune_trials
        tune = peer(options.peers_python, "_tune_peer.py", "restore", count, REPORTS)
        what = f"Ray Tune, {count:,} trials x {REPORTS} reports, half done"
        say(Figure(f"long_run.tune{count}.s", f"{what}: restore, first trial ends after", [tune["s"]], "s"))
        say(Figure(f"long_run.tune{count}.bytes", f"{what}: folder", [tune["bytes"] / 1e6], "MB"))


def train(params: dict[str, Any]) -> None:
    """What the trials that come after the simulated ones do."""
    from raydrive import Run

    run = Run.get_context()
    for number in range(REPORTS):
        run.log("accuracy", number / REPORTS)


def config_of(trials: int) -> RunConfig:
    """A run of function trials, with the search space of ``scale.py``."""
    from scale import SPACE

    from raydrive import HyperDriveConfig, RandomParameterSampling, Resources

    return HyperDriveConfig(
        RandomParameterSampling(SPACE),
        "accuracy",
        "maximize",
        trials,
        AT_ONCE,
        run_config=train,
        seed=0,
        resources=Resources(cpus=0.5),
    ).config


def written(storage: str, trials: int) -> tuple[RunLayout, int]:
    """Returns a finished run whose trials were simulated, and the bytes of its entries as lines."""
    from raydrive.api.submit.packaging import pickle_function
    from raydrive.core.records import Started
    from raydrive.core.sweep.sweep import Sweep
    from raydrive.runtime.decision_loop import DecisionLoop
    from raydrive.runtime.simulated import SimulatedRunner
    from raydrive.storage.code_snapshot import store_function
    from raydrive.storage.journal.compaction import compact, due, prune_segments
    from raydrive.storage.journal.writer import JournalWriter
    from raydrive.storage.run_layout import RunLayout, new_run_id

    made, config = curves(), config_of(trials)
    layout = RunLayout.create(storage, "long", new_run_id("long"))
    code = store_function(layout, pickle_function(train))
    config = dataclasses.replace(config, trial=dataclasses.replace(config.trial, code_sha256=code))
    layout.write_config(json.dumps(config.to_json()).encode())
    runner, lines, looked = SimulatedRunner(lambda number, params: made[number % len(made)]), 0, 0
    runner.now = time.time() - 4 * 3600.0
    with JournalWriter.open(layout.journal) as writer:
        loop = DecisionLoop(Sweep(config, lean=True), config.sampling.build(0, True), runner, None, lambda: runner.now)
        loop.writer = writer
        for facts in chain([[Started(runner.now, writer.epoch)]], turns(runner)):
            batch = loop.judge(facts)
            loop.write(batch)
            loop.act(batch)
            lines += sum(map(len, batch.lines))
            over = loop.sweep.finished is not None  # when a driver looks once more, and less is enough
            if over or lines - looked > 1 << 20:
                looked, settled = lines, writer.settled
                if settled is not None and due(layout.journal, settled, eager=over):
                    compact(layout.journal, settled)
                    prune_segments(layout.journal)
    if loop.sweep.finished is None or loop.sweep.reports != trials * REPORTS:
        raise SystemExit(f"the simulation ended with {loop.sweep.reports:,} reports")
    return layout, lines


def turns(runner: Any) -> Iterator[list[Any]]:
    """What happens, so many facts at a time: what a driver finds in its mailbox."""
    while True:
        turn = []
        # It ends, too, when nothing more happens before what is in the turn is taken: then it goes on.
        for fact in runner.facts():
            turn.append(fact)
            if len(turn) == TURN:
                break
        if not turn:
            return
        yield turn


def size_of(layout: RunLayout, below: str) -> int:
    """Bytes in a run's folder."""
    return sum(path.stat().st_size for path in Path(layout.uri, below).rglob("*") if path.is_file())


def reading(layout: RunLayout, trials: int, how: str) -> float:
    """Seconds to read a journal into a judge."""
    from raydrive.core.sweep.sweep import Sweep
    from raydrive.storage.journal.writer import JournalReader

    config = config_of(trials)
    began = time.perf_counter()
    sweep = Sweep.replay(config, getattr(JournalReader(layout.journal), how)(), lean=True)
    took = time.perf_counter() - began
    if sweep.reports != trials * REPORTS:
        raise SystemExit(f"{sweep.reports:,} reports were read")
    return took


def resumed(layout: RunLayout, storage: str, trials: int) -> tuple[float, float]:
    """Seconds from the start of the command that goes on with a run: to its driver's first word, and a trial's end."""
    from raydrive.api.run import HyperDriveRun

    command = [str(Path(sys.executable).with_name("raydrive")), "resume", layout.run_id, "--storage", storage]
    command += ["--max-total-trials", str(trials + MORE)]
    env = {**os.environ, "RAY_ADDRESS": "", "CI": "1"}
    began = time.time()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    found = [fact for fact in facts_of(HyperDriveRun.open(layout.uri)) if fact.at > began]
    first = {kind: next(fact.at for fact in found if type(fact).__name__ == kind) for kind in ("Started", "Ended")}
    return first["Started"] - began, first["Ended"] - began


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tune-trials", type=int, default=300, help="at which size Ray Tune is measured")


if __name__ == "__main__":
    benchmark(__doc__, measure, _more)
