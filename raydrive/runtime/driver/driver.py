"""The driver actor: a mailbox, the loop, the live view.

Everything happens on the actor's event loop but two things that may take long: writing the journal (one thread, so that
reports queue into the next group commit meanwhile) and asking an expensive sampler (another one).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray

from raydrive.core.errors import DamagedJournalError, JournalError, StaleEpochError, StorageError
from raydrive.core.records import Cancelled, Ended, Fact, Lost, Started, Ticked
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.heartbeat import dump_heartbeat
from raydrive.core.views.status import missing
from raydrive.runtime.decision_loop import Batch, DecisionLoop
from raydrive.runtime.driver.ack_pacing import AckPacer
from raydrive.runtime.driver.actor_factory import TrialActorFactory
from raydrive.runtime.driver.actor_pool import ActorPool
from raydrive.runtime.driver.journal_compactor import JournalCompactor
from raydrive.runtime.driver.user_classes import read_runnable, why_it_failed
from raydrive.runtime.ray_cluster.connection import versions, was_restarted
from raydrive.runtime.trial_events import to_facts
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import read_heartbeat

TICK_S = 0.5
HEARTBEAT_S = 2.0
LINGER_S = 2.0
"""How long a driver whose run is over still answers before it ends itself."""


class Driver:
    """Holds sampler and policy of one run and decides.

    Args:
        uri: The run folder; ``config.json`` is there already.
        limits: Limits that a resume changes.
        factory: Makes trial actors, and may have asked for the first one; None = one of the driver's own.
        secrets: Values of the trials' secrets by name; nowhere but in memory.
    """

    def __init__(
        self,
        uri: str,
        limits: Mapping[str, Any] | None = None,
        factory: TrialActorFactory | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self._layout = RunLayout.open(uri)
        self._uri = uri
        self._limits = dict(limits or {})
        self._hiring = factory
        self._secrets = secrets
        self._queue: list[Fact] = []
        self._acks: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._starting = asyncio.Lock()
        self._io = ThreadPoolExecutor(1, "raydrive-journal")
        self._thinker = ThreadPoolExecutor(1, "raydrive-sampler")
        self._asking: int | None = None
        self._pace = AckPacer()
        self._epoch = 0
        self._entries = 0
        self._interrupted = False
        self._trouble = ""
        self._last_trouble = ""
        self._superseded = ""
        self._writer_check: Callable[[], None] = lambda: None
        self._restarting: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()
        self._loop: DecisionLoop | None = None
        self._slots: ActorPool | None = None
        self._compactor: JournalCompactor | None = None
        self._context = ray.get_runtime_context()
        if was_restarted():
            self._limits = {}  # they are in the journal already
            # Nobody outside knows that this driver is new: it has to begin by itself.
            self._restarting = asyncio.get_running_loop().create_task(self._restart())

    async def _restart(self) -> None:
        pause_s = 0.1
        while True:
            try:
                await self.start()
                return
            except StorageError as error:
                if isinstance(error, JournalError):  # damaged, or somebody else's
                    await self._give_up(f"the driver could not take over: {error}")
                    raise
                await asyncio.sleep(pause_s)  # the trials train on for their lease and keep what they log
                pause_s = min(2 * pause_s, 5.0)
            except Exception as error:
                await self._give_up(why_it_failed("the driver could not take over", error))
                raise

    async def _in_charge(self) -> None:
        if self._superseded:
            raise StaleEpochError(self._superseded)
        if self._restarting is not None:
            await asyncio.shield(self._restarting)
        elif self._loop is None:
            await self.start()

    # ------------------------------------------------------------------ calls from outside

    async def start(self) -> int:
        """Takes charge of the run: replays its journal, claims the next epoch and goes on.

        Returns:
            The epoch.

        Raises:
            StorageError: If the run cannot be read or written.
        """
        async with self._starting:
            if self._loop is None:
                await self._start()
                # Whoever waits for this driver looks at the heartbeat next, and would find its predecessor's.
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._heartbeat("Running"), HEARTBEAT_S)
        return self._epoch

    async def report(self, trial: int, attempt: int, epoch: int, events: Sequence[tuple[Any, ...]]) -> bool:
        """Takes a batch of events of an attempt; answers once the journal has them.

        Returns:
            Whether the attempt goes on; False when it is being stopped or is a ghost.

        Raises:
            StaleEpochError: If the actor follows another driver; it tries again until this one has adopted it.
        """
        await self._in_charge()
        if epoch != self._epoch:  # not adopted yet, or never: what it says is asked for, or withdrawn, by its adoption
            raise StaleEpochError(f"this is the driver of epoch {self._epoch}, not {epoch}: wait for your adoption")
        hold_s = self._pace.call(time.monotonic(), trial)
        await self._record(to_facts(trial, attempt, events))
        state = self._sweep.trials[trial]
        goes_on = state.attempt == attempt and state.open and not state.stop_by
        if hold_s and goes_on:
            await asyncio.sleep(hold_s)
        return goes_on

    async def cancel(self, trial: int | None, why: str) -> bool:
        """Ends one trial, or the whole run (trial None).

        Returns:
            False when there was nothing left to end.
        """
        await self._in_charge()
        fact = Cancelled(time.time(), trial, why)
        if not self._sweep.accepts(fact):
            return False
        self._post([fact])
        return True

    async def interrupt(self, grace_s: float | None = None) -> None:
        """Ends the training processes but not the run: ``raydrive resume`` goes on with it.

        Args:
            grace_s: Seconds between SIGTERM and SIGKILL; None = the run's. A second call can only hasten the end.
        """
        self._interrupted = True
        if self._slots is not None:
            references = self._slots.interrupt(self._sweep.config.trial.grace_s if grace_s is None else grace_s)
            await asyncio.gather(*references, return_exceptions=True)
            self._slots.kill_all()
        await self._heartbeat("Interrupted")
        self._over.set()

    async def wait(self) -> None:
        """Returns when the run is over or interrupted."""
        await self._over.wait()

    async def view(self) -> dict[str, Any]:
        """Returns what ``driver.json`` holds, fresh."""
        return self._view("Running")

    async def sees(self, name: str) -> bool:
        """Tells whether a file of this name is in the run folder: who has just made it asks about the same folder.

        Raises:
            StorageError: If that cannot be found out.
        """
        return await asyncio.get_running_loop().run_in_executor(None, self._layout.folder.exists, name)

    # ------------------------------------------------------------------ start

    @property
    def _sweep(self) -> Sweep:
        if self._loop is None:
            raise StorageError(f"{self._uri}: the driver has not started yet")
        return self._loop.sweep

    async def _start(self) -> None:
        try:
            config, warm_start, sampler = read_runnable(self._layout)
            writer = JournalWriter.open(self._layout.journal)
            self._epoch, self._writer_check = writer.epoch, writer.check
            sweep = self._replay(Sweep(config, warm_start, lean=True))
        except BaseException:
            if self._hiring is not None and (first := self._hiring.take_first()) is not None:
                ray.kill(first, no_restart=True)
            raise
        me = ray.get_runtime_context().current_actor
        factory = self._hiring or TrialActorFactory(self._uri, config.to_json(), me, self._secrets)
        self._slots = ActorPool(config, factory, me, writer.epoch, self._post, self._record)
        self._loop = DecisionLoop(sweep, sampler, self._slots, writer, time.time)
        self._queue.append(Started(time.time(), writer.epoch, versions(), self._limits))
        if sweep.trials:
            self._slots.adopt(sweep.open_trials)
        self._wake.set()
        self._compactor = JournalCompactor(self._layout.journal, lambda: writer.settled)
        loop = asyncio.get_running_loop()
        works = (self._pump(), self._tick(), self._beat(), self._renew(), self._compactor.run())
        self._tasks += [loop.create_task(work) for work in works]

    def _replay(self, sweep: Sweep) -> Sweep:
        """Folds the journal into an empty sweep.

        Raises:
            DamagedJournalError: If it cannot be read to its end, or is shorter than a driver had recorded.
        """
        reader = JournalReader(self._layout.journal)
        reader.follow(sweep)
        lost = missing(read_heartbeat(self._layout).entries, reader.entries)
        if lost:
            raise DamagedJournalError(lost)
        self._entries = reader.entries
        return sweep

    def _post(self, facts: Sequence[Fact]) -> None:
        self._queue.extend(facts)
        self._wake.set()

    async def _record(self, facts: Sequence[Fact]) -> None:
        """Returns once the journal has the facts.

        Raises:
            StaleEpochError: If this driver may not write any more.
        """
        self._post(facts)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._acks.append(done)
        await done

    # ------------------------------------------------------------------ the pump

    async def _pump(self) -> None:
        """Judges what has arrived, makes it durable, acts, acknowledges; over and over."""
        while not self._over.is_set():
            await self._wake.wait()
            self._wake.clear()
            facts, self._queue = self._queue, []
            acks, self._acks = self._acks, []
            try:
                await self._turn(facts, acks)
            except JournalError as error:
                # Nothing of this batch counts: whoever sent it keeps it for the driver that has taken over.
                for done in acks:
                    if not done.done():
                        done.set_exception(StaleEpochError(str(error)))
                await self._give_up(str(error), superseded=True)
                return
            except Exception as error:  # a bug of ours, or of a user's sampler: say so instead of hanging for ever
                await self._give_up(why_it_failed("the driver failed", error))
                raise
            if self._sweep.finished and not self._over.is_set():
                await self._close()

    async def _turn(self, facts: Sequence[Fact], acks: Sequence[asyncio.Future[None]]) -> None:
        loop, slots = self._loop, self._slots
        if loop is None or slots is None:
            return
        if self._interrupted:  # what was logged counts; that the trials end is no failure of theirs
            facts = [fact for fact in facts if not isinstance(fact, Ended | Lost | Ticked)]
        batch = loop.judge(facts)
        if batch.lines:
            await self._write(loop, batch)
        for done in acks:
            if not done.done():
                done.set_result(None)
        loop.act(batch)
        if batch.decisions:
            slots.trim(self._still_needed())
        if not loop.sampler.cheap:
            self._ask(loop)

    def _still_needed(self) -> int:
        """How many more launches may come: so many idle actors are worth keeping."""
        sweep = self._sweep
        if sweep.ending or sweep.finished or sweep.exhausted:
            return 0
        return min(sweep.limits.max_total_runs - len(sweep.trials), sweep.limits.max_concurrent_runs)

    async def _write(self, loop: DecisionLoop, batch: Batch) -> None:
        """Writes until it is durable: storage that fails for a while holds decisions up, and loses nothing.

        Raises:
            JournalError: If a newer driver has taken over.
        """
        pause_s, since = 0.1, time.time()
        clock = time.strftime("%H:%M:%S UTC", time.gmtime(since))
        patience_s = loop.sweep.config.trial.storage_patience_s
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._io, loop.write, batch)
            except JournalError:
                raise
            except StorageError as error:
                self._trouble = (
                    f"storage: {error}. Nothing could be recorded since {clock}: trying again; trials go on and keep "
                    f"what they log, and pause after {patience_s:g} s"
                )
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, 10.0)
            else:
                if self._trouble:
                    away_s = time.time() - since
                    self._last_trouble = f"the storage failed at {clock} for {away_s:.1f} s; nothing was lost"
                self._trouble = ""
                self._entries += len(batch.lines)
                return

    def _ask(self, loop: DecisionLoop) -> None:
        """Has an expensive sampler think in its own thread, one configuration at a time."""
        if self._asking is not None or not loop.sweep.free_slots:
            return
        self._asking = len(loop.sweep.trials)
        task = asyncio.get_running_loop().create_task(self._think(loop, self._asking))
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    async def _think(self, loop: DecisionLoop, number: int) -> None:
        history = loop.sweep.history.frozen()
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._thinker, loop.sampler.ask, number, history)
        except Exception as error:
            await self._give_up(why_it_failed("the sampler failed", error))
            raise
        self._asking = None
        self._post([loop.suggested(number, answer)])

    # ------------------------------------------------------------------ time

    async def _tick(self) -> None:
        while not self._over.is_set():
            await asyncio.sleep(TICK_S)
            self._post([Ticked(time.time())])

    async def _beat(self) -> None:
        while not self._over.is_set() and self._loop is not None:  # start() has written the first heartbeat
            await asyncio.sleep(HEARTBEAT_S)
            try:
                await asyncio.get_running_loop().run_in_executor(self._io, self._writer_check)
            except JournalError as error:
                await self._give_up(str(error), superseded=True)
                return
            except StorageError:
                pass  # the next write says so
            if not self._over.is_set():
                await self._heartbeat("Running")

    async def _renew(self) -> None:
        """Keeps the trials' leases alive; apart from the heartbeat, which waits for a storage that hangs."""
        while self._slots is not None and not self._over.is_set():
            await asyncio.sleep(self._sweep.config.trial.lease_s / 6)
            self._slots.renew()

    async def _heartbeat(self, state: str) -> None:
        data = dump_heartbeat(self._view(state))
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._layout.write_driver, data)
        except StorageError as error:
            self._last_trouble = f"storage: {error}"

    def _view(self, state: str) -> dict[str, Any]:
        sweep = self._sweep
        waiting = self._slots.waiting() if self._slots is not None and state == "Running" else {}
        return {
            "state": sweep.finished.state if sweep.finished else state,
            "at": time.time(),
            "epoch": sweep.epoch,
            "entries": self._entries,
            "actor": self._context.get_actor_name() or "",
            "pid": os.getpid(),
            "address": self._context.gcs_address,
            "waiting": {str(trial): why for trial, why in waiting.items()},
            "trouble": self._trouble or (self._compactor.trouble if self._compactor else ""),
            "notice": self._last_trouble,
        }

    # ------------------------------------------------------------------ the end

    async def _give_up(self, why: str, *, superseded: bool = False) -> None:
        """Lets go of a run that this driver cannot go on with: nothing more is written.

        Args:
            why: What is said of it.
            superseded: Whether another driver goes on; else the trials end.
        """
        self._trouble = why
        if superseded:
            # The trials are the new driver's. This process stays, idle: Ray would restart it, and it would take over.
            self._superseded = why
            if self._slots is not None:
                self._slots.detach()
        elif self._slots is not None:
            self._slots.kill_all()
        if not superseded and self._loop is not None:
            await self._heartbeat("Interrupted")
        self._over.set()

    async def _close(self) -> None:
        await self._heartbeat("Running")
        self._over.set()
        if self._slots is not None:
            self._slots.kill_all()  # of a run that was over already when this driver began, too
        if self._compactor is not None:
            await self._compactor.finish(LINGER_S)
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)
