"""One attempt in a trial actor, from the driver's order to its last event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.config.trial_spec import TrialConfig
from raydrive.core.errors import StorageError
from raydrive.core.reports.message_checks import clean_text
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_actor.attempt_outcome import outcome
from raydrive.runtime.trial_actor.event_delivery import Delivery
from raydrive.runtime.trial_actor.files.attempt_files import Prepared
from raydrive.runtime.trial_actor.files.checkpoint_publisher import CheckpointPublisher, Resumed, recover
from raydrive.runtime.trial_actor.files.log_uploads import deliver, upload_log
from raydrive.runtime.trial_actor.files.removed_files import RemovalWatch, RemovedError
from raydrive.runtime.trial_actor.first_report_delay import FirstReportDelay
from raydrive.runtime.trial_actor.node_setup import NodeSetup, ReadyNode
from raydrive.runtime.trial_actor.training_job import training_job
from raydrive.runtime.trial_actor.training_process import TrainingProcess
from raydrive.runtime.trial_events import EndedEvent, LostEvent, TrialEvent
from raydrive.storage.checkpoints import Manifest


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


class AttemptRun:
    """An attempt that is under way, or over and not yet followed by another one. Begins at once.

    Args:
        parts: What it uses.
        events: Its events, so far none.
        params: The hyperparameters.
        resume_from: Name of the checkpoint to go on from; None = it begins anew.
    """

    def __init__(
        self, parts: ActorParts, events: AttemptEvents, params: Mapping[str, Any], resume_from: str | None
    ) -> None:
        self.events = events
        self._parts = parts
        self._params = params
        self._resume_from = resume_from
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
        await self._parts.setup.stop(grace_s)
        await asyncio.shield(self.events.done)

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
            events.unsent.append(end._replace(at=time.time()))
            events.done.set_result(events.unsent)

    async def _end_of(self, work: Awaitable[tuple[int | None, str]]) -> EndedEvent | LostEvent:
        """Returns how the work has ended: whatever goes wrong on this side is the attempt's end, never a hang."""
        now = time.time()
        try:
            code, error = await work
        except RemovedError as problem:
            return LostEvent(now, clean_text(str(problem)))
        except (StorageError, OSError) as problem:
            if not self.events.began and not (isinstance(problem, StorageError) and problem.__cause__ is None):
                # The storage or this node failed, not what is stored: no fault of the trial.
                return LostEvent(now, clean_text(f"it could not begin: {problem}"))
            return EndedEvent(now, None, clean_text(f"{type(problem).__name__}: {problem}"))
        except Exception as problem:
            return EndedEvent(now, None, clean_text(f"{type(problem).__name__}: {problem}"))
        return EndedEvent(now, code, clean_text(error))

    async def _execute(self) -> tuple[int | None, str]:
        parts, current = self._parts, self.events
        node = await parts.setup.ready()
        prepared = node.files.prepare(current.trial, current.attempt)
        resumed = await self._recover(prepared)
        if resumed is not None:
            current.resumes()
        publisher = begin_to_publish(parts.config, current, prepared)
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
            RemovedError: If it ended for want of something that was removed.
        """
        parts, current = self._parts, self.events
        job = training_job(parts.config, parts.run_id, node, current, self._params, prepared, resumed)
        if self._stopping:
            return -15, "stopped before it began"
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
        )
        exit_, nearly = await process.run()
        if exit_.code == 0 or self._stopping:
            current.is_over()
        await publisher.close()
        current.forgo()
        if not self._stopping and (lost := watch.why_lost(exit_.code)):
            raise RemovedError(lost)
        if current.began and (trouble := prepared.log_trouble()):
            current.note(trouble)
        return outcome(current, exit_, prepared, nearly, node.spec.submit_dir)

    async def _recover(self, prepared: Prepared) -> Resumed | None:
        """Brings the checkpoint to this node and counts intervals on from it."""
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


def begin_to_publish(config: TrialConfig, current: AttemptEvents, prepared: Prepared) -> CheckpointPublisher:
    """Begins to publish the checkpoints that an attempt leaves; returns its publisher.

    Args:
        config: The run's configuration.
        current: The attempt.
        prepared: Its files.
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
    publisher.start()
    return publisher
