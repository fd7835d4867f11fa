"""What a trial logs on its way to a driver that does not take it, and what no driver could take."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from test_actor import Driver, a_run, an_actor, numbers, until

from raydrive.context import Run
from raydrive.core import records
from raydrive.core.errors import StaleEpochError, StorageError
from raydrive.runtime.trial_actor import event_delivery
from raydrive.runtime.trial_events import to_facts


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_delivery, "AGAIN_S", 0.01)


class Refusing(Driver):
    """A driver whose ``report`` fails until ``open`` is set; ``at_once`` = the call cannot even be made."""

    def __init__(self, error: Exception, *, at_once: bool = False) -> None:
        super().__init__()
        self.error = error
        self.at_once = at_once
        self.calls = 0

    def remote(self, trial: int, attempt: int, epoch: int, batch: Sequence[Any]) -> asyncio.Future[bool]:
        if self.open.is_set():
            return super().remote(trial, attempt, epoch, batch)
        self.calls += 1
        if self.at_once:
            raise self.error

        async def answer() -> bool:
            raise self.error

        return asyncio.ensure_future(answer())


def raised(error: Exception) -> Exception:
    """An error that a method of the driver raised, as its caller gets it."""
    wrapped: Any = RayTaskError("Driver.report", "Traceback", error)
    return wrapped.as_instanceof_cause()  # type: ignore[no-any-return]


def log_for_ever(params: dict[str, Any]) -> None:
    while True:
        Run.get_context().log("score", 1.0)
        time.sleep(0.02)


@pytest.mark.parametrize(
    "driver",
    [
        lambda: Refusing(raised(TypeError("not serializable"))),
        lambda: Refusing(raised(RecursionError("too deep"))),
        lambda: Refusing(RecursionError("too deep to be sent"), at_once=True),
    ],
)
def test_what_a_driver_refuses_by_an_error_of_its_own_fails_the_attempt(
    tmp_path: Path, driver: Callable[[], Refusing]
) -> None:
    async def main() -> None:
        refusing = driver()
        async with an_actor(*a_run(tmp_path, log_for_ever), refusing) as actor:
            events = await asyncio.wait_for(actor.run(1, 0, 1, {}, None, 0), 60)
            (event,) = events
            assert (event[0], event[2]) == ("ended", None)
            assert "what it logged cannot be recorded" in event[3]
            assert str(refusing.error) in event[3]
            # The next one, whose driver takes what it logs, is not harmed.
            refusing.open.set()
            result = asyncio.ensure_future(actor.run(1, 1, 1, {}, None, 0))
            await until(lambda: bool(numbers(refusing.events)))
            await actor.stop(1, 1, 1, 5.0)
            assert (await result)[-1][2] == -15

    asyncio.run(main())


@pytest.mark.parametrize(
    "error",
    [raised(StaleEpochError("not adopted yet")), raised(StorageError("the disk is away")), ActorDiedError()],
)
def test_a_driver_that_is_away_is_waited_for(tmp_path: Path, error: Exception) -> None:
    done = tmp_path / "done"

    def train(params: dict[str, Any]) -> None:
        for k in range(20):
            Run.get_context().log("score", k)
        while not done.exists():
            time.sleep(0.01)

    async def main() -> None:
        driver = Refusing(error)
        async with an_actor(*a_run(tmp_path, train), driver) as actor:
            result = asyncio.ensure_future(actor.run(1, 0, 1, {}, None, 0))
            await until(lambda: driver.calls > 2 * event_delivery.MOST_REFUSALS)
            driver.open.set()
            await until(lambda: len(numbers(driver.events)) == 20)
            done.touch()
            events = await asyncio.wait_for(result, 30)
            assert (events[-1][0], events[-1][2]) == ("ended", 0)

    asyncio.run(main())


LINES = [
    b'{"m":{"score":' + b"[" * 900 + b"]" * 900 + b"}}",
    b'{"m":{"score":0.5,"x":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b'},"t":NaN}',
    b'{"m":{"score":0.5},"t":1e999,"tags":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"state":"Failed","why":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"checkpoint":' + b"[" * 900 + b"]" * 900 + b"}",
    b"[" * 100_000,
    b'{"m":{"score":0.5,"\\ud800":"\\udfff"}}',
    b'{"m":{"score":' + b"1" * 4000 + b"}}",
    b'{"m":{"score":' + b"1" * 400_000 + b"}}",
    b'{"m":{"score":0.5},"s":' + b"9" * 400 + b"}",
]


def test_whatever_a_trial_says_its_end_can_be_told(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(os.environ["RAYDRIVE_CHANNEL"])
            for line in LINES:
                connection.sendall(line + b"\n")
        Run.get_context().log("score", 2.0)

    async def main() -> None:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, train), driver) as actor:
            rest = await asyncio.wait_for(actor.run(1, 0, 1, {}, None, 0), 60)
            events = list({repr(event): event for event in [*driver.events, *rest]}.values())  # sent twice, perhaps
            pickle.loads(pickle.dumps(events))
            for fact in to_facts(0, 1, events):
                assert records.load(records.dump(fact, ())) == (fact, ())
            assert (events[-1][0], events[-1][2]) == ("ended", 1)  # it said that it failed
            values = [event[4] for event in events if event[0] == "report" and event[3]]
            assert sorted(values) == [0.5, 0.5, 0.5, 0.5, 2.0, float("inf")]  # two connections: in any order
            now = time.time()
            assert all(now - 120 < event[1] < now + 120 for event in events)
            notices = [event[2] for event in events if event[0] == "note"]
            assert len(notices) == len(set(notices)) > 4

    asyncio.run(main())
