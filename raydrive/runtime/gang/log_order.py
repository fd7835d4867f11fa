"""The order in which the processes of a node wrote their logs, so that a trial's logs can be shown as one.

A file beside the logs has a line ``[seconds since the epoch, rank, bytes so far]`` for each look at which a log had
another size than before. A log that has been cut (``log_limit``) is shorter then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

LOOK_S = 0.2
"""Seconds between two looks at the logs."""


class LogOrder:
    """Writes down when each log of a node has grown, from ``start`` to ``close``.

    Args:
        logs: The log of each rank on this node; a file may not exist yet.
        order: Where the order is written; lines are added to a file that exists. What cannot be written is left out:
            logs without an order are shown one after the other.
    """

    def __init__(self, logs: Mapping[int, Path], order: Path) -> None:
        self._logs = {rank: str(path) for rank, path in logs.items()}
        self._order = str(order)
        self._sizes = dict.fromkeys(self._logs, 0)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look, in the running event loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Looks for the last time."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._look()

    async def _follow(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(LOOK_S)

    def _look(self) -> None:
        at, lines = round(time.time(), 3), []
        for rank, path in self._logs.items():
            try:
                size = os.stat(path, follow_symlinks=False).st_size
            except OSError:  # not there yet, or removed by the trial
                continue
            if size != self._sizes[rank]:
                self._sizes[rank] = size
                lines.append(json.dumps([at, rank, size], separators=(",", ":")))
        if lines:
            with contextlib.suppress(OSError):
                _append(self._order, "".join([f"{line}\n" for line in lines]).encode())


@contextlib.asynccontextmanager
async def following(logs: Mapping[int, Path], order: Path) -> AsyncIterator[LogOrder]:
    """Writes down the order of logs as long as the body lasts.

    Args:
        logs: The log of each rank on this node.
        order: Where the order is written.
    """
    made = LogOrder(logs, order)
    made.start()
    try:
        yield made
    finally:
        await made.close()


def _append(path: str, data: bytes) -> None:
    """Adds to a file; a link that a trial has put in its place is not followed."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    try:
        os.write(file, data)
    finally:
        os.close(file)
