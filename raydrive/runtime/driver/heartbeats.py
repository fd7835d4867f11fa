"""The heartbeat of a driver: ``driver.json``, written by its event loop, and by the watch while a user's class runs."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from raydrive.core.errors import StorageError
from raydrive.core.views.heartbeat import dump_heartbeat
from raydrive.storage.run_layout import RunLayout


class Heartbeats:
    """Writes the heartbeats of one driver.

    Args:
        layout: The run folder.
        view: Returns what a heartbeat holds now.
        lease_s: Seconds after which trials end that hear of no driver.
    """

    def __init__(self, layout: RunLayout, view: Callable[[], dict[str, Any]], lease_s: float) -> None:
        self.notice = ""
        """The last trouble that was resolved."""
        self._layout = layout
        self._view = view
        self._lease_s = lease_s
        self._in_order = asyncio.Lock()
        self._writing = threading.Lock()
        self._last: dict[str, Any] = {}
        self._held_up = ""
        """What the driver waits for."""

    def keep(self) -> None:
        """Keeps what a heartbeat would hold now, as that of the next ``tell_held_up``."""
        self._last = self._view()

    async def write(self) -> None:
        """Writes one; a storage that fails is a notice of the next."""
        async with self._in_order:  # the last one that is written is the last one that was made
            self.keep()
            data = dump_heartbeat(self._last)
            try:
                await asyncio.get_running_loop().run_in_executor(None, self._write, data)
            except StorageError as error:
                self.notice = f"storage: {error}"

    def _write(self, data: bytes) -> None:
        with self._writing:
            self._layout.write_driver(data)

    def tell_held_up(self, what: str, still: Callable[[], bool]) -> None:
        """In the watch's thread: the event loop waits for a user's class, and cannot write a heartbeat.

        Args:
            what: What it waits for.
            still: Returns whether it still does.
        """
        if not self._held_up:  # one sentence for one call: who follows the run gets it once
            self._held_up = (
                f"{what}. The driver waits for it, and until then records and decides nothing; trials buffer what "
                f"they log, and end after {self._lease_s:g} s without their driver."
            )
            print(f"raydrive: {self._held_up}", file=sys.stderr, flush=True)
        # Of the time of the last one: how long nothing was heard of this driver is as true as before.
        data = dump_heartbeat({**self._last, "trouble": self._held_up})
        with self._writing, contextlib.suppress(StorageError):
            if still():
                self._layout.write_driver(data)

    def note_held_up(self, took_s: float) -> None:
        """Notes that such a call has returned, after this many seconds."""
        self._held_up = ""
        self.notice = f"a call of the run's policy or sampler took {took_s:.0f} s; the driver waited for it"
