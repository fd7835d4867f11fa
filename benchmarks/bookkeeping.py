"""What a trial costs beside its training: trivial trials, each in a process of its own, or in one that is reused.

Beside it, in the same run: a hand-written Ray program that forks (the floor), one with an actor for each trial, and,
where an environment with the peers is given, Ray Tune with and without reuse of actors, and Optuna with processes.

    python benchmarks/bookkeeping.py --peers-python .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, ends_when_all_work, facts_of, peer, short_rounds, sweep_of

WARM = 100
"""Trials before the clock starts, for the floor and for us: Ray starts workers in the background at first."""


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    sizes = (100, 400) if options.quick else (100, 1_000, 10_000)
    rounds, count = options.rounds, 400 if options.quick else 1_000
    with embedded_ray():
        floors, ours, cpu, again, again_cpu = [], [], [], [], []
        for _ in range(rounds):  # in turns, so that a busy minute of this machine hits both
            floors.append(fork_floor(2, count))
            rate, cpu_ms = raydrive(count, 2)
            ours.append(rate)
            cpu.append(cpu_ms)
            rate, cpu_ms = raydrive(count, 2, reuse_processes=True)
            again.append(rate)
            again_cpu.append(cpu_ms)
        say(Figure("trivial.2.floor", "trivial trials, 2 at a time", ours, "/s", "bare fork loop", floors, ">= 0.7"))
        say(Figure("trivial.cpu", "CPU time of a trivial trial, all processes", cpu, "ms"))
        what = "trivial trials, 2 at a time, reuse_processes"
        say(Figure("trivial.2.again", what, again, "/s", "a process each", ours))
        say(Figure("trivial.again.cpu", "CPU time of one, reuse_processes", again_cpu, "ms"))
        if not options.peers_python:
            alone(sizes, rounds, ours, say)
    if options.peers_python:
        beside_peers(options, say)


def alone(sizes: tuple[int, ...], rounds: int, ours: list[float], say: Say) -> None:
    """Measures what has no peer; in a Ray that runs."""
    floors = [fork_floor(16, 1_000) for _ in range(rounds)]
    wide = [raydrive(1_000, 16)[0] for _ in range(rounds)]
    say(Figure("trivial.16.floor", "trivial trials, 16 at a time", wide, "/s", "bare fork loop", floors, ">= 0.7"))
    first = [raydrive(sizes[0], 2)[0] for _ in range(rounds)]
    for size in sizes[1:]:
        rates = [raydrive(size, 2)[0]]
        what = f"{size:,} trivial trials, 2 at a time"
        say(Figure(f"trivial.{size}.flat", what, rates, "/s", f"{sizes[0]} trials", first, ">= 0.67"))
    say(Figure("trivial.actor", "trivial trials", ours, "/s", "an actor each, bare Ray", [actor_floor(8)]))


def beside_peers(options: argparse.Namespace, say: Say) -> None:
    """Measures raydrive and the peers in turns, each with a Ray of its own.

    Tune is measured several times, for with reused actors it has two speeds: mostly only one of its actors works.
    """
    python = options.peers_python

    def tune(concurrent: int, reuse: int) -> float:
        return 1 / peer(python, "_tune_peer.py", "trivial", 100, concurrent, reuse)["s"]

    ours, again, wide, again_wide, default, reuse, reuse_wide, optuna = [], [], [], [], [], [], [], []
    for number in range(short_rounds(options)):
        with embedded_ray():
            ours.append(raydrive(1_000, 2)[0])
            again.append(raydrive(1_000, 2, reuse_processes=True)[0])
        with embedded_ray():
            wide.append(raydrive(1_000, 16)[0])
            again_wide.append(raydrive(1_000, 16, reuse_processes=True)[0])
        if number < options.rounds:  # two minutes each
            default.append(tune(2, 0))
        reuse.append(tune(2, 1))
        reuse_wide.append(tune(16, 1))
        optuna.append(1 / peer(python, "_optuna_peer.py", 400, 2)["s"])
    two, many, reused = "trivial trials, 2 at a time", "trivial trials, 16 at a time", "Tune, reuse_actors"
    say(Figure("trivial.tune", two, ours, "/s", "Ray Tune", default, ">= 100"))
    say(Figure("trivial.tune_reuse", two, ours, "/s", reused, reuse, ">= 20"))
    say(Figure("trivial.again.tune_reuse", f"{two}, reuse_processes", again, "/s", reused, reuse, ">= 20"))
    say(Figure("trivial.16.tune_reuse", many, wide, "/s", reused, reuse_wide, ">= 20"))
    say(
        Figure("trivial.16.again.tune_reuse", f"{many}, reuse_processes", again_wide, "/s", reused, reuse_wide, ">= 20")
    )
    say(Figure("trivial.optuna", two, ours, "/s", "Optuna, 2 processes", optuna))
    say(Figure("trivial.again.optuna", f"{two}, reuse_processes", again, "/s", "Optuna, 2 processes", optuna))


def train(params: dict[str, Any]) -> None:
    """A trial with nothing to do."""
    from raydrive import Run

    Run.get_context().log("score", params["x"])


def raydrive(trials: int, concurrent: int, **more: Any) -> tuple[float, float]:
    """Returns trials per second from when every actor has had one (and ``WARM`` have ended), CPU ms per trial."""
    from raydrive import Experiment, Workspace

    config = sweep_of(train, trials + WARM + (0 if concurrent <= 2 else 100 * concurrent), concurrent, cpus=0.5, **more)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = Experiment(Workspace(folder), "bookkeeping").submit(config)
        # Looking costs little: a refresh reads what is new. It still is a share of a small machine, so it is rare.
        at = _ended(run, WARM)
        before = _cpu_s()
        till = _ended(run, at + trials // 3)  # before the end, when actors and driver go
        after = _cpu_s()
        cpu_ms = 1000 * sum(after[pid] - before[pid] for pid in before.keys() & after.keys()) / (till - at)
        run.wait_for_completion()
        facts = facts_of(run)
    counted = ends_when_all_work(facts, WARM, left=trials // 2)
    return (len(counted) - 1) / (counted[-1] - counted[0]), cpu_ms


def _ended(run: Any, count: int) -> int:
    """Waits until so many trials have ended; returns how many have."""
    while (ended := run.refresh().counts["Completed"]) < count:
        time.sleep(0.1)
    return int(ended)


def _cpu_s() -> dict[int, float]:
    """CPU seconds by process of Ray, driver, trial actors, helpers and their children; not of this script."""
    import psutil

    found = {}
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if process.pid != os.getpid() and ("ray::" in line or "raydrive.runtime" in line or "/ray/core/" in line):
                times = process.cpu_times()
                found[process.pid] = times.user + times.system + times.children_user + times.children_system
        except psutil.Error:
            continue
    return found


def fork_floor(concurrent: int, trials: int) -> float:
    """Returns trials per second of a Ray program that does no more than fork: an actor a slot, one call per trial."""
    import ray

    @ray.remote(num_cpus=0.5)
    class Forker:
        def run(self, value: float) -> float:
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.write(writer, str(value).encode())
                os._exit(0)
            os.close(writer)
            said = os.read(reader, 100)
            os.close(reader)
            os.waitpid(pid, 0)
            return float(said)

    actors = [Forker.remote() for _ in range(concurrent)]
    ray.get([actor.run.remote(0.5) for actor in actors for _ in range(1 + WARM // concurrent)])
    return _rate(lambda index: actors[index].run.remote(0.5), concurrent, trials)


def _rate(start: Any, concurrent: int, trials: int) -> float:
    import ray

    began = time.perf_counter()
    running = {start(slot): slot for slot in range(concurrent)}
    left = trials - concurrent
    while running:
        (done,), _ = ray.wait(list(running), num_returns=1)
        ray.get(done)
        slot = running.pop(done)
        if left > 0:
            running[start(slot)] = slot
            left -= 1
    return trials / (time.perf_counter() - began)


def actor_floor(trials: int) -> float:
    """Returns trials per second of a Ray program that makes an actor for each trial, two at a time."""
    import ray

    @ray.remote(num_cpus=0.5)
    class Single:
        def run(self, value: float) -> float:
            return value

    actors: dict[int, Any] = {}

    def start(slot: int) -> Any:
        if slot in actors:
            ray.kill(actors[slot])
        actors[slot] = Single.remote()
        return actors[slot].run.remote(0.5)

    return _rate(start, 2, trials)


if __name__ == "__main__":
    benchmark(__doc__, measure)
