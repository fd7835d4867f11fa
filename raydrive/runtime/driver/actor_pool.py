"""The Ray ``TrialRunner``: a slot is one trial actor with its reservation, used by one attempt at a time.

Attempts wait in one queue, first come, first served. An actor that has its reservation, new or just freed, takes the
attempt that has waited longest; no attempt is tied to an actor that may get its reservation last.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from ray.exceptions import (
    ActorDiedError,
    OutOfMemoryError,
    RayError,
)

from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import StaleEpochError, UnknownEventError
from raydrive.core.records import Close, Ended, Fact, Finish, Launch, Lost, Stop
from raydrive.core.sweep.state import Trial
from raydrive.runtime.actor_errors import RAN_LOW, answer, is_loss, memory_deaths, reason, until_known
from raydrive.runtime.driver.actor_factory import TrialActorFactory
from raydrive.runtime.driver.actor_slots import Slot, pairs
from raydrive.runtime.gpus.live import gpu_use_of
from raydrive.runtime.ray_cluster.connection import starting_now, why_waiting
from raydrive.runtime.trial_events import to_facts
from raydrive.storage.checkpoints import name_of

ADOPTION_S = 90.0
"""How long a new driver waits for an actor that trains to answer; Ray takes up to 66 s to notice a hung node."""
SETTLE_S = 5.0
"""How long it waits for the others before attempts that never began are queued again. They may answer later."""
STOP_MARGIN_S = 5.0
"""How long an actor may take beyond the grace period before it is killed with its process tree."""
STARTING_S = 20.0
"""Seconds that an actor may take to start; one that was asked for earlier waits for room."""
WAITING_S = 5.0
"""Attempts that have waited for less are about to start: an actor ends, or Ray notices late what is free."""
UNBEGUN = "stopped before it started"
DID_NOT_SURVIVE = "its actor did not survive the previous driver"
OUTDATED = "an edit changed the settings of trials"


class ActorPool:
    """Runs attempts in trial actors; must be used on the driver's event loop.

    Args:
        config: The run's configuration.
        factory: Makes and finds the trial actors.
        driver: Handle of the driver, for the reports.
        epoch: The driver's epoch; trial actors send it back.
        post: Takes facts.
        record: Takes facts, and returns once they are recorded.
    """

    def __init__(
        self,
        config: RunConfig,
        factory: TrialActorFactory,
        driver: Any,
        epoch: int,
        post: Callable[[Sequence[Fact]], Any],
        record: Callable[[Sequence[Fact]], Awaitable[None]],
    ) -> None:
        self._config = config
        self._factory = factory
        self._driver = driver
        self._epoch = epoch
        self._post = post
        self._record = record
        self._starting: list[Slot] = []
        self._idle: list[Slot] = []
        self._busy: dict[int, Slot] = {}
        self._waiting: dict[int, tuple[Launch, float]] = {}  # by trial, with since when; the oldest first
        self._delayed: dict[int, tuple[Launch, asyncio.TimerHandle]] = {}
        self._needed = config.limits.max_concurrent_runs
        self._closed = self._let_go = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.finished: Finish | None = None
        if (first := factory.take_first()) is not None:
            self._await(first)

    # ------------------------------------------------------------------ TrialRunner

    def launch(self, launch: Launch) -> None:
        """Queues an attempt; the actor that is free first takes the oldest one."""
        wait_s = (launch.not_before or 0.0) - time.time()
        if wait_s <= 0:
            self._queue(launch)
            return
        timer = asyncio.get_running_loop().call_later(wait_s, self._release, launch.trial)
        self._delayed[launch.trial] = (launch, timer)

    def stop(self, stop: Stop) -> None:
        """Makes the actor end the process tree; kills the actor when it does not answer in time."""
        slot = self._busy.get(stop.trial)
        if slot is not None and slot.launch is not None and slot.launch.attempt == stop.attempt:
            self._spawn(self._stop(slot, stop))
        elif slot is None and self._forget(stop.trial):
            self._post([Ended(time.time(), stop.trial, stop.attempt, -15, UNBEGUN)])

    def lose(self, trial: int, attempt: int, why: str) -> None:
        """Kills the actor of an attempt, which is then lost; one that is no longer there is not an error."""
        slot = self._busy.get(trial)
        if slot is not None and slot.launch is not None and slot.launch.attempt == attempt:
            slot.lost = slot.lost or why
            self._kill(slot, why)

    def close(self, close: Close) -> None:
        """Nothing is kept for a trial that has ended."""

    def finish(self, finish: Finish) -> None:
        """Kills every actor."""
        self.finished = finish
        self.kill_all()

    # ------------------------------------------------------------------ the queue

    def _queue(self, launch: Launch) -> None:
        self._waiting[launch.trial] = (launch, time.time())
        # Not at once: the actor whose attempt has just ended, which is why this one is launched, is about to be free.
        asyncio.get_running_loop().call_soon(self._serve)

    def _release(self, trial: int) -> None:
        launch, _ = self._delayed.pop(trial)
        self._queue(launch)

    def _forget(self, trial: int) -> bool:
        """Takes an attempt out of the queue; False when it is not in there."""
        launch, timer = self._delayed.pop(trial, (None, None))
        if timer is not None:
            timer.cancel()
        return launch is not None or self._waiting.pop(trial, None) is not None

    def _serve(self) -> None:
        """Assigns waiting attempts to idle actors, and starts the missing actors."""
        if self._closed:
            return
        for launch, slot in pairs([launch for launch, _ in self._waiting.values()], self._idle):
            del self._waiting[launch.trial]
            self._idle.remove(slot)
            slot.launch = launch
            self._busy[launch.trial] = slot
            self._spawn(self._attend(slot, launch))
        wanted = Counter(launch.memory for launch, _ in self._waiting.values())
        if wanted:  # what is idle reserves another amount: it holds what the others wait for
            for slot in self._idle:
                self._kill(slot, "a different amount of memory is needed")
            self._idle.clear()
        for memory in (wanted - Counter(slot.memory for slot in self._starting)).elements():
            self._await(self._factory.make(self._epoch, memory=memory), memory)

    def _await(self, actor: Any, memory: float | None = None) -> None:
        """Takes an actor that was asked for; it has work when it has its reservation."""
        slot = Slot(actor, self._factory, memory)
        self._starting.append(slot)
        self._spawn(self._start(slot))

    async def _start(self, slot: Slot) -> None:
        """Waits until a new actor has its reservation; if it cannot start, the attempt that waited longest is lost."""
        try:
            await until_known(lambda: slot.actor.ping.remote())
        except RayError as error:
            wanted = self._started(slot)
            self._kill(slot, "it could not start")
            first = next((trial for trial, (one, _) in self._waiting.items() if one.memory == slot.memory), None)
            if wanted and first is not None:
                launch, _ = self._waiting.pop(first)
                why = f"its actor could not start: {reason(error)}"
                self._post([Lost(time.time(), launch.trial, launch.attempt, why)])
            self._serve()
        else:
            if self._started(slot):
                self._make_idle(slot)

    def _started(self, slot: Slot) -> bool:
        """Takes a slot from the starting ones; False when it was killed meanwhile."""
        if slot in self._starting:
            self._starting.remove(slot)
        return not slot.killed

    def _make_idle(self, slot: Slot) -> None:
        """Gives an idle actor the next attempt, keeps it, or kills it if no more can come."""
        slot.launch = None
        if self._closed:
            self._kill(slot, "the run is over")
        elif slot.outdated:
            self._kill(slot, OUTDATED)
            self._serve()
        if slot.killed or self._let_go:
            return
        self._idle.append(slot)
        self._serve()
        self.trim(self._needed)

    # ------------------------------------------------------------------ the rest of the runner

    def trim(self, needed: int) -> None:
        """Kills actors beyond those that have work and ``needed``: one with nothing left to do must hold nothing."""
        self._needed = max(0, needed)
        spare = len(self._idle) + len(self._starting) - len(self._waiting) - len(self._delayed) - self._needed
        for slot in [*self._starting[::-1], *self._idle][: max(0, spare)]:
            self._kill(slot, "nothing left to do")
            (self._idle if slot in self._idle else self._starting).remove(slot)

    def reconfigure(self, config: RunConfig, generation: int) -> None:
        """Later attempts run in actors of an edited configuration; running attempts continue to their end.

        Args:
            config: The configuration of the run from now on.
            generation: Revision of the edit.
        """
        self._config = config
        self._factory = self._factory.after_edit(config.to_json(), generation)
        for slot in [*self._starting, *self._idle]:
            self._kill(slot, OUTDATED)
        self._starting.clear()
        self._idle.clear()
        for slot in self._busy.values():
            slot.outdated = True
        self._serve()

    def kill_all(self) -> None:
        """Kills every actor; their guards end the process trees."""
        self._closed = True
        for trial in [*self._delayed, *self._waiting]:
            self._forget(trial)
        for slot in [*self._starting, *self._idle, *self._busy.values()]:
            self._kill(slot, "the run is over")
        self._starting.clear()
        self._idle.clear()

    def detach(self) -> None:
        """A newer driver has the actors: from now on nothing is started, and none is killed."""
        self._closed = self._let_go = True

    def interrupt(self, grace_s: float) -> list[Any]:
        """Asks every actor that trains to end its process tree, and starts no more; returns what to wait for."""
        self._closed = True
        return [slot.actor.stop.remote(self._epoch, None, 0, grace_s) for slot in self._busy.values()]

    def waiting(self, after_s: float = WAITING_S) -> dict[int, str]:
        """Returns why attempts that have not begun for this long wait for room, by trial."""
        now = time.time()
        late = [number for number, (_, since) in self._waiting.items() if now - since > after_s]
        starting = self._starting_now() if late else 0
        late = late[starting:]  # the oldest ones get the actors that start
        held = len(self._idle) + len(self._busy) + starting
        resources = self._config.trial.resources
        needs = {number: self._waiting[number][0].memory for number in late}
        sized = {one: resources if one is None else replace(resources, memory=one) for one in set(needs.values())}
        why = {one: why_waiting(each, held=held) for one, each in sized.items()}
        delayed = {
            number: f"lost repeatedly; it is started again in {(launch.not_before or now) - now:.0f} s"
            for number, (launch, _) in self._delayed.items()
        }
        return {**{number: why[one] for number, one in needs.items()}, **delayed}

    def _starting_now(self) -> int:
        """How many actors have their reservation and are not there yet: an attempt that waits for one needs no room."""
        young = [slot.actor for slot in self._starting if time.monotonic() - slot.asked_at < STARTING_S]
        placed = self._factory.placed(young) if young else 0
        if placed is not None:
            return placed
        held = len(self._idle) + len(self._busy)
        return starting_now(self._config.trial.resources, held=held, starting=len(young))

    def renew(self) -> None:
        """Renews every actor's lease."""
        for slot in [*(self._starting if self._factory.needs_renewal else []), *self._idle, *self._busy.values()]:
            slot.actor.renew.remote(self._epoch)

    async def gpu_use(self) -> dict[int, dict[str, float]]:
        """Returns what trials use of their GPUs now, of those that answer."""
        return await gpu_use_of({trial: slot.actor for trial, slot in self._busy.items()})

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _kill(self, slot: Slot, why: str) -> None:
        if self._let_go:
            return
        slot.killed = slot.killed or why
        slot.factory.kill(slot.actor)

    # ------------------------------------------------------------------ taking over

    def adopt(self, trials: Sequence[Trial]) -> None:
        """Takes over the trial actors that an earlier driver of the run left; returns at once.

        What trains continues undisturbed, idle actors are kept, the rest is killed. An attempt that began and whose
        actor is gone is reported ``Lost``; one that never began is queued again.

        Args:
            trials: The open trials; without any there may be an actor of a driver that died before its first trial.
        """
        if trials or self._factory.may_exist:
            self._spawn(self._take_over(trials))

    async def _take_over(self, trials: Sequence[Trial]) -> None:
        known = {trial.actor for trial in trials}
        memory = {trial.actor: trial.memory for trial in trials}
        existing = self._factory.find_existing()
        slots = {name: Slot(actor, self._factory, memory.get(name)) for name, actor in existing.items()}
        for name, slot in slots.items():
            slot.outdated = not self._factory.is_current(name)
        training = [trial for trial in trials if trial.actor in slots]
        for trial in training:
            self._spawn(self._recover(slots[trial.actor], trial))
        others = [slot for name, slot in slots.items() if name not in known]
        self._starting += others
        tasks = [asyncio.get_running_loop().create_task(self._adopt_unknown(slot, trials)) for slot in others]
        self._tasks.update(tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=SETTLE_S)
        left = [trial for trial in trials if trial not in training and trial.number not in self._busy]
        by_ray = memory_deaths({trial.actor for trial in left if trial.actor})
        for trial in left:
            self._requeue(trial, RAN_LOW if trial.actor in by_ray else DID_NOT_SURVIVE)

    def _requeue(self, trial: Trial, why: str) -> None:
        """An open trial for which there is no actor: what never began is simply done now."""
        if trial.launch is None or trial.began_at is not None:
            self._lost(trial, why)
        elif trial.stop_by:
            self._post([Ended(time.time(), trial.number, trial.attempt, -15, UNBEGUN)])
        else:
            self.launch(trial.launch)

    def _lost(self, trial: Trial, why: str = DID_NOT_SURVIVE) -> None:
        self._post([Lost(time.time(), trial.number, trial.attempt, why)])

    async def _recover(self, slot: Slot, trial: Trial) -> None:
        """Adopts the actor that trains a trial, however long its node takes to answer or to be declared dead."""
        try:
            call = until_known(lambda: slot.actor.adopt.remote(self._epoch, self._driver))
            state = await asyncio.wait_for(call, ADOPTION_S)
        except (RayError, asyncio.TimeoutError) as error:
            self._kill(slot, "did not answer the new driver")
            self._lost(trial, RAN_LOW if isinstance(error, OutOfMemoryError) else DID_NOT_SURVIVE)
            return
        if not self._join(slot, state, [trial]):
            self._lost(trial)

    async def _adopt_unknown(self, slot: Slot, trials: Sequence[Trial]) -> None:
        """Adopts an actor of which nothing is recorded: idle, still starting, or just begun."""
        try:
            state = await until_known(lambda: slot.actor.adopt.remote(self._epoch, self._driver))
        except RayError:
            self._started(slot)
            self._kill(slot, "did not answer the new driver")
            self._serve()
        else:
            if self._started(slot):
                self._join(slot, state, trials)

    def _join(self, slot: Slot, state: tuple[int, int] | None, trials: Sequence[Trial]) -> bool:
        """Continues with what an adopted actor does; False when that is none of ``trials``."""
        if slot.killed:
            return False
        if state is None:
            self._make_idle(slot)
            return False
        trial = next((trial for trial in trials if trial.open and (trial.number, trial.attempt) == tuple(state)), None)
        if trial is None or trial.number in self._busy or self._closed:
            self._kill(slot, "what it ran has ended")
            return False
        self._forget(trial.number)
        slot.launch, slot.memory = Launch(trial.number, trial.attempt, trial.params), trial.memory
        self._busy[trial.number] = slot
        self._spawn(self._attend(slot, slot.launch))
        if trial.stop_by:
            self.stop(Stop(trial.number, trial.attempt, trial.why, trial.stop_by))
        return True

    # ------------------------------------------------------------------ one attempt

    async def _attend(self, slot: Slot, launch: Launch) -> None:
        """Waits for the end of an attempt; then its slot is free for the next one."""
        resume_from = name_of(launch.source, launch.resume_from)
        payload = (launch.trial, launch.attempt, dict(launch.params), resume_from, launch.interval)
        known = (launch.recorded, launch.first_step, launch.last_step, None, launch.last_value)
        facts: list[Fact]
        try:
            # "Unknown, ask again": run() joins an attempt that is already under way.
            events = await until_known(lambda: slot.actor.run.remote(self._epoch, *payload, *known))
            facts = to_facts(launch.trial, launch.attempt, events)
            if isinstance(facts[-1], Lost):
                self._kill(slot, "trials cannot begin there")
            elif not self._config.trial.reuse_actors:
                self._kill(slot, "actors are not reused")
            elif slot.outdated:
                self._kill(slot, OUTDATED)
            elif not slot.factory.is_whole(slot.actor):
                self._kill(slot, "its trial has given the reservation back")
        except StaleEpochError:  # a newer driver has it: not ours to judge any more
            self.detach()
            return
        except UnknownEventError as error:
            facts = [Lost(time.time(), launch.trial, launch.attempt, str(error))]
            self._kill(slot, str(error))
        except Exception as error:  # a call that cannot be made, or whose answer cannot be read: an end, never a hang
            facts = [self._death(slot, launch, error)]
            self._kill(slot, "its actor failed")
        # The actor keeps how the attempt ended until it gets another one: not before that is recorded.
        with contextlib.suppress(StaleEpochError):
            await self._record(facts)
        if self._busy.get(launch.trial) is slot:
            del self._busy[launch.trial]
        self._make_idle(slot)

    def _death(self, slot: Slot, launch: Launch, error: Exception) -> Fact:
        now = time.time()
        if slot.lost:
            return Lost(now, launch.trial, launch.attempt, slot.lost)
        if slot.killed:
            return Ended(now, launch.trial, launch.attempt, -9, f"killed with its actor: {slot.killed}")
        if not is_loss(error):
            why = f"its trial actor could not run it or report its end: {reason(error)}"
            return Ended(now, launch.trial, launch.attempt, None, why)
        kind = "died" if isinstance(error, ActorDiedError | OutOfMemoryError) else "failed"
        return Lost(now, launch.trial, launch.attempt, f"its actor {kind}: {reason(error)}")

    async def _stop(self, slot: Slot, stop: Stop) -> None:
        grace_s = self._config.trial.grace_s
        launch = slot.launch
        try:
            call = slot.actor.stop.remote(self._epoch, stop.trial, stop.attempt, grace_s)
            await asyncio.wait_for(answer(call), grace_s + STOP_MARGIN_S)
            return
        except StaleEpochError:
            return
        except (RayError, asyncio.TimeoutError):
            pass
        if slot.launch is launch:
            self._kill(slot, f"did not end within {grace_s + STOP_MARGIN_S:g} s of its stop ({stop.why})")
