"""Why a trial failed is what it printed last, and not what raydrive adds to its log; memory that ran out is found."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from trial_actor_helpers import Driver, a_run, an_actor, of_kind

from raydrive.core.out_of_memory.recognition import GPU, kind_of
from raydrive.runtime.trial_events import EndedEvent

XLA = "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 6291456 bytes."
TORCH = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
BUFFER = (
    "\tBuffer {}:\n\t\tSize: 6.00MiB\n\t\tOperator: op_name=concatenate\n\t\tShape: f32[4096,128,3]\n\t\t=========="
)


def train(params: dict[str, Any]) -> None:
    case = params["case"]
    if case == "a notice of ours":
        print("MemoryError\nraydrive: 3 numbers were found in 5 lines", flush=True)
    elif case == "nothing but a notice":
        print("raydrive: 3 numbers were found in 5 lines", flush=True)
    elif case == "XLA and its buffers":
        print(XLA, *(BUFFER.format(n) for n in range(30)), sep="\n", flush=True)
    elif case == "caught long before":
        print(TORCH, *(f"epoch {n}: batch size halved" for n in range(200)), "ValueError: shapes", sep="\n", flush=True)
    os._exit(1)


def test_the_last_words_of_a_failure(tmp_path: Path) -> None:
    cases = ("a notice of ours", "nothing but a notice", "XLA and its buffers", "caught long before")

    async def main() -> list[Any]:
        driver = Driver(is_open=True)
        async with an_actor(*a_run(tmp_path, train), driver) as actor:
            for trial, case in enumerate(cases):
                driver.events += await asyncio.wait_for(actor.run(1, trial, 1, {"case": case}, None, 0), 60.0)
        return driver.events

    notice, alone, xla, caught = (event.error for event in of_kind(asyncio.run(main()), EndedEvent))
    assert notice == "MemoryError"
    assert alone == "raydrive: 3 numbers were found in 5 lines"
    assert kind_of(xla) == GPU
    assert xla.endswith(XLA)
    assert caught == "ValueError: shapes"
