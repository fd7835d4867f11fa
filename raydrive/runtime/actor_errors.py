"""What errors of calls between the actors mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    OutOfMemoryError,
    RayError,
    RaySystemError,
    RayTaskError,
)

from raydrive.core.errors import RaydriveError
from raydrive.core.out_of_memory.recognition import BY_RAY

RAN_LOW = f"{BY_RAY}, because its node ran low"


async def answer(reference: Any) -> Any:
    """Returns the answer to a call, as a coroutine."""
    return await reference


async def until_known(call: Callable[[], Any]) -> Any:
    """Returns what an actor answers. One that is merely out of reach is asked again: only death is an answer.

    Raises:
        RayError: If the actor is dead, or the call failed.
    """
    while True:
        try:
            return await call()
        except ActorUnavailableError:
            await asyncio.sleep(0.2)


def is_loss(error: BaseException) -> bool:
    """Whether an actor, its node or what it answered is gone.

    An error that the call itself raised is none, nor are arguments or an answer that cannot be sent: it would come
    again and again, wherever the attempt is started again. It is a failure of the attempt.
    """
    return isinstance(error, RayError) and not isinstance(error, RayTaskError | RaySystemError)


def reason(error: BaseException) -> str:
    """Why an actor is gone, or a call failed, in a line."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        text = str(cause) if isinstance(cause, Exception) else ""
        return f"{type(cause).__name__}: {text}"[:300] if text else _last_line(str(error))
    if not isinstance(error, RayError):
        return f"{type(error).__name__}: {error}"[:300]
    if isinstance(error, OutOfMemoryError):
        return RAN_LOW
    if getattr(error, "preempted", False):
        return "its node was preempted"
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    if getattr(error, "actor_init_failed", False):
        return lines[-1] if lines else type(error).__name__
    text = " ".join(lines[1:] if len(lines) > 1 and isinstance(error, ActorDiedError) else lines[:1])
    return text[:300] if text else type(error).__name__


def memory_deaths(names: Collection[str]) -> set[str]:
    """Returns which of these actors Ray's memory monitor killed, as Ray's own table of actors has it.

    For actors that died while no driver looked: the monitor kills as many workers of a node as it thinks it takes, and
    since the memory is that of training processes, which Ray does not count, the run's driver is often among them.

    Args:
        names: Full names of actors; of those that are unknown or alive nothing is told.
    """
    if not names:
        return set()
    try:
        from ray._private.state import actors  # lazy: ray._private, 0.001 s

        dead = actors(actor_state_name="DEAD").values()
        return {one["Name"] for one in dead if one["Name"] in names and one["DeathCause"].HasField("oom_context")}
    except Exception:  # a table of Ray's own, which another release may not have: then nothing is known
        return set()


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "an error without a message"


def is_refusal(error: BaseException) -> bool:
    """Whether a driver raised an error that is none of raydrive's own, or a batch cannot be sent to any driver."""
    of_the_call = isinstance(error, RayTaskError) or not isinstance(error, RayError)
    return of_the_call and not isinstance(error, RaydriveError)
