"""Lines that anybody may write to a trial's socket: what comes of them is recorded, read back and folded."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import tempfile
import time
import traceback
from typing import Any

import damaged_runs as damage
import pytest

from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.records import Began, Started, Suggested
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_actor.log_socket import LogSocket
from raydrive.runtime.trial_events import to_facts
from raydrive.storage.journal.writer import JournalReader, JournalWriter

KEYS = ("m", "t", "s", "tags", "checkpoint", "state", "why", "r", "d", "note", "x", "")
SCALARS = ("NaN", "Infinity", "-Infinity", "1e999", "-0.0", "0.5", "3", "-1", "1" * 400, "9" * 5000, "null", "true")
TEXTS = ('"a"', '""', '"\\ud800"', '"a/b"', '"../x"', '"\\u0000"', '"Failed"', '"$float"', '"NaN"', f'"{"z" * 3000}"')
SOUND = ('{"m":{"acc":0.5},"t":%f}', '{"m":{"acc":0.5,"loss":1},"t":%f,"s":3}', '{"tags":{"a":"b"},"t":%f}')


def _value(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if depth > 3 or kind < 0.45:
        return chance.choice(SCALARS)
    if kind < 0.65:
        return chance.choice(TEXTS)
    if kind < 0.7:
        return "[" * 900 + "]" * 900
    inside = [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind < 0.82:
        return f"[{','.join(inside)}]"
    names = ("acc", "loss", "$float", "$tuple", "", "val/acc [1]", "\\ud800")
    return "{" + ",".join(f'"{chance.choice(names)}":{item}' for item in inside) + "}"


def line_of(chance: random.Random) -> bytes:
    """A line: an object of odd values, a sound one with a byte exchanged, or bytes."""
    kind = chance.random()
    if kind < 0.6:
        keys = chance.sample(KEYS, chance.randrange(1, 5))
        return ("{" + ",".join(f'"{key}":{_value(chance, 0)}' for key in keys) + "}").encode()
    if kind < 0.9:
        line = bytearray((chance.choice(SOUND) % time.time()).encode())
        line[chance.randrange(len(line))] = chance.randrange(256)
        return bytes(line).replace(b"\n", b" ")
    return chance.randbytes(chance.randrange(80)).replace(b"\n", b" ")


async def _events(lines: list[bytes]) -> list[tuple[Any, ...]]:
    channel, current = LogSocket(), AttemptEvents(0, 1, 0, "acc")
    await channel.start()
    channel.take, channel.notice = current.add, current.tell
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(channel.path)
            connection.setblocking(False)
            for line in lines:
                await asyncio.get_running_loop().sock_sendall(connection, line + b"\n")
        await channel.drain()
    finally:
        await channel.close()
    return current.unsent


def run_wire_fuzz(cases: int = 300, seed: int = 1, batch: int = 20) -> damage.Tally:
    """Sends lines to the socket of an attempt, records what comes of them, and reads and folds the record."""
    tally, chance = damage.Tally(), random.Random(seed)
    config = RunConfig(
        experiment="wire",
        metric=Metric(name="acc", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=1, max_concurrent_runs=1),
        trial=TrialSpec(kind="function"),
        seed=0,
    )
    while tally.cases < cases:
        lines = [line_of(chance) for _ in range(batch)]
        tally.cases += batch
        begun = time.monotonic()
        try:
            facts = to_facts(0, 1, asyncio.run(_events(lines)))
            sweep = Sweep(config)
            with tempfile.TemporaryDirectory() as folder, JournalWriter.open(folder) as writer:
                first = [Started(1.0, 1), Suggested(1.0, 0, {"x": 0.5}), Began(1.0, 0, 1)]
                for fact in [*first, *facts]:
                    if sweep.accepts(fact):
                        writer.append([records.dump(fact, sweep.handle(fact))])
                read = Sweep(config)
                JournalReader(folder).follow(read)
            if repr(list(read.curves.values(0))) != repr(list(sweep.curves.values(0))):
                tally.silent.append(f"other values are read than were recorded: {lines!r:.2000}")
            tally.told += len(facts)
        except Exception:
            tally.tracebacks.append(f"{traceback.format_exc(limit=-4)}\n{lines!r:.2000}")
        if time.monotonic() - begun > damage.SLOW_S:
            tally.hangs.append(f"{lines!r:.2000}")
    return tally


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_written_to_the_socket_can_be_recorded_and_read(seed: int) -> None:
    tally = run_wire_fuzz(seed=seed)
    assert tally.cases == 300
    assert tally.told > 30  # not everything was dropped
    assert not tally.wrong, "\n".join(tally.wrong[:3])


def test_lines_of_this_fuzzer_are_of_all_kinds() -> None:
    chance = random.Random(5)
    lines = [line_of(chance) for _ in range(500)]

    def parsed(line: bytes) -> object:
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            return None

    objects = [found for line in lines if isinstance(found := parsed(line), dict)]
    assert 150 < len(objects) < 450
    assert any("m" in one for one in objects)
