"""Logs and outputs on their way to a storage that is not local."""

from __future__ import annotations

import asyncio
import contextlib
import time

from raydrive.core.errors import StorageError
from raydrive.runtime.workspace import Prepared

LOG_PERIOD_S = 3.0
"""How often a growing log is brought to the storage."""


async def ship(prepared: Prepared) -> None:
    """Brings a growing log to a storage that is not local, so that it can be followed."""
    while True:
        await asyncio.sleep(LOG_PERIOD_S)
        with contextlib.suppress(StorageError):  # the next round, or the end, brings it all the same
            await asyncio.get_running_loop().run_in_executor(None, prepared.sync_log)


async def until_shipped(prepared: Prepared, patience_s: float) -> None:
    """Brings everything to a storage that is not local; storage that fails for a while holds this trial up only."""
    pause_s, end = 0.5, time.monotonic() + patience_s
    while True:
        try:
            await asyncio.get_running_loop().run_in_executor(None, prepared.upload)
            return
        except StorageError as error:
            if time.monotonic() > end:
                return
            prepared.note(f"{error}; trying again")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, 30.0)
