"""A driver without Ray for tests: the pool it launches in, the actor it runs in, storage that fails on demand."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import StorageError
from raydrive.core.records import Began, Close, Ended, Fact, Finish, Launch, Reported, Stop
from raydrive.core.sweep.state import Trial
from raydrive.runtime.driver.driver import Driver
from raydrive.storage.journal.writer import JournalReader
from raydrive.storage.run_layout import RunLayout, new_run_id


class FakePool:
    """A pool whose attempts do what the test says; it keeps what it is asked for."""

    def __init__(
        self,
        config: RunConfig,
        epoch: int,
        post: Callable[[Sequence[Fact]], Any],
        record: Callable[[Sequence[Fact]], Awaitable[None]],
        generation: int = 0,
    ) -> None:
        self.epoch = epoch
        self.generation = generation
        """Revision of the edit that its trials run with."""
        self.post = post
        self.record = record
        self.launched: list[Launch] = []
        self.stopped: list[Stop] = []
        self.closed: list[int] = []
        self.finished: list[Finish] = []
        self.adopted: list[tuple[int, int]] = []
        self.lost: list[tuple[int, int, str]] = []
        self.needed: list[int] = []
        self.calls: list[str] = []
        """Which of the other calls came, in order."""

    def launch(self, launch: Launch) -> None:
        self.launched.append(launch)

    def stop(self, stop: Stop) -> None:
        self.stopped.append(stop)

    def close(self, close: Close) -> None:
        self.closed.append(close.trial)

    def finish(self, finish: Finish) -> None:
        self.finished.append(finish)

    def adopt(self, trials: Sequence[Trial]) -> None:
        self.adopted += [(trial.number, trial.attempt) for trial in trials]

    def trim(self, needed: int) -> None:
        self.needed.append(needed)

    def reconfigure(self, config: RunConfig, generation: int) -> None:
        self.generation = generation
        self.calls.append(f"reconfigure {config.trial.resources.cpus:g}")

    def renew(self) -> None:
        self.calls.append("renew")

    def waiting(self) -> dict[int, str]:
        return {}

    async def gpu_use(self) -> dict[int, dict[str, float]]:
        return {launch.trial: {"gpu_percent": 40.0 + launch.trial} for launch in self.launched}

    def lose(self, trial: int, attempt: int, why: str) -> None:
        self.lost.append((trial, attempt, why))

    def interrupt(self, grace_s: float) -> list[Any]:
        self.calls.append(f"interrupt {grace_s:g}")
        return []

    def kill_all(self) -> None:
        self.calls.append("kill_all")

    def detach(self) -> None:
        self.calls.append("detach")

    def begin(self, trial: int, attempt: int = 1) -> None:
        """The training process of an attempt runs."""
        self.post([Began(time.time(), trial, attempt, "node", 1, "", f"actor-{trial}")])

    def end(self, trial: int, exit_code: int = 0, attempt: int = 1) -> None:
        """It is gone."""
        self.post([Ended(time.time(), trial, attempt, exit_code)])


class FakePools:
    """Makes the pools of the drivers of a run, one after the other."""

    def __init__(self) -> None:
        self.made: list[FakePool] = []
        self.discarded = 0

    def make(self, *arguments: Any) -> FakePool:
        self.made.append(FakePool(*arguments))
        return self.made[-1]

    def discard(self) -> None:
        self.discarded += 1


@dataclasses.dataclass
class FakeHost:
    """The actor of a driver."""

    name: str = "driver"
    address: str = "127.0.0.1:6379"
    was_restarted: bool = False
    ended: bool = False

    def end(self) -> None:
        self.ended = True


def a_driver_run(folder: Path, config: RunConfig) -> RunLayout:
    layout = RunLayout.create(folder / "storage", config.experiment, new_run_id(config.experiment))
    layout.write_config(json.dumps(config.to_json()).encode())
    return layout


def a_driver(layout: RunLayout, *, restarted: bool = False, **limits: Any) -> tuple[Driver, FakePools, FakeHost]:
    pools, host = FakePools(), FakeHost(was_restarted=restarted)
    return Driver(layout.uri, limits, pools, host), pools, host


@asynccontextmanager
async def started(layout: RunLayout, **limits: Any) -> AsyncIterator[tuple[Driver, FakePool]]:
    """A driver in charge; interrupted at the end, so that nothing of it goes on."""
    driver, pools, _ = a_driver(layout, **limits)
    await driver.start()
    try:
        yield driver, pools.made[0]
    finally:
        await driver.interrupt(0)


def recorded(layout: RunLayout, kind: type[Any] | None = None) -> list[Any]:
    """The facts in the journal, of a class or all."""
    return [fact for fact, _ in JournalReader(layout.journal).read() if kind is None or isinstance(fact, kind)]


def reports(layout: RunLayout) -> list[tuple[int, int]]:
    """Trial and seq of each report in the journal."""
    return [(fact.trial, fact.seq) for fact in recorded(layout, Reported)]


def state_of(layout: RunLayout) -> str:
    """The state in the driver's heartbeat."""
    return str(json.loads(layout.folder.read_bytes("driver.json"))["state"])


def report(seq: int, value: float | None = 0.5, at: float | None = None) -> tuple[Any, ...]:
    """A report as a trial actor sends it."""
    return ("report", time.time() if at is None else at, seq, seq, value, {}, None, {})


class Gate:
    """Stands before the journal: holds writing up, or has it fail, as a storage does that is away."""

    def __init__(self, append: Callable[[Any, Sequence[str]], None]) -> None:
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.fails_with: StorageError | None = None
        self.tries = 0
        self._append = append
        self._loop = asyncio.get_running_loop()

    def append_of(self) -> Callable[[Any, Sequence[str]], None]:
        """Returns what stands in the place of ``JournalWriter.append``, and runs in the journal's thread."""

        def append(writer: Any, lines: Sequence[str]) -> None:
            self.tries += 1
            if self.fails_with is not None:
                raise self.fails_with
            asyncio.run_coroutine_threadsafe(self.is_open.wait(), self._loop).result(20)
            self._append(writer, lines)

        return append
