"""The training process of an attempt, from its start until everything it logged has been read."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raydrive import wire
from raydrive.core.config.trial_spec import TrialConfig
from raydrive.runtime.fork_server import process_tree
from raydrive.runtime.gang import log_order
from raydrive.runtime.gpus import nvml
from raydrive.runtime.gpus.usage import UsageWatch
from raydrive.runtime.gpus.visible import gpus_of
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_actor.event_delivery import Delivery, pause_if_unheard
from raydrive.runtime.trial_actor.files.attempt_files import Prepared
from raydrive.runtime.trial_actor.files.capped_log import CappedLog
from raydrive.runtime.trial_actor.files.removed_files import RemovalWatch
from raydrive.runtime.trial_actor.fork_client import Exit, Job
from raydrive.runtime.trial_actor.node_setup import ReadyNode
from raydrive.runtime.trial_actor.stdout_tail import StdoutTail, not_read, watched
from raydrive.runtime.trial_events import BeganEvent


@dataclass(frozen=True, slots=True)
class TrainingProcess:
    """A job that an attempt is about to run, or runs."""

    job: Job
    current: AttemptEvents
    config: TrialConfig
    node: ReadyNode
    prepared: Prepared
    watch: RemovalWatch
    delivery: Delivery
    actor: str
    """Name of the trial actor."""
    first_delay_s: float
    """Seconds that the first events of the attempt wait for others."""
    is_stopped: Callable[[], bool]
    """Whether the attempt is being stopped."""
    hosts: Sequence[str] = ()
    """Names of the trial's nodes; empty = it has one."""

    async def run(self) -> tuple[Exit, Callable[[bool, bool], str]]:
        """Runs the job and reads all that it logs and prints.

        Returns:
            How it ended, and why what was printed holds no value of the primary metric, where there is a reason.

        Raises:
            RuntimeError: If another job is under way.
        """
        current, channel, prepared = self.current, self.node.channel, self.prepared
        current.log = prepared.note
        channel.take, channel.notice = self._take, current.tell
        self.watch.start()
        limit = self.node.spec.log_limit
        log = CappedLog(prepared.log, limit, prepared.log_changed)
        silent = not_read(self.config)
        printed = StdoutTail(
            log, silent if prepared.node_rank else self.config, self._take, current.is_full, self._note
        )
        async with contextlib.AsyncExitStack() as watches:
            for one in prepared.more_logs:
                more = CappedLog(one.path, limit, one.changed)
                tail = StdoutTail(more, silent, self._take, current.is_full, self._note)
                await watches.enter_async_context(watched(tail, self.is_stopped))
            await watches.enter_async_context(watched(printed, self.is_stopped))
            if prepared.order is not None:
                await watches.enter_async_context(log_order.following(prepared.process_logs, prepared.order.path))
            gpus = [name for name in gpus_of(self.job.env).split(",") if name]
            driver = nvml.opened() if gpus else None
            usage = await watches.enter_async_context(UsageWatch(driver, gpus, self._pids, current.using))
            exit_ = await self.node.fork_server.run(self.job, self._begin)
        current.usage = usage.result
        current.kept = exit_.kept
        # A process that is kept for the next trial may have been paused at its very last report.
        process_tree.signal_all(current.stopped_pids, signal.SIGCONT)
        current.pid, current.stopped_pids = 0, []
        # What the dead process had sent is in the socket's buffer: little, and it must not wait for the driver.
        channel.take = current.add
        channel.resume()
        await channel.drain()
        self.watch.close()
        return exit_, printed.nearly

    def _pids(self) -> list[int]:
        pid = self.current.pid
        return [pid, *process_tree.descendants(pid)] if pid else []

    def _begin(self, pid: int) -> None:
        current = self.current
        current.pid, current.began = pid, True
        gpus = gpus_of(self.job.env)
        # Before what it may have logged already: two sockets bring that and this, in any order.
        current.unsent.insert(0, BeganEvent(time.time(), os.uname().nodename, pid, gpus, self.actor, tuple(self.hosts)))
        self.delivery.begin(current, self.first_delay_s)

    def _take(self, messages: Sequence[wire.Message]) -> list[wire.Message]:
        """Takes what the process has logged or printed; returns the messages that cannot be read."""
        unreadable = self.current.add(messages)
        pause_if_unheard(self.current, self.config.trial.storage_patience_s)
        if self.current.is_full():
            self.node.channel.pause()
        return unreadable

    def _note(self, text: str, lost: bool) -> None:
        self.prepared.note(text)
        if lost:
            self.current.note(text)
