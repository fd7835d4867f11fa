"""What is seen of a trial's use of its GPUs, by a library that stands for NVML, and recorded at its end."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from gpu_libraries import PYNVML, write_libraries
from waiting import async_wait_until

from raydrive.core.records import Began, Close, Ended, dump, load
from raydrive.runtime.gpus import nvml
from raydrive.runtime.gpus.live import gpu_use_of
from raydrive.runtime.gpus.usage import UsageWatch
from raydrive.runtime.trial_events import EndedEvent, pack, to_facts


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[nvml.Nvml]:
    monkeypatch.syspath_prepend(str(write_libraries(tmp_path, pynvml=PYNVML)))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    importlib.invalidate_caches()
    nvml.opened.cache_clear()
    found = nvml.opened()
    assert found is not None
    yield found
    nvml.opened.cache_clear()


def test_gpus_are_found_by_number_and_name(driver: nvml.Nvml) -> None:
    assert driver.total_bytes("0") == driver.total_bytes("GPU-a") == 48 * 2**30
    assert driver.use_percent("GPU-b") == 41.0
    assert (driver.total_bytes("7"), driver.use_percent("MIG-x"), driver.used_bytes("7", {1})) == (0, None, None)


def test_memory_is_that_of_the_trials_own_processes(driver: nvml.Nvml) -> None:
    assert driver.used_bytes("0", {11, 12, 13}) == 120
    assert driver.used_bytes("1", {11}) == 0
    assert driver.used_bytes("0", {5}) is None, "in a container the driver may tell other numbers"


def test_a_watch_has_the_mean_of_the_use_and_the_most_memory(driver: nvml.Nvml) -> None:
    watch = UsageWatch(driver, ["0", "1"], lambda: [11, 12])
    watch.look()
    watch.look()
    assert watch.result == {"gpu_percent": 40.5, "gpu_memory_bytes": 120.0}
    assert UsageWatch(driver, ["0"], list).result == {}


def test_what_it_uses_now_is_told_while_it_trains() -> None:
    class Changing:
        looks = 0

        def use_percent(self, gpu: str) -> float | None:
            self.looks += 1
            return 10.0 * self.looks if self.looks < 3 else None

        def used_bytes(self, gpu: str, pids: Collection[int]) -> int | None:
            return {1: 500, 2: 300}.get(self.looks)

    now: dict[str, float] = {}
    watch = UsageWatch(Changing(), ["0"], lambda: [1], now)
    watch.look()
    assert now == {"gpu_percent": 10.0, "gpu_memory_bytes": 500.0}
    watch.look()
    watch.look()
    assert now == {"gpu_percent": 20.0, "gpu_memory_bytes": 300.0}, "what is not known any more stands as it was"
    assert watch.result == {"gpu_percent": 15.0, "gpu_memory_bytes": 500.0}


class Answering:
    """A trial actor, as far as it is asked what its trial uses."""

    def __init__(self, answer: dict[str, float] | None, after: asyncio.Event | None = None) -> None:
        self.answer, self.after = answer, after
        self.gpu_use = self

    async def remote(self) -> dict[str, float]:
        if self.after is not None:
            await self.after.wait()
        if self.answer is None:
            raise RuntimeError("the actor is gone")
        return self.answer


def test_actors_that_know_nothing_are_gone_or_are_late_are_left_out() -> None:
    async def main() -> dict[int, dict[str, float]]:
        late = asyncio.Event()
        actors = {0: Answering({"gpu_percent": 7.0}), 1: Answering({}), 2: Answering(None), 3: Answering({}, late)}
        return await gpu_use_of(actors, patience_s=0.05)

    assert asyncio.run(main()) == {0: {"gpu_percent": 7.0}}
    assert asyncio.run(gpu_use_of({})) == {}


def test_a_watch_looks_while_a_trial_trains() -> None:
    class Falling:
        looks = 0

        def use_percent(self, gpu: str) -> float | None:
            self.looks += 1
            return 100.0 / self.looks

        def used_bytes(self, gpu: str, pids: Collection[int]) -> int | None:
            return 1000 // self.looks

    async def main() -> None:
        falling = Falling()
        async with UsageWatch(falling, ["0"], lambda: [1], interval_s=0.001) as watch:
            await async_wait_until(lambda: falling.looks > 2, "three looks")
        looks = falling.looks
        await asyncio.sleep(0.05)
        assert falling.looks - looks <= 1, "nothing is looked at once the trial is over"
        assert watch.result["gpu_memory_bytes"] == 1000.0
        async with UsageWatch(None, ["0"], lambda: [1]) as nothing:
            pass
        assert nothing.result == {}

    asyncio.run(main())


def test_without_the_package_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    nvml.opened.cache_clear()
    assert nvml.opened() is None
    nvml.opened.cache_clear()


def test_what_was_used_is_recorded_with_the_end_of_an_attempt() -> None:
    event = EndedEvent(1.0, 0, "", {"gpu_percent": 40.5, "gpu_memory_bytes": 120.0})
    (fact,) = to_facts(3, 1, pack([event]))
    assert isinstance(fact, Ended)
    again, _ = load(dump(fact, [Close(3, "Completed", "w")]))
    assert again == fact
    assert again.usage == {"gpu_percent": 40.5, "gpu_memory_bytes": 120.0}
    (older,) = to_facts(3, 1, [("ended", 1.0, 0, "")])
    assert older == Ended(1.0, 3, 1, 0)
    assert "usage" not in dump(older, [])
    assert Began(1.0, 0, 1).gpus == ""
