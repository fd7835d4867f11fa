"""What is said of an actor that is gone."""

from __future__ import annotations

import pytest
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayError

from raydrive.core.records import Lost
from raydrive.runtime.slots import _reason, to_facts


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
    ("error", "reason"),
    [
        (OutOfMemoryError("..."), "out of memory: Ray's memory monitor killed it, because its node ran low"),
        (died(WORKER), "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"),
        (died(WORKER, preempted=True), "its node was preempted"),
        (died(INIT, init=True), "ModuleNotFoundError: No module named 'raydrive'"),
        (RayError("one\ntwo"), "one"),
        (RayError(), "RayError"),
    ],
)
def test_the_reason_is_a_line_that_says_something(error: RayError, reason: str) -> None:
    assert _reason(error) == reason


def test_what_cannot_begin_is_told_as_a_loss() -> None:
    assert to_facts(3, 2, [("lost", 5.0, "no storage")]) == [Lost(5.0, 3, 2, "no storage")]
