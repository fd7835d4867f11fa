"""What is said of an actor that is gone, and of a call that fails though its actor is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import (
    ActorDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    RaySystemError,
    RayTaskError,
)

from raydrive.core.errors import StaleEpochError
from raydrive.core.records import Ended, Fact, Launch, Lost
from raydrive.runtime.actor_errors import reason
from raydrive.runtime.driver.actor_pool import ActorPool
from raydrive.testing.runners import function_config


def died(text: str, *, init: bool = False, preempted: bool = False) -> ActorDiedError:
    error = ActorDiedError()
    error.error_msg, error._actor_init_failed, error._preempted = text, init, preempted
    return error


WORKER = """The actor died unexpectedly before finishing this task.
\tclass_name: TrialActor
\tactor_id: 6b9b2ffe
\tpid: 4711
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"""
INIT = """The actor died because of an error raised in its creation task, ray::TrialActor.__init__()
  File "trial_actor.py", line 1, in __init__
ModuleNotFoundError: No module named 'raydrive'
"""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OutOfMemoryError("..."), "out of memory: Ray's memory monitor killed it, because its node ran low"),
        (died(WORKER), "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"),
        (died(WORKER, preempted=True), "its node was preempted"),
        (died(INIT, init=True), "ModuleNotFoundError: No module named 'raydrive'"),
        (RayError("one\ntwo"), "one"),
        (RayError(), "RayError"),
    ],
)
def test_the_reason_is_a_line_that_says_something(error: RayError, expected: str) -> None:
    assert reason(error) == expected


# ---------------------------------------------------------------------- a call that fails


def raised(error: Exception) -> Exception:
    """An error that a method of an actor raised, as its caller gets it."""
    wrapped: Exception = RayTaskError("TrialActor.run", f"Traceback\n  line\n{type(error).__name__}: {error}", error)
    return wrapped.as_instanceof_cause()  # type: ignore[attr-defined, no-any-return]


class Actor:
    """Stands for the handle of a trial actor: its calls do what they are told."""

    def __init__(self, run: Callable[..., Any]) -> None:
        async def ping() -> int:
            return 1

        self.ping = SimpleNamespace(remote=ping)
        self.run = SimpleNamespace(remote=run)


def factory_of(run: Callable[..., Any]) -> Any:
    """Stands for the factory of trial actors whose ``run`` is this."""
    return SimpleNamespace(
        take_first=lambda: None, make=lambda epoch, memory=None: Actor(run), find_existing=dict, kill=lambda actor: None
    )


def facts_of(run: Callable[..., Any]) -> list[Fact]:
    """What becomes of an attempt whose actor's ``run`` is this."""

    async def main() -> list[Fact]:
        recorded: list[Fact] = []
        done = asyncio.Event()

        async def record(facts: Sequence[Fact]) -> None:
            recorded.extend(facts)
            done.set()

        factory = factory_of(run)
        pool = ActorPool(function_config(), factory, None, 1, lambda facts: None, record)
        pool.launch(Launch(0, 1, {"x": 1.0}))
        await asyncio.wait_for(done.wait(), 10)
        return recorded

    return asyncio.run(main())


def failing(error: BaseException) -> Callable[..., Any]:
    async def run(*arguments: Any) -> list[Any]:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            raised(RecursionError("maximum recursion depth exceeded")),
            "RecursionError: maximum recursion depth exceeded",
        ),
        (raised(ValueError("no such thing")), "ValueError: no such thing"),
        (RayTaskError("run", "Traceback\n  line\nUnpicklable: x", None), "Unpicklable: x"),
        (RaySystemError("cannot unpickle the answer"), "cannot unpickle the answer"),
        (TypeError("Could not serialize the argument"), "TypeError: Could not serialize the argument"),
    ],
)
def test_a_call_that_fails_is_a_failure_and_no_loss(error: Exception, said: str) -> None:
    (fact,) = facts_of(failing(error))
    assert isinstance(fact, Ended)
    assert fact.exit_code is None
    assert said in fact.error


def test_a_call_that_cannot_be_made_or_whose_answer_makes_no_sense_is_an_end_and_no_hang() -> None:
    def refuse(*arguments: Any) -> Any:
        raise RecursionError("cannot pickle the arguments")

    async def nothing(*arguments: Any) -> list[Any]:
        return []

    for run in (refuse, nothing):
        (fact,) = facts_of(run)
        assert isinstance(fact, Ended)
        assert fact.exit_code is None


@pytest.mark.parametrize("event", [("gradient", 1.0), ("report", 1.0), ("ended", 1.0, 0, "", {}, "of a later release")])
def test_an_end_that_this_release_cannot_read_is_a_loss_with_a_sentence(event: tuple[Any, ...]) -> None:
    async def run(*arguments: Any) -> list[Any]:
        return [("began", 1.0, "node", 1, "", "actor"), event]

    (fact,) = facts_of(run)
    assert isinstance(fact, Lost)
    assert f"an event of the kind {event[0]!r}" in fact.why


@pytest.mark.parametrize(
    "error", [died(WORKER), OutOfMemoryError("..."), NodeDiedError("gone"), ObjectLostError("00" * 28, None, "")]
)
def test_an_actor_that_is_gone_is_a_loss(error: RayError) -> None:
    (fact,) = facts_of(failing(error))
    assert isinstance(fact, Lost)


def test_an_attempt_that_the_driver_gives_up_is_lost_when_its_actor_is_gone() -> None:
    async def main() -> list[Fact]:
        recorded: list[Fact] = []
        done, gone = asyncio.Event(), asyncio.Event()

        async def record(facts: Sequence[Fact]) -> None:
            recorded.extend(facts)
            done.set()

        async def run(*arguments: Any) -> list[Any]:
            await gone.wait()
            raise died(WORKER)

        factory = factory_of(run)
        pool = ActorPool(function_config(), factory, None, 1, lambda facts: None, record)
        pool.launch(Launch(0, 1, {}))
        await asyncio.sleep(0.1)
        pool.lose(0, 2, "another attempt of it")
        pool.lose(1, 1, "another trial")
        pool.lose(0, 1, "its trial actor sent an event of an unknown kind")
        gone.set()
        await asyncio.wait_for(done.wait(), 10)
        return recorded

    (fact,) = asyncio.run(main())
    assert isinstance(fact, Lost)
    assert fact.why == "its trial actor sent an event of an unknown kind"


def test_an_attempt_gets_an_actor_with_the_memory_that_it_needs() -> None:
    """Three attempts after one another: the second needs more, so the idle actor of the first gives its memory back."""

    async def main() -> tuple[list[float | None], int, int]:
        made: list[float | None] = []
        killed: list[Any] = []
        ends: asyncio.Queue[int] = asyncio.Queue()

        async def record(facts: Sequence[Fact]) -> None:
            ends.put_nowait(facts[0].trial)  # type: ignore[union-attr, arg-type]

        async def run(epoch: int, trial: int, *arguments: Any) -> list[Any]:
            return [("ended", 1.0, 0)]

        factory = factory_of(run)
        factory.make = lambda epoch, memory=None: made.append(memory) or Actor(run)
        factory.kill, factory.is_whole = killed.append, lambda actor: True
        pool = ActorPool(function_config(max_concurrent_runs=1), factory, None, 1, lambda facts: None, record)
        for number, memory in enumerate((None, 8e9, 8e9, None)):
            pool.launch(Launch(number, 1, {}, memory=memory))
            assert await asyncio.wait_for(ends.get(), 10) == number
            await asyncio.sleep(0.01)  # until its actor is idle
        before = len(killed)
        pool.kill_all()
        return made, before, len(killed)

    made, before, after = asyncio.run(main())
    assert made == [None, 8e9, None]  # the third attempt has the actor of the second
    assert (before, after) == (2, 3)


def test_an_attempt_that_a_newer_driver_has_is_not_judged() -> None:
    async def main() -> list[Fact]:
        recorded: list[Fact] = []

        async def record(facts: Sequence[Fact]) -> None:
            recorded.extend(facts)

        run = failing(raised(StaleEpochError("newer")))
        factory = factory_of(run)
        pool = ActorPool(function_config(), factory, None, 1, lambda facts: None, record)
        pool.launch(Launch(0, 1, {}))
        await asyncio.sleep(0.2)
        return recorded

    assert asyncio.run(main()) == []
