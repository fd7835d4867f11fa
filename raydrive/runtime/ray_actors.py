"""The classes of the two Ray actors: their calls, and nothing that takes long to import.

Ray imports an actor's class wherever it is created, and wherever a handle of it arrives. With the work itself in these
classes the submitting process, the driver and every trial actor would each import all of it, and trials would wait
for that each time; so an actor imports its own work in its own process, when it is created there. Each call is
described where its work is.

What is there when an actor is made stays as long as the actor, so it is frozen: Ray has all its workers collect garbage
every ten seconds, at the same moment, and on a node with many actors the trials would wait for that.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from raydrive.runtime.ray_cluster import plain_ray


def _without_addons() -> None:
    """In an actor's process: keeps Ray from importing pydantic, pyarrow and numpy before the first call.

    Ray does so, a tenth of a second, to be able to send values of theirs; between our actors go plain ones. A process
    that submits is left alone, whatever it sends besides is its own business; and one that has sent something already
    has imported them. With ``RAYDRIVE_PLAIN_RAY`` in the process's environment nothing is changed.
    """
    if plain_ray.asked_by_variable():
        return
    worker = sys.modules.get("ray._private.worker")
    addons: Any = sys.modules.get("ray.util.serialization_addons")
    if addons is None or getattr(getattr(worker, "global_worker", None), "mode", None) != 1:  # 1: a worker of Ray's
        return
    if hasattr(addons, "apply"):
        addons.apply = lambda context: None


# At the import: the constructor is too late, because Ray imports them to read its arguments.
_without_addons()


class DriverActor:
    """The driver actor of a run.

    Args:
        uri: The run folder; ``config.json`` is there already.
        limits: Limits that a resume changes.
        secrets: Values of the trials' secrets by name; nowhere but in memory.
    """

    def __init__(
        self, uri: str, limits: Mapping[str, Any] | None = None, secrets: Mapping[str, str] | None = None
    ) -> None:
        from raydrive.core.notices.rules import WEBHOOK  # lazy: raydrive.core.notices.rules, 0.005 s
        from raydrive.runtime.driver import actor_factory  # lazy: ray, 0.4 s

        own = dict(secrets or {})
        webhook, secrets = own.pop(WEBHOOK, ""), own
        # The first trial actor starts while this one imports its work.
        factory = actor_factory.prestart_first_actor(uri, TrialActor, secrets)

        from raydrive.runtime.driver import driver, own_actor, pool_factory  # lazy: ray, 0.3 s

        host = own_actor.OwnActor()
        pools = pool_factory.PoolFactory(uri, TrialActor, host.handle, factory, secrets)
        self._work = driver.Driver(uri, limits, pools, host, secrets, webhook)
        gc.freeze()

    async def start(self) -> int:
        """Takes charge of the run."""
        return await self._work.start()

    async def report(self, trial: int, attempt: int, epoch: int, events: Sequence[tuple[Any, ...]]) -> bool:
        """Takes a batch of events of an attempt."""
        return await self._work.report(trial, attempt, epoch, events)

    async def steer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Records what a user asks for."""
        return await self._work.steer(request)

    async def interrupt(self, grace_s: float | None = None) -> None:
        """Ends the training processes but not the run."""
        await self._work.interrupt(grace_s)

    async def wait(self) -> None:
        """Returns when the run has ended or was interrupted."""
        await self._work.wait()

    async def view(self) -> dict[str, Any]:
        """Returns what ``driver.json`` holds, fresh."""
        return await self._work.view()

    async def sees(self, name: str) -> bool:
        """Returns whether a file of this name is in the run folder."""
        return await self._work.sees(name)


class TrialActor:
    """The Ray actor of a trial; takes what ``raydrive.runtime.trial_actor.actor.TrialSupervisor`` takes."""

    def __init__(
        self,
        uri: str,
        run_id: str,
        config: Mapping[str, Any],
        driver: Any,
        secrets: Mapping[str, str],
        epoch: int,
        name: str,
        group: Any = None,
        node_rank: int = 0,
    ) -> None:
        from raydrive.runtime.ray_in_trials import cluster_access  # lazy: ray, 0.4 s

        hands_on = config["trial"].get("distribution") == "ray"
        trial_ray = cluster_access.TrialRay(config, name, node_rank, group if hands_on else None)
        members, release = None, trial_ray.release
        if group is not None and not hands_on:
            from raydrive.runtime.gang import leader  # lazy: raydrive.runtime.gang.leader, 0.01 s

            # They start while this one imports its work.
            members = leader.Members.start(TrialActor, (uri, run_id, config, secrets), name, group)
            release = members.release
        from raydrive.runtime import trial_events  # lazy: raydrive.runtime.trial_events, 0.01 s
        from raydrive.runtime.trial_actor import actor  # lazy: ray, 0.4 s

        self._pack = trial_events.pack
        self._work = actor.TrialSupervisor(
            *(uri, run_id, config, driver, epoch, name, secrets),
            node_rank=node_rank,
            members=members,
            release=release,
            reserved=trial_ray.ready,
            variables=trial_ray.variables,
        )
        gc.freeze()

    async def ping(self) -> int:
        """Answers with the process id of the actor, once it is ready."""
        return await self._work.ping()

    async def adopt(self, epoch: int, driver: Any) -> tuple[int, int] | None:
        """Goes over to a new driver; returns trial and attempt under way."""
        return await self._work.adopt(epoch, driver)

    async def renew(self, epoch: int) -> None:
        """Takes the driver's sign of life."""
        await self._work.renew(epoch)

    async def gpu_use(self) -> dict[str, float]:
        """Returns what its trial uses of its GPUs now; empty = not known."""
        return await self._work.gpu_use()

    async def run(
        self,
        epoch: int,
        trial: int,
        attempt: int,
        params: Mapping[str, Any],
        resume_from: str | None,
        interval: int,
        *known: Any,
    ) -> list[tuple[Any, ...]]:
        """Runs an attempt to its end and returns its last events."""
        return self._pack(await self._work.run(epoch, trial, attempt, params, resume_from, interval, *known))

    async def find_place(self, ports: int) -> tuple[str, str, list[int]]:
        """Returns name and address of its node, and ports that are free there."""
        from raydrive.runtime.gang import leader  # lazy: raydrive.runtime.gang.leader, 0.01 s

        place = leader.find_place(ports)
        return place.host, place.address, list(place.ports)

    async def report(self, trial: int, attempt: int, epoch: int, events: Sequence[tuple[Any, ...]]) -> bool:
        """Takes events from the actor of another node of its trial."""
        return await self._work.report(trial, attempt, events)

    async def log(self, trial: int, attempt: int, sender: str, number: int, messages: Sequence[Any]) -> bool:
        """Takes what a process on any node logs with ``Run.remote()``."""
        return await self._work.log(trial, attempt, sender, number, messages)

    async def put_parts(self, epoch: int, trial: int, attempt: int, number: int, names: Mapping[int, str]) -> list[Any]:
        """Uploads the parts of a checkpoint on its node to the storage."""
        return await self._work.put_parts(epoch, trial, attempt, number, names)

    async def drop_parts(self, epoch: int, trial: int, attempt: int, names: Mapping[int, str] | None) -> None:
        """Removes parts of a checkpoint from its node."""
        await self._work.drop_parts(epoch, trial, attempt, names)

    async def stop(self, epoch: int, trial: int | None, attempt: int, grace_s: float) -> None:
        """Ends the process tree of an attempt."""
        await self._work.stop(epoch, trial, attempt, grace_s)
