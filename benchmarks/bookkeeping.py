"""What a trial costs beside its training: trivial trials, each in a process of its own, two at a time.

Beside it, in the same run: a hand-written Ray program that forks (the floor), one with an actor for each trial, and,
where an environment with Ray Tune is given, Ray Tune with and without reuse of actors.

    python benchmarks/bookkeeping.py --peers-python /path/to/venv/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import embedded_ray, facts_of, setting

WARM = 20
PEERS = (
    "no Ray Tune beside it: python -m venv V && V/bin/pip install 'ray[tune]==2.60.0', then --peers-python V/bin/python"
)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200, help="trivial trials after warm-up")
    parser.add_argument("--peers-python", default="", help="interpreter of an environment with ray[tune]")
    options = parser.parse_args()
    print(setting())
    with embedded_ray():
        floor = fork_floor(options.trials)
        print(f"bare Ray, fork in 2 actors    {floor:8.1f} trials/s", flush=True)
        ours, cpu_ms = raydrive(options.trials)
        print(f"raydrive, a process each      {ours:8.1f} trials/s  {cpu_ms:.1f} CPU ms per trial, all processes")
        actors = actor_floor(8)
        print(f"bare Ray, an actor each       {actors:8.2f} trials/s", flush=True)
    print(f"raydrive: {ours / floor:.2f} of the fork floor, {ours / actors:.0f} times an actor for each trial")
    if options.peers_python:
        tune = ray_tune(options.peers_python)
        for name in ("default", "reuse_actors"):
            rate = 1 / tune[name]
            print(f"Ray Tune {tune['ray']}, {name:<13}{rate:8.2f} trials/s  raydrive: {ours / rate:.0f} times")
    else:
        print(PEERS)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


def train(params: dict[str, Any]) -> None:
    """A trial with nothing to do."""
    from raydrive import Run

    Run.get_context().log("score", params["x"])


def raydrive(trials: int) -> tuple[float, float]:
    """Returns trials per second after the first ``WARM``, and CPU milliseconds per trial."""
    from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Resources, Workspace, uniform

    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        "score",
        "maximize",
        trials + WARM,
        2,
        run_config=train,
        seed=0,
        resources=Resources(cpus=0.5),
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Experiment(Workspace(folder), "bookkeeping").submit(config)
        while len(_ends(run)) < WARM:
            time.sleep(0.05)
        before, at = _cpu_s(), len(_ends(run))
        while len(_ends(run)) < trials // 2 + WARM:  # before the end, when actors and driver go
            time.sleep(0.05)
        after, till = _cpu_s(), len(_ends(run))
        cpu_ms = 1000 * sum(after[pid] - before[pid] for pid in before.keys() & after.keys()) / max(1, till - at)
        run.wait_for_completion()
        ends = _ends(run)
    return (len(ends) - WARM) / (ends[-1] - ends[WARM - 1]), cpu_ms


def _ends(run: Any) -> list[float]:
    return [fact.at for fact in facts_of(run) if type(fact).__name__ == "Ended"]


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


def fork_floor(trials: int) -> float:
    """Returns trials per second of a Ray program that does no more than fork, two actors, one call per trial."""
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

    actors = [Forker.remote() for _ in range(2)]
    ray.get([actor.run.remote(0.5) for actor in actors for _ in range(WARM // 2)])
    return _rate(lambda index: actors[index].run.remote(0.5), trials)


def _rate(start: Any, trials: int) -> float:
    import ray

    began = time.perf_counter()
    running = {start(0): 0, start(1): 1}
    left = trials - 2
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

    return _rate(start, trials)


def ray_tune(python: str) -> dict[str, Any]:
    """Returns seconds per trial of Ray Tune, by setting."""
    script = Path(__file__).with_name("_tune_peer.py")
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([python, str(script), "8", "30"], capture_output=True, text=True, env=env, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            answer: dict[str, Any] = json.loads(line[7:])
            return answer
    raise SystemExit(f"{python} {script}: {done.stderr.strip()[-800:]}")


if __name__ == "__main__":
    main()
