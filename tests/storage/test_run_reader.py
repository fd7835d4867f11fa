"""A run read from its folder: what is new, what does not count any more, and what cannot be read."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.errors import RunNotFoundError, StorageError
from raydrive.core.records import Began, Fact, Reported, Started, Suggested
from raydrive.core.records import dump as line_of
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.views.heartbeat import Heartbeat, dump_heartbeat
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import RunReader


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    layout = RunLayout.create(tmp_path, "e", "e-20261125-120000-0000")
    config = RunConfig(
        experiment="e",
        metric=Metric(name="score", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=4, max_concurrent_runs=1),
        trial=TrialSpec(kind="function"),
        seed=3,
    )
    layout.write_config(json.dumps(config.to_json()).encode())
    return layout


def write(layout: RunLayout, *facts: Fact) -> None:
    sweep = RunReader.open(layout).sweep
    with JournalWriter.open(layout.journal) as writer:
        writer.append([line_of(fact, sweep.handle(fact)) for fact in facts])


def begun(at: float) -> list[Fact]:
    return [Started(at, 1), Suggested(at, 0, {"x": 0.5}, "random"), Began(at, 0, 1)]


def test_refresh_says_whether_anything_is_new(layout: RunLayout) -> None:
    now = time.time()
    run = RunReader(layout)
    assert not run.refresh()
    write(layout, *begun(now), Reported(now, 0, 1, 1, 1, 0.5))
    assert run.refresh()
    assert (run.entries, run.sweep.reports, run.generation) == (4, 1, 0)
    assert not run.refresh()
    write(layout, Reported(now, 0, 1, 2, 2, 0.7, {"loss": 1.5}))
    assert run.refresh()
    assert run.all_metrics() == {0: {"score": [0.5, 0.7], "loss": [1.5]}}
    assert [(row["trial"], row["best"]) for row in run.rows()] == [(0, 0.7)]


def test_what_was_withdrawn_is_forgotten(layout: RunLayout) -> None:
    """A line that was read before its writer knew it to be durable does not count where a successor goes on before."""
    now = time.time()
    write(layout, *begun(now))
    (segment,) = [path for path in Path(layout.uri, "journal").glob("e*.jsonl") if b"Began" in path.read_bytes()]
    whole = segment.read_bytes()
    run = RunReader.open(layout)
    segment.write_bytes(whole[: whole.rindex(b"[", 0, -2)])  # as the successor finds it: without the last line
    write(layout, Started(now + 1, 2))
    segment.write_bytes(whole)
    assert run.refresh()
    assert (run.generation, run.entries) == (1, 3)
    assert run.sweep.trials[0].began_at is None
    assert run.sweep.epoch == 2


def test_what_is_cut_off_is_forgotten(layout: RunLayout) -> None:
    write(layout, *begun(time.time()))
    run = RunReader.open(layout)
    run.cut(2)
    assert (run.generation, run.entries, run.sweep.trials[0].began_at) == (1, 2, None)
    assert (run.status().state, run.damage) == ("Interrupted", "")
    assert RunReader.open(layout).entries == 2


def test_an_entry_that_makes_no_sense_is_not_forgotten_at_the_next_look(layout: RunLayout) -> None:
    now = time.time()
    write(layout, *begun(now))
    with JournalWriter.open(layout.journal) as writer:
        writer.append([line_of(Reported(now, 7, 1, 1, 1, 0.5), ()), line_of(Reported(now, 0, 1, 1, 1, 0.5), ())])
    run = RunReader.open(layout)
    for _ in range(3):
        run.refresh()
        assert "invalid entry" in run.damage
        assert f"raydrive resume {run.id} --up-to 3" in run.damage
        assert run.status().state == "Damaged"
        assert run.sweep.reports == 0


def test_a_heartbeat_that_cannot_be_read_is_the_one_before(layout: RunLayout) -> None:
    now = time.time()
    write(layout, *begun(now - 1000))
    layout.write_driver(dump_heartbeat({"state": "Running", "at": now, "epoch": 1, "pid": 7}))
    run = RunReader.open(layout)
    file = Path(layout.uri, "driver.json")
    file.unlink()
    file.mkdir()
    stands = run.status()
    assert (stands.state, stands.live, stands.beat.pid) == ("Running", True, 7)
    assert "driver.json" in stands.beat.trouble
    with pytest.raises(StorageError, match=r"driver\.json"):
        run.heartbeat()


def test_a_driver_is_asked_where_its_heartbeat_is_old(layout: RunLayout) -> None:
    now = time.time()
    write(layout, *begun(now - 1000))
    layout.write_driver(dump_heartbeat({"state": "Running", "at": now - 900, "epoch": 1}))
    run = RunReader.open(layout)
    assert run.status().state == "NotResponding"
    run.ask_driver = lambda asked: Heartbeat(state="Running", at=now, epoch=1, trouble=f"{asked.run_id}: disk full")
    assert run.status().state == "Running"
    assert run.heartbeat().trouble == f"{run.id}: disk full"
    run.ask_driver = lambda _: Heartbeat()
    assert run.status().state == "NotResponding"


def test_watching_ends_with_the_driver(layout: RunLayout) -> None:
    now = time.time()
    write(layout, *begun(now - 1000))
    layout.write_driver(dump_heartbeat({"state": "Interrupted", "at": now, "epoch": 1}))
    assert [summary.counts["Running"] for summary in RunReader(layout).watch(0.01)] == [1, 1]


def test_another_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match="is not a run"):
        RunReader.open(tmp_path)
