"""A trial actor without Ray for tests, the driver it reports to, and what came of an attempt."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cloudpickle
from waiting import async_wait_until

from raydrive.core.config.run_config import RunConfig
from raydrive.core.reports.attempt_reports import ReportEvent
from raydrive.runtime.trial_actor.actor import TrialSupervisor
from raydrive.runtime.trial_actor.attempt_run import AttemptRun
from raydrive.runtime.trial_events import EndedEvent, LostEvent, NoteEvent, TrialEvent, WireEvent, unpack
from raydrive.storage.code_snapshot import store_function
from raydrive.storage.run_layout import RunLayout, new_run_id
from raydrive.testing.runners import function_config


class Driver:
    """Stands for the handle of one: confirms batches while ``open`` is set, and keeps their events."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.open = asyncio.Event()
        if is_open:
            self.open.set()
        self.events: list[TrialEvent] = []
        self.report = self  # handle.report.remote(...)

    def remote(self, trial: int, attempt: int, epoch: int, batch: Sequence[WireEvent]) -> asyncio.Future[bool]:
        events = unpack(batch)

        async def answer() -> bool:
            await self.open.wait()
            self.events += events
            return True

        return asyncio.ensure_future(answer())


def a_run(tmp_path: Path, function: Callable[[dict[str, Any]], object], **trial: Any) -> tuple[RunLayout, RunConfig]:
    layout = RunLayout.create(tmp_path / "storage", "contract", new_run_id("contract"))
    config = function_config()
    sha256 = "" if trial.get("command") else store_function(layout, cloudpickle.dumps(function))
    config = dataclasses.replace(config, trial=dataclasses.replace(config.trial, code_sha256=sha256, **trial))
    layout.write_config(json.dumps(config.to_json()).encode())
    return layout, config


@asynccontextmanager
async def an_actor(layout: RunLayout, config: RunConfig, driver: Driver) -> AsyncIterator[TrialSupervisor]:
    actor = TrialSupervisor(layout.uri, layout.run_id, config.to_json(), driver, 1, "slot")
    try:
        yield actor
    finally:
        await actor.close()


async def until(condition: Callable[[], bool]) -> None:
    """Waits until a condition of the actor or of its driver holds."""
    await async_wait_until(condition, "what the trial actor does next")


async def attempt_of(actor: TrialSupervisor, trial: int = 0) -> AttemptRun:
    """The attempt of a trial, once the actor has it."""
    await until(lambda: actor.attempt is not None and actor.attempt.events.trial == trial)
    assert actor.attempt is not None
    return actor.attempt


def once(*parts: Iterable[TrialEvent]) -> list[TrialEvent]:
    """Events that may have been sent twice, each once."""
    return list({repr(event): event for part in parts for event in part}.values())


def of_kind(events: Iterable[TrialEvent], kind: type[Any]) -> list[Any]:
    """Those of a class."""
    return [event for event in events if isinstance(event, kind)]


def numbers(events: Iterable[TrialEvent]) -> list[int]:
    """The seq of the reports, each once, in order of arrival."""
    return list(dict.fromkeys(event.seq for event in of_kind(events, ReportEvent)))


def values(events: Iterable[TrialEvent]) -> list[float]:
    """The values of the primary metric that are intervals."""
    return [event.value for event in of_kind(events, ReportEvent) if event.interval]


def notes(events: Iterable[TrialEvent]) -> list[str]:
    """The texts of the notices, each once."""
    return list(dict.fromkeys(event.text for event in of_kind(events, NoteEvent)))


def end_of(events: Sequence[TrialEvent]) -> EndedEvent:
    """How an attempt ended that was not lost."""
    last = events[-1]
    assert isinstance(last, EndedEvent), last
    return last


def loss_of(events: Sequence[TrialEvent]) -> str:
    """Why an attempt was lost."""
    last = events[-1]
    assert isinstance(last, LostEvent), last
    return last.why
