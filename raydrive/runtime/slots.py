"""The Ray ``TrialRunner``: a slot is one trial actor with its reservation, used by one attempt at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError

from raydrive.core.config import RunConfig
from raydrive.core.records import Began, Checkpointed, Close, Ended, Fact, Finish, Launch, Lost, Reported, Stop
from raydrive.core.state import Trial
from raydrive.runtime.cluster import NAMESPACE, actor_options, why_waiting
from raydrive.runtime.trial_actor import TrialActor

ADOPTION_S = 90.0
"""How long a new driver waits for an actor that trains to answer; Ray takes up to 66 s to notice a hung node."""
UNKNOWN_S = 30.0
"""How long it waits for one that is not known to train, such as one that is still starting."""
STOP_MARGIN_S = 5.0
"""How long an actor may take beyond the grace period before it is killed with its process tree."""


def to_facts(trial: int, attempt: int, events: Sequence[tuple[Any, ...]]) -> list[Fact]:
    """Returns what a trial actor sent, as facts."""
    facts: list[Fact] = []
    for event in events:
        kind, at = event[0], event[1]
        if kind == "report":
            facts.append(Reported(at, trial, attempt, *event[2:]))
        elif kind == "checkpoint":
            facts.append(Checkpointed(at, trial, attempt, *event[2:]))
        elif kind == "began":
            facts.append(Began(at, trial, attempt, *event[2:]))
        else:
            facts.append(Ended(at, trial, attempt, *event[2:]))
    return facts


@dataclass(slots=True, eq=False)
class _Slot:
    actor: Any
    launch: Launch | None = None
    asked_at: float = 0.0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    killed: str = ""
    """Why the actor was killed on purpose."""


class Slots:
    """Runs attempts in trial actors; must be used on the driver's event loop.

    Args:
        config: The run's configuration.
        uri: The run folder.
        run_id: Name of the run.
        driver: Handle of the driver, for the reports.
        epoch: The driver's epoch; trial actors send it back.
        post: Takes the facts.
    """

    def __init__(
        self, config: RunConfig, uri: str, run_id: str, driver: Any, epoch: int, post: Callable[[Sequence[Fact]], Any]
    ) -> None:
        self._config = config
        self._args = (uri, run_id, config.to_json(), driver, epoch)
        self._driver = driver
        self._epoch = epoch
        self._prefix = f"raydrive:{run_id}:slot:"
        self._made = 0
        self._post = post
        self._idle: list[_Slot] = []
        self._busy: dict[int, _Slot] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._actor_class = ray.remote(TrialActor)
        self._options = {
            **actor_options(config.trial.resources),
            "max_restarts": 0,
            "max_task_retries": 0,
            # Detached and named: it outlives the driver's process, and the next driver finds it and goes on with it.
            "lifetime": "detached",
            "namespace": NAMESPACE,
        }
        self.finished: Finish | None = None

    # ------------------------------------------------------------------ TrialRunner

    def launch(self, launch: Launch) -> None:
        """Gives the attempt to an idle actor, or to a new one; Ray queues it until its reservation is free."""
        slot = self._idle.pop() if self._idle else self._new()
        slot.launch, slot.asked_at = launch, time.time()
        self._busy[launch.trial] = slot
        self._spawn(self._attend(slot, launch))

    def _new(self) -> _Slot:
        self._made += 1
        name = f"{self._prefix}{self._epoch}-{self._made}"
        return _Slot(self._actor_class.options(name=name, **self._options).remote(*self._args, name))

    def stop(self, stop: Stop) -> None:
        """Tells the actor to end the process tree; kills the actor when it does not answer in time."""
        slot = self._busy.get(stop.trial)
        if slot is not None and slot.launch is not None and slot.launch.attempt == stop.attempt:
            self._spawn(self._stop(slot, stop))

    def close(self, close: Close) -> None:
        """Nothing is kept for a trial that is over."""

    def finish(self, finish: Finish) -> None:
        """Kills every actor."""
        self.finished = finish
        self.kill_all()

    # ------------------------------------------------------------------ the rest of the runner

    def trim(self, needed: int) -> None:
        """Kills idle actors beyond ``needed``: one with nothing left to do must not hold a reservation."""
        while len(self._idle) > max(0, needed):
            self._kill(self._idle.pop(0), "nothing left to do")

    def kill_all(self) -> None:
        """Kills every actor; their guards end the process trees."""
        for slot in [*self._idle, *self._busy.values()]:
            self._kill(slot, "the run is over")
        self._idle.clear()

    def interrupt(self, grace_s: float) -> list[Any]:
        """Asks every actor that trains to end its process tree; returns what to wait for."""
        # One that has not begun may wait for its reservation for ever, and would never answer.
        training = [slot for slot in self._busy.values() if not slot.asked_at]
        return [slot.actor.stop.remote(self._epoch, None, 0, grace_s) for slot in training]

    def waiting(self, after_s: float = 1.0) -> dict[int, str]:
        """Returns why attempts that have not begun are waiting, by trial."""
        late = [
            number for number, slot in self._busy.items() if slot.asked_at and time.time() - slot.asked_at > after_s
        ]
        if not late:
            return {}
        why = why_waiting(self._config.trial.resources)
        return dict.fromkeys(late, why)

    def began(self, trial: int) -> None:
        """Told that an attempt runs: it waits no longer."""
        slot = self._busy.get(trial)
        if slot is not None:
            slot.asked_at = 0.0

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _kill(self, slot: _Slot, why: str) -> None:
        slot.killed = slot.killed or why
        with contextlib.suppress(RayError, ValueError):
            ray.kill(slot.actor, no_restart=True)

    # ------------------------------------------------------------------ taking over

    def adopt(self, trials: Sequence[Trial]) -> None:
        """Takes over the trial actors that an earlier driver of the run left; returns at once.

        What trains goes on undisturbed, idle actors are kept, the rest is killed. An open trial whose actor is gone is
        reported ``Lost``.

        Args:
            trials: The open trials.
        """
        self._spawn(self._take_over(trials))

    async def _take_over(self, trials: Sequence[Trial]) -> None:
        names = {name for name in ray.util.list_named_actors() if name.startswith(self._prefix)}
        training = [trial for trial in trials if trial.actor in names]
        for trial in training:
            self._spawn(self._recover(trial))
        others = names - {trial.actor for trial in training}
        found = await asyncio.gather(*(self._adopt(name, trials, UNKNOWN_S) for name in others))
        for trial in trials:
            if trial not in training and trial.number not in found:
                self._lost(trial)

    async def _recover(self, trial: Trial) -> None:
        """Adopts the actor that trains a trial, however long its node takes to answer or to be declared dead."""
        if await self._adopt(trial.actor, [trial], ADOPTION_S) is None:
            self._lost(trial)

    def _lost(self, trial: Trial) -> None:
        self._post([Lost(time.time(), trial.number, trial.attempt, "its actor did not outlive the driver before this")])

    async def _adopt(self, name: str, trials: Sequence[Trial], patience_s: float) -> int | None:
        """Returns the trial that goes on in an actor, None when it is idle, gone, or runs something else."""
        try:
            slot = _Slot(ray.get_actor(name, namespace=NAMESPACE))
        except ValueError:
            return None
        end = time.monotonic() + patience_s
        while True:
            try:
                call = slot.actor.adopt.remote(self._epoch, self._driver)
                state = await asyncio.wait_for(_answer(call), max(0.1, end - time.monotonic()))
                break
            except ActorUnavailableError:  # "unknown, ask again": only death is an answer
                await asyncio.sleep(0.2)
            except (RayError, asyncio.TimeoutError):
                self._kill(slot, "did not answer the new driver")
                return None
        if state is None:
            self._idle.append(slot)
            return None
        trial = next((trial for trial in trials if (trial.number, trial.attempt) == tuple(state)), None)
        if trial is None:
            self._kill(slot, "what it ran is over")
            return None
        slot.launch = Launch(trial.number, trial.attempt, trial.params)
        self._busy[trial.number] = slot
        self._spawn(self._attend(slot, slot.launch))
        if trial.stop_by:
            self.stop(Stop(trial.number, trial.attempt, trial.why, trial.stop_by))
        return trial.number

    def renew(self) -> None:
        """Tells every actor that its driver is alive."""
        for slot in [*self._idle, *self._busy.values()]:
            if not slot.asked_at:
                slot.actor.renew.remote(self._epoch)

    # ------------------------------------------------------------------ one attempt

    async def _attend(self, slot: _Slot, launch: Launch) -> None:
        """Waits for the end of an attempt and returns its slot to the idle ones."""
        payload = (launch.trial, launch.attempt, dict(launch.params), launch.resume_from, launch.interval)
        facts: list[Fact]
        try:
            events = await self._result(slot, payload)
        except ActorDiedError as error:
            facts = [self._death(slot, launch, error)]
        except RayError as error:
            self._kill(slot, "its actor failed")
            facts = [Lost(time.time(), launch.trial, launch.attempt, f"its actor failed: {_first_line(error)}")]
        else:
            facts = to_facts(launch.trial, launch.attempt, events)
            if self._config.trial.reuse_actors and not slot.killed:
                slot.launch, slot.asked_at = None, 0.0
                self._idle.append(slot)
            else:
                self._kill(slot, "actors are not reused")
        if self._busy.get(launch.trial) is slot:
            del self._busy[launch.trial]
        self._post(facts)

    async def _result(self, slot: _Slot, payload: tuple[Any, ...]) -> Sequence[tuple[Any, ...]]:
        """Returns the last events of an attempt; an actor that is merely out of reach is asked again."""
        while True:
            try:
                result: Sequence[tuple[Any, ...]] = await slot.actor.run.remote(self._epoch, *payload)
                return result
            except ActorUnavailableError:
                # "Unknown, ask again": run() joins an attempt that is already under way.
                await asyncio.sleep(0.2)

    def _death(self, slot: _Slot, launch: Launch, error: ActorDiedError) -> Fact:
        now = time.time()
        if slot.killed:
            return Ended(now, launch.trial, launch.attempt, -9, f"killed with its actor: {slot.killed}")
        return Lost(now, launch.trial, launch.attempt, f"its actor died: {_first_line(error)}")

    async def _stop(self, slot: _Slot, stop: Stop) -> None:
        grace_s = self._config.trial.grace_s
        launch = slot.launch
        if slot.asked_at and not await self._placed(slot):
            self._kill(slot, stop.why)  # it never got its reservation: there is no process to end
            return
        with contextlib.suppress(RayError, asyncio.TimeoutError):
            await asyncio.wait_for(
                _answer(slot.actor.stop.remote(self._epoch, stop.trial, stop.attempt, grace_s)), grace_s + STOP_MARGIN_S
            )
            return
        if slot.launch is launch:
            self._kill(slot, f"did not end within {grace_s + STOP_MARGIN_S:g} s of its stop ({stop.why})")

    async def _placed(self, slot: _Slot) -> bool:
        """Whether the actor has its reservation and answers."""
        with contextlib.suppress(RayError, asyncio.TimeoutError):
            await asyncio.wait_for(_answer(slot.actor.ping.remote()), 1.0)
            return True
        return False


async def _answer(reference: Any) -> Any:
    return await reference


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
