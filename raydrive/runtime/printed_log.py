"""Follows the log of a trial and hands on the metrics that its script prints."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from raydrive.core.printed import PrintedReader
from raydrive.core.trial_spec import TrialConfig

PERIOD_S = 0.1
"""How often a growing log is looked at."""
_CHUNK = 1 << 20


@contextlib.asynccontextmanager
async def printed_metrics(
    log: Path, config: TrialConfig, take: Callable[[Sequence[dict[str, Any]]], object], full: Callable[[], bool]
) -> AsyncIterator[None]:
    """Hands on what a script prints while the body runs it, and the rest at its end.

    Args:
        log: What the process writes; may not exist yet.
        config: Of the run; nothing happens when it asks for nothing.
        take: Called with messages as the wire has them.
        full: Whether so much is unsent that nothing more should be taken now; the log keeps it.
    """
    spec = config.trial.metrics
    if spec is None:
        yield
        return
    reader = PrintedReader(spec, config.metric.name)
    position = 0

    def read(last: bool) -> None:
        nonlocal position
        with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
            file.seek(position)
            while (data := file.read(_CHUNK)) or last:
                position += len(data)
                messages = reader.feed(data, last=not data)
                if messages:
                    take(messages)
                if not data or (full() and not last):
                    break

    async def follow() -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            if not full():
                read(last=False)

    following = asyncio.get_running_loop().create_task(follow())
    try:
        yield
    finally:
        following.cancel()
        read(last=True)
