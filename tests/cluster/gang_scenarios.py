"""Trials over several nodes on a real cluster of raylets; prints what came of each scenario as one JSON object.

Run as a program of its own: Ray in pytest's process would be another test's.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "chaos")]

import psutil  # noqa: E402
from raylets import Raylets  # noqa: E402
from waiting import wait_until  # noqa: E402

from raydrive import (  # noqa: E402
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    Resources,
    Run,
    ScriptRunConfig,
    Workspace,
    choice,
    uniform,
)
from raydrive.core.records import Began, Checkpointed, Ended, Lost  # noqa: E402
from raydrive.core.reports.gpu_use import by_node  # noqa: E402
from raydrive.storage.journal.writer import JournalReader  # noqa: E402

TWO_BY_TWO = Resources(cpus=1, nodes=2, processes_per_node=2)
NAMES = (
    *("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK"),
    *("RAYDRIVE_NODE_COUNT", "AZUREML_NODE_COUNT", "AZ_BATCH_MASTER_NODE", "AZ_BATCH_HOST_LIST"),
)


def meets(params: dict[str, Any]) -> None:
    """All processes send a number to rank 0, which answers with the sum."""
    run = Run.get_context()
    found = {name: os.environ.get(name) for name in NAMES}
    Path("outputs", f"rank-{run.rank}.json").write_text(json.dumps({**found, "size": run.world_size}))
    print(f"this is rank {run.rank}", flush=True)
    total = sum_of(run.rank + 1, run.rank, run.world_size)
    for k in range(3):
        run.log("score", params["x"] + k)
        run.log("total", total)


def sum_of(number: int, rank: int, size: int) -> int:
    address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    if rank:
        end = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(address, timeout=10) as connection:
                    connection.sendall(number.to_bytes(4, "big"))
                    return int.from_bytes(connection.recv(4), "big")
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
    with socket.create_server(address) as server:
        others = [server.accept()[0] for _ in range(size - 1)]
        total = number + sum(int.from_bytes(one.recv(4), "big") for one in others)
        for one in others:
            one.sendall(total.to_bytes(4, "big"))
            one.close()
    return total


def fails_on_rank_3(params: dict[str, Any]) -> None:
    run = Run.get_context()
    Path("outputs", f"{run.rank}.pid").write_text(str(os.getpid()))
    run.log("score", 1.0)
    time.sleep(0.3)
    if run.rank == 3:
        raise ValueError("rank three is ill")
    time.sleep(60)


def steady(params: dict[str, Any]) -> None:
    """Each rank saves its part of a checkpoint every fourth step."""
    run = Run.get_context()
    Path("outputs", f"{run.rank}.pid").write_text(str(os.getpid()))
    own, first = Path(f"part-{run.rank}"), 0
    own.mkdir(exist_ok=True)
    if run.resume_from:
        print(f"parts: {sorted(os.listdir(run.resume_from))}", flush=True)
        first = json.loads(Path(run.resume_from, "of-rank-0.json").read_text()) + 1
    for k in range(first, params["n"]):
        time.sleep(0.05)
        run.log("score", params["x"] + k, step=k)
        if k % 4 == 3:
            (own / f"of-rank-{run.rank}.json").write_text(str(k))
            run.save_checkpoint(own, sharded=True)


def returns(params: dict[str, Any]) -> float:
    """What rank 0 returns is the trial's value."""
    rank = Run.get_context().rank
    time.sleep(0.0 if rank else 0.2)
    return params["x"] + rank


class Scenarios:
    """What is tried, one after the other, on four nodes with 2 logical cores each."""

    def __init__(self, cluster: Raylets, storage: Path) -> None:
        self.cluster = cluster
        self.storage = storage

    def submit(self, target: Any, n: int = 1, at_once: int = 1, steps: int = 60, **options: Any) -> HyperDriveRun:
        options.setdefault("resources", TWO_BY_TWO)
        space = {"x": uniform(0, 1), "n": choice(steps)}
        sampling = RandomParameterSampling(space if callable(target) else {"x": uniform(0, 1)})
        config = HyperDriveConfig(sampling, "score", "maximize", n, at_once, run_config=target, seed=0, **options)
        return Experiment(Workspace(str(self.storage)), "gang").submit(config)

    def end(self, run: HyperDriveRun) -> dict[str, Any]:
        run.wait_for_completion(show_output=False, raise_on_error=False)
        told = facts(run)
        return {
            "status": run.get_status(),
            "why": [trial.why for trial in run.sweep.trials],
            "attempts": [trial.attempt for trial in run.sweep.trials],
            "values": [list(run.sweep.curves.values(trial.number)) for trial in run.sweep.trials],
            "params": [dict(trial.params) for trial in run.sweep.trials],
            "epoch": run.sweep.epoch,
            "began": sum(isinstance(fact, Began) for fact in told),
            "ended": [fact.error for fact in told if isinstance(fact, Ended)],
            "lost": [fact.why for fact in told if isinstance(fact, Lost)],
            "checkpoints": sum(isinstance(fact, Checkpointed) for fact in told),
            "left": [pid for pid in self.pids(run) if psutil.pid_exists(pid)],
        }

    def pids(self, run: HyperDriveRun) -> list[int]:
        return [int(path.read_text()) for path in self.storage.glob(f"gang/{run.id}/trials/*/outputs/**/*.pid")]

    def meeting(self) -> dict[str, Any]:
        run = self.submit(meets, n=3, at_once=2)
        found = self.end(run)
        folder = self.storage / "gang" / run.id / "trials" / "00000"
        found["variables"] = {p.name: json.loads(p.read_text()) for p in folder.glob("outputs/**/rank-*.json")}
        found["files"] = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        found["logs"] = {path.name: path.read_text() for path in folder.glob("attempt-1/*.txt")}
        found["metrics"] = run.all_metrics()[0]
        return found

    def command(self) -> dict[str, Any]:
        source = self.storage.parent / "source"
        source.mkdir()
        (source / "train.sh").write_text("echo node $NODE_RANK of $RAYDRIVE_NODE_COUNT; raydrive log score=0.5\n")
        script = ScriptRunConfig(str(source), command="sh train.sh")
        run = self.submit(script, resources=Resources(cpus=1, nodes=2))
        found = self.end(run)
        folder = self.storage / "gang" / run.id / "trials" / "00000"
        found["logs"] = {path.name: path.read_text() for path in folder.glob("attempt-1/*.txt")}
        return found

    def returned(self) -> dict[str, Any]:
        return self.end(self.submit(returns))

    def gpus(self) -> dict[str, Any]:
        """What two nodes use of a GPU each, while they train and afterwards."""
        run = self.submit(steady, steps=10_000, resources=Resources(cpus=1, gpus=1, nodes=2))
        wait_until(lambda: len(by_node(run.heartbeat()["gpu_use"].get("0", {}))) == 2, "the use of two nodes")
        (now,) = run.rows()
        run.cancel()
        found = self.end(run)
        (then,) = run.rows()
        return {**found, "now": now, "then": then}

    def failure(self) -> dict[str, Any]:
        return self.end(self.submit(fails_on_rank_3, max_attempts=1))

    def cancel(self) -> dict[str, Any]:
        run = self.submit(steady, n=2, steps=40)
        wait_until(lambda: run.refresh().reports > 10, "ten reports")
        run.get_child(0).cancel()
        return self.end(run)

    def driver(self) -> dict[str, Any]:
        run = self.submit(steady)
        wait_until(lambda: run.refresh().reports > 10, "ten reports")
        os.kill(run.heartbeat()["pid"], signal.SIGKILL)
        return self.end(run)

    def member(self) -> dict[str, Any]:
        return self.after_a_death(lambda name: not name)

    def leader(self) -> dict[str, Any]:
        return self.after_a_death(bool)

    def after_a_death(self, is_one: Callable[[str], bool]) -> dict[str, Any]:
        run = self.submit(steady, steps=24)
        wait_until(lambda: sum(isinstance(fact, Checkpointed) for fact in facts(run)) == 2, "two checkpoints")
        os.kill(next(pid for name, pid in trial_actors() if is_one(name)), signal.SIGKILL)
        found = self.end(run)
        folder = self.storage / "gang" / run.id / "trials" / "00000"
        found["logs"] = (folder / "attempt-2" / "log.txt").read_text()
        return found

    def fewer_nodes(self) -> dict[str, Any]:
        """A run on one node goes on from what one on two nodes has saved."""
        first = self.submit(steady, steps=16)
        wait_until(lambda: sum(isinstance(fact, Checkpointed) for fact in facts(first)) == 2, "two checkpoints")
        first.get_child(0).cancel()
        first.wait_for_completion(show_output=False, raise_on_error=False)
        run = self.submit(steady, resources=Resources(cpus=1), resume_child_runs=[first.get_child(0)])
        found = self.end(run)
        log = self.storage / "gang" / run.id / "trials" / "00000" / "attempt-1" / "log.txt"
        return {**found, "logs": log.read_text()}

    def room_for_one_and_a_half(self) -> dict[str, Any]:
        run = self.submit(steady, n=2, at_once=2, steps=20, resources=Resources(cpus=2, nodes=3))
        return self.end(run)

    def grows(self) -> dict[str, Any]:
        """Two trials of three nodes, where an autoscaler adds nodes when they have waited for 5 s."""
        os.environ["RAYDRIVE_AUTOSCALING"] = "1"
        run = self.submit(steady, n=2, at_once=2, steps=500, resources=Resources(cpus=2, nodes=3))
        wait_until(lambda: bool(run.heartbeat()["waiting"]), "a trial to wait")
        waited = dict(run.heartbeat()["waiting"])
        self.cluster.nodes += 2
        self.cluster.restore()
        found = self.end(run)
        began = [fact.at for fact in facts(run) if isinstance(fact, Began)]
        ended = [fact.at for fact in facts(run) if isinstance(fact, Ended)]
        return {**found, "waited": waited, "at_once": max(began) < min(ended)}


def facts(run: HyperDriveRun) -> list[Any]:
    return [fact for fact, _ in JournalReader(run.layout.journal).read()]


def trial_actors() -> list[tuple[str, int]]:
    """Names and process ids of the trial actors that are alive; only the first one of a trial has a name."""
    import ray

    rows = ray._private.state.actors().values()
    return [
        (row["Name"], row["Pid"]) for row in rows if row["State"] == "ALIVE" and "TrialActor" in row["ActorClassName"]
    ]


def main() -> None:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "storage"
        with Raylets(Path(folder) / "cluster", storage, nodes=4) as cluster:
            scenarios = Scenarios(cluster, storage)
            for name in sys.argv[1:]:
                found[name] = getattr(scenarios, name)()
            import ray
            from ray.util.placement_group import placement_group_table

            wait_until(
                lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"], "all cores to be free"
            )
            found["groups"] = sorted({row["state"] for row in placement_group_table().values()})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
