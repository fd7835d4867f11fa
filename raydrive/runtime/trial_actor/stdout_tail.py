"""Follows the log of a trial while it grows: forwards the metrics that its script prints, and shortens it if needed.

All of it happens in a thread, a small piece at a time: the actor's event loop has its turn between two pieces, however
fast a script prints and whatever its patterns are.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from raydrive.core.config.trial_spec import TrialConfig
from raydrive.runtime.trial_actor.files.capped_log import CappedLog

if TYPE_CHECKING:
    from raydrive.core.reports.finding_reader import FindingReader
    from raydrive.core.reports.stdout_parser import PrintedReader

PERIOD_S = 0.1
"""How often a growing log is looked at."""
CHUNK = 1 << 16
"""Bytes of it that are searched at a time."""
LOOKED_AT = 1 << 18
"""Number of bytes at the beginning of a log in which the metric of a script that only prints is looked for."""
END_S = 10.0
"""Seconds for which the log is searched at most once the trial has ended."""
STOPPED_END_S = 1.0
"""The same for one that was stopped: its slot is wanted."""

Messages = Sequence[dict[str, Any]]


class StdoutTail:
    """Looks after one log until ``close``.

    Args:
        log: What the processes write.
        config: Of the run.
        take: Called with messages as the wire has them.
        full: Whether so much is unsent that nothing more should be taken now; the log keeps it.
        note: Called with what the trial's log should say, and whether something is lost by it.
    """

    def __init__(
        self,
        log: CappedLog,
        config: TrialConfig,
        take: Callable[[Messages], object],
        full: Callable[[], bool],
        note: Callable[[str, bool], object] = lambda text, lost: None,
    ) -> None:
        self._log, self._config = log, config
        self._reader = _reader(config)
        self._take, self._full, self._note = take, full, note
        self._loop = asyncio.get_running_loop()
        self._position = 0
        self._work: asyncio.Future[bool] | None = None
        self._timer = self._loop.call_later(PERIOD_S, self._look)

    def _look(self) -> None:
        if self._reader is None and not self._log.is_too_long():
            self._timer = self._loop.call_later(PERIOD_S, self._look)
            return
        self._work = self._loop.create_task(self._turn())
        self._work.add_done_callback(self._again)

    def _again(self, work: asyncio.Future[bool]) -> None:
        if not work.cancelled():
            more = work.exception() is None and work.result()
            self._timer = self._loop.call_later(0 if more else PERIOD_S, self._look)

    async def _turn(self, last: bool = False) -> bool:
        """One piece; returns whether there is more."""
        reads = self._reader is not None and (last or not self._full())
        messages, more = await self._loop.run_in_executor(None, self._piece, reads, last)
        if messages:
            self._take(messages)
        for text, lost in self._reader.notices() if self._reader is not None else ():
            self._note(text, lost)
        return more

    def _piece(self, reads: bool, last: bool) -> tuple[Messages, bool]:
        """In a thread: what the next piece of output logs, and whether there is more."""
        messages: Messages = ()
        more = False
        if reads and self._reader is not None:
            data, self._position, missing = self._log.read(self._position, CHUNK)
            if missing:
                self._reader.skipped()
            more = bool(data)
            messages = self._reader.feed(data, last=last and not data)
        if self._log.is_too_long():
            self._log.cut()
        return messages, more

    async def close(self, patience_s: float = END_S) -> None:
        """Returns when what is left has been handed on, and the log is as long as it may be.

        Args:
            patience_s: After this long only the last lines are looked at.
        """
        self._timer.cancel()
        if self._work is not None:
            self._work.remove_done_callback(self._again)
            await asyncio.wait([self._work])
            self._timer.cancel()
        if self._reader is None:
            if self._log.is_too_long():
                await self._loop.run_in_executor(None, self._log.cut)
            self._tell_dropped()
            return
        until = time.monotonic() + patience_s
        while await self._turn(last=True):
            behind = self._log.size() - self._position - CHUNK
            if behind > 0 and time.monotonic() > until:
                self._position += behind
                self._reader.skipped()
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        if self._log.dropped:
            limit = self._log.limit
            self._note(f"the middle of its log is dropped: it is longer than log_limit ({limit:,} bytes)", True)

    def nearly(self, logged: bool, proposes: bool) -> str:
        """Returns why the primary metric was not found in what was printed, and how it would be; may be empty.

        Args:
            logged: Whether the trial has logged other metrics.
            proposes: Whether to tell how it would be found.
        """
        told = self._reader.nearly() if self._reader is not None else ""
        metrics, primary = self._config.trial.metrics, self._config.metric.name
        if not proposes or (metrics is not None and (metrics.find or metrics.json_lines)):
            return told
        from raydrive.core.reports.finding_reader import proposal  # lazy: raydrive.core.reports.finding_reader, 0.006 s

        head, *_ = self._log.read(0, LOOKED_AT)
        python = self._config.trial.kind != "command"
        found = proposal(head.decode("utf-8", "replace"), primary, python=python, logged=logged)
        return "; ".join(filter(None, [told, found]))


def _reader(config: TrialConfig) -> PrintedReader | FindingReader | None:
    if config.trial.metrics is None:
        return None
    if config.trial.metrics.find:
        from raydrive.core.reports.finding_reader import (
            FindingReader,  # lazy: raydrive.core.reports.finding_reader, 0.006 s
        )

        return FindingReader(config.metric.name, config.trial.kind != "command")
    # No other trial waits for it.
    from raydrive.core.reports.stdout_parser import PrintedReader  # lazy: raydrive.core.reports.stdout_parser, 0.006 s

    return PrintedReader(config.trial.metrics, config.metric.name)


def not_read(config: TrialConfig) -> TrialConfig:
    """Returns a configuration by which no metrics are looked for in what is printed."""
    if config.trial.metrics is None:
        return config
    return dataclasses.replace(config, trial=dataclasses.replace(config.trial, metrics=None))


@contextlib.asynccontextmanager
async def watched(watch: StdoutTail, is_stopped: Callable[[], bool] = lambda: False) -> AsyncIterator[StdoutTail]:
    """Closes a watch when the body ends.

    Args:
        watch: To be closed.
        is_stopped: Whether the trial was stopped.
    """
    try:
        yield watch
    finally:
        await watch.close(STOPPED_END_S if is_stopped() else END_S)
