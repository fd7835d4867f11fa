"""The events of one attempt on their way to the driver."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from raydrive import wire
from raydrive.core.config.stdout_metrics import not_a_number
from raydrive.core.reports.attempt_reports import Recorded, ReportReader
from raydrive.core.reports.message_checks import clean_text
from raydrive.runtime.trial_actor.files.checkpoint_publisher import CheckpointPublisher
from raydrive.runtime.trial_events import CheckpointEvent, NoteEvent, TrialEvent

METRICS = "metrics"
"""``records.METRICS``: an actor does not import the records for a word."""
MAX_UNSENT = 20_000
"""Unacknowledged events with which ``log()`` waits: back-pressure, never loss."""


class PartsReceiver(Protocol):
    """Takes checkpoints of which each process of a trial saves a part."""

    def announce(self, name: str, rank: int, of: int, node: int) -> None:
        """Takes that a part is ready: its folder, rank of its process, number of parts, number of its node."""

    async def close(self) -> None:
        """Returns when all that is whole has been published."""


class AttemptEvents:
    """The events of one attempt, counted and kept until the driver has them.

    Args:
        trial: Number of the trial.
        attempt: Number of the attempt, from 1.
        interval: Intervals that its checkpoint holds.
        metric: Name of the primary metric.
        recorded: What earlier attempts recorded, where that can be aligned by steps.
        last_value: The last value that they recorded.
    """

    def __init__(
        self,
        trial: int,
        attempt: int,
        interval: int,
        metric: str,
        recorded: Recorded | None = None,
        last_value: float | None = None,
    ) -> None:
        self.trial = trial
        self.attempt = attempt
        self.metric = metric
        self.unsent: list[TrialEvent] = []
        self.publisher: CheckpointPublisher | None = None
        self.shards: PartsReceiver | None = None
        """Takes parts of checkpoints; None = there were none yet."""
        self._make_shards: Callable[[], PartsReceiver] | None = None
        self.log: Callable[[str], None] = lambda text: None
        """Writes a line of ours into the trial's log."""
        self.wake = asyncio.Event()
        self.pid = 0
        """The training process, once it began; 0 again when it is gone."""
        self.began = False
        self.kept = False
        """Whether its process waits for the next trial."""
        self.usage: dict[str, float] = {}
        """What it used of its GPUs."""
        self.using: dict[str, float] = {}
        """What it uses of them now."""
        self.silent_since: float | None = None
        """When the oldest batch was sent that the driver has not confirmed, by the monotonic clock."""
        self.stopped_pids: list[int] = []
        """Its process tree while it is paused."""
        self.refused = ""
        """Why nothing of it can be recorded any more; empty while it can."""
        self.heard_at = 0.0
        """When something it logged was last read, by the monotonic clock; 0 before."""
        self.reader = ReportReader(
            metric, interval, time.time(), self.tell, recorded, self._announce, self.note, self._part, last_value
        )
        self._noted: set[str] = set()
        self._saves_first = False
        self._known_checkpoint = False
        self._over = False
        self._held: CheckpointEvent | None = None
        """A checkpoint whose values may not have been logged yet."""
        self.done: asyncio.Future[list[TrialEvent]] = asyncio.get_running_loop().create_future()

    @property
    def interval(self) -> int:
        """Intervals so far, those of its checkpoint included."""
        return self.reader.interval

    @property
    def value(self) -> float | None:
        """The last value of the primary metric; None before the first."""
        return self.reader.value

    @property
    def progress(self) -> tuple[int, float | None]:
        """Intervals so far, and the last value of the primary metric."""
        return self.reader.interval, self.reader.value

    def note(self, text: str, about: str = "") -> None:
        """Records a notice that the trial's user must not miss; each text once.

        Args:
            text: One sentence; empty = there is none.
            about: ``records.OUTPUTS`` where files are missing from the storage, ``METRICS`` where the primary metric
                was nearly logged: it becomes part of why the trial ended.
        """
        if text and text not in self._noted:
            self._noted.add(text)
            self.unsent.append(NoteEvent(time.time(), clean_text(text), about))
            self.wake.set()

    def tell(self, text: str) -> None:
        """Records a notice, and also writes it to the trial's log."""
        if text not in self._noted:
            self.note(text)
            self.log(text)

    def nearly(self) -> str:
        """Why no value of the primary metric counted, where something came in its place; else empty."""
        found = self.reader.no_number
        return "" if found is None else not_a_number(found, f"as {self.metric!r} it logged")

    def is_full(self) -> bool:
        """Whether so much is unsent that the channel has to wait."""
        return len(self.unsent) > MAX_UNSENT

    def add(self, messages: Sequence[wire.Message]) -> list[wire.Message]:
        """Counts what the training process logged; the primary metric sets the interval.

        Args:
            messages: Of any process that writes to the socket: anything may be in them.

        Returns:
            Those that cannot be read.
        """
        events, odd = self.reader.read(messages, time.time())
        self.unsent += events
        self.heard_at = time.monotonic()
        if self._held is not None and self.reader.interval > self._held.interval:
            self._release()
        self.wake.set()
        return odd

    def _announce(self, name: str) -> None:
        self._saves_first = self._saves_first or self.reader.value is None
        if self.publisher is not None:
            self.publisher.announce(name)

    def _part(self, name: str, rank: int, of: int, node: int) -> None:
        self._saves_first = self._saves_first or self.reader.value is None
        if self.shards is None and self._make_shards is not None:
            self.shards = self._make_shards()
        if self.shards is not None:
            self.shards.announce(name, rank, of, node)

    # ------------------------------------------------------------------ checkpoints

    def expect_parts(self, make: Callable[[], PartsReceiver]) -> None:
        """Sets what makes that which takes parts of checkpoints, if some come: few trials have them."""
        self._make_shards = make

    def resumes(self) -> None:
        """It continues from a checkpoint."""
        self._known_checkpoint = True

    def saved(self, interval: int, name: str) -> None:
        """Reports to the driver that a checkpoint is in the storage, so that the next attempt continues from it.

        A script that saves before it logs is killed now and then between the two. The values that its last checkpoint
        holds were never logged then, and an attempt that continues from it would never log them: so such a checkpoint
        counts when a value has come after it, and until then the one before does.
        """
        self._release()  # two in a row: it saves more often than it logs
        self._held = CheckpointEvent(time.time(), interval, name)
        may_lack_values = self._saves_first and interval == self.reader.interval
        if self._known_checkpoint and may_lack_values and not self._over:
            if self.publisher is not None:
                self.publisher.confirm_later(False)
        else:
            self._release()

    def is_over(self) -> None:
        """No other attempt will continue from what it saved: its last checkpoint counts, whatever was logged."""
        self._over = True
        self._release()

    def forgo(self) -> None:
        """Another attempt may continue from what it saved, and nothing more comes of this one."""
        if self._held is not None:
            self._held = None
            self.log(
                "the last checkpoint was saved before its values were logged: the trial continues from the previous one"
            )

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._known_checkpoint = True
            self.unsent.append(held)
            if self.publisher is not None:
                self.publisher.confirm_later(True)
            self.wake.set()
