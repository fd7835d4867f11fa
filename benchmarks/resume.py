"""Taking up a run that was interrupted when half of its trials were done: how long, and what it had left on disk.

The run is real: trivial function trials that log ten values each, until half of them have ended; then everything of
it is killed. Counted is from the call that resumes it, in a process connected to a Ray of 2 CPUs that was started just
before, to the end of the first trial; and all bytes of the run's folder. Beside it Ray Tune at 1,000 trials on the same
Ray, two at a time as here, with its default loggers; actors are reused, without which half of its run takes an hour.

    python benchmarks/resume.py --peers-python .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, peer, short_rounds, sweep_of

REPORTS = 10


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    sizes = (200,) if options.quick else (1_000, 10_000)
    for trials in sizes:
        seconds, size, tune_seconds, tune_size = [], [], [], []
        for _ in range(1 if trials > 1_000 else short_rounds(options)):
            took, left = raydrive(trials)
            seconds.append(took)
            size.append(left / 1e6)
            if options.peers_python and trials <= 1_000:
                tune = peer(options.peers_python, "_tune_peer.py", "restore", trials, REPORTS)
                tune_seconds.append(tune["s"])
                tune_size.append(tune["bytes"] / 1e6)
        what = f"{trials:,} trials half done, resumed: first trial ends after"
        for key, text, ours, others, unit, reach in (
            ("s", what, seconds, tune_seconds, "s", "<= 0.1"),
            ("bytes", f"{trials:,} trials half done: run folder", size, tune_size, "MB", "<= 0.2"),
        ):
            beside = ("Ray Tune", others, reach) if others else ("", None, "")
            say(Figure(f"resume.{trials}.{key}", text, ours, unit, *beside))


def train(params: dict[str, Any]) -> None:
    """A trial with nearly nothing to do."""
    from raydrive import Run

    run = Run.get_context()
    for number in range(REPORTS):
        run.log("score", params["x"] + number)


def raydrive(trials: int) -> tuple[float, int]:
    """Returns seconds from resuming to the first end of a trial, and bytes of the folder before that."""
    import ray

    import raydrive.runtime.ray_cluster.connection as cluster
    from raydrive import Experiment, Workspace
    from raydrive.api.submit.launch import resume
    from raydrive.core.records import Ended
    from raydrive.runtime.driver_client import driver_name
    from raydrive.storage.journal.writer import JournalReader
    from raydrive.storage.run_reader import RunReader

    config = sweep_of(train, trials, 2)
    with tempfile.TemporaryDirectory() as folder:
        with embedded_ray(cpus=2):
            run = Experiment(Workspace(folder), "resume").submit(config)
            while run.refresh().counts["Completed"] < trials // 2:
                time.sleep(0.1 if trials <= 1_000 else 1.0)
            ray.kill(ray.get_actor(driver_name(run.layout), namespace=cluster.NAMESPACE), no_restart=True)
        left = sum(path.stat().st_size for path in Path(run.uri).rglob("*") if path.is_file())
        with embedded_ray(cpus=2):
            began = time.time()
            resumed = RunReader.open(run.uri)
            resume(resumed, address=None, force=True)
            ended: list[float] = []
            reader = JournalReader(resumed.layout.journal)  # one that goes on: to read all again and again costs a core
            while not ended:
                time.sleep(0.02)
                ended = [fact.at for fact, _ in reader.read() if type(fact) is Ended and fact.at > began]
    return ended[0] - began, left


if __name__ == "__main__":
    benchmark(__doc__, measure)
