"""What a user asks of a run that has no driver: recorded at once, and carried out by the next one."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from driver_helpers import a_driver_run, recorded, report, started
from trial_actor_helpers import until

from raydrive import BanditPolicy, HyperDriveRun, choice, uniform
from raydrive.cli.app import run as run_command
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.errors import ClusterError, ConfigError, RaydriveError
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.user_facts import Annotated, Edited
from raydrive.core.views.heartbeat import dump_heartbeat, parse_heartbeat
from raydrive.runtime.driver import running_driver
from raydrive.storage.journal import between_drivers
from raydrive.storage.journal.between_drivers import newest_epoch, record_request
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.storage.run_reader import RunReader
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import check_journal


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_driver, "LINGER_S", 0.0)


@pytest.fixture
def clock_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of a run without a driver is asked an hour later."""
    monkeypatch.setattr(between_drivers, "time", SimpleNamespace(time=lambda: time.time() + 3600.0))


def a_config(**limits: Any) -> RunConfig:
    space = {"x": uniform(0, 1), "y": choice(1, 2)}
    return replace(
        function_config((0,)),
        sampling=RandomParameterSampling(space, seed=1),
        limits=Limits(**{"max_total_runs": 6, "max_concurrent_runs": 2, "first_failures": 0, **limits}),
    )


async def trial_ends(driver: Any, pool: Any, trial: int, epoch: int, exit_code: int = 0, attempt: int = 1) -> None:
    await until(lambda: (trial, attempt) in [(one.trial, one.attempt) for one in pool.launched])
    pool.begin(trial, attempt=attempt)
    await driver.report(trial, attempt, epoch, [report(1, 0.5)])
    pool.end(trial, exit_code, attempt=attempt)


def test_an_interrupted_run_is_changed_and_goes_on_as_changed(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config())

    async def first() -> None:
        async with started(layout) as (driver, pool):
            await trial_ends(driver, pool, 0, 1, exit_code=1)
            await until(lambda: pool.closed == [0])

    asyncio.run(first())
    run = HyperDriveRun.open(layout.uri)
    assert run.get_status() == "Interrupted"
    answer = run.edit(max_concurrent_runs=3, policy=BanditPolicy(slack_factor=0.2))
    assert answer.effect == f"when the run is resumed: raydrive resume {run.id}"
    assert run.revision == answer.revision == 1
    run.add_trials([{"x": 0.25, "y": 2}])
    run.add_trials([{"x": 0.75}], like=1)
    assert run.retry(failed=True).recorded == ("trial 0 is tried again, from its start",)
    run.pause(why="until tomorrow")
    assert run.note("changed", tags={"by": "ada"}).effect == "now"
    assert run.unpause().recorded[0] == "the run continues"
    space = {**run.config.sampling.space.expressions, "y": choice(1, 2, 3)}
    assert run.edit(space=space, expect_revision=1, dry_run=True).recorded == (
        "search_space.y: choice(1, 2) -> choice(1, 2, 3)",
    )
    with pytest.raises(ConfigError, match="found 0, but the run has revision 1"):
        run.edit(space=space, expect_revision=0)
    run.edit(space=space)
    assert run.config.policy == BanditPolicy(slack_factor=0.2)

    async def second() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.adopted) == 3)
            assert (0, 2) in pool.adopted  # tried again: decided when it was asked for, carried out by this driver
            epoch = RunReader.open(layout).sweep.epoch
            pool.begin(1)
            await driver.report(1, 1, epoch, [report(1, 0.5)])
            pool.end(1)
            await until(lambda: [one.params["x"] for one in pool.launched] == [0.25])

    asyncio.run(second())
    sweep = RunReader.open(layout).sweep
    assert next(trial for trial in sweep.trials if trial.origin == "given").params["x"] == 0.25
    assert sweep.limits.max_concurrent_runs == 3
    check_journal(a_config(), JournalReader(layout.journal).read_lines())


def test_a_run_that_is_over_goes_on_with_what_was_asked_since(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config(max_total_runs=2))

    async def to_its_end() -> None:
        async with started(layout) as (driver, pool):
            await trial_ends(driver, pool, 0, 1)
            await trial_ends(driver, pool, 1, 1, exit_code=1)
            await until(lambda: bool(pool.finished))

    asyncio.run(to_its_end())
    run = HyperDriveRun.open(layout.uri)
    assert run.get_status() == "Completed"
    with pytest.raises(ConfigError, match="found a run that has ended"):
        run.pause()
    run.retry(1)
    assert run.get_status() == "Completed"

    async def again() -> None:
        async with started(layout) as (driver, pool):
            epoch = RunReader.open(layout).sweep.epoch
            await trial_ends(driver, pool, 1, epoch, attempt=2)
            await until(lambda: bool(pool.finished))

    asyncio.run(again())
    assert [one.get_status() for one in HyperDriveRun.open(layout.uri).get_children()] == ["Completed", "Completed"]


def test_a_driver_that_starts_meanwhile_is_not_shut_out(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config())
    run = RunReader.open(layout)
    epoch = newest_epoch(layout.journal)
    with JournalWriter.open(layout.journal) as writer:  # the driver
        with pytest.raises(RaydriveError, match=r"a driver of run .* has just started, and nothing was recorded"):
            record_request(run, {"do": "note", "text": "too late"}, epoch)
        writer.check()  # goes on to write
    assert recorded(layout) == []


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config())
    run = RunReader.open(layout)
    with pytest.raises(ConfigError):
        record_request(run, {"do": "retry", "trials": [9]}, newest_epoch(layout.journal))
    assert newest_epoch(layout.journal) == 0
    record_request(run, {"do": "note", "text": "first"}, 0)
    assert [fact.text for fact in recorded(layout, Annotated)] == ["first"]


def test_a_driver_that_is_silent_may_be_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = a_driver_run(tmp_path, a_config())

    async def main() -> None:
        async with started(layout) as (_, pool):
            await until(lambda: len(pool.launched) == 2)

    asyncio.run(main())
    raw = RunReader.open(layout).heartbeat().to_json()
    layout.write_driver(dump_heartbeat({**raw, "state": "Running", "at": 1.0}))
    monkeypatch.setattr("raydrive.api.user_requests.steer.surely_gone", lambda address: False)
    monkeypatch.setattr("raydrive.core.views.status.SILENT_S", 0.0)
    run = HyperDriveRun.open(layout.uri)
    if run.get_status() != "NotResponding":
        pytest.fail(f"the run is {run.get_status()}")
    with pytest.raises(ClusterError, match="a driver that does not respond but may be alive"):
        run.edit(max_total_runs=9)
    assert recorded(layout, Edited) == []


async def two_trials_begin(layout: Any) -> None:
    async with started(layout) as (driver, pool):
        await until(lambda: len(pool.launched) == 2)
        for number in (0, 1):
            pool.begin(number)
        await driver.report(0, 1, 1, [report(1, 0.5)])


@pytest.mark.usefixtures("clock_of_runs")
def test_an_interrupted_run_that_is_canceled_is_over_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = a_driver_run(tmp_path, a_config())
    asyncio.run(two_trials_begin(layout))
    run = HyperDriveRun.open(layout.uri)
    elapsed_s = run.reader.status().summary.elapsed_s
    assert run_command(["cancel", layout.uri, "1", "--reason", "no use"]) == 0
    assert run.get_child(1).get_status() == "Canceled"
    assert run.get_child(1).why == "no use"
    assert run.get_status() == "Interrupted"
    assert run.cancel_trial(1) is False
    capsys.readouterr()
    assert run_command(["cancel", layout.uri, "-o", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["recorded"], answer["effect"]) == (["the run is being canceled"], "now")
    assert run.get_status() == "Canceled"
    assert [one.get_status() for one in run.get_children()] == ["Canceled", "Canceled"]
    assert run.reader.status().summary.elapsed_s == pytest.approx(elapsed_s, abs=0.5)
    assert parse_heartbeat(layout.read_driver()).state == "Canceled"  # lists of runs look there
    check_journal(a_config(), JournalReader(layout.journal).read_lines())
    assert run_command(["cancel", layout.uri]) == 0
    told = capsys.readouterr().err
    assert told.startswith("Note: the run had already ended: Canceled, canceled by ")
    assert "Nothing was recorded." in told
    with pytest.raises(ConfigError, match="TRIAL: found 9; allowed: the number of a trial: 0 to 1"):
        run.cancel_trial(9)


@pytest.mark.usefixtures("clock_of_runs")
def test_the_time_of_a_run_stands_still_while_nobody_works_on_it(tmp_path: Path) -> None:
    """Whatever users ask meanwhile: limits of time and budgets count training only."""
    layout = a_driver_run(tmp_path, a_config())
    asyncio.run(two_trials_begin(layout))
    run = HyperDriveRun.open(layout.uri)
    elapsed_s = run.reader.status().summary.elapsed_s
    run.note("an hour later")
    run.edit(max_concurrent_runs=3)
    assert run.reader.status().summary.elapsed_s == pytest.approx(elapsed_s, abs=0.5)

    async def again() -> None:
        async with started(layout) as (_, pool):
            await until(lambda: len(pool.adopted) == 2)

    asyncio.run(again())
    sweep = RunReader.open(layout).sweep
    assert sweep.elapsed_s(sweep.last_at) < 60.0
