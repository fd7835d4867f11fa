"""A driver in charge of its run: judges what arrives, makes it durable, acts, acknowledges.

Everything happens on the actor's event loop but two things that may take long: writing the journal (one thread, so that
reports queue into the next group commit meanwhile) and asking an expensive sampler (another one).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from raydrive.core.errors import JournalError, StaleEpochError, StorageError, UnknownEventError
from raydrive.core.records import RUNNING, Ended, Fact, Lost, Started, Ticked
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.user_facts import Edited, Retried
from raydrive.core.user_requests.edit_checks import effective
from raydrive.core.views.summary import INTERRUPTED
from raydrive.runtime.checkpoint_pins import CheckpointPins, needed
from raydrive.runtime.decision_loop import Batch, DecisionLoop
from raydrive.runtime.driver.ack_pacing import AckPacer
from raydrive.runtime.driver.driven_parts import EpochWriter, Pool
from raydrive.runtime.driver.followers.dropped_checkpoints import DroppedCheckpoints
from raydrive.runtime.driver.followers.followers import Followers
from raydrive.runtime.driver.heartbeats import Heartbeats
from raydrive.runtime.driver.journal_compactor import JournalCompactor
from raydrive.runtime.driver.mailbox import Mailbox, Received
from raydrive.runtime.driver.own_actor import Host
from raydrive.runtime.driver.user_classes import why_it_failed
from raydrive.runtime.driver.user_code_watch import UserCodeWatch
from raydrive.runtime.driver.user_requests import (
    PROPOSALS,
    Proposals,
    Steering,
    asks_for_more,
    changes_trials,
    folded_anew,
    parts,
    trial_generation,
)
from raydrive.runtime.gpus.live import ASK_S
from raydrive.runtime.trial_events import WireEvent, to_facts
from raydrive.storage.folder.open import open_folder
from raydrive.storage.run_layout import RunLayout

TICK_S = 0.5
HEARTBEAT_S = 2.0
LINGER_S = 2.0
"""Seconds that a driver whose run has ended still answers before it ends itself."""


class RunningDriver:
    """Judges one run.

    Args:
        layout: The run folder.
        decision_loop: The judge and its runner, replayed from the journal.
        pool: The runner.
        writer: The journal.
        mailbox: What arrives.
        host: The actor that this is.
        entries: How many entries the journal has.
        over: Set when the run has ended or this driver is not in charge of it any more.
        followers: What tells of the run elsewhere.
    """

    def __init__(
        self,
        layout: RunLayout,
        decision_loop: DecisionLoop,
        pool: Pool,
        writer: EpochWriter,
        mailbox: Mailbox,
        host: Host,
        entries: int,
        over: asyncio.Event,
        followers: Followers,
    ) -> None:
        self.epoch = writer.epoch
        self.superseded = ""
        """Which driver has taken over; empty while none has."""
        self._layout = layout
        self._decision_loop = decision_loop
        self._pool = pool
        self._writer = writer
        self._mailbox = mailbox
        self._host = host
        self._entries = entries
        self._over = over
        self._compactor = JournalCompactor(layout.journal, lambda: writer.settled)
        self._followers = followers
        self._ack_pacer = AckPacer()
        self._pins = CheckpointPins(layout)
        self._dropped = DroppedCheckpoints(layout)
        self.steering = Steering(mailbox, lambda: self.sweep)
        """Takes what users ask for."""
        self._journal_thread = ThreadPoolExecutor(1, "raydrive-journal")
        self._sampler_thread = ThreadPoolExecutor(1, "raydrive-sampler")
        self._asking = False
        self._proposals = Proposals(decision_loop)
        self._interrupted = False
        self._state = RUNNING
        """Of a run that is not over, for the heartbeat."""
        config = self.sweep.config
        self._heartbeats = Heartbeats(layout, self.view, config.trial.lease_s)
        self._watch = UserCodeWatch(config.policy, config.sampling, self._tell_held_up)
        self._trouble = ""
        self._gpu_use: dict[int, dict[str, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def sweep(self) -> Sweep:
        """The state of the run, as judged."""
        return self._decision_loop.sweep

    async def begin(self, versions: Mapping[str, str], limits: Mapping[str, Any]) -> None:
        """Continues the run, and writes the first heartbeat.

        Args:
            versions: Of what this driver runs with.
            limits: Limits that a resume changes.
        """
        self._mailbox.post([Started(time.time(), self.epoch, versions, limits)])
        self._pool.adopt(self.sweep.open_trials)
        self._heartbeats.keep()
        self._watch.start()
        self._followers.start()
        for work in (self._pump(), self._tick(), self._beat(), self._renew(), self._compactor.run(), self._ask_gpus()):
            self._spawn(work)
        # What waits for this driver looks at the heartbeat next, and would find its predecessor's.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._heartbeats.write(), HEARTBEAT_S)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ------------------------------------------------------------------ calls from outside

    async def report(self, trial: int, attempt: int, epoch: int, events: Sequence[WireEvent]) -> bool:
        """Takes a batch of events of an attempt; answers once the journal has them.

        Returns:
            Whether the attempt continues; False when it is being stopped, is a ghost, or is lost.

        Raises:
            StaleEpochError: If the actor follows another driver; it tries again until this one has adopted it.
        """
        if epoch != self.epoch:  # not adopted yet, or never: its adoption asks for its events, or withdraws them
            raise StaleEpochError(
                f"this is the driver of epoch {self.epoch}, not {epoch}: wait until it adopts this actor"
            )
        hold_s = self._ack_pacer.call(time.monotonic(), trial)
        try:
            facts = to_facts(trial, attempt, events)
        except UnknownEventError as error:  # nothing of the batch counts, and no other attempt is harmed
            self._pool.lose(trial, attempt, str(error))
            return False
        await self._mailbox.record(facts)
        state = self.sweep.trials[trial]
        goes_on = state.attempt == attempt and state.open and not state.stop_by
        if hold_s and goes_on:
            await asyncio.sleep(hold_s)
        return goes_on

    async def interrupt(self, grace_s: float | None) -> None:
        """Ends the training processes but not the run.

        Args:
            grace_s: Seconds between SIGTERM and SIGKILL; None = the run's.
        """
        self._interrupted = True
        references = self._pool.interrupt(self.sweep.config.trial.grace_s if grace_s is None else grace_s)
        await asyncio.gather(*references, return_exceptions=True)
        self._pool.kill_all()
        self._state = INTERRUPTED
        self._watch.stop()
        await self._followers.interrupted(f"raydrive resume {self._layout.run_id} continues it")
        await self._heartbeats.write()
        self._over.set()

    def view(self) -> dict[str, Any]:
        """Returns what ``driver.json`` holds, fresh."""
        waiting = self._pool.waiting() if self._state == RUNNING else {}
        return {
            "state": self.sweep.finished.state if self.sweep.finished else self._state,
            "at": time.time(),
            "epoch": self.sweep.epoch,
            "entries": self._entries,
            "actor": self._host.name,
            "pid": os.getpid(),
            "address": self._host.address,
            "waiting": {str(trial): why for trial, why in waiting.items()},
            "trouble": self._trouble or self._compactor.trouble or self._followers.trouble,
            "notice": self._heartbeats.notice or self._followers.notice,
            "telling": self._followers.telling,
            "gpu_use": {str(trial): use for trial, use in self._gpu_use.items()},
        }

    # ------------------------------------------------------------------ the pump

    async def _pump(self) -> None:
        """Judges what has arrived, makes it durable, acts, acknowledges; over and over."""
        while not self._over.is_set():
            received = await self._mailbox.take()
            try:
                await self._turn(received)
            except JournalError as error:
                # Nothing of this batch counts: its senders keep it for the driver that has taken over.
                received.refuse(StaleEpochError(str(error)))
                await self._give_up(str(error), superseded=True)
                return
            except Exception as error:  # a bug of ours, or of a user's sampler: an error, and no hang
                why = why_it_failed("the driver failed", error)
                received.refuse(StaleEpochError(why))
                await self._give_up(why)
                raise
            if self.sweep.finished and not self._over.is_set():
                await self._close()

    async def _turn(self, received: Received) -> None:
        facts, decision_loop = received.facts, self._decision_loop
        if self._interrupted:  # what was logged counts; that the trials end is not a failure of theirs
            facts = [fact for fact in facts if not isinstance(fact, Ended | Lost | Ticked)]
        in_parts = list(parts(facts))
        batches = [await self._judge_part(part, more=part is not in_parts[-1]) for part in in_parts]
        received.acknowledge()
        for batch in batches:
            decision_loop.act(batch)
            self._followers.after(batch.decisions)
        if any(batch.decisions for batch in batches):
            self._pool.trim(self._still_needed())
            self._dropped.after(self.sweep, batches)
        if not decision_loop.sampler.cheap:
            self._ask()

    async def _judge_part(self, facts: Sequence[Fact], *, more: bool) -> Batch:
        """Judges facts and makes them durable; an edit or a retry is a part of its own."""
        decision_loop = self._decision_loop
        facts = [fact for fact in facts if not isinstance(fact, PROPOSALS) or self._proposals.is_current(fact)]
        if asks_for_more(self.sweep, facts):
            decision_loop.sweep = await self._in_journal_thread(folded_anew, self._layout, self.sweep)
        with self._watch.during(self._heartbeats.note_held_up):
            batch = decision_loop.judge(facts, more=more)
        if batch.lines:
            await self._write(batch)
            await self._pin()  # before anything is acknowledged: until then no trial actor deletes a checkpoint
        if any(isinstance(fact, Edited | Retried) for fact in facts):
            self.sweep.shed()
            self._followers.follow(self.sweep)
        if changes_trials(facts):
            self._pool.reconfigure(effective(self.sweep), trial_generation(self.sweep))
        return batch

    async def _pin(self) -> None:
        wanted = needed(self.sweep)
        if wanted != self._pins.known:
            try:
                await self._in_journal_thread(self._pins.update, wanted)
            except StorageError as error:
                self._heartbeats.notice = f"storage: {error}"

    def _still_needed(self) -> int:
        """How many more launches may come: so many idle actors are worth keeping."""
        sweep = self.sweep
        if sweep.ending or sweep.finished or sweep.steering.paused:
            return 0
        new = 0 if sweep.exhausted else sweep.limits.max_total_runs - len(sweep.trials)
        return min(new + sweep.paused_count, sweep.limits.max_concurrent_runs)

    async def _write(self, batch: Batch) -> None:
        """Writes until it is durable: storage that fails for a while holds decisions up, and loses nothing.

        Raises:
            JournalError: If a newer driver has taken over.
        """
        pause_s, since = 0.1, time.time()
        clock = time.strftime("%H:%M:%S UTC", time.gmtime(since))
        patience_s = self.sweep.config.trial.storage_patience_s
        while True:
            try:
                await self._in_journal_thread(self._decision_loop.write, batch)
            except JournalError:
                raise
            except StorageError as error:
                self._trouble = (
                    f"storage: {error}. Nothing could be recorded since {clock}: trying again; trials continue and "
                    f"buffer what they log, and pause after {patience_s:g} s"
                )
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, 10.0)
            else:
                if self._trouble:
                    away_s = time.time() - since
                    self._heartbeats.notice = f"the storage failed at {clock} for {away_s:.1f} s; nothing was lost"
                self._trouble = ""
                self._entries += len(batch.lines)
                return

    async def _in_journal_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._journal_thread, work, *arguments)

    def _ask(self) -> None:
        """Runs an expensive sampler in its own thread, one configuration at a time."""
        if not self._asking and self._decision_loop.wants_answer:
            self._asking = True
            self._spawn(self._think())

    async def _think(self) -> None:
        decision_loop, event_loop = self._decision_loop, asyncio.get_running_loop()
        if not decision_loop.wants_answer:  # what was judged since has taken the place
            self._asking = False
            return
        sampler, question = decision_loop.sampler, decision_loop.question(self.sweep.history.frozen())
        try:
            number, answer = await event_loop.run_in_executor(self._sampler_thread, question)
        except Exception as error:
            await self._give_up(why_it_failed("the sampler failed", error))
            raise
        self._asking = False
        if facts := decision_loop.suggested(number, answer):  # without any, a later turn asks again
            self._mailbox.post(self._proposals.made(facts, sampler))

    # ------------------------------------------------------------------ time

    async def _tick(self) -> None:
        while not self._over.is_set():
            await asyncio.sleep(TICK_S)
            self._mailbox.post([Ticked(time.time())])

    async def _beat(self) -> None:
        while not self._over.is_set():  # begin() writes the first heartbeat
            await asyncio.sleep(HEARTBEAT_S)
            try:
                await self._in_journal_thread(self._writer.check)
            except JournalError as error:
                await self._give_up(str(error), superseded=True)
                return
            except StorageError:
                pass  # the next write reports it
            if not self._over.is_set():
                await self._heartbeats.write()

    async def _renew(self) -> None:
        """Keeps the trials' leases alive; apart from the heartbeat, which waits for a storage that hangs."""
        while not self._over.is_set():
            await asyncio.sleep(self.sweep.config.trial.lease_s / 6)
            self._pool.renew()

    async def _ask_gpus(self) -> None:
        """Keeps what trials use of their GPUs, for the heartbeat."""
        while not self._over.is_set():
            await asyncio.sleep(ASK_S)
            reserves = self.sweep.config.trial.resources.gpus > 0
            self._gpu_use = await self._pool.gpu_use() if reserves else {}

    def _tell_held_up(self, what: str) -> None:
        self._heartbeats.tell_held_up(what, lambda: self._watch.is_at_work)

    # ------------------------------------------------------------------ the end

    async def _give_up(self, why: str, *, superseded: bool = False) -> None:
        """Releases a run that this driver cannot continue with: nothing more is written.

        Args:
            why: What is said of it.
            superseded: Whether another driver continues; else the trials end.
        """
        self._trouble = why
        self._watch.stop()
        self._mailbox.close(why)
        if superseded:
            # The trials are the new driver's. This process stays, idle: Ray would restart it, and it would take over.
            self.superseded = why
            self._pool.detach()
            self._spawn(self._followers.finish_trackers())
        else:
            self._pool.kill_all()
            self._state = INTERRUPTED
            await self._heartbeats.write()
            await self._followers.interrupted(why)
        self._over.set()

    async def _close(self) -> None:
        await self._heartbeats.write()
        self._pool.kill_all()  # of a run that had ended already when this driver began, too
        if self._followers.telling:
            await self._followers.deliver_notices()
            await self._heartbeats.write()
        self._over.set()
        self._watch.stop()
        await asyncio.get_running_loop().run_in_executor(None, self._remove_data)
        await self._followers.finish_trackers()
        if self._followers.trouble:
            await self._heartbeats.write()
        await self._compactor.finish(LINGER_S)
        self._host.end()

    def _remove_data(self) -> None:
        """Removes the data that all trials have read: they have ended."""
        if folder := self.sweep.config.trial.data_folder:
            with contextlib.suppress(StorageError, OSError):
                open_folder(folder).delete_tree()
