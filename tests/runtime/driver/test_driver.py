"""The driver without Ray: a fake pool of actors, a real journal."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from driver_helpers import Gate, a_driver, a_driver_run, recorded, report, reports, started, state_of
from trial_actor_helpers import until

from raydrive.core.config.trial_spec import Resources
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.errors import DamagedJournalError, StaleEpochError, StorageError
from raydrive.core.records import CANCELED, COMPLETED, Began, Cancelled, Launch, Lost, Started, Ticked
from raydrive.core.search.trial_record import Suggestion
from raydrive.runtime.driver import running_driver
from raydrive.storage.journal.writer import JournalWriter
from raydrive.testing.runners import function_config


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_driver, "LINGER_S", 0.0)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Gate]:
    """Puts a gate before the journal; to be called on the event loop."""
    append = JournalWriter.append

    def build() -> Gate:
        gate = Gate(append)
        monkeypatch.setattr(JournalWriter, "append", gate.append_of())
        return gate

    return build


def test_what_arrives_is_recorded_and_judged_in_order(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1), max_concurrent_runs=2))

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            pool.begin(0)
            pool.begin(1)
            calls = [driver.report(k % 2, 1, 1, [report(k // 2 + 1)]) for k in range(6)]
            assert await asyncio.gather(*calls) == [True] * 6
        assert reports(layout) == [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3)]
        assert [fact.trial for fact in recorded(layout, Began)] == [0, 1]

    asyncio.run(main())


def test_a_report_is_acknowledged_when_the_journal_has_it_and_not_before(
    tmp_path: Path, gate: Callable[[], Gate]
) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1), policy=BanditPolicy(slack_amount=0.1)))

    async def main() -> None:
        door = gate()
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 1)
            pool.begin(0)
            await until(lambda: bool(recorded(layout, Began)))
            door.is_open.clear()
            before = door.tries
            first = asyncio.ensure_future(driver.report(0, 1, 1, [report(1)]))
            await until(lambda: door.tries > before)
            second = asyncio.ensure_future(driver.report(0, 1, 1, [report(2)]))
            await asyncio.sleep(0.05)
            assert not first.done()
            assert reports(layout) == []
            door.is_open.set()
            assert await first
            assert reports(layout)[0] == (0, 1)
            assert await second
            assert reports(layout) == [(0, 1), (0, 2)]

    asyncio.run(main())


def test_a_decision_is_carried_out_when_the_journal_has_it_and_not_before(
    tmp_path: Path, gate: Callable[[], Gate]
) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1), policy=BanditPolicy(slack_amount=0.1)))

    async def main() -> None:
        door = gate()
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 1)
            pool.begin(0)
            await driver.report(0, 1, 1, [report(1, 1.0)])
            pool.end(0)
            await until(lambda: len(pool.launched) == 2)
            pool.begin(1)
            await until(lambda: len(recorded(layout, Began)) == 2)
            door.is_open.clear()
            before = door.tries
            call = asyncio.ensure_future(driver.report(1, 1, 1, [report(1, 0.0)]))
            await until(lambda: door.tries > before)
            assert pool.stopped == []
            door.is_open.set()
            assert not await call  # it does not go on
            await until(lambda: [stop.trial for stop in pool.stopped] == [1])

    asyncio.run(main())


def test_storage_that_fails_holds_all_up_and_loses_nothing(tmp_path: Path, gate: Callable[[], Gate]) -> None:
    layout = a_driver_run(tmp_path, function_config((0,)))

    async def main() -> None:
        door = gate()
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 1)
            pool.begin(0)
            assert await driver.report(0, 1, 1, [report(1)])
            door.fails_with, before = StorageError("the disk is full"), door.tries
            call = asyncio.ensure_future(driver.report(0, 1, 1, [report(2)]))
            await until(lambda: door.tries >= before + 2)
            trouble = (await driver.view())["trouble"]
            assert trouble.startswith("storage: the disk is full. Nothing could be recorded since ")
            assert not call.done()
            door.fails_with = None
            assert await call
            view = await driver.view()
            assert view["trouble"] == ""
            assert view["notice"].endswith("nothing was lost")
        assert reports(layout) == [(0, 1), (0, 2)]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (("gradient", 1.0, {"norm": 2.0}), "an event of the kind 'gradient'; known kinds: began, report, "),
        (("ended",), "an event of the kind 'ended' with 0 fields; known fields: at, exit_code, error"),
        (("report", 1.0), "an event of the kind 'report' with 1 fields; known fields: at, seq, "),
        ((7, 1.0), "sent (7, 1.0), which is not an event"),
        ((), "sent (), which is not an event"),
    ],
)
def test_an_unknown_event_loses_its_attempt_and_harms_no_other(
    tmp_path: Path, event: tuple[Any, ...], said: str
) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1), max_concurrent_runs=2))

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            pool.begin(0)
            pool.begin(1)
            assert not await driver.report(0, 1, 1, [report(1), event])
            ((trial, attempt, why),) = pool.lost
            assert (trial, attempt) == (0, 1)
            assert said in why
            assert why.endswith("install the same version on all nodes")
            assert await driver.report(1, 1, 1, [report(1)])
        assert reports(layout) == [(1, 1)]  # nothing of a batch that cannot be read

    asyncio.run(main())


def test_a_new_driver_replays_the_journal_takes_over_and_refuses_what_follows_the_old_one(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1, 2), max_concurrent_runs=2))

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            pool.begin(0)
            pool.begin(1)
            assert await driver.report(0, 1, 1, [report(1)])
            pool.end(1)
            await until(lambda: len(pool.launched) == 3)
            one = (await driver.view())["entries"]
        async with started(layout, max_total_runs=3) as (driver, pool):
            assert pool.epoch == 2
            assert pool.adopted == [(0, 1), (2, 1)]
            with pytest.raises(StaleEpochError, match="driver of epoch 2, not 1: wait until it adopts this actor"):
                await driver.report(0, 1, 1, [report(2)])
            assert await driver.report(0, 1, 2, [report(1), report(2)])
            assert pool.launched == []  # all that there is to do is with actors that are adopted
            assert (await driver.view())["entries"] > one
        assert reports(layout) == [(0, 1), (0, 2)]  # what comes twice is recorded once
        assert [(fact.epoch, dict(fact.limits)) for fact in recorded(layout, Started)] == [
            (1, {}),
            (2, {"max_total_runs": 3}),
        ]

    asyncio.run(main())


def test_a_report_of_an_attempt_that_is_over_is_answered_with_a_no(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1)))

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 1)
            pool.begin(0)
            pool.post([Lost(2.0, 0, 1, "its node is gone")])
            await until(lambda: [launch.attempt for launch in pool.launched] == [1, 2])
            assert not await driver.report(0, 1, 1, [report(1)])

    asyncio.run(main())


def test_the_heartbeat_has_what_trials_use_of_their_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_driver, "ASK_S", 0.01)

    async def gpu_use(gpus: float) -> dict[str, Any]:
        config = function_config((0, 1))
        trial = dataclasses.replace(config.trial, resources=Resources(gpus=gpus))
        layout = a_driver_run(tmp_path / str(gpus), dataclasses.replace(config, trial=trial))
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 1)
            found: dict[str, Any] = {}
            while gpus and not found:
                await asyncio.sleep(0.01)
                found = (await driver.view())["gpu_use"]
            return found or (await driver.view())["gpu_use"]

    assert asyncio.run(gpu_use(0.5)) == {"0": {"gpu_percent": 40.0}}
    assert asyncio.run(gpu_use(0.0)) == {}


def test_a_driver_that_was_superseded_lets_go_and_writes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1)))
    monkeypatch.setattr(running_driver, "HEARTBEAT_S", 0.05)

    async def main() -> None:
        old, pools, host = a_driver(layout)
        assert await old.start() == 1
        (pool,) = pools.made
        await until(lambda: len(pool.launched) == 1)
        pool.begin(0)
        await until(lambda: bool(recorded(layout, Began)))
        async with started(layout) as (new, _):
            await old.wait()
            assert "detach" in pool.calls
            assert "kill_all" not in pool.calls
            for call in (old.report(0, 1, 1, [report(1)]), old.steer(canceled(None, "late"))):
                with pytest.raises(StaleEpochError, match="superseded"):
                    await call
            assert "superseded" in (await old.view())["trouble"]
            assert await new.report(0, 1, 2, [report(1)])
        assert recorded(layout, Cancelled) == []
        assert not host.ended

    asyncio.run(main())


def test_a_batch_that_a_newer_driver_prevents_from_being_written_is_kept_by_who_sent_it(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1)))

    async def main() -> None:
        old, pools, _ = a_driver(layout)
        await old.start()
        await until(lambda: len(pools.made[0].launched) == 1)
        pools.made[0].begin(0)
        await until(lambda: bool(recorded(layout, Began)))
        async with started(layout) as (new, _):
            with pytest.raises(StaleEpochError):
                await old.report(0, 1, 1, [report(1)])
            assert await new.report(0, 1, 2, [report(1)])
        assert reports(layout) == [(0, 1)]

    asyncio.run(main())


def test_a_run_that_is_over_is_closed(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0,)))

    async def main() -> None:
        driver, pools, host = a_driver(layout)
        await driver.start()
        (pool,) = pools.made
        await until(lambda: len(pool.launched) == 1)
        pool.begin(0)
        await driver.report(0, 1, 1, [report(1)])
        pool.end(0)
        await asyncio.wait_for(driver.wait(), 20)
        await until(lambda: host.ended)
        assert [finish.state for finish in pool.finished] == [COMPLETED]
        assert pool.closed == [0]
        assert pool.calls[-1] == "kill_all"
        assert pool.needed[-1] == 0
        assert state_of(layout) == COMPLETED

    asyncio.run(main())


def test_an_interrupted_run_stays_open(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1)))

    async def main() -> None:
        driver, pools, host = a_driver(layout)
        await driver.start()
        (pool,) = pools.made
        await until(lambda: len(pool.launched) == 1)
        pool.begin(0)
        await driver.report(0, 1, 1, [report(1)])
        await driver.interrupt(3.0)
        await asyncio.wait_for(driver.wait(), 20)
        assert pool.calls == ["interrupt 3", "kill_all"]
        assert not host.ended
        assert state_of(layout) == "Interrupted"
        async with started(layout) as (_, pool):
            assert pool.adopted == [(0, 1)]

    asyncio.run(main())


def canceled(trial: int | None, why: str) -> dict[str, Any]:
    return {"do": "cancel", "trial": trial, "why": why}


def test_a_run_and_a_trial_can_be_cancelled_once(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1)))

    async def main() -> None:
        driver, pools, host = a_driver(layout)
        await driver.start()
        (pool,) = pools.made
        await until(lambda: len(pool.launched) == 1)
        pool.begin(0)
        assert (await driver.steer(canceled(0, "enough of this one")))["recorded"]
        await until(lambda: [(stop.trial, stop.why) for stop in pool.stopped] == [(0, "enough of this one")])
        assert (await driver.steer(canceled(None, "enough")))["recorded"]
        await until(lambda: bool(recorded(layout, Cancelled)[1:]))
        pool.end(0, -15)
        await until(lambda: host.ended)
        assert [finish.state for finish in pool.finished] == [CANCELED]
        assert not (await driver.steer(canceled(None, "again")))["recorded"]

    asyncio.run(main())


def test_a_restarted_driver_begins_by_itself_and_has_its_limits_from_the_journal(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1, 2), max_total_runs=1))

    async def main() -> None:
        async with started(layout, max_total_runs=2):
            pass
        driver, pools, _ = a_driver(layout, restarted=True, max_total_runs=2)
        await until(lambda: len(pools.made) == 1)
        assert pools.made[0].epoch == 2
        assert (await driver.view())["epoch"] == 2
        await until(lambda: len(recorded(layout, Started)) == 2)
        assert [dict(fact.limits) for fact in recorded(layout, Started)] == [{"max_total_runs": 2}, {}]
        await driver.interrupt(0)

    asyncio.run(main())


def test_a_restarted_driver_waits_for_storage_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = a_driver_run(tmp_path, function_config((0,)))
    opened, tries = JournalWriter.open, []

    def away(*arguments: Any) -> JournalWriter:
        tries.append(arguments)
        if len(tries) < 3:
            raise StorageError("the bucket does not answer")
        return opened(*arguments)

    monkeypatch.setattr(JournalWriter, "open", away)

    async def main() -> None:
        driver, pools, _ = a_driver(layout, restarted=True)
        with pytest.raises(StorageError, match="has not started yet"):
            await driver.view()
        await until(lambda: bool(pools.made) and bool(pools.made[0].launched))
        assert len(tries) == 3
        assert pools.discarded == 2
        await driver.interrupt(0)

    asyncio.run(main())


def test_a_driver_that_cannot_read_its_journal_starts_nothing_and_says_so_to_everyone(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0,)))

    async def main() -> None:
        async with started(layout) as (_, pool):
            await until(lambda: bool(pool.launched))
        journal = layout.journal.local_path
        assert journal is not None
        for segment in journal.iterdir():
            segment.unlink()  # and driver.json knows that there were entries
        driver, pools, _ = a_driver(layout, restarted=True)
        await asyncio.wait_for(driver.wait(), 20)
        for call in (driver.report(0, 1, 1, [report(1)]), driver.steer(canceled(None, "x"))):
            with pytest.raises(DamagedJournalError):
                await call
        assert pools.made == []
        assert pools.discarded == 1

    asyncio.run(main())


class Ponderer:
    """A sampler that thinks about every configuration but the first until it is let go."""

    cheap = False

    def __init__(self, fails: bool = False) -> None:
        self.begun, self.go, self.fails = threading.Event(), threading.Event(), fails

    def ask(self, number: int, history: Sequence[Any]) -> Suggestion | None:
        if self.fails:
            raise ValueError("no such thing")
        if number > 0:
            self.begun.set()
            assert self.go.wait(60)
        return Suggestion({"x": number}, "model")


def test_reports_are_judged_and_durable_while_the_sampler_thinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1), max_concurrent_runs=2))
    sampler = Ponderer()
    monkeypatch.setattr("raydrive.runtime.driver.user_classes.sampler_of", lambda config, warm_start: sampler)

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(sampler.begun.is_set)
            assert [launch.params["x"] for launch in pool.launched] == [0]
            pool.begin(0)
            for seq in range(1, 4):
                assert await driver.report(0, 1, 1, [report(seq)])
            assert reports(layout) == [(0, 1), (0, 2), (0, 3)]
            sampler.go.set()
            await until(lambda: [launch.params["x"] for launch in pool.launched] == [0, 1])

    asyncio.run(main())


def test_a_sampler_that_fails_ends_the_trials_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = a_driver_run(tmp_path, function_config((0,)))
    sampler = Ponderer(fails=True)
    monkeypatch.setattr("raydrive.runtime.driver.user_classes.sampler_of", lambda config, warm_start: sampler)

    async def main() -> None:
        driver, pools, _ = a_driver(layout)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # it is raised in a task, too
        await driver.start()
        await asyncio.wait_for(driver.wait(), 20)
        assert (await driver.view())["trouble"] == "the sampler failed: ValueError: no such thing"
        assert pools.made[0].calls == ["kill_all"]
        assert state_of(layout) == "Interrupted"

    asyncio.run(main())


def test_time_alone_is_recorded_only_where_something_comes_of_it(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, function_config((0, 1), max_duration_s=1.0))

    async def main() -> None:
        async with started(layout) as (_, pool):
            await until(lambda: len(pool.launched) == 1)
            assert isinstance(pool.launched[0], Launch)
            pool.begin(0)
            await until(lambda: [stop.trial for stop in pool.stopped] == [0])
        assert len(recorded(layout, Ticked)) == 1

    asyncio.run(main())
