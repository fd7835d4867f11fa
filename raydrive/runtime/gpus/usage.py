"""What a trial uses of its GPUs while it trains: now, the mean of their use, and the largest memory that it held."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from raydrive.core.reports.gpu_use import MEMORY, USE

INTERVAL_S = 5.0


class Driver(Protocol):
    """What tells of GPUs: ``Nvml``, or another maker's."""

    def use_percent(self, gpu: str) -> float | None:
        """Returns how much of the last moment a GPU computed, in percent; None = not known."""

    def used_bytes(self, gpu: str, pids: Collection[int]) -> int | None:
        """Returns the memory of a GPU that processes hold; None = not known."""


class UsageWatch:
    """Looks at a trial's GPUs now and then.

    Args:
        driver: What tells of them; None = nothing is known.
        gpus: Their names, as in ``CUDA_VISIBLE_DEVICES``.
        pids: Returns the processes of the trial.
        now: Takes what was seen last, by ``USE`` and ``MEMORY``.
        interval_s: Seconds between two looks.
    """

    def __init__(
        self,
        driver: Driver | None,
        gpus: Sequence[str],
        pids: Callable[[], Collection[int]],
        now: dict[str, float] | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._driver, self._gpus, self._pids = driver, gpus, pids
        self._now = {} if now is None else now
        self._interval_s = interval_s
        self._use: list[float] = []
        self._most_bytes: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> UsageWatch:
        if self._driver is not None and self._gpus:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def result(self) -> dict[str, float]:
        """What was seen, by ``USE`` and ``MEMORY``; what is not known is left out."""
        found = {} if self._most_bytes is None else {MEMORY: float(self._most_bytes)}
        return {USE: sum(self._use) / len(self._use), **found} if self._use else found

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await asyncio.get_running_loop().run_in_executor(None, self.look)

    def look(self) -> None:
        """Looks once."""
        if self._driver is None:
            return
        pids = set(self._pids())
        use = [self._driver.use_percent(gpu) for gpu in self._gpus]
        held = [self._driver.used_bytes(gpu, pids) for gpu in self._gpus]
        known = [one for one in use if one is not None]
        if known:
            self._use.append(sum(known) / len(known))
            self._now[USE] = self._use[-1]
        memory = [one for one in held if one is not None]
        if memory:
            self._most_bytes = max(self._most_bytes or 0, sum(memory))
            self._now[MEMORY] = float(sum(memory))
