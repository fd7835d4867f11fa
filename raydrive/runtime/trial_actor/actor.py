"""The trial actor: holds a reservation, supervises one training process at a time, sends on what it logs.

Events go to the driver in batches, one batch in flight, in order, and are kept until the driver has them. The last
batch of an attempt is the result of ``run``, so that a short trial costs a single call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from raydrive.core.config.trial_spec import TrialConfig
from raydrive.core.errors import StaleEpochError, StorageError
from raydrive.core.reports.attempt_reports import Recorded
from raydrive.runtime.gang.member_events import MemberEvents
from raydrive.runtime.gang.rank_variables import Meeting
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_actor.attempt_run import ActorParts, AttemptRun
from raydrive.runtime.trial_actor.event_delivery import Delivery
from raydrive.runtime.trial_actor.first_report_delay import FirstReportDelay
from raydrive.runtime.trial_actor.node_setup import NodeSetup
from raydrive.runtime.trial_events import TrialEvent, WireEvent, unpack

if TYPE_CHECKING:
    from raydrive.runtime.gang.leader import Members

READY_S = 5.0
"""Longest time that ``ping`` waits for the actor to be ready, in seconds: inputs that are fetched may take minutes."""


class TrialSupervisor:
    """The work behind the Ray actor of a trial: holds one slot of the cluster and runs attempts in it, one by one.

    Args:
        uri: The run folder.
        run_id: Name of the run.
        config: The run's configuration as JSON.
        driver: Handle of the driver actor.
        epoch: Epoch of that driver.
        name: The actor's own name, by which the next driver finds it.
        secrets: Further environment variables of the trials by name; nowhere but in memory. None = none.
        node_rank: Number of its node among those of the trial.
        members: The actors of the trial's other nodes, where this is the first of several; else None.
        release: Gives back the reservation of all of them, or that which its trials hand on to Ray.
        reserved: Returns when the reservation is there that its trials hand on.
        variables: What its trials get to join Ray; those of the user win.
    """

    def __init__(
        self,
        uri: str,
        run_id: str,
        config: Mapping[str, Any],
        driver: Any,
        epoch: int,
        name: str,
        secrets: Any = None,
        *,
        node_rank: int = 0,
        members: Members | None = None,
        release: Callable[[], None] = lambda: None,
        reserved: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._config = TrialConfig.from_json(config)
        self._run_id = run_id
        self._epoch = epoch
        self._heard_at = time.monotonic()
        self._attempt: AttemptRun | None = None
        self.setup = NodeSetup(uri, self._config, dict(secrets or {}), variables)
        """What its attempts share on its node."""
        self.first_report_delay = FirstReportDelay()
        """How long the first events of the next attempt are held back."""
        self._delivery = Delivery(
            driver,
            epoch,
            heard=lambda: self._hear(self._epoch),
            room=self.setup.channel.resume,
            refused=self._refused,
        )
        loop = asyncio.get_running_loop()
        # From the start: a reservation that comes when the driver is gone for good must not be held for ever.
        self._lease = loop.create_task(self._watch_lease())
        # Before the first attempt comes, which takes a while.
        self._readying = loop.create_task(self._get_ready_early())
        self._node_rank, self._members, self._release, self._reserved = node_rank, members, release, reserved
        shared = (self.setup, self._delivery, self.first_report_delay)
        self._parts = ActorParts(self._config, run_id, name, *shared, node_rank, members, reserved)

    @property
    def attempt(self) -> AttemptRun | None:
        """The attempt under way, or the last one; None before the first."""
        return self._attempt

    async def close(self) -> None:
        """Kills what trains and gives back what the actor holds; it runs no further attempt."""
        self._lease.cancel()
        await asyncio.wait([self._readying])
        await self.setup.close()

    async def adopt(self, epoch: int, driver: Any) -> tuple[int, int] | None:
        """Goes over to a new driver; what trains is not disturbed.

        Args:
            epoch: The new driver's; a lower one than the present driver's is refused.
            driver: Its handle.

        Returns:
            Trial and attempt under way, or over and not yet handed in; None when idle.

        Raises:
            StaleEpochError: If a newer driver has taken over already.
        """
        self._hear(epoch)
        self._delivery.driver = driver
        self._delivery.withdraw()
        if self._attempt is None:
            return None
        events = self._attempt.events
        events.wake.set()
        return events.trial, events.attempt

    async def renew(self, epoch: int) -> None:
        """Takes the driver's sign of life.

        Raises:
            StaleEpochError: If a newer driver has taken over already.
        """
        self._hear(epoch)

    async def gpu_use(self) -> dict[str, float]:
        """Returns what the attempt under way uses of its GPUs now, on all nodes; empty = not known, or no attempt."""
        current = self._attempt
        return await current.gpu_use() if current is not None and not current.is_over else {}

    def _hear(self, epoch: int) -> None:
        """Accepts a word of the driver: refuses one of the past, and renews the lease."""
        if epoch < self._epoch:
            raise StaleEpochError(
                f"this trial actor follows the driver of epoch {self._epoch}; epoch {epoch} has ended"
            )
        self._epoch = self._delivery.epoch = epoch
        self._heard_at = time.monotonic()

    async def _watch_lease(self) -> None:
        """Ends this actor, and by that its process tree, when no driver has been heard of for the lease."""
        lease_s = self._config.trial.lease_s
        while True:
            await asyncio.sleep(min(5.0, lease_s / 4))
            if time.monotonic() - self._heard_at > lease_s:
                await self.setup.stop(self._config.trial.grace_s)
                self._release()
                os._exit(0)  # the guard ends whatever is left; Ray frees the reservation
            if self._members is not None:  # they end with this actor, and not before
                self._members.renew()

    async def _get_ready_early(self) -> None:
        """What goes wrong here is the first attempt's business, which tries again."""
        with contextlib.suppress(Exception):
            await self.setup.ready()

    async def ping(self) -> int:
        """Answers with the process id of the actor, once it is ready for an attempt.

        One that is given to an actor without its helper waits for that, though another actor may be free before.
        """
        await asyncio.wait([self._readying], timeout=min(READY_S, self._config.trial.lease_s / 4))
        await self._reserved()
        if self._members is not None:
            await self._members.ready()
        return os.getpid()

    async def run(
        self,
        epoch: int,
        trial: int,
        attempt: int,
        params: Mapping[str, Any],
        resume_from: str | None,
        interval: int,
        recorded: int | None = None,
        first_step: float | None = None,
        last_step: float | None = None,
        meeting: Mapping[str, Any] | None = None,
        last_value: float | None = None,
    ) -> list[TrialEvent]:
        """Runs an attempt to its end and returns its last events; joins it when it is under way already.

        Args:
            epoch: The driver's.
            trial: Number of the trial.
            attempt: Number of the attempt, from 1.
            params: The hyperparameters.
            resume_from: Name of the checkpoint to continue from.
            interval: Intervals that checkpoint holds.
            recorded: Intervals that earlier attempts recorded, where the next two are known.
            first_step: The step of the first of them.
            last_step: The step of the last of them.
            meeting: Where the attempt's processes meet, for the actor of another node than the trial's first.
            last_value: The last value that earlier attempts recorded.

        Raises:
            StaleEpochError: If a newer driver has taken over.
        """
        self._hear(epoch)
        current = self._attempt
        if current is None or not current.is_of(trial, attempt):
            metric, place = self._config.metric.name, Meeting(**meeting) if meeting is not None else None
            known = Recorded.of(recorded, first_step, last_step)
            events = (
                MemberEvents(trial, attempt, interval, metric, self._node_rank)
                if self._node_rank
                else AttemptEvents(trial, attempt, interval, metric, known, last_value)
            )
            events.reader.ranks_given = self._config.trial.resources.world_size > 1
            current = self._attempt = AttemptRun(self._parts, events, params, resume_from, place)
        return await current.last_events()

    async def stop(self, epoch: int, trial: int | None, attempt: int, grace_s: float) -> None:
        """Ends the process tree of an attempt (of any, when trial is None); returns when it is gone.

        Raises:
            StaleEpochError: If a newer driver has taken over.
        """
        self._hear(epoch)
        current = self._attempt
        if current is not None and not current.is_over and (trial is None or current.is_of(trial, attempt)):
            await current.stop(grace_s)

    async def report(self, trial: int, attempt: int, events: Sequence[WireEvent]) -> bool:
        """Takes a batch of events from another node of the trial; returns when there is room for more.

        Returns:
            Whether it is of the attempt under way.
        """
        current = self._attempt
        if current is None or not current.is_of(trial, attempt):
            return False
        await current.take(unpack(events))
        return True

    async def log(self, trial: int, attempt: int, sender: str, number: int, messages: Sequence[Any]) -> bool:
        """Takes what a process on any node logs with ``Run.remote()``; returns when there is room for more.

        Returns:
            Whether it is of the attempt under way.
        """
        current = self._attempt
        if current is None or not current.is_of(trial, attempt):
            return False
        return await current.remote_messages.take(sender, number, messages)

    async def put_parts(self, epoch: int, trial: int, attempt: int, number: int, names: Mapping[int, str]) -> list[Any]:
        """Uploads the parts of a checkpoint on this node to the storage.

        Raises:
            StorageError: If they cannot be written, or the attempt has ended.
        """
        self._hear(epoch)
        current = self._attempt
        if current is None or not current.is_of(trial, attempt):
            raise StorageError(f"attempt {attempt} of trial {trial} is not on this node")
        return await asyncio.get_running_loop().run_in_executor(None, current.put_parts, number, names)

    async def drop_parts(self, epoch: int, trial: int, attempt: int, names: Mapping[int, str] | None) -> None:
        """Removes parts of a checkpoint from this node, or notes (None) that none is going to be asked for."""
        self._hear(epoch)
        current = self._attempt
        if current is not None and current.is_of(trial, attempt):
            current.drop_parts(names)

    def _refused(self, current: AttemptEvents, why: str) -> None:
        """What an attempt logged can never be recorded: it fails, for another attempt would log the same."""
        current.refused = why
        self.setup.kill()
