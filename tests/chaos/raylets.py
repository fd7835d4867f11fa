"""A real Ray cluster of several raylets on this machine, with a head that lives and nodes that may die."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

HOOK = Path(__file__).parent / "hook"
HOOKS = Path(__file__).parents[1] / "hooks"
# A node is declared dead after seconds instead of a quarter of a minute, and the run goes on that much sooner.
QUICK_DEATH = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


class Raylets:
    """A cluster whose nodes have 2 logical cores and 2 logical GPUs each; the head runs no trials.

    Args:
        folder: For what the hook notes, and for its switch.
        storage: Where runs are kept; the hook makes it fail.
        nodes: How many nodes beside the head.
    """

    def __init__(self, folder: Path, storage: Path, nodes: int = 3) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        storage.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(filter(None, [str(HOOK), str(HOOKS), os.environ.get("PYTHONPATH", "")]))
        self._env = {
            **QUICK_DEATH,
            "PYTHONPATH": path,
            "CHAOS_FOLDER": str(folder),
            "CHAOS_STORAGE": str(storage),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_enable_metrics_collection": "0",
        }
        self.nodes = nodes
        self._started = 0
        self._cluster: Any = None

    def __enter__(self) -> Raylets:
        import ray
        from ray.cluster_utils import Cluster

        with _environment(self._env):
            self._cluster = Cluster(
                initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "num_gpus": 0}
            )
            self.restore()
        ray.init(address=self._cluster.address, namespace="raydrive", log_to_driver=False, logging_level="ERROR")
        return self

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def restore(self) -> None:
        """Starts as many nodes as are missing."""
        while len(self._cluster.worker_nodes) < self.nodes:
            self._started += 1
            with _environment({**self._env, "CHAOS_NODE": str(self._started)}):  # trials find it in their environment
                self._cluster.add_node(num_cpus=2, num_gpus=2)

    @contextlib.contextmanager
    def private_node(self) -> Any:
        """One more node for a while, which does not share the storage."""
        with _environment({**self._env, "CHAOS_PRIVATE": "1"}):
            node = self._cluster.add_node(num_cpus=2, num_gpus=2)
        yield
        self._cluster.remove_node(node, allow_graceful=False)

    def kill_one(self, pick: Any) -> None:
        """SIGKILLs the raylet of a node that runs trials; all its processes go."""
        nodes = sorted(self._cluster.worker_nodes, key=lambda node: node._raylet_socket_name)
        if nodes:
            self._cluster.remove_node(pick(nodes), allow_graceful=False)

    def free_gpus(self) -> tuple[float, float]:
        """GPUs that are free, and all of them."""
        import ray

        return ray.available_resources().get("GPU", 0.0), ray.cluster_resources().get("GPU", 0.0)

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()


@contextlib.contextmanager
def _environment(more: dict[str, str]) -> Any:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def wait_until(condition: Any, timeout_s: float) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
