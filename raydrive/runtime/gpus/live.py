"""What the trials of a run use of their GPUs now: the driver asks their actors, for its heartbeat.

It is no part of the record; what an attempt has used is, once it has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

ASK_S = 10.0
"""Seconds between two questions, one to each trial actor at work."""
PATIENCE_S = 5.0
"""An actor that answers later is left out."""


async def gpu_use_of(actors: Mapping[int, Any], patience_s: float = PATIENCE_S) -> dict[int, dict[str, float]]:
    """Returns what trials use of their GPUs now; those of which nothing is known are left out.

    Args:
        actors: Trial actors by the number of the trial.
        patience_s: Seconds to wait for answers.
    """
    if not actors:
        return {}
    asked = {trial: asyncio.ensure_future(_asked(actor)) for trial, actor in actors.items()}
    _, late = await asyncio.wait(asked.values(), timeout=patience_s)
    for one in late:
        one.cancel()
    return {trial: one.result() for trial, one in asked.items() if one not in late and one.result()}


async def _asked(actor: Any) -> dict[str, float]:
    with contextlib.suppress(Exception):  # it is gone, or ends: its trial's end is reported elsewhere
        found: dict[str, float] = await actor.gpu_use.remote()
        return found
    return {}
