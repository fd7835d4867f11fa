"""A thousand trials, each reporting ten times a second, into one driver: does it keep up, and on how much of a core?

The driver is the real one, an actor of Ray with judge and durable journal. The trial actors are simulated: two Ray
actors play five hundred each and send as those do, one batch in flight for each trial, through calls of the driver.

    python benchmarks/crowd.py
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, percentile

REPORTS_PER_S = 10
PLAYERS = 2


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    seconds, rounds = 8 if options.quick else 20, options.rounds
    shares, behind, calls = [], [], []
    for _ in range(rounds):
        with embedded_ray():
            share, late, per_s = once(options.trials, seconds)
        shares.append(100 * share)
        behind.append(late)
        calls.append(per_s)
    what = f"{options.trials:,} trials x {REPORTS_PER_S}/s"
    say(Figure("crowd.cpu", f"{what}: driver's share of a core", shares, "%", reach="<= 50"))
    say(Figure("crowd.late", f"{what}: report to acknowledgement, p99", behind, "s", reach="<= 5"))
    say(Figure("crowd.calls", f"{what}: calls of the driver", calls, "/s"))


def options_of(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--trials", type=int, default=1_000, help="trials that report at the same time")


def once(trials: int, seconds: float) -> tuple[float, float, float]:
    """Returns the driver's share of a core, the 99th percentile of the wait for an acknowledgement, and calls/s.

    Raises:
        SystemExit: If a report is missing in the journal.
    """
    import psutil
    import ray

    from raydrive.storage.journal.writer import JournalReader
    from raydrive.storage.run_layout import RunLayout

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        layout = RunLayout.create(folder, "crowd", "crowd-1")
        layout.write_config(config_text(trials))
        driver = ray.remote(driver_class()).options(num_cpus=0, max_concurrency=4 * trials).remote(layout.uri)
        ray.get(driver.start.remote())
        while ray.get(driver.launched.remote()) < trials:
            time.sleep(0.1)
        process = psutil.Process(ray.get(driver.pid.remote()))
        each = trials // PLAYERS
        players = [ray.remote(Player).options(num_cpus=0).remote(driver, n * each, each) for n in range(PLAYERS)]
        ray.get([player.play.remote(2.0) for player in players])  # until everything is loaded and in its stride
        before, began = sum(process.cpu_times()[:2]), time.perf_counter()
        results = ray.get([player.play.remote(seconds) for player in players])
        share = (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - began)
        sent = sum(ray.get([player.sent.remote() for player in players]))
        kept = sum(type(fact).__name__ == "Reported" for fact, _ in JournalReader(layout.journal).read())
        ray.kill(driver)
    if kept != sent:
        raise SystemExit(f"{sent} reports were acknowledged, {kept} are in the journal")
    waits = [wait for result in results for wait in result]
    return share, percentile(waits, 99), len(waits) / seconds


def config_text(trials: int) -> bytes:
    """Returns the configuration of the run."""
    import json

    from raydrive import MedianStoppingPolicy, PrimaryMetricGoal, RandomParameterSampling, uniform
    from raydrive.core.config.run_config import Limits, RunConfig
    from raydrive.core.config.trial_spec import Metric, TrialSpec

    config = RunConfig(
        experiment="crowd",
        metric=Metric(name="score", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        policy=MedianStoppingPolicy(delay_evaluation=1_000_000),
        limits=Limits(max_total_runs=trials, max_concurrent_runs=trials),
        trial=TrialSpec(kind="function"),
        seed=0,
    )
    return json.dumps(config.to_json()).encode()


def driver_class() -> type:
    """Returns the driver whose trials begin at once and nowhere."""
    from raydrive.core.records import Began, Launch
    from raydrive.runtime.driver import actor_pool, driver

    class Nowhere(actor_pool.ActorPool):
        def launch(self, launch: Launch) -> None:
            """Says that it began."""
            self._post([Began(time.time(), launch.trial, launch.attempt, "nowhere", 0, "", "")])

        def renew(self) -> None:
            """Nobody to tell."""

    class CrowdDriver(driver.Driver):
        def __init__(self, uri: str) -> None:
            driver.Slots = Nowhere  # in the actor's process alone
            super().__init__(uri)

        def pid(self) -> int:
            """Returns the process to watch."""
            import os

            return os.getpid()

        def launched(self) -> int:
            """Returns how many trials run."""
            return sum(trial.began_at is not None for trial in self._sweep.open_trials)

    return CrowdDriver


class Player:
    """Plays trial actors: each gathers reports while its last batch is under way, and then sends them.

    Args:
        driver: Handle of the driver.
        first: Number of its first trial.
        count: How many trials it plays.
    """

    def __init__(self, driver: Any, first: int, count: int) -> None:
        self._driver = driver
        self._trials = range(first, first + count)
        self._seq = dict.fromkeys(self._trials, 0)

    def sent(self) -> int:
        """Returns how many reports were acknowledged."""
        return sum(self._seq.values())

    async def play(self, seconds: float) -> Sequence[float]:
        """Reports for so long, and returns how long each batch waited for its acknowledgement."""
        waits: list[float] = []
        end = time.monotonic() + seconds
        spread_s = 1 / REPORTS_PER_S / len(self._trials)
        await asyncio.gather(*(self._trial(n, i * spread_s, end, waits) for i, n in enumerate(self._trials)))
        return waits

    async def _trial(self, number: int, delay_s: float, end: float, waits: list[float]) -> None:
        await asyncio.sleep(delay_s)
        began, said = time.monotonic(), 0
        while (now := time.monotonic()) < end:
            due = int((now - began) * REPORTS_PER_S) + 1 - said
            if due <= 0:
                await asyncio.sleep(began + said / REPORTS_PER_S - now)
                continue
            first = self._seq[number] + 1
            batch = [
                ("report", time.time(), seq, seq, 0.5 + number * 1e-6, {}, None, {})
                for seq in range(first, first + due)
            ]
            await self._driver.report.remote(number, 1, 1, batch)
            waits.append(time.monotonic() - now)
            said += due
            self._seq[number] += due


if __name__ == "__main__":
    benchmark(__doc__, measure, options_of)
