"""Waiting for a condition: one helper, one message for all tests.

A test waits for what it needs and never for a time: a bound on time holds on an idle machine and fails on a busy one.
The limit only ends a test that would hang.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
LIMIT_S = 90.0
"""Seconds after which a condition counts as never met; far above what a busy machine needs."""
POLL_S = 0.02
"""Seconds between two looks at a condition."""


def wait_until(condition: Callable[[], T], what: str, limit_s: float = LIMIT_S, *, seen: Any = None) -> T:
    """Waits until a condition holds, and returns its value.

    Args:
        condition: Called again and again; anything true ends the wait.
        what: What is waited for, for the message.
        limit_s: Seconds after which the test fails.
        seen: A function whose value the message shows in place of the condition's.
    """
    end = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(in_vain(what, limit_s, seen() if seen else value))
        time.sleep(POLL_S)
    return value


async def async_wait_until(condition: Callable[[], T], what: str, limit_s: float = LIMIT_S, *, seen: Any = None) -> T:
    """`wait_until` for tests with an event loop, which goes on meanwhile."""
    end = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(in_vain(what, limit_s, seen() if seen else value))
        await asyncio.sleep(POLL_S)
    return value


def in_vain(what: str, limit_s: float, value: object) -> str:
    """The message of a wait that ended without its condition."""
    return f"waited {limit_s:g} s in vain for: {what}; last seen: {value!r}"
