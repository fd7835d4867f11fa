"""Facts that wait for the decision loop: what has arrived at a driver and has not been judged yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from raydrive.core.errors import StaleEpochError
from raydrive.core.records import Fact


@dataclass(frozen=True, slots=True)
class Received:
    """What was taken from a mailbox at one time."""

    facts: Sequence[Fact]
    acks: Sequence[asyncio.Future[None]]

    def acknowledge(self) -> None:
        """Answers the senders: the journal has it."""
        for ack in self.acks:
            if not ack.done():
                ack.set_result(None)

    def refuse(self, error: Exception) -> None:
        """Answers the senders: nothing of it counts, and they keep it.

        Args:
            error: Why.
        """
        for ack in self.acks:
            if not ack.done():
                ack.set_exception(error)


class Mailbox:
    """Keeps facts in the order in which they arrive; belongs to one event loop."""

    def __init__(self) -> None:
        self._facts: list[Fact] = []
        self._acks: list[asyncio.Future[None]] = []
        self._arrived = asyncio.Event()
        self._closed = ""
        """Why nothing is taken any more; empty while something is."""

    def close(self, why: str) -> None:
        """Refuses what waits here, and whatever comes later: it would not be judged or answered.

        Args:
            why: What the senders are told.
        """
        self._closed = why
        Received((), self._acks).refuse(StaleEpochError(why))
        self._facts, self._acks = [], []

    def post(self, facts: Sequence[Fact]) -> None:
        """Takes facts; no caller waits for them."""
        self._facts.extend(facts)
        self._arrived.set()

    async def record(self, facts: Sequence[Fact]) -> None:
        """Takes facts, and returns once the journal has them.

        Raises:
            StaleEpochError: If this driver may not write any more.
        """
        if self._closed:
            raise StaleEpochError(self._closed)
        self.post(facts)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._acks.append(done)
        await done

    async def take(self) -> Received:
        """Waits until something has arrived, and returns all of it."""
        await self._arrived.wait()
        self._arrived.clear()
        facts, self._facts = self._facts, []
        acks, self._acks = self._acks, []
        return Received(facts, acks)
