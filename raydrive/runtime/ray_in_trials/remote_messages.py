"""What processes on other nodes log for a trial, with ``Run.remote()``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from raydrive import wire
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents

ROOM_S = 0.02
"""How often it is looked whether there is room again."""


class RemoteMessages:
    """Takes messages for one attempt, each once: a sender sends again what may not have arrived.

    Args:
        events: The attempt's.
    """

    def __init__(self, events: AttemptEvents) -> None:
        self._events = events
        self._seen: dict[str, int] = {}

    async def take(self, sender: str, number: int, messages: Sequence[wire.Message]) -> bool:
        """Takes a batch; returns when there is room for more.

        Args:
            sender: Tells senders apart.
            number: How many messages it has sent before these.
            messages: In their order; anything may be in them.

        Returns:
            Whether the attempt has a process that trains: else what was logged is lost.
        """
        events = self._events
        new = messages[max(0, self._seen.get(sender, 0) - number) :]
        if new:
            if not events.pid:
                return False
            self._seen[sender] = number + len(messages)
            odd = events.add(list(new))
            if odd:
                events.tell(
                    f"a message that a remote handle logged cannot be read and was dropped: {str(odd[0])[:200]}"
                )
        while events.is_full() and not events.done.done():
            await asyncio.sleep(ROOM_S)
        return True
