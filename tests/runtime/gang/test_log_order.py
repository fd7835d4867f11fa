"""The order in which the logs of a node's processes grew."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from waiting import async_wait_until

from raydrive.runtime.gang.log_order import LogOrder


def lines(order: Path) -> list[list[float]]:
    return [json.loads(line) for line in order.read_text().splitlines()] if order.exists() else []


def test_a_line_tells_when_a_log_has_grown(tmp_path: Path) -> None:
    logs, order = {2: tmp_path / "rank_2.txt", 3: tmp_path / "rank_3.txt"}, tmp_path / "order_1.jsonl"

    async def follow() -> None:
        one = LogOrder(logs, order)
        one.start()
        logs[2].write_bytes(b"abc\n")
        await async_wait_until(lambda: len(lines(order)) == 1, "the first line")
        logs[3].write_bytes(b"abcdefg\n")
        await async_wait_until(lambda: len(lines(order)) == 2, "the second line")
        logs[2].write_bytes(b"a")  # cut
        await async_wait_until(lambda: len(lines(order)) == 3, "a shorter log")
        logs[3].write_bytes(b"abcdefg\nlast\n")
        await one.close()  # looks for the last time
        await one.close()

    asyncio.run(follow())
    found = lines(order)
    assert [line[1:] for line in found] == [[2, 4], [3, 8], [2, 1], [3, 13]]
    assert [line[0] for line in found] == sorted(line[0] for line in found)


def test_an_order_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    log = tmp_path / "rank_1.txt"
    log.write_bytes(b"abc\n")
    outside = tmp_path / "outside"
    outside.write_text("")
    (tmp_path / "order_0.jsonl").symlink_to(outside)

    async def follow() -> None:
        for order in (tmp_path / "order_0.jsonl", tmp_path / "nowhere" / "order_0.jsonl"):
            one = LogOrder({1: log, 2: tmp_path / "rank_2.txt"}, order)
            one.start()
            await asyncio.sleep(0)
            await one.close()

    asyncio.run(follow())
    assert outside.read_text() == ""
