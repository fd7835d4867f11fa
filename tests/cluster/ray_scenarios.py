"""Ray inside trials, on a real cluster of raylets or an embedded one; prints what came of each scenario as JSON.

Run as a program of its own: Ray in pytest's process would be another test's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "chaos")]

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
    uniform,
)
from raydrive.core.errors import ConfigError  # noqa: E402

SCRIPT = """
import ray
import helper_of_the_user
from raydrive import Run
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

run = Run.get_context()
ray.init()
group = run.placement_group()

def look():
    import helper_of_the_user
    return helper_of_the_user.WORD, ray.get_runtime_context().get_node_id()

places = [PlacementGroupSchedulingStrategy(group, index) for index in range(2)]
found = ray.get([ray.remote(num_cpus=2)(look).options(scheduling_strategy=place).remote() for place in places])
print("RESULT", sorted({word for word, _ in found}), len({node for _, node in found}))
run.log("score", len({node for _, node in found}))
"""


def joins(params: dict[str, Any]) -> None:
    """Ray starts by itself at the first call; an actor that nobody detached goes with the trial."""
    import ray

    @ray.remote(num_cpus=0)
    class Counter:
        def count(self) -> int:
            return 7

    counter = Counter.options(name="counter").remote()
    context = ray.get_runtime_context()
    tell({"count": ray.get(counter.count.remote()), "namespace": context.namespace, "at": context.gcs_address})
    Run.get_context().log("score", params["x"])


def is_killed(params: dict[str, Any]) -> None:
    joins(params)
    os.kill(os.getpid(), 9)


def refused(params: dict[str, Any]) -> None:
    import ray

    found = []
    for begin in (ray.init, lambda: ray.put(1)):
        try:
            begin()
        except Exception as error:
            found.append(str(error))
    tell({"refused": found})
    Run.get_context().log("score", 1.0)


def hands_on(params: dict[str, Any]) -> None:
    """Both trials take all that they have reserved: none can hold a part of it and wait for the rest."""
    import ray
    from ray.util.placement_group import placement_group_table
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    run = Run.get_context()
    ray.init()
    group = run.placement_group()

    @ray.remote(num_cpus=2)
    class Worker:
        def work(self, remote: Any, index: int) -> str:
            for step in range(5):
                remote.report({"score": remote.params["x"] + step, "index": index}, step=step)
            return str(ray.get_runtime_context().get_node_id())

    workers = [Worker.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group, k)).remote() for k in (0, 1)]
    nodes = ray.get([one.work.remote(run.remote(rank=k), k) for k, one in enumerate(workers)])
    tell({"nodes": len(set(nodes)), "state": placement_group_table(group)["state"], "group": group.id.hex()})


def slow(params: dict[str, Any]) -> None:
    """Goes on while its driver dies."""
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    run = Run.get_context()
    ray.init()

    @ray.remote(num_cpus=2)
    def log(remote: Any) -> None:
        for step in range(25):
            remote.log("score", params["x"] + step, step=step)
            time.sleep(0.2)

    places = [PlacementGroupSchedulingStrategy(run.placement_group(), index) for index in (0, 1)]
    ray.get([log.options(scheduling_strategy=place).remote(run.remote(rank)) for rank, place in enumerate(places)])


def trains(params: dict[str, Any]) -> None:
    """A trainer makes a group of its own, and finds room where the trial's was."""
    import ray
    import ray.train
    from ray.train import RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from raydrive.integrations.ray_train import RaydriveCallback

    def loop(config: dict[str, Any]) -> None:
        for epoch in range(3):
            ray.train.report({"score": config["x"] + epoch, "epoch": epoch})

    kind: Any = DataParallelTrainer
    if "torch" in os.environ.get("SCENARIO_TRAINER", ""):
        from ray.train.torch import TorchTrainer as kind
    ray.init()
    Run.get_context().release_placement_group()
    kind(
        loop,
        train_loop_config=params,
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 2}),
        run_config=RunConfig(storage_path=os.path.abspath("trainer"), callbacks=[RaydriveCallback(step="epoch")]),
    ).fit()


def gives_back(params: dict[str, Any]) -> None:
    """What makes a group of its own finds room where the trial's was."""
    import ray
    from ray.util.placement_group import placement_group

    run = Run.get_context()
    ray.init()
    before = run.placement_group().id.hex()
    run.release_placement_group()
    own = placement_group([{"CPU": 2}] * 2, strategy="STRICT_SPREAD")
    tell({"own": own.wait(60), "group": before})
    run.log("score", 1.0)


def logs_much(params: dict[str, Any]) -> None:
    import ray

    @ray.remote(num_cpus=1)
    def log(remote: Any, count: int) -> float:
        began = time.monotonic()
        for step in range(count):
            remote.log("score", step / count, step=step)
        return count / (time.monotonic() - began)

    run = Run.get_context()
    tell({"per_second": ray.get(log.remote(run.remote(), 1000))})


def logs_too_late(params: dict[str, Any]) -> None:
    """A detached actor outlives the trial, and is told that what it logs comes too late."""
    import ray

    @ray.remote(num_cpus=0)
    class Late:
        def keep(self, remote: Any) -> None:
            self.remote = remote

        def log(self) -> str:
            try:
                self.remote.log("score", 2.0)
            except RuntimeError as error:
                return f"{type(error).__name__}: {error}"
            return "logged"

    ray.init(namespace="mine")
    late = Late.options(name="late", lifetime="detached").remote()
    ray.get(late.keep.remote(Run.get_context().remote()))
    Run.get_context().log("score", 1.0)


def tell(found: dict[str, Any]) -> None:
    os.makedirs("outputs", exist_ok=True)
    Path("outputs", "found.json").write_text(json.dumps(found))


class Scenarios:
    """What is tried, one after the other."""

    def __init__(self, storage: Path) -> None:
        self.storage = storage

    def submit(self, target: Any, n: int = 1, at_once: int = 1, **options: Any) -> HyperDriveRun:
        options = {"resources": Resources(cpus=1), "max_attempts": 1, **options}
        sampling = RandomParameterSampling({"x": uniform(0, 1)})
        config = HyperDriveConfig(sampling, "score", "maximize", n, at_once, run_config=target, seed=0, **options)
        return Experiment(Workspace(str(self.storage)), "ray").submit(config)

    def end(self, run: HyperDriveRun) -> dict[str, Any]:
        run.wait_for_completion(show_output=False, raise_on_error=False)
        folder = self.storage / "ray" / run.id / "trials"
        return {
            "status": run.get_status(),
            "why": [trial.why for trial in run.sweep.trials],
            "values": [list(run.sweep.curves.values(trial.number)) for trial in run.sweep.trials],
            "params": [dict(trial.params) for trial in run.sweep.trials],
            "metrics": run.all_metrics(),
            "told": [json.loads(path.read_text()) for path in sorted(folder.glob("*/outputs/found.json"))],
            "logs": [path.read_text() for path in sorted(folder.glob("*/attempt-*/log.txt"))],
        }

    def joining(self) -> dict[str, Any]:
        import ray

        found = self.end(self.submit(joins, n=2, at_once=2))
        wait_until(lambda: not counters(), "the actors of the trials to be gone")
        return {**found, "address": ray.get_runtime_context().gcs_address}

    def killed(self) -> dict[str, Any]:
        found = self.end(self.submit(is_killed))
        wait_until(lambda: not counters(), "the actors of the trial to be gone")
        return found

    def refusing(self) -> dict[str, Any]:
        return self.end(self.submit(refused, ray_in_trials="none"))

    def reservation(self) -> dict[str, Any]:
        """Two at once where there is room for one and a half."""
        needs = Resources(cpus=2, nodes=2)
        return self.end(self.submit(hands_on, n=3, at_once=2, resources=needs, distribution="ray"))

    def releasing(self) -> dict[str, Any]:
        needs = Resources(cpus=2, nodes=2)
        return self.end(self.submit(gives_back, n=2, at_once=1, resources=needs, distribution="ray"))

    def driver(self) -> dict[str, Any]:
        """The driver dies while one trial trains and the actor of another waits for its whole group."""
        needs = Resources(cpus=2, nodes=2)
        run = self.submit(slow, n=2, at_once=2, resources=needs, distribution="ray")
        wait_until(lambda: run.refresh().reports > 3, "reports")
        os.kill(run.heartbeat()["pid"], signal.SIGKILL)
        found = self.end(run)
        return {**found, "epoch": run.sweep.epoch, "attempts": [trial.attempt for trial in run.sweep.trials]}

    def cancelling(self) -> dict[str, Any]:
        needs = Resources(cpus=2, nodes=2)
        run = self.submit(slow, n=2, at_once=2, resources=needs, distribution="ray")
        wait_until(lambda: run.refresh().reports > 3, "reports")
        run.cancel()
        return self.end(run)

    def trainer(self) -> dict[str, Any]:
        needs = Resources(cpus=2, nodes=2)
        return self.end(self.submit(trains, n=2, at_once=2, resources=needs, distribution="ray"))

    def working_directory(self) -> dict[str, Any]:
        source = self.storage.parent / "source"
        source.mkdir()
        (source / "train.py").write_text(SCRIPT)
        (source / "helper_of_the_user.py").write_text("WORD = 'found'\n")
        script = ScriptRunConfig(str(source), "train.py")
        return self.end(self.submit(script, resources=Resources(cpus=2, nodes=2), distribution="ray"))

    def many(self) -> dict[str, Any]:
        return self.end(self.submit(logs_much))

    def late(self) -> dict[str, Any]:
        import ray

        found = self.end(self.submit(logs_too_late, n=1))
        actor = ray.get_actor("late", namespace="mine")
        found["late"] = ray.get(actor.log.remote())
        ray.kill(actor)
        return found

    def reference(self) -> dict[str, Any]:
        import ray

        data = ray.put([1, 2, 3])
        try:
            self.submit(lambda params: Run.get_context().log("score", len(ray.get(data))))
        except ConfigError as error:
            return {"error": str(error)}
        return {"error": ""}


def counters() -> list[str]:
    """Actors of the trials that are alive."""
    import ray

    rows = ray._private.state.actors().values()
    return [row["ActorID"] for row in rows if row["State"] == "ALIVE" and "Counter" in row["ActorClassName"]]


def main() -> None:
    kind, *names = sys.argv[1:]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        storage = Path(folder) / "storage"
        if kind == "raylets":
            stack.enter_context(Raylets(Path(folder) / "cluster", storage, nodes=3))
        for name in names:
            began = time.monotonic()
            found[name] = getattr(Scenarios(storage), name)()
            print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        import ray
        from ray.util.placement_group import placement_group_table

        if kind == "raylets":
            wait_until(lambda: ray.available_resources().get("CPU") == 6.0, "all cores to be free")
        found["groups"] = sorted({row["state"] for row in placement_group_table().values()})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
