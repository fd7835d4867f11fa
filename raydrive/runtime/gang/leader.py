"""The trial's first actor and those of its other nodes, its members, which start and end together.

The driver has to do with the first actor only. That one makes the members, on the nodes that the trial has reserved,
and Ray ends them with it. It takes from them what their processes log, as if these ran here, so that a trial has one
order of events and one curve. When a process of any node fails, or a member is lost, the attempt ends on all nodes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from raydrive.core.config.trial_spec import TrialConfig
from raydrive.core.reports.gpu_use import joint
from raydrive.runtime.actor_errors import answer, reason, until_known
from raydrive.runtime.gang.member_lost import EPOCH, MemberLostError
from raydrive.runtime.gang.rank_variables import Meeting
from raydrive.runtime.gpus.live import gpu_use_of
from raydrive.runtime.ray_cluster.connection import actor_options
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_events import (
    EndedEvent,
    ExitedEvent,
    LoggedEvent,
    LostEvent,
    NoteEvent,
    TrialEvent,
    unpack,
)

STOP_MARGIN_S = 5.0
"""How long a member may take beyond the grace period before it is killed."""
USE_PATIENCE_S = 3.0
"""A member that tells later what it uses of its GPUs is left out; less than the driver waits for the first actor."""
ROOM_S = 0.02
"""How often it is looked whether there is room again for what members have logged."""
PORTS = range(10_000, 32_768)
"""Where free ports are looked for: below those that Linux gives to connections."""


class GangMissingError(Exception):
    """The members could not be started; the message tells why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node of the trial."""

    host: str
    address: str
    ports: Sequence[int]


def find_place(count: int) -> Place:
    """Returns this node, with this many ports that are free now."""
    address = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
    return Place(os.uname().nodename, address, free_ports(count))


def meet_alone(ports: int) -> Meeting:
    """Returns where the processes of an attempt on this node alone meet.

    Args:
        ports: How many are to be found free.
    """
    place = find_place(ports)
    return Meeting([place.address], [place.ports])


def free_ports(count: int) -> list[int]:
    """Returns ports of this node on which nothing listens.

    Raises:
        OSError: If there are not so many.
    """
    found: list[int] = []
    start = random.SystemRandom().choice(PORTS)  # another one for each trial of the node
    with contextlib.ExitStack() as held:
        for offset in range(len(PORTS)):
            if len(found) == count:
                return found
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            port = PORTS[(start - PORTS.start + offset) % len(PORTS)]
            try:
                one.bind(("", port))
            except OSError:
                one.close()
            else:
                held.enter_context(one)
                found.append(port)
    raise OSError(f"only {len(found)} of {count} ports are free on {os.uname().nodename}")


class Members:
    """The actors of a trial's other nodes, in the order of their nodes.

    Args:
        actors: Their handles.
        group: The placement group of all nodes.
    """

    def __init__(self, actors: Sequence[Any], group: Any) -> None:
        self.actors = actors
        self._group = group

    @classmethod
    def start(cls, actor: type[Any], arguments: tuple[Any, ...], name: str, group: Any) -> Members:
        """Has Ray start them; returns at once. They end with the calling actor.

        Args:
            actor: Their class.
            arguments: Folder, id and configuration of the run, and secrets.
            name: Name of the calling actor.
            group: The placement group, a bundle for each node.
        """
        uri, run_id, config, sent = arguments
        own, made = ray.get_runtime_context().current_actor, ray.remote(actor)
        resources = TrialConfig.from_json(config).trial.resources
        members = []
        for node in range(1, resources.nodes):
            where = PlacementGroupSchedulingStrategy(group, node)
            options = {**actor_options(resources), "max_restarts": 0, "max_task_retries": 0}
            take = (uri, run_id, config, own, sent, EPOCH, f"{name}:{node}", None, node)
            members.append(made.options(**options, scheduling_strategy=where).remote(*take))
        return cls(members, group)

    def release(self) -> None:
        """Returns the reservation of all nodes, which ends their actors, including the calling one."""
        with contextlib.suppress(Exception):
            ray.util.remove_placement_group(self._group)

    async def ready(self) -> None:
        """Returns when all of them can take an attempt.

        Raises:
            GangMissingError: If one of them is gone.
        """
        for node, actor in enumerate(self.actors, 1):
            try:
                await until_known(lambda actor=actor: actor.ping.remote())  # type: ignore[misc]
            except RayError as error:
                raise GangMissingError(f"the actor of its node {node} could not start: {reason(error)}") from error

    async def meet(self, ports: int) -> tuple[Meeting, list[str]]:
        """Returns where an attempt's processes meet, and the names of its nodes.

        Args:
            ports: How many each node is to find free.

        Raises:
            MemberLostError: If a member is gone.
        """
        calls = [until_known(lambda actor=actor: actor.find_place.remote(ports)) for actor in self.actors]  # type: ignore[misc]
        found = await asyncio.gather(*calls, return_exceptions=True)
        places = [find_place(ports)]
        for node, one in enumerate(found, 1):
            if isinstance(one, BaseException):
                raise MemberLostError(f"the actor of its node {node} is gone: {reason(one)}")
            places.append(Place(*one))
        meeting = Meeting([one.address for one in places], [one.ports for one in places], secrets.token_hex(16))
        return meeting, [one.host for one in places]

    def renew(self) -> None:
        """Renews the leases of all of them."""
        for actor in self.actors:
            actor.renew.remote(EPOCH)


@dataclass(frozen=True, slots=True)
class Failure:
    """A process that failed."""

    at: float
    exit_code: int | None
    why: str


class GangAttempt:
    """One attempt on a trial's other nodes, seen from its first.

    Args:
        members: The actors of those nodes.
        hosts: Names of all nodes.
        events: The trial's.
        grace_s: Seconds between SIGTERM and SIGKILL.
        stop_own: Ends the processes of the first node, given the grace period.
    """

    def __init__(
        self,
        members: Sequence[Any],
        hosts: Sequence[str],
        events: AttemptEvents,
        grace_s: float,
        stop_own: Callable[[float], Awaitable[None]],
    ) -> None:
        self.failure: Failure | None = None
        """The first process that failed by itself, on whatever node."""
        self.lost = ""
        """Why the attempt is lost; empty while it is not."""
        self._members = members
        self._hosts = hosts
        self._events = events
        self._grace_s = grace_s
        self._stop_own = stop_own
        self._seen = dict.fromkeys(range(1, len(members) + 1), 0)
        self._gone = {node: asyncio.Event() for node in self._seen}
        self._used: dict[int, Mapping[str, float]] = {}
        self._ending: asyncio.Future[Any] | None = None
        self._attending: list[asyncio.Task[None]] = []

    @property
    def has_ended(self) -> bool:
        """Whether the attempt is being ended on all nodes, since a process failed or a member is lost."""
        return self.failure is not None or bool(self.lost)

    def begin(self, order: Sequence[Any], meeting: Meeting) -> None:
        """Starts the attempt on the other nodes.

        Args:
            order: Trial, attempt, hyperparameters, checkpoint and its intervals.
            meeting: Where the processes meet.
        """
        loop = asyncio.get_running_loop()
        # What earlier attempts have recorded counts on the first node only.
        call = (EPOCH, *order, None, None, None, meeting.to_json())
        self._attending = [loop.create_task(self._attend(node, call)) for node in self._seen]

    async def _attend(self, node: int, call: tuple[Any, ...]) -> None:
        actor = self._members[node - 1]
        try:
            self._take_last(node, unpack(await until_known(lambda: actor.run.remote(*call))))
        except RayError as error:
            self._lose(f"its node {node} ({self._hosts[node]}) is gone: {reason(error)}")
        except Exception as error:
            self._lose(f"what its node {node} ({self._hosts[node]}) sent cannot be read: {error}")
        finally:
            self._gone[node].set()

    def _take_last(self, node: int, events: Sequence[TrialEvent]) -> None:
        *before, last = events
        self._take(before)
        if isinstance(last, EndedEvent):
            self._used[node] = last.usage or {}
        if isinstance(last, LostEvent):
            self._lose(f"on its node {node} ({self._hosts[node]}) {last.why}")
        elif isinstance(last, EndedEvent) and last.exit_code != 0 and not self._gone[node].is_set():
            self._fail(Failure(last.at, last.exit_code, f"node {node} ({self._hosts[node]}): {last.error}"))

    async def take(self, events: Sequence[TrialEvent]) -> None:
        """Takes what a member sends; returns when there is room for more."""
        self._take(events)
        while self._events.is_full() and not self._events.done.done():
            await asyncio.sleep(ROOM_S)

    def _take(self, events: Sequence[TrialEvent]) -> None:
        """Each event once: a member sends again what was not acknowledged."""
        messages = []
        for event in events:
            if isinstance(event, LoggedEvent) and event.seq > self._seen[event.node]:
                self._seen[event.node] = event.seq
                if "part" in event.message:
                    event.message["node"] = event.node
                messages.append(event.message)
            elif isinstance(event, NoteEvent):
                self._events.note(event.text, event.about)
            elif isinstance(event, ExitedEvent):
                self._gone[event.node].set()
                if event.why:
                    self._fail(Failure(event.at, event.exit_code, event.why))
        odd = self._events.add(messages) if messages else []
        if odd:
            self._events.tell(f"a message that another node logged cannot be read and was dropped: {str(odd[0])[:200]}")

    def _fail(self, failure: Failure) -> None:
        if self.failure is None or failure.at < self.failure.at:
            self.failure = failure
        self._end()

    def own_failure(self, exit_code: int | None, why: str) -> None:
        """Takes that a process of the first node failed by itself."""
        self._fail(Failure(time.time(), exit_code, why))

    def _lose(self, why: str) -> None:
        self.lost = self.lost or why
        self._end()

    def _end(self) -> None:
        """Ends the attempt on all nodes, once."""
        if self._ending is None:
            ends = [self._stop_own(self._grace_s), self.stop(self._grace_s)]
            self._ending = asyncio.gather(*ends, return_exceptions=True)

    async def stop(self, grace_s: float) -> None:
        """Ends the attempt on the other nodes; returns when nothing is left there.

        Args:
            grace_s: Seconds between SIGTERM and SIGKILL.
        """
        await asyncio.gather(*(self._stop_member(node, grace_s) for node in self._gone))

    async def _stop_member(self, node: int, grace_s: float) -> None:
        """Kills a member whose processes are not gone in time; what they left may take longer to be stored."""
        actor, gone = self._members[node - 1], asyncio.ensure_future(self._gone[node].wait())
        call = answer(actor.stop.remote(EPOCH, self._events.trial, self._events.attempt, grace_s))
        stopping = asyncio.ensure_future(call)
        stopping.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.wait([stopping, gone], timeout=grace_s + STOP_MARGIN_S, return_when=asyncio.FIRST_COMPLETED)
        failed = stopping.done() and (stopping.cancelled() or stopping.exception() is not None)
        if failed or not (stopping.done() or gone.done()):
            with contextlib.suppress(RayError, ValueError):
                ray.kill(actor, no_restart=True)
        gone.cancel()

    async def exited(self) -> None:
        """Returns when no process is left on the other nodes, or they are lost."""
        for gone in self._gone.values():
            await gone.wait()

    async def finished(self) -> None:
        """Returns when the members have brought to the storage what was left on their nodes."""
        for actor in self._members:  # no part of a checkpoint is going to be asked for
            actor.drop_parts.remote(EPOCH, self._events.trial, self._events.attempt, None)
        if self._attending:
            await asyncio.wait(self._attending)
        if self._ending is not None:
            await asyncio.wait([self._ending])

    async def gpu_use(self, own: Mapping[str, float]) -> dict[str, float]:
        """Returns what all nodes use of their GPUs now, as ``core.reports.gpu_use.joint`` does.

        Args:
            own: What the first node uses.
        """
        told = await gpu_use_of(dict(enumerate(self._members, 1)), USE_PATIENCE_S)
        return joint([own, *(told.get(node, {}) for node in self._seen)])

    def gpus_used(self, own: Mapping[str, float]) -> dict[str, float]:
        """Returns what the attempt has used on all nodes, once it has ended.

        Args:
            own: What it has used on the first node.
        """
        return joint([own, *(self._used.get(node, {}) for node in self._seen)])

    def missing(self) -> str:
        """A notice of what may be missing in the storage, for a member was lost at the end; else empty."""
        return f"files of its other nodes may be missing from the storage: {self.lost}" if self.lost else ""
