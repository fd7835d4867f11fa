"""Ray's memory monitor, provoked: a trial that takes more memory than its node may use, on one node and on two.

The threshold of a cluster of its own is what the machine uses at present and 2 GB more; one of three trials takes 3 GB.
With ``on_oom`` it has to start again with more memory twice and to be infeasible then, and the others complete.

    python tests/chaos/out_of_memory.py     two minutes; needs 5 GB of free memory and little else that changes it
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import psutil
from ray.cluster_utils import Cluster

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))
from terminal import raydrive

TRAIN = """
import sys, time
from raydrive import Run

Run.get_context().log("loss", 1.0)
held = []
for _ in range(int(sys.argv[1])):
    held.append(bytearray(b"x" * 100_000_000))
    time.sleep(0.05)
time.sleep(6)
Run.get_context().log("loss", 0.5)
"""
SWEEP = {
    "type": "sweep",
    "trial": {"code": ".", "command": f"{sys.executable} train.py ${{{{search_space.blocks}}}}"},
    "sampling_algorithm": "grid",
    "search_space": {"blocks": {"type": "choice", "values": [1, 30, 2]}},
    "objective": {"primary_metric": "loss", "goal": "minimize"},
    "limits": {"max_concurrent_trials": 1},
    "raydrive": {
        "on_oom": {"memory": "x1.5", "up_to": "3GiB", "attempts": 3},
        "first_failures": 1,
        "resources": {"cpus": 1, "memory": "1GiB"},
    },
}
EXPECTED = ["Completed", "Failed", "Completed"]
"""State of each trial; the others may need another attempt, where something else takes memory meanwhile."""


def main() -> int:
    """Runs both; returns 1 where one did not go as it has to."""
    return 1 if [nodes for nodes in (1, 2) if not goes_well(nodes)] else 0


def goes_well(nodes: int) -> bool:
    """Runs the sweep on a cluster of so many nodes and prints what became of its trials."""
    memory = psutil.virtual_memory()
    threshold = str((memory.total - memory.available + 2e9) / memory.total)
    os.environ.update(RAY_memory_usage_threshold=threshold, RAY_memory_monitor_refresh_ms="100")  # of the raylets
    folder = Path(tempfile.mkdtemp(prefix="oom-"))
    (folder / "train.py").write_text(TRAIN)
    (folder / "sweep.yml").write_text(json.dumps(SWEEP))
    own = {"num_cpus": 2, "memory": 6 * 2**30}
    head = {"include_dashboard": False, **(own if nodes == 1 else {"num_cpus": 0})}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        if nodes == 2:
            cluster.add_node(**own)
        options = ("--storage", folder / "runs")
        done = raydrive("submit", folder / "sweep.yml", "--address", cluster.address, *options, timeout=180)
        listed = raydrive("trials", "last", *options, "-o", "json")
    finally:
        cluster.shutdown()
    rows = json.loads(listed.stdout)["trials"] if listed.returncode == 0 else []
    rows.sort(key=lambda row: row["trial"])
    good = [row["state"] for row in rows] == EXPECTED and rows[1]["why"].startswith(
        "infeasible with 2.25 GiB in attempt 3: "
    )
    print(
        f"{nodes} node{'s' * (nodes > 1)}: {'as it has to be' if good else f'WRONG (submit: {done.returncode})'}",
        flush=True,
    )
    for row in rows:
        print(f"  trial {row['trial']}: {row['state']} in attempt {row['attempt']}: {row['why']}", flush=True)
    return good


if __name__ == "__main__":
    raise SystemExit(main())
