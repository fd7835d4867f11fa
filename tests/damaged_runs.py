"""Runs that are damaged on purpose, and what is said of each: the harness of the fuzzers of stored runs."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.api.run import HyperDriveRun
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.errors import RaydriveError
from raydrive.core.records import Began, Fact, Noted, Started
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import sampler_of
from raydrive.core.views.heartbeat import dump_heartbeat
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.runtime.simulated import SimulatedRunner
from raydrive.storage.journal.compaction import compact, prune_segments
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import open_history

SLOW_S = 10.0


def recorded(storage: Path, *, compacted: bool = False, trials: int = 6, name: str = "0001") -> RunLayout:
    """A finished run as a driver leaves it: three epochs, stopped trials, notices; perhaps a snapshot."""
    layout = RunLayout.create(storage, "fuzz", f"fuzz-20261128-120000-{name}")
    config = RunConfig(
        experiment="fuzz",
        metric=Metric(name="score", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1), "kind": choice("a", "b")}),
        policy=BanditPolicy(slack_amount=0.2, delay_evaluation=2),
        limits=Limits(max_total_runs=trials, max_concurrent_runs=2),
        trial=TrialSpec(kind="function"),
        seed=7,
    )
    layout.write_config(json.dumps(config.to_json(), indent=1).encode())
    sweep = Sweep(config)
    facts: Iterator[Fact] = iter(())
    runner = SimulatedRunner(lambda number, params: ((1.0, params["x"] + k / 100) for k in range(5)))
    for epoch in (1, 2, 3):
        with JournalWriter.open(layout.journal, roll_bytes=3000) as writer:
            loop = DecisionLoop(sweep, sampler_of(config), runner, writer, lambda: runner.now)
            loop.take([Started(runner.now, epoch)])
            if compacted and epoch == 3 and writer.settled is not None:
                compact(layout.journal, writer.settled)
                prune_segments(layout.journal)
            facts = runner.facts(lambda: sweep.due_at) if epoch == 1 else facts
            for fact in facts:
                loop.take([fact])
                if isinstance(fact, Began):
                    loop.take([Noted(runner.now, fact.trial, fact.attempt, "a notice")])
                if epoch < 3 and len(sweep.trials) > trials * epoch // 3:
                    break
    entries = sum(1 for _ in JournalReader(layout.journal).read())
    layout.write_driver(dump_heartbeat({"state": "Completed", "at": time.time(), "epoch": 3, "entries": entries}))
    return layout


def everything(folder: Path) -> tuple[str, list[str]]:
    """What a reader gets of a run, as text, and what it is told is wrong with it."""
    run = HyperDriveRun.open(str(folder))
    stands = run.reader.status()
    rows = json.dumps([dict(row) for row in run.rows()], default=str)
    story = open_history(RunLayout.open(str(folder)))
    head = Documents(story).head(now=1e9)
    shown = json.dumps([head["counts"], head["best"], head["rises"]], default=str)
    facts = repr([(fact.trial, fact.interval, fact.value) for fact in run.reports()])
    told = [*run.notices, *head["notices"], head["trouble"] or ""]
    return f"{stands.state}\n{stands.summary.best}\n{rows}\n{shown}\n{facts}", [text for text in told if text]


@dataclass
class Tally:
    """What became of the cases of one kind."""

    cases: int = 0
    harmless: int = 0
    """Nothing that is shown has changed."""
    told: int = 0
    """Something has, and the reader is told so or gets an error that says what is damaged."""
    silent: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        return [*self.silent, *self.tracebacks, *self.hangs]

    def row(self) -> str:
        counts = (self.cases, self.harmless, self.told, len(self.silent), len(self.tracebacks), len(self.hangs))
        return " | ".join(map(str, counts))


def judge(tally: Tally, folder: Path, whole: str, what: str) -> None:
    """Reads a damaged run and counts what became of it."""
    tally.cases += 1
    begun = time.monotonic()
    try:
        shown, told = everything(folder)
    except RaydriveError as error:
        told, shown = [str(error)], ""
        if not told[0].strip():
            tally.silent.append(f"{what}: an error without words")
    except Exception:
        tally.tracebacks.append(f"{what}: {traceback.format_exc(limit=-3)}")
        return
    if time.monotonic() - begun > SLOW_S:
        tally.hangs.append(what)
    if shown == whole:
        tally.harmless += 1
    elif told:
        tally.told += 1
    else:
        tally.silent.append(what)


def copies(base: Path, place: Path) -> Iterator[Path]:
    """One copy of a run after the other, in the same folder, each whole again."""
    target = place / base.parent.name / base.name
    while True:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(base, target)
        yield target


def truncations(base: Path, place: Path, step: int = 1) -> Tally:
    """Cuts the last segment at every ``step``-th byte."""
    tally, (whole, _) = Tally(), everything(base)
    segments = (path.name for path in (base / "journal").glob("e*.jsonl"))
    name = max(name for name in segments if not name.endswith("-00000000.jsonl"))
    size = (base / "journal" / name).stat().st_size
    for length, folder in zip(range(0, size, step), copies(base, place), strict=False):
        os.truncate(folder / "journal" / name, length)
        judge(tally, folder, whole, f"{name} cut at {length} of {size}")
    return tally


def flips(base: Path, place: Path, pattern: str, count: int, seed: int) -> Tally:
    """Flips one bit of one of the files that match, ``count`` times."""
    tally, (whole, _), chance = Tally(), everything(base), random.Random(seed)
    files = sorted(path.relative_to(base) for path in base.glob(pattern) if path.is_file() and path.stat().st_size)
    weights = [(base / path).stat().st_size for path in files]
    for _, folder in zip(range(count), copies(base, place), strict=False):
        path = chance.choices(files, weights)[0]
        data = bytearray((folder / path).read_bytes())
        at, bit = chance.randrange(len(data)), chance.randrange(8)
        data[at] ^= 1 << bit
        (folder / path).write_bytes(data)
        judge(tally, folder, whole, f"bit {bit} of byte {at} of {path}")
    return tally


def holes(base: Path, place: Path, count: int, seed: int) -> Tally:
    """Puts zeros, or another page of the same file, in place of a piece of a segment."""
    tally, (whole, _), chance = Tally(), everything(base), random.Random(seed)
    files = sorted(path.relative_to(base) for path in base.glob("journal/*") if path.is_file())
    for _, folder in zip(range(count), copies(base, place), strict=False):
        path = chance.choice(files)
        data = bytearray((folder / path).read_bytes())
        at, size = chance.randrange(len(data)), chance.choice((1, 7, 8, 64, 512, 4096))
        size = min(size, len(data) - at)
        source = chance.randrange(len(data) - size + 1)
        data[at : at + size] = bytes(size) if chance.random() < 0.7 else data[source : source + size]
        (folder / path).write_bytes(data)
        judge(tally, folder, whole, f"{size} bytes at {at} of {path}")
    return tally


def missing_files(base: Path, place: Path) -> Tally:
    """Deletes, empties and exchanges each file."""
    tally, (whole, _) = Tally(), everything(base)
    files = sorted(path.relative_to(base) for path in base.rglob("*") if path.is_file())
    cases = [(path, how) for path in files for how in ("deleted", "emptied", "exchanged", "a folder")]
    for (path, how), folder in zip(cases, copies(base, place), strict=False):
        other = files[(files.index(path) + 1) % len(files)]
        content = (folder / other).read_bytes()
        (folder / path).unlink()
        if how == "emptied":
            (folder / path).write_bytes(b"")
        elif how == "exchanged":
            (folder / path).write_bytes(content)
        elif how == "a folder":
            (folder / path).mkdir()
        judge(tally, folder, whole, f"{path} {how}")
    return tally


ODD = (None, True, -1, 0, 1e308, "x", "", [], {}, [1], {"a": 1}, 10**30, "\ud800", float("nan"))


def mutations(base: Path, place: Path, name: str, count: int, seed: int) -> Tally:
    """Gives a value somewhere in a JSON file another type, or takes it away; checksums are left out, as of old runs."""
    tally, chance = Tally(), random.Random(seed)
    for _, folder in zip(range(count), copies(base, place), strict=False):
        content = json.loads((folder / name).read_bytes())
        content.pop("checksum", None)
        owner, key = _place_in(content, chance)
        what = "nothing"
        if chance.random() < 0.2:
            del owner[key]
        else:
            what = chance.choice(ODD)
            owner[key] = what
        (folder / name).write_text(json.dumps(content))
        tally.cases += 1
        try:
            everything(folder)
        except RaydriveError:
            tally.told += 1
        except Exception:
            tally.tracebacks.append(f"{name}: {key} = {what!r}: {traceback.format_exc(limit=-3)}")
        else:
            tally.harmless += 1
    return tally


def _place_in(content: object, chance: random.Random) -> tuple[object, object]:
    places: list[tuple[object, object]] = []

    def walk(node: object) -> None:
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(content)
    return chance.choice(places)


def kinds(tally: Tally) -> Counter[str]:
    """The last line of each traceback, for a summary."""
    return Counter(text.strip().splitlines()[-1] for text in tally.tracebacks)
