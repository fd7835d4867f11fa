"""Keeps a live run's journal short: older segments become a snapshot, without blocking the driver.

The driver's event loop does no more than wait: looking and deleting run in a thread, compacting in a process.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from raydrive.core.errors import StorageError
from raydrive.storage.folder.base import Folder
from raydrive.storage.journal.compaction import compact_elsewhere, due, prune_segments
from raydrive.storage.journal.segments import Position

LOOK_S = 5.0
GRACE_S = 30.0
"""How long segments stay beside the snapshot that stands for them. A reader in the middle of one that goes finds its
place in the snapshot; with this pause it rarely has to."""
_LIMIT_S = 1800.0
_OBJECTS = 64
"""A listing is worth it after this many new objects."""


class JournalCompactor:
    """Compacts one journal.

    Args:
        folder: The journal.
        settled: Says up to where it may be compacted, as ``JournalWriter.settled``.
    """

    def __init__(self, folder: Folder, settled: Callable[[], Position | None]) -> None:
        self._folder = folder
        self._settled = settled
        self._looked_at: Position | None = None
        self._pool = ThreadPoolExecutor(1, "raydrive-compactor")
        self.trouble = ""
        """Why the last snapshot could not be made. Nothing is lost by it: the journal only stays longer."""

    async def run(self) -> None:
        """Looks now and then, until cancelled."""
        await asyncio.sleep(GRACE_S)
        await self._in_thread(self._prune)
        eager = True
        while True:
            if await self._in_thread(functools.partial(self._compact, eager)):
                await asyncio.sleep(GRACE_S)
                await self._in_thread(self._prune)
            eager = False
            await asyncio.sleep(LOOK_S)

    async def finish(self, linger_s: float) -> None:
        """Compacts once more, after the run's last entry, and deletes what that stands for.

        Args:
            linger_s: How long the segments stay for processes that read them. The driver is about to end and cannot
                wait for ``GRACE_S``: a reader in the middle of a long one continues in the snapshot.
        """
        new = await self._in_thread(functools.partial(self._compact, True))
        await asyncio.sleep(linger_s)
        if new:
            await self._in_thread(self._prune)

    async def _in_thread(self, work: Callable[[], bool]) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _compact(self, eager: bool) -> bool:
        """Returns whether there is a new snapshot."""
        until, seen = self._settled(), self._looked_at
        if until is None or (not eager and seen is not None and not self._is_due(seen, until)):
            return False
        self._looked_at = until
        try:
            if not due(self._folder, until, eager=eager):
                return False
        except StorageError as error:
            self.trouble = f"the journal could not be inspected: {error}"
            return False
        try:
            why = compact_elsewhere(self._folder, until, _LIMIT_S)
        except OSError as error:
            why = str(error)
        self.trouble = f"no snapshot of the journal could be made: {why}" if why else ""
        return not why

    def _is_due(self, seen: Position, until: Position) -> bool:
        if self._folder.local_path is not None or until.segment.epoch != seen.segment.epoch:
            return until != seen
        return until.segment.number - seen.segment.number >= _OBJECTS

    def _prune(self) -> bool:
        try:
            return prune_segments(self._folder) > 0
        except StorageError as error:
            self.trouble = f"older parts of the journal could not be deleted: {error}"
            return False
