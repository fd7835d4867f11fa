"""Delivers the events of attempts to the driver: one batch in flight, in order, kept until the driver has them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from typing import Any

from raydrive.runtime.actor_errors import answer, is_refusal
from raydrive.runtime.fork_server import process_tree
from raydrive.runtime.trial_actor.attempt_events import MAX_UNSENT, AttemptEvents
from raydrive.runtime.trial_events import CheckpointEvent, TrialEvent, pack

BATCH_DELAY_S = 0.003
"""A report waits this long for company."""
MAX_BATCH = 5_000
AGAIN_S = 0.2
"""After this long a batch that was not acknowledged is sent again."""
MOST_REFUSALS = 25
"""Refusals of a batch in a row, by an error of the driver, before the attempt fails."""


class Delivery:
    """The way of a trial actor's events to its driver.

    Args:
        driver: Handle of the driver.
        epoch: Epoch of that driver.
        heard: Called whenever the driver has acknowledged a batch.
        room: Called when there is room again for what training logs.
        refused: Called, once for an attempt, when its events cannot be delivered and never will be, with a sentence.
    """

    def __init__(
        self,
        driver: Any,
        epoch: int,
        *,
        heard: Callable[[], None],
        room: Callable[[], None],
        refused: Callable[[AttemptEvents, str], None],
    ) -> None:
        self.driver = driver
        self.epoch = epoch
        self._heard = heard
        self._room = room
        self._refused = refused
        self._refusals = 0
        self._in_flight: asyncio.Future[Any] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._sends_at: asyncio.TimerHandle | None = None

    def withdraw(self) -> None:
        """Waits no longer for what is in flight: a driver of the past may never answer."""
        if self._in_flight is not None:
            self._in_flight.cancel()

    def begin(self, current: AttemptEvents, wait_s: float) -> None:
        """Begins to send when the first events have waited; a task only then, for short attempts pay for each one."""
        loop = asyncio.get_running_loop()

        def start() -> None:
            self._sender = loop.create_task(self._send(current))

        self._sends_at = loop.call_later(wait_s, start)

    async def end(self) -> None:
        """Stops sending; what is not acknowledged stays with the attempt."""
        if self._sends_at is not None:
            self._sends_at.cancel()
        sender, self._sender, self._sends_at = self._sender, None, None
        self._refusals = 0
        if sender is not None:
            sender.cancel()
            await asyncio.wait([sender])

    async def _send(self, current: AttemptEvents) -> None:
        """Sends what was logged, one batch in flight: order and back-pressure for nothing."""
        while True:
            current.wake.clear()
            while current.unsent:
                batch = current.unsent[:MAX_BATCH]
                if not await self._deliver(current, batch):
                    break
                del current.unsent[: len(batch)]
                if len(current.unsent) < MAX_UNSENT // 2:
                    self._room()
            await current.wake.wait()
            await asyncio.sleep(BATCH_DELAY_S)

    async def _deliver(self, current: AttemptEvents, batch: list[TrialEvent]) -> bool:
        """Sends one batch until the driver has it; False when it has to be tried again later."""
        if current.silent_since is None:
            current.silent_since = time.monotonic()
        try:
            call = self.driver.report.remote(current.trial, current.attempt, self.epoch, pack(batch))
            sending = self._in_flight = asyncio.ensure_future(answer(call))
            # When the attempt has ended, what is in flight may arrive twice, and is recognised by its seq.
            sending.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.wait([sending])
            error = None if sending.cancelled() else sending.exception()
            delivered = not sending.cancelled() and error is None
        except Exception as problem:  # it cannot even be sent
            error, delivered = problem, False
        if not delivered:
            await self._not_delivered(current, error)
            return False
        self._refusals = 0
        self._heard()
        current.silent_since = None
        for event in batch:
            if isinstance(event, CheckpointEvent) and current.publisher is not None:
                current.publisher.confirm(int(event.name))
        process_tree.signal_all(current.stopped_pids, signal.SIGCONT)
        current.stopped_pids = []
        return True

    async def _not_delivered(self, current: AttemptEvents, error: BaseException | None) -> None:
        """Whatever went wrong, the batch is sent again; but not for ever where the driver refuses it."""
        if error is not None and is_refusal(error):
            self._refusals += 1
            if self._refusals == MOST_REFUSALS:
                with contextlib.suppress(Exception):
                    self._refused(current, f"what it logged cannot be recorded: {type(error).__name__}: {error}"[:500])
        else:
            self._refusals = 0
        await asyncio.sleep(AGAIN_S)
        current.wake.set()


def pause_if_unheard(current: AttemptEvents, patience_s: float) -> None:
    """Stops an attempt's process tree at a report when what it logs has not been recorded for this many seconds."""
    since = current.silent_since
    if since is None or not current.pid or current.stopped_pids or time.monotonic() - since < patience_s:
        return
    current.log(
        f"paused: nothing could be recorded for {patience_s:g} s; it continues when the storage is available again"
    )
    current.stopped_pids = [current.pid, *process_tree.descendants(current.pid)]
    process_tree.signal_all(current.stopped_pids, signal.SIGSTOP)
