"""The events of one attempt on their way to the driver."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from raydrive import wire
from raydrive.core.printed import not_a_number
from raydrive.core.trial_spec import as_float
from raydrive.runtime.publisher import Publisher

Event = tuple[Any, ...]
METRICS = "metrics"
"""``records.METRICS``: an actor does not import the records for a word."""
MAX_UNSENT = 20_000
"""So many unacknowledged events make ``log()`` wait: back-pressure, never loss."""


class Attempt:
    """The events of one attempt, counted and kept until the driver has them."""

    def __init__(self, trial: int, attempt: int, interval: int, metric: str) -> None:
        self.trial = trial
        self.attempt = attempt
        self.metric = metric
        self.unsent: list[Event] = []
        self.said_failed = ""
        self.value: float | None = None
        self.no_number: object = None
        """What came last in place of a value of the primary metric; None = nothing did."""
        self.publisher: Publisher | None = None
        self.seq = 0
        self.interval = interval
        self.wake = asyncio.Event()
        self.pid = 0
        """The training process, once it began; 0 again when it is gone."""
        self.began = False
        self.silent_since: float | None = None
        """When the oldest batch was sent that the driver has not confirmed, by the monotonic clock."""
        self.stopped_pids: list[int] = []
        """Its process tree while it is paused."""
        self._noted: set[str] = set()
        self.done: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()

    def note(self, text: str, about: str = "") -> None:
        """Has a notice recorded that the trial's user must not miss; each text once.

        Args:
            text: One sentence.
            about: ``records.OUTPUTS`` where files are missing from the storage, ``METRICS`` where the primary metric
                was nearly logged: it becomes part of why the trial ended.
        """
        if text not in self._noted:
            self._noted.add(text)
            self.unsent.append(("note", time.time(), text, about))
            self.wake.set()

    def nearly(self) -> str:
        """Why no value of the primary metric counted, where something came in its place; else empty."""
        return "" if self.no_number is None else not_a_number(self.no_number, f"as {self.metric!r} it logged")

    def is_full(self) -> bool:
        """Whether so much is unsent that the channel has to wait."""
        return len(self.unsent) > MAX_UNSENT

    def add(self, messages: Sequence[wire.Message]) -> list[wire.Message]:
        """Counts what the training process logged; the primary metric sets the interval.

        Args:
            messages: Of whoever writes to the socket: anything may stand in them.

        Returns:
            Those that cannot be read.
        """
        name = self.metric
        odd: list[wire.Message] = []
        for message in messages:
            try:
                at, metrics = float(message.get("t") or time.time()), message.get("m") or {}
                tags, step = message.get("tags") or {}, message.get("s")
                value = metrics.get(name)
                number = as_float(value) if isinstance(value, int | float) else None
                if value is not None and number is None:
                    self.no_number = value
                if step is not None:
                    float(step)
                if tags:
                    tags = {**tags}
            except (AttributeError, TypeError, ValueError, OverflowError):
                odd.append(message)
                continue
            if message.get("state") == wire.FAILED:
                self.said_failed = str(message.get("why") or "the script called run.fail()")
            if "checkpoint" in message and self.publisher is not None:
                self.publisher.announce(str(message["checkpoint"]))
            if not metrics and not tags:
                continue
            interval = 0
            if number is not None:
                self.interval += 1
                interval, self.value = self.interval, number
                metrics = {key: item for key, item in metrics.items() if key != name} if len(metrics) > 1 else {}
            self.seq += 1
            self.unsent.append(("report", at, self.seq, interval, number, metrics, step, tags))
        self.wake.set()
        return odd
