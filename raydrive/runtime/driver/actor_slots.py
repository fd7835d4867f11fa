"""The places of an actor pool: a trial actor each, used by one attempt at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from raydrive.core.records import Launch
from raydrive.runtime.driver.actor_factory import TrialActorFactory


class Slot:
    """A trial actor: starting until it has its reservation, then idle or busy."""

    def __init__(self, actor: Any, factory: TrialActorFactory, memory: float | None = None) -> None:
        self.actor = actor
        self.factory = factory
        """What has made or found it."""
        self.outdated = False
        """Whether it was made before an edit of what trials run with: it takes no further attempt."""
        self.memory = memory
        """Bytes of memory that it reserves; None = those of the run's resources."""
        self.asked_at = time.monotonic()
        self.launch: Launch | None = None
        self.killed = ""
        """Why the actor was killed on purpose."""
        self.lost = ""
        """Why its attempt is lost, where the actor was killed for that."""


def pairs(waiting: Sequence[Launch], idle: Sequence[Slot]) -> list[tuple[Launch, Slot]]:
    """Returns which attempts take which idle actors: the first one first, an actor with the memory that it needs."""
    free, found = list(idle), []
    for launch in waiting:
        slot = next((one for one in reversed(free) if one.memory == launch.memory), None)
        if slot is not None:
            free.remove(slot)
            found.append((launch, slot))
    return found
