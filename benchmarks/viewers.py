"""Fifty viewers watch a sweep in the studio: what that does to the sweep.

The same sweep, in turns without and with viewers: function trials that log at a fixed pace, so that a run takes longer
only when raydrive does. A viewer is a reader of the studio's stream of events, as a browser's page is; all of them are
one process, the studio is another. Said are the driver's CPU time and the run's length, with to without.

    python benchmarks/viewers.py
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, facts_of

TRIALS, AT_ONCE = 12, 4
INTERVALS, PACE_S = 100, 0.05
COUNT = "events.txt"
"""File below the storage in which the viewers say how many events they have got."""


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    rounds = 1 if options.quick else 3
    alone: list[tuple[float, float]] = []
    watched: list[tuple[float, float]] = []
    shares: list[float] = []
    events: list[float] = []
    with embedded_ray(), tempfile.TemporaryDirectory() as folder:
        sweep(folder)  # until everything is loaded
        for _ in range(rounds):
            alone.append(sweep(folder))
            with viewers(folder, options.viewers) as studio:
                before, began = cpu_s(studio), time.perf_counter()
                watched.append(sweep(folder))
                shares.append(100 * (cpu_s(studio) - before) / (time.perf_counter() - began))
                events.append(int((Path(folder) / COUNT).read_text()) / options.viewers)
    what = f"{options.viewers} viewers"
    without, seen = ([cpu for cpu, _ in runs] for runs in (alone, watched))
    say(Figure("viewers.cpu", f"{what}: driver's CPU time of a run", seen, "s", "without", without, "<= 1.1"))
    without, seen = ([length for _, length in runs] for runs in (alone, watched))
    say(Figure("viewers.run", f"{what}: length of a run", seen, "s", "without", without, "<= 1.05"))
    say(Figure("viewers.events", f"{what}: events that each got", events, "", reach=">= 5"))
    say(Figure("viewers.studio", f"{what}: studio's share of a core", shares, "%"))


def options_of(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--viewers", type=int, default=50, help="viewers at the same time")
    parser.add_argument("--watch", default="", help=argparse.SUPPRESS)


def train(params: dict[str, Any]) -> None:
    """Logs at a fixed pace."""
    from raydrive.context import Run

    run, began = Run.get_context(), time.monotonic()
    for interval in range(INTERVALS):
        time.sleep(max(0.0, began + interval * PACE_S - time.monotonic()))
        run.log("score", params["x"] + interval)


def sweep(storage: str) -> tuple[float, float]:
    """Runs one; returns CPU time of its driver and its length, both in seconds."""
    from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Workspace, uniform

    sampling = RandomParameterSampling({"x": uniform(0, 1)})
    config = HyperDriveConfig(sampling, "score", "maximize", TRIALS, AT_ONCE, run_config=train, seed=0)
    run = Experiment(Workspace(storage), "viewers").submit(config)
    pid = run.heartbeat()["pid"]
    before = cpu_s(pid)
    while run.get_status() not in ("Completed", "Failed", "Canceled"):
        time.sleep(0.05)  # the driver's process must be there to be asked when it is over
        spent = cpu_s(pid) - before
    run.wait_for_completion()
    facts = facts_of(run)
    return spent, facts[-1].at - next(fact.at for fact in facts if type(fact).__name__ == "Reported")


def cpu_s(pid: int) -> float:
    """Returns CPU seconds of a process so far, user and system."""
    import psutil

    user, system = psutil.Process(pid).cpu_times()[:2]
    return float(user + system)


@contextlib.contextmanager
def viewers(storage: str, count: int) -> Iterator[int]:
    """Opens a studio with viewers that watch whatever run is the newest; gives the studio's process id."""
    command = [sys.executable, "-c", "from raydrive.cli import main; main()", "studio", "--storage", storage]
    command += ["--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as studio:
        try:
            url = studio.stdout.readline().strip() if studio.stdout else ""
            watch = [sys.executable, __file__, "--watch", f"{url}|{storage}|{count}"]
            with subprocess.Popen(watch, stdout=subprocess.DEVNULL) as readers:
                try:
                    yield studio.pid
                finally:
                    readers.terminate()
        finally:
            studio.terminate()


async def watch(url: str, storage: str, count: int) -> None:
    """Plays the viewers: each follows the newest run, and the next one when there is one."""
    import aiohttp

    async def view() -> None:
        while True:
            run = newest(storage)
            async with session.get(f"{url}runs/viewers/{run}/events", timeout=forever) as events:
                async for line in events.content:
                    seen[0] += line.startswith(b"data:")
                    if newest(storage) != run:
                        break

    async def tell() -> None:
        while True:
            (Path(storage) / COUNT).write_text(str(seen[0]))
            await asyncio.sleep(0.2)

    seen = [0]
    forever = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), read_bufsize=1 << 22) as session:
        await asyncio.gather(tell(), *(view() for _ in range(count)))


_LISTED: tuple[float, str] = (0.0, "")


def newest(storage: str) -> str:
    """Returns the id of the newest run; looked up twice a second for all viewers."""
    global _LISTED
    if time.monotonic() - _LISTED[0] > 0.5:
        folders = [path for path in (Path(storage) / "viewers").iterdir() if (path / "journal").is_dir()]
        _LISTED = (time.monotonic(), max(folders, key=lambda path: path.stat().st_ctime).name)
    return _LISTED[1]


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--watch":
        os.nice(5)
        at, place, number = sys.argv[2].split("|")
        asyncio.run(watch(at, place, int(number)))
    else:
        benchmark(__doc__, measure, options_of)
