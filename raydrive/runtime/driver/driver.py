"""The driver actor's calls: it starts, or takes over after a restart, and forwards calls to the running driver."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import DamagedJournalError, JournalError, StaleEpochError, StorageError
from raydrive.core.records import Fact
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.user_requests.edit_checks import effective
from raydrive.core.views.status import missing
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.runtime.driver.driven_parts import Pool
from raydrive.runtime.driver.followers.followers import Followers
from raydrive.runtime.driver.mailbox import Mailbox
from raydrive.runtime.driver.own_actor import Host
from raydrive.runtime.driver.running_driver import RunningDriver
from raydrive.runtime.driver.user_classes import read_runnable
from raydrive.runtime.driver.user_requests import folded_anew, trial_generation
from raydrive.runtime.ray_cluster.connection import versions
from raydrive.runtime.trial_events import WireEvent
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import read_heartbeat


class Pools(Protocol):
    """Makes the runner of a driver that starts."""

    def make(
        self,
        config: RunConfig,
        epoch: int,
        post: Callable[[Sequence[Fact]], Any],
        record: Callable[[Sequence[Fact]], Awaitable[None]],
        generation: int = 0,
    ) -> Pool:
        """Returns the runner."""

    def discard(self) -> None:
        """Ends what was started already for a driver that then cannot start."""


class Driver:
    """Holds sampler and policy of one run and decides.

    Args:
        uri: The run folder; ``config.json`` is there already.
        limits: Limits that a resume changes.
        pools: Makes the runner.
        host: The actor that this is.
        secrets: Values of secrets by name, for the run's trackers.
        webhook: Address of the run's webhook, where its configuration names only where that is read.
    """

    def __init__(
        self,
        uri: str,
        limits: Mapping[str, Any] | None,
        pools: Pools,
        host: Host,
        secrets: Mapping[str, str] = MappingProxyType({}),
        webhook: str = "",
    ) -> None:
        self._secrets = secrets
        self._layout = RunLayout.open(uri)
        self._uri = uri
        self._limits = dict(limits or {})
        self._pools = pools
        self._host = host
        self._webhook = webhook
        self._running: RunningDriver | None = None
        """None until the journal is replayed; all that needs it asks ``_started`` or ``_in_charge``."""
        self._starting = asyncio.Lock()
        self._restarting: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        if host.was_restarted:
            self._limits = {}  # they are in the journal already
            # Nothing outside notices that this driver is new: it has to begin by itself.
            self._restarting = asyncio.get_running_loop().create_task(self._restart())

    async def _restart(self) -> None:
        pause_s = 0.1
        while True:
            try:
                await self.start()
                return
            except StorageError as error:
                if isinstance(error, JournalError):  # damaged, or another driver's
                    self._over.set()
                    raise
                await asyncio.sleep(pause_s)  # the trials continue for their lease and keep what they log
                pause_s = min(2 * pause_s, 5.0)
            except Exception:
                self._over.set()
                raise

    async def _in_charge(self) -> RunningDriver:
        """Returns the running driver, started where that is still to do.

        Raises:
            StaleEpochError: If a newer driver has taken over.
            StorageError: If the run cannot be read or written.
        """
        running = self._running
        if running is not None and running.superseded:
            raise StaleEpochError(running.superseded)
        if self._restarting is not None:
            await asyncio.shield(self._restarting)
        elif running is None:
            await self.start()
        return self._started()

    def _started(self) -> RunningDriver:
        if self._running is None:
            raise StorageError(f"{self._uri}: the driver has not started yet")
        return self._running

    # ------------------------------------------------------------------ calls from outside

    async def start(self) -> int:
        """Takes charge of the run: replays its journal, claims the next epoch and continues.

        Returns:
            The epoch.

        Raises:
            StorageError: If the run cannot be read or written.
        """
        async with self._starting:
            if self._running is None:
                running = self._running = self._take_charge()
                await running.begin(versions(), self._limits)
        return self._started().epoch

    async def report(self, trial: int, attempt: int, epoch: int, events: Sequence[WireEvent]) -> bool:
        """Takes a batch of events of an attempt; answers once the journal has them.

        Returns:
            Whether the attempt continues; False when it is being stopped, is a ghost, or is lost.

        Raises:
            StaleEpochError: If the actor follows another driver; it tries again until this one has adopted it.
        """
        return await (await self._in_charge()).report(trial, attempt, epoch, events)

    async def steer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Records what a user asks for; returns what was recorded, and when it takes effect.

        Raises:
            ConfigError: If it cannot be done.
            RaydriveError: If the run has changed meanwhile.
        """
        return await (await self._in_charge()).steering.steer(request)

    async def interrupt(self, grace_s: float | None = None) -> None:
        """Ends the training processes but not the run: ``raydrive resume`` continues it.

        Args:
            grace_s: Seconds between SIGTERM and SIGKILL; None = the run's. A second call can only hasten the end.
        """
        await self._started().interrupt(grace_s)

    async def wait(self) -> None:
        """Returns when the run has ended or was interrupted."""
        await self._over.wait()

    async def view(self) -> dict[str, Any]:
        """Returns what ``driver.json`` holds, fresh.

        Raises:
            StorageError: If the driver has not started yet.
        """
        return self._started().view()

    async def sees(self, name: str) -> bool:
        """Returns whether a file of this name is in the run folder: a client finds out so that both use one folder.

        Raises:
            StorageError: If that cannot be found out.
        """
        return await asyncio.get_running_loop().run_in_executor(None, self._layout.folder.exists, name)

    # ------------------------------------------------------------------ start

    def _take_charge(self) -> RunningDriver:
        try:
            config, warm_start, sampler, runnable = read_runnable(self._layout)
            writer = JournalWriter.open(self._layout.journal)
            lean = Sweep(config, warm_start, lean=True)
            lean.runnable = runnable
            sweep, entries = self._replayed(lean)
        except BaseException:
            self._pools.discard()
            raise
        mailbox = Mailbox()
        config = effective(sweep)
        pool = self._pools.make(config, writer.epoch, mailbox.post, mailbox.record, trial_generation(sweep))
        decision_loop = DecisionLoop(sweep, sampler, pool, writer, time.time)
        if sweep.steering.revision:
            decision_loop.sampler = decision_loop.made_sampler()
        followers = Followers.of(self._layout, self._uri, sweep, config, self._secrets, self._webhook)
        return RunningDriver(
            self._layout, decision_loop, pool, writer, mailbox, self._host, entries, self._over, followers
        )

    def _replayed(self, sweep: Sweep) -> tuple[Sweep, int]:
        """Folds the journal into an empty sweep; returns it, and how many entries the journal has.

        Raises:
            DamagedJournalError: If it cannot be read to its end, or is shorter than a driver had recorded.
        """
        reader = JournalReader(self._layout.journal)
        reader.follow(sweep)
        lost = missing(read_heartbeat(self._layout).entries, reader.entries)
        if lost:
            raise DamagedJournalError(lost)
        if sweep.outgrown:
            sweep = folded_anew(self._layout, sweep)
            sweep.shed()
        return sweep, reader.entries
