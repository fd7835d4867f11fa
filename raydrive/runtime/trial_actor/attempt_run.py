"""One attempt in a trial actor, from the driver's order to its last event."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raydrive.core.config.trial_spec import TrialConfig, TrialSpec
from raydrive.core.errors import StorageError
from raydrive.core.reports.message_checks import clean_text
from raydrive.runtime.gang.member_events import MemberEvents
from raydrive.runtime.gang.member_lost import EPOCH, MemberLostError
from raydrive.runtime.gang.rank_variables import Meeting
from raydrive.runtime.ray_in_trials.remote_messages import RemoteMessages
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_actor.attempt_outcome import outcome
from raydrive.runtime.trial_actor.event_delivery import Delivery
from raydrive.runtime.trial_actor.failure_reason import why_ended
from raydrive.runtime.trial_actor.files.attempt_files import Prepared
from raydrive.runtime.trial_actor.files.checkpoint_publisher import CheckpointPublisher, Resumed, recover
from raydrive.runtime.trial_actor.files.log_uploads import deliver, upload_log
from raydrive.runtime.trial_actor.files.removed_files import RemovalWatch, RemovedError
from raydrive.runtime.trial_actor.first_report_delay import FirstReportDelay
from raydrive.runtime.trial_actor.fork_client import Exit
from raydrive.runtime.trial_actor.node_setup import NodeSetup, ReadyNode
from raydrive.runtime.trial_actor.training_job import training_job
from raydrive.runtime.trial_actor.training_process import TrainingProcess
from raydrive.runtime.trial_events import EndedEvent, LostEvent, TrialEvent
from raydrive.storage.checkpoints import Manifest

if TYPE_CHECKING:
    from raydrive.runtime.gang.leader import GangAttempt, Members
    from raydrive.runtime.gang.shards import ShardedCheckpoints


@dataclass(frozen=True, slots=True)
class ActorParts:
    """What the attempts of a trial actor use, one after the other."""

    config: TrialConfig
    run_id: str
    name: str
    """Name of the actor."""
    setup: NodeSetup
    delivery: Delivery
    first_report_delay: FirstReportDelay
    node_rank: int = 0
    """Number of the actor's node among those of the trial."""
    members: Members | None = None
    """The actors of the trial's other nodes; None = there are none, or this is one of them."""
    reserved: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)
    """Returns when the reservation is there that the trials hand on to Ray."""


class AttemptRun:
    """An attempt that is under way, or over and not yet followed by another one. Begins at once.

    Args:
        parts: What it uses.
        events: Its events, so far none.
        params: The hyperparameters.
        resume_from: Name of the checkpoint to continue from; None = it begins again.
        meeting: Where its processes meet, on another node than the trial's first; None = this is the first.
    """

    def __init__(
        self,
        parts: ActorParts,
        events: AttemptEvents,
        params: Mapping[str, Any],
        resume_from: str | None,
        meeting: Meeting | None = None,
    ) -> None:
        self.events = events
        self.remote_messages = RemoteMessages(events)
        """Takes what processes on other nodes log."""
        self._parts = parts
        self._params = params
        self._resume_from = resume_from
        self._meeting = meeting
        self._hosts: Sequence[str] = ()
        self._gang: GangAttempt | None = None
        self._prepared: Prepared | None = None
        self._stopping = False
        self._task = asyncio.get_running_loop().create_task(self._supervise())

    def is_of(self, trial: int, attempt: int) -> bool:
        """Whether it is this attempt."""
        return (self.events.trial, self.events.attempt) == (trial, attempt)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.events.done.done()

    async def last_events(self) -> list[TrialEvent]:
        """Returns, when it has ended, its events that the driver has not acknowledged; the end is the last of them."""
        return await asyncio.shield(self.events.done)

    async def stop(self, grace_s: float) -> None:
        """Ends its process tree; returns when the attempt has ended.

        Args:
            grace_s: Seconds between SIGTERM and SIGKILL.
        """
        self._stopping = True
        ends = [self._parts.setup.stop(grace_s), *([self._gang.stop(grace_s)] if self._gang is not None else [])]
        await asyncio.gather(*ends)
        await asyncio.shield(self.events.done)

    async def take(self, events: Sequence[TrialEvent]) -> None:
        """Takes what another node of the trial sends."""
        if self._gang is not None:
            await self._gang.take(events)

    async def gpu_use(self) -> dict[str, float]:
        """Returns what it uses of its GPUs now, on all nodes; empty = not known."""
        own = dict(self.events.using)
        return own if self._gang is None else await self._gang.gpu_use(own)

    def put_parts(self, number: int, names: Mapping[int, str]) -> list[Any]:
        """Uploads the parts of a checkpoint on this node to the storage; see ``shards.put_parts``."""
        from raydrive.runtime.gang import shards  # lazy: raydrive.runtime.gang.shards, 0.001 s

        if self._prepared is None:
            raise StorageError(f"trial {self.events.trial} has no files on this node")
        return shards.put_parts(self._prepared, number, names)

    def drop_parts(self, names: Mapping[int, str] | None) -> None:
        """Removes parts of a checkpoint from this node, or notes (None) that none is going to be asked for."""
        from raydrive.runtime.gang import shards  # lazy: raydrive.runtime.gang.shards, 0.001 s

        if self._prepared is not None and names is not None:
            shards.drop_parts(self._prepared, names)
        if isinstance(self.events, MemberEvents):
            self.events.dropped(None if names is None else names.values())

    # ------------------------------------------------------------------ from beginning to end

    async def _supervise(self) -> None:
        began = time.monotonic()
        events, parts = self.events, self._parts
        end = await self._end_of(self._execute())
        try:
            await parts.delivery.end()
            parts.first_report_delay.learn(time.monotonic() - began, stopped=self._stopping)
        finally:
            if events.refused and not self._stopping:
                end = EndedEvent(time.time(), None, clean_text(events.refused))
                events.unsent.clear()  # it would be refused again
            used = events.usage if self._gang is None else self._gang.gpus_used(events.usage)
            if isinstance(end, EndedEvent) and used:
                end = end._replace(usage=used)
            events.unsent.append(end._replace(at=time.time()))
            events.done.set_result(events.unsent)

    async def _end_of(self, work: Awaitable[tuple[int | None, str]]) -> EndedEvent | LostEvent:
        """Returns how the work has ended: whatever goes wrong on this side is the attempt's end, never a hang."""
        now = time.time()
        try:
            code, error = await work
        except (RemovedError, MemberLostError) as problem:
            return LostEvent(now, clean_text(str(problem)))
        except (StorageError, OSError) as problem:
            if not self.events.began and not (isinstance(problem, StorageError) and problem.__cause__ is None):
                # The storage or this node failed, not what is stored: no fault of the trial.
                return LostEvent(now, clean_text(f"it could not start: {problem}"))
            return EndedEvent(now, None, clean_text(f"{type(problem).__name__}: {problem}"))
        except Exception as problem:
            return EndedEvent(now, None, clean_text(f"{type(problem).__name__}: {problem}"))
        return EndedEvent(now, code, clean_text(error))

    async def _execute(self) -> tuple[int | None, str]:
        parts, current = self._parts, self.events
        node = await parts.setup.ready()
        await parts.reserved()  # an actor that a new driver has found may still wait for it
        try:
            await self._meet(node.spec)
            end = await self._on_node(node)
        finally:
            if self._gang is not None:
                await self._gang.finished()
        if self._gang is not None:
            current.note(self._gang.missing())
        return end

    async def _meet(self, spec: TrialSpec) -> None:
        """Starts the attempt on the trial's other nodes, if there are any.

        Raises:
            MemberLostError: If one of them is gone.
        """
        parts, current, needs = self._parts, self.events, spec.resources
        if needs.world_size == 1 or self._meeting is not None or spec.distribution == "ray":
            return
        from raydrive.runtime.gang import leader  # lazy: raydrive.runtime.gang.leader, 0.01 s

        ports = 1 + needs.processes_per_node
        if parts.members is None:
            self._meeting = leader.meet_alone(ports)
            return
        self._meeting, self._hosts = await parts.members.meet(ports)
        stop_own = parts.setup.stop
        self._gang = leader.GangAttempt(parts.members.actors, self._hosts, current, spec.grace_s, stop_own)
        order = (current.trial, current.attempt, dict(self._params), self._resume_from, current.interval)
        if not self._stopping:
            self._gang.begin(order, self._meeting)

    async def _on_node(self, node: ReadyNode) -> tuple[int | None, str]:
        """Runs the attempt on this node, from its files' way here to their way to the storage."""
        parts, current = self._parts, self.events
        processes, nodes = node.spec.started_per_node, node.spec.resources.nodes
        prepared = node.files.prepare(current.trial, current.attempt, parts.node_rank, processes, nodes)
        resumed = await self._recover(prepared)
        if resumed is not None:
            current.resumes()
        publisher = begin_to_publish(parts.config, current, prepared, publishes=not parts.node_rank)
        self._prepared = prepared
        current.expect_parts(lambda: self._take_parts(prepared))
        watch = RemovalWatch(current, node.channel, prepared, node.files)
        shipping = (
            asyncio.get_running_loop().create_task(upload_log(prepared)) if prepared.uploader is not None else None
        )
        try:
            return await self._train(node, prepared, resumed, publisher, watch)
        finally:
            watch.close()
            publisher.cancel()
            if shipping is not None:
                shipping.cancel()
            stopped, patience_s = self._stopping, parts.config.trial.storage_patience_s
            given_up = lambda: self._stopping and not stopped  # noqa: E731  (a stop of what is done from here on)
            await deliver(prepared, current.note, patience_s, publisher.saved, given_up)
            if not current.kept:  # a process that is kept may need again what it has put there
                await node.files.clear_temporary()

    def _take_parts(self, prepared: Prepared) -> ShardedCheckpoints:
        """What takes parts of checkpoints, on the trial's first node."""
        from raydrive.runtime.gang import shards  # lazy: raydrive.runtime.gang.shards, 0.001 s

        members = self._parts.members.actors if self._parts.members is not None else ()
        return shards.ShardedCheckpoints(self.events, prepared, members, EPOCH)

    async def _train(
        self,
        node: ReadyNode,
        prepared: Prepared,
        resumed: Resumed | None,
        publisher: CheckpointPublisher,
        watch: RemovalWatch,
    ) -> tuple[int | None, str]:
        """Runs the training process; returns its exit code, and why it failed.

        Raises:
            RemovedError: If it ended for lack of something that was removed.
            MemberLostError: If another node of the trial is lost.
        """
        parts, current = self._parts, self.events
        job = training_job(parts.config, parts.run_id, node, current, self._params, prepared, resumed, self._meeting)
        if self._stopping:
            return -15, "stopped before it started"
        if self._gang is not None and self._gang.has_ended:
            if self._gang.failure is None:
                raise MemberLostError(self._gang.lost)
            return self._gang.failure.exit_code, self._gang.failure.why
        process = TrainingProcess(
            job=job,
            current=current,
            config=parts.config,
            node=node,
            prepared=prepared,
            watch=watch,
            delivery=parts.delivery,
            actor=parts.name,
            first_delay_s=parts.first_report_delay.wait_s,
            is_stopped=lambda: self._stopping,
            hosts=self._hosts,
        )
        exit_, nearly = await process.run()
        await self._others_end(exit_, prepared)
        if current.shards is not None:
            await current.shards.close()
        if self._stopping or (exit_.code == 0 and (self._gang is None or self._gang.failure is None)):
            current.is_over()
        if not parts.node_rank:
            await publisher.close()
        current.forgo()
        if not self._stopping and (lost := watch.why_lost(exit_.code)):
            raise RemovedError(lost)
        if current.began and (trouble := prepared.log_trouble()):
            current.note(trouble)
        return self._joint_end(exit_, prepared, nearly)

    async def _others_end(self, exit_: Exit, prepared: Prepared) -> None:
        """Informs the trial's other nodes how the processes of this one ended, and waits for theirs.

        Raises:
            MemberLostError: If the attempt is lost with one of them.
        """
        if isinstance(self.events, MemberEvents):
            self.events.exited(exit_.code, "" if self._stopping else self._why_failed(exit_, prepared))
            await self.events.parts_over()
        if self._gang is None:
            return
        if exit_.code != 0 and not self._stopping and not self._gang.has_ended:
            self._gang.own_failure(exit_.code, self._why_failed(exit_, prepared))
        await self._gang.exited()
        if self._gang.lost and not self._stopping:
            raise MemberLostError(self._gang.lost)

    def _joint_end(
        self, exit_: Exit, prepared: Prepared, nearly: Callable[[bool, bool], str]
    ) -> tuple[int | None, str]:
        """How the attempt has ended, on all of its nodes."""
        gang = self._gang
        if gang is not None and gang.failure is not None and not self._stopping:
            return gang.failure.exit_code, gang.failure.why
        if isinstance(self.events, MemberEvents) or (prepared.more_logs and exit_.code != 0 and not self._stopping):
            return exit_.code, self._why_failed(exit_, prepared)
        return outcome(self.events, exit_, prepared, nearly, self._parts.config.trial.submit_dir)

    def _why_failed(self, exit_: Exit, prepared: Prepared) -> str:
        """Why the processes of this node failed, with the rank of the first that did; empty where none did."""
        if exit_.code == 0:
            return ""
        trial, first = self._parts.config.trial, prepared.node_rank * (1 + len(prepared.more_logs))
        why = why_ended(exit_, prepared, trial.submit_dir)
        where = "" if self._parts.members is None and not prepared.node_rank else f" on {os.uname().nodename}"
        if trial.distribution == "mpi":  # what mpirun's process tells names the rank
            return f"MPI{where}: {why or exit_.code}" if prepared.node_rank else why
        return f"rank {first + (exit_.failed_rank or 0)}{where}: {why or f'exit code {exit_.code}'}"

    async def _recover(self, prepared: Prepared) -> Resumed | None:
        """Downloads the checkpoint to this node and counts intervals on from it."""
        name, current = self._resume_from, self.events
        if name is None:
            return None
        loop = asyncio.get_running_loop()
        into, interval = prepared.scratch / "resume", current.reader.interval
        resumed = await loop.run_in_executor(
            None, recover, prepared.layout, current.trial, current.attempt, name, interval, into, prepared.note
        )
        current.reader.interval = resumed.interval if resumed is not None else 0
        return resumed


def begin_to_publish(
    config: TrialConfig, current: AttemptEvents, prepared: Prepared, *, publishes: bool = True
) -> CheckpointPublisher:
    """Begins to publish the checkpoints that an attempt leaves; returns its publisher.

    Args:
        config: The run's configuration.
        current: The attempt.
        prepared: Its files.
        publishes: Whether this is the trial's first node: what others have is part of a checkpoint, or none.
    """

    def published(manifest: Manifest) -> None:
        current.saved(manifest.interval, str(manifest.number))

    def missing(text: str) -> None:
        # A trial actor needs it for nothing else.
        from raydrive.core.records import OUTPUTS  # lazy: raydrive.core.records, 0.006 s

        prepared.note(text)
        current.note(text, OUTPUTS)

    publisher = current.publisher = CheckpointPublisher(
        prepared.layout,
        current.trial,
        current.attempt,
        prepared.staging,
        progress=lambda: current.progress,
        published=published,
        note=prepared.note,
        missing=missing,
        keep_last=config.trial.keep_checkpoints,
        patience_s=config.trial.storage_patience_s,
        maximize=config.metric.maximize,
        within=prepared.within,
    )
    if publishes:
        publisher.start()
    return publisher
