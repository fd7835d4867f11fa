"""Trials whose processes `mpirun` starts, on a real cluster of raylets; prints what came of them as one JSON object."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[up] / name) for up, name in ((1, ""), (2, ""), (2, "chaos"))]

import psutil  # noqa: E402
from gang_scenarios import Scenarios, trial_actors  # noqa: E402
from raylets import Raylets  # noqa: E402
from waiting import wait_until  # noqa: E402

from raydrive import (  # noqa: E402
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    Resources,
    ScriptRunConfig,
    Workspace,
    uniform,
)

HERE = Path(__file__).parent


class MpiScenarios(Scenarios):
    """The same for trials with `distribution: mpi`."""

    def mpi(self, what: str, resources: Resources, n: int = 1, **options: Any) -> HyperDriveRun:
        script = ScriptRunConfig(str(HERE), command=f"python train.py {what} --x ${{{{search_space.x}}}}")
        sampling = RandomParameterSampling({"x": uniform(0, 1)})
        config = HyperDriveConfig(
            sampling, "score", "maximize", n, 1, run_config=script, seed=0, resources=resources, **options
        )
        trial = dataclasses.replace(config.config.trial, distribution="mpi")
        config.config = dataclasses.replace(config.config, trial=trial)
        return Experiment(Workspace(str(self.storage)), "gang").submit(config)

    def told(self, run: HyperDriveRun) -> dict[str, Any]:
        folder = self.storage / "gang" / run.id / "trials" / "00000"
        self.end(run)
        wait_until(lambda: not self.marked(run), "the end of all processes", seen=lambda: self.marked(run))
        return {
            **self.end(run),
            "variables": {p.name: json.loads(p.read_text()) for p in folder.glob("outputs/**/rank-*.json")},
            "logs": {path.name: path.read_text() for path in folder.glob("attempt-1/*.txt")},
            "saved": sorted(path.name for path in folder.glob("outputs/**/*.saved")),
            "files": sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()),
            "metrics": run.all_metrics()[0] if run.sweep.reports else {},
        }

    def marked(self, run: HyperDriveRun) -> list[str]:
        """Processes that MPI or its trial has left: each has the run's id in its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("RAYDRIVE_RUN_ID") == run.id:
                    found.append(" ".join(process.cmdline())[:200])
            except psutil.Error:
                pass
        return found

    def first_node_logs(self, run: HyperDriveRun) -> bool:
        """Whether both ranks of the first node are past the line that sets how they take SIGTERM."""
        return {"score", "rank_1/score"} <= set(run.all_metrics()[0])

    def two_nodes(self) -> dict[str, Any]:
        return self.told(self.mpi("meets", Resources(cpus=1, nodes=2, processes_per_node=2), n=3))

    def one_node(self) -> dict[str, Any]:
        return self.told(self.mpi("meets", Resources(cpus=1, processes_per_node=2)))

    def one_process(self) -> dict[str, Any]:
        return self.told(self.mpi("meets", Resources(cpus=1)))

    def fails(self) -> dict[str, Any]:
        return self.told(self.mpi("fails", Resources(cpus=1, nodes=2, processes_per_node=2), max_attempts=1))

    def dies(self) -> dict[str, Any]:
        return self.told(self.mpi("dies", Resources(cpus=1, nodes=2, processes_per_node=2), max_attempts=1))

    def stop(self, what: str = "steady") -> dict[str, Any]:
        run = self.mpi(what, Resources(cpus=1, nodes=2, processes_per_node=2))
        wait_until(lambda: run.refresh().reports > 10 and self.first_node_logs(run), "ten reports, of both ranks")
        began, names = time.monotonic(), [one.split()[0].rpartition("/")[2] for one in self.marked(run)]
        run.get_child(0).cancel()
        run.wait_for_completion(show_output=False, raise_on_error=False)
        return {"took_s": time.monotonic() - began, "ran": names, **self.told(run)}

    def stop_that_saves(self) -> dict[str, Any]:
        return self.stop("saves")

    def member(self) -> dict[str, Any]:
        run = self.mpi("steady", Resources(cpus=1, nodes=2, processes_per_node=2), max_losses=0)
        wait_until(lambda: run.refresh().reports > 10, "ten reports")
        os.kill(next(pid for name, pid in trial_actors() if not name), signal.SIGKILL)
        return self.told(run)


def main() -> None:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "storage"
        with Raylets(Path(folder) / "cluster", storage, nodes=2) as cluster:
            scenarios = MpiScenarios(cluster, storage)
            for name in sys.argv[1:]:
                began = time.monotonic()
                found[name] = getattr(scenarios, name)()
                print(name, round(time.monotonic() - began, 1), "s", file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
