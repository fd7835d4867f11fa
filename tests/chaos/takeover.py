"""The driver of a run with 16 trials under way is killed: no trial notices, and how long is no decision made?

python tests/chaos/takeover.py
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from typing import Any

from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Resources, Run, Workspace, uniform
from raydrive.core.records import Began, Started
from raydrive.storage.journal.writer import JournalReader

TRIALS, KILLS = 16, 3


def train(params: dict[str, Any]) -> None:
    """Logs ten times a second, for long."""
    run = Run.get_context()
    for k in range(10_000):
        run.log("score", params["x"] + k)
        time.sleep(0.1)


def main() -> int:
    """Kills the driver a few times; the exit code says whether a trial's process changed."""
    import ray

    storage = tempfile.mkdtemp(prefix="raydrive-takeover-")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=TRIALS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    space = RandomParameterSampling({"x": uniform(0, 1)})
    config = HyperDriveConfig(
        space, "score", "maximize", TRIALS, run_config=train, seed=0, resources=Resources(cpus=1), grace_s=1
    )
    run = Experiment(Workspace(storage), "takeover").submit(config)

    def until(condition: Any) -> float:
        while not condition():
            time.sleep(0.01)
        return time.time()

    until(lambda: run.refresh().counts["Running"] == TRIALS)
    pids = [trial.pid for trial in run.sweep.trials]
    for epoch in range(1, KILLS + 1):
        until(lambda epoch=epoch: run.heartbeat().get("epoch") == epoch)
        time.sleep(2.0)
        reports = run.refresh().reports
        killed_at = time.time()
        os.kill(run.heartbeat()["pid"], signal.SIGKILL)
        until(lambda epoch=epoch: run.refresh() and run.sweep.epoch == epoch + 1)
        reports = run.sweep.reports
        first = until(lambda reports=reports: run.refresh().reports > reports)
        heard = until(
            lambda killed_at=killed_at: all(t.heard_at > killed_at + 0.5 for t in run.refresh() and run.sweep.trials)
        )
        facts = [fact for fact, _ in JournalReader(run.layout.journal).read()]
        charge = next(fact.at for fact in facts if isinstance(fact, Started) and fact.epoch == epoch + 1)
        same = [trial.pid for trial in run.sweep.trials] == pids
        print(
            f"kill {epoch}: a new driver in charge after {charge - killed_at:.2f} s, first report recorded after "
            f"{first - killed_at:.2f} s, all {TRIALS} trials after {heard - killed_at:.2f} s; "
            f"process ids {'unchanged' if same else 'CHANGED'}",
            flush=True,
        )
    began = sum(isinstance(fact, Began) for fact, _ in JournalReader(run.layout.journal).read())
    same = [trial.pid for trial in run.sweep.trials] == pids and began == TRIALS
    alive = all(os.path.exists(f"/proc/{pid}") for pid in pids)
    run.cancel()
    run.wait_for_completion(raise_on_error=False)
    ray.shutdown()
    return 0 if same and alive else 1


if __name__ == "__main__":
    sys.exit(main())
