"""One run, read once and shown to any number of viewers."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from typing import Any, TypeVar

from raydrive.core.errors import RunNotFoundError
from raydrive.storage.run_layout import RunLayout, list_runs
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import RunHistory

T = TypeVar("T")
POLL_S = 1.0
POLL_OVER_S = 10.0
"""A run that has ended may be resumed with a larger budget, so it is still looked at now and then."""


class Feed:
    """Reads one run's journal, once however many watch, and says what changed since any entry.

    Everything that touches the story runs in a thread and one at a time, so that the event loop never waits for a slow
    storage and no reader sees half an update.

    Args:
        layout: The run.
    """

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self._story: RunHistory | None = None
        self._documents: Documents | None = None
        self._lock = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._cache: dict[tuple[int, int, str], tuple[str, str]] = {}
        self._answers: dict[tuple[str, int], Any] = {}
        self._watchers = 0
        self.state = ""
        """How the run stands: a driver that is interrupted or silent writes no entry that would say so."""
        self.closed = False
        """Set when the server goes: streams end."""
        self._poller: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Reads the run for the first time.

        Raises:
            StorageError: If the folder is not a run or cannot be read.
        """
        async with self._lock:
            if self._story is None:
                self._story, self._documents = await asyncio.to_thread(self._first)

    def _first(self) -> tuple[RunHistory, Documents]:
        history = RunHistory(self.layout)
        self._read(history)
        return history, Documents(history)

    def _read(self, history: RunHistory) -> bool:
        before, changed = self.state, history.refresh()
        stands = history.status()
        self.state = f"{stands.state} {json.dumps(stands.beat.gpu_use)}"
        return changed or self.state != before

    @property
    def history(self) -> RunHistory:
        """The run; only for use inside ``ask``, or for numbers that may be a moment old."""
        if self._story is None:
            raise RuntimeError("the feed is not open")
        return self._story

    async def ask(self, question: Callable[[RunHistory, Documents], T]) -> T:
        """Returns what a function says of the run; it runs in a thread while nothing changes."""
        await self.open()
        async with self._lock:
            return await asyncio.to_thread(question, self.history, self._documents)  # type: ignore[arg-type]

    async def ask_once(self, name: str, question: Callable[[RunHistory, Documents], T]) -> T:
        """As ``ask``, but asks only once until the run changes.

        Args:
            name: Names the question.
            question: The function.
        """
        key = (name, self.history.entries)
        if key not in self._answers:
            answer = await self.ask(question)
            self._answers = {k: v for k, v in self._answers.items() if k[1] == self.history.entries and len(k[0]) < 500}
            self._answers[key] = answer
        found: T = self._answers[key]
        return found

    @property
    def mark(self) -> str:
        """The event id of the present state: generation and entries."""
        return f"{self.history.generation}.{self.history.entries}"

    async def since(self, generation: int, entry: int) -> tuple[str, str, str]:
        """Returns event name, id and JSON of what a viewer lacks who has seen the entries up to ``entry``."""
        await self.open()
        async with self._lock:
            history = self.history
            fresh = generation != history.generation or entry > history.entries
            start = 0 if fresh else entry
            key = (start, history.entries, self.state)
            if key not in self._cache:
                text = await asyncio.to_thread(self._text, start)
                # Viewers are at the newest entry or at 0; older starts are rare reconnects.
                self._cache = {k: v for k, v in self._cache.items() if k[1:] == key[1:]}
                self._cache[key] = (self.mark, text)
            mark, text = self._cache[key]
            return ("changes" if start else "whole"), mark, text

    def _text(self, start: int) -> str:
        if self._documents is None:
            raise RuntimeError("the feed is not open")
        return json.dumps(self._documents.since(start), separators=(",", ":"), allow_nan=False, default=str)

    # ------------------------------------------------------------------ watching

    async def __aenter__(self) -> Feed:
        await self.open()
        self._watchers += 1
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watchers -= 1
        if not self._watchers and self._poller is not None:
            self._poller.cancel()
            self._poller = None

    async def wait(self, seen: tuple[str, str], timeout_s: float) -> bool:
        """Waits until the run's ``mark`` and ``state`` are no longer those; returns whether that happened in time."""
        async with self._changed:
            try:
                news = self._changed.wait_for(lambda: self.closed or (self.mark, self.state) != seen)
                await asyncio.wait_for(news, timeout_s)
            except asyncio.TimeoutError:
                return False
        return True

    async def close(self) -> None:
        """Sends all watchers home."""
        self.closed = True
        async with self._changed:
            self._changed.notify_all()
        for _ in range(100):
            if not self._watchers:
                return
            await asyncio.sleep(0.02)

    async def refresh(self) -> None:
        """Reads what is new."""
        async with self._lock:
            changed = await asyncio.to_thread(self._read, self.history)
        if changed:
            async with self._changed:
                self._changed.notify_all()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_OVER_S if self.history.sweep.finished else POLL_S)
            await self.refresh()


class Hub:
    """The feeds of a storage, opened when first asked for; the least recently asked for are closed again.

    Args:
        storage: The workspace's storage.
        most: Feeds without viewers that are kept open.
    """

    def __init__(self, storage: str, most: int = 16) -> None:
        self.storage = storage
        self._most = most
        self._feeds: dict[tuple[str, str], Feed] = {}

    async def feed(self, experiment: str, run_id: str) -> Feed:
        """Returns the feed of a run, read up to now.

        Raises:
            RunNotFoundError: If there is no such run.
            StorageError: If it cannot be read.
        """
        key = (experiment, run_id)
        feed = self._feeds.pop(key, None)
        if feed is None:
            layout = await asyncio.to_thread(functools.partial(self._layout, experiment, run_id))
            feed = Feed(layout)
            await feed.open()
        else:
            await feed.refresh()
        self._feeds[key] = feed
        idle = [name for name, one in self._feeds.items() if not one._watchers and name != key]
        for name in idle[: max(0, len(self._feeds) - self._most)]:
            del self._feeds[name]
        return feed

    async def close(self) -> None:
        """Closes all feeds."""
        for feed in self._feeds.values():
            await feed.close()

    def _layout(self, experiment: str, run_id: str) -> RunLayout:
        # Only runs of this storage: find_run would also take the path of a run's folder, wherever that is.
        for info in list_runs(self.storage, experiment):
            if info.run_id == run_id:
                return RunLayout.open(info.folder)
        raise RunNotFoundError(f"no run {run_id[:200]!r} in experiment {experiment[:200]!r} of this storage")
