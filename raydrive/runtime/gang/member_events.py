"""What the processes on one of a trial's other nodes log, on its way to the trial's first actor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

from raydrive import wire
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_events import ExitedEvent, LoggedEvent


class MemberEvents(AttemptEvents):
    """The events of one attempt on a node that is not the trial's first: nothing is counted here.

    Args:
        trial: Number of the trial.
        attempt: Number of the attempt, from 1.
        interval: Intervals that its checkpoint holds.
        metric: Name of the primary metric.
        node: Number of the node, from 1.
    """

    def __init__(self, trial: int, attempt: int, interval: int, metric: str, node: int) -> None:
        super().__init__(trial, attempt, interval, metric)
        self._node = node
        self._logged = 0
        self._parts: set[str] = set()
        """Parts of checkpoints that lie on this node."""
        self._gone = asyncio.Event()

    def add(self, messages: Sequence[wire.Message]) -> list[wire.Message]:
        """Hands messages on as they are: the trial's first actor reads all of them, and tells which it cannot read."""
        for message in messages:
            self._logged += 1
            if message.get("part") is not None:
                self._parts.add(str(message.get("checkpoint")))
            self.unsent.append(LoggedEvent(self._logged, self._node, message))
        self.heard_at = time.monotonic()
        self.wake.set()
        return []

    def exited(self, exit_code: int | None, why: str) -> None:
        """Hands on that the processes are gone, before what they left is brought to the storage.

        Args:
            exit_code: Of the one that failed first; 0 = none did.
            why: Why it failed; empty where it did not fail by itself.
        """
        self.unsent.append(ExitedEvent(time.time(), self._node, exit_code, why))
        self.wake.set()

    def dropped(self, names: Iterable[str] | None) -> None:
        """Notes that parts of checkpoints are not needed on this node any more.

        Args:
            names: Theirs; None = no further part is going to be asked for.
        """
        self._parts = set() if names is None else self._parts.difference(names)
        if not self._parts:
            self._gone.set()

    async def parts_over(self) -> None:
        """Returns when nothing more is going to be taken from this node; its processes are gone."""
        if self._parts:
            self._gone.clear()
            await self._gone.wait()
