"""What a real cluster of three machines can hold of trials of several nodes, and what it answers to those it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

THREE_NODES = """
import os, subprocess, sys, time
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group
from raydrive.core.config.trial_spec import STRATEGIES, Resources
from raydrive.core.errors import ClusterError
from raydrive.runtime.gang.placement import gangs_that_fit
from raydrive.runtime.ray_cluster.connection import check_feasible, demand, nodes, why_waiting

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
for gpus in (2, 4):
    cluster.add_node(num_cpus=4, num_gpus=gpus)
ray.init(cluster.address, namespace="raydrive", log_to_driver=False, logging_level="ERROR")
pair = Resources(cpus=1, gpus=2, nodes=2)
print("fits:", check_feasible(pair))
for wrong in (Resources(cpus=1, gpus=1, nodes=3), Resources(cpus=1, gpus=4, nodes=2)):
    try:
        check_feasible(wrong)
    except ClusterError as error:
        print("refused:", error)
print("grows:", check_feasible(Resources(cpus=1, gpus=4, nodes=2), may_grow=True))
print(subprocess.run([sys.executable, "-c", "import sys; from raydrive.cli import main; sys.exit(main())", "doctor",
    *sys.argv[1:2], "--address", cluster.address, "-o", "csv"], capture_output=True, text=True).stdout)
totals = [amounts for _, amounts in nodes()]


def wait_until_free():
    # Ray takes what a removed group held back a little later. A group that is tried before then can keep a
    # fraction of a GPU from the next ones for longer than this test waits.
    for _ in range(600):
        free = ray.available_resources()
        if free.get("CPU") == 8 and free.get("GPU") == 6:
            return
        time.sleep(0.1)
    raise SystemExit(f"groups that were removed still hold resources: {free}")


kinds = pair, Resources(cpus=1, gpus=1, nodes=2), Resources(cpus=4, nodes=2), Resources(cpus=1, gpus=0.6, nodes=2)
for resources in kinds:
    for strategy in STRATEGIES:
        bundle = demand(resources)
        most = gangs_that_fit(bundle, resources.nodes, strategy, totals)
        groups = [placement_group([bundle] * resources.nodes, strategy) for _ in range(most + 1)]
        ready = sum(group.wait(20 if number < most else 1) for number, group in enumerate(groups))
        print("agrees:" if ready == most else "differs:", bundle, strategy, most, ready)
        for group in groups:
            remove_placement_group(group)
        wait_until_free()
one = placement_group([{"GPU": 4}], "PACK")
assert one.wait(20)
for _ in range(100):
    told = why_waiting(pair, held=0)
    if told.endswith("1 free"):
        break
print("waits:", told)
ray.shutdown()
cluster.shutdown()
"""
SWEEP = """
trial: {command: "echo ${{search_space.x}}", resources: {instance_count: 2}}
search_space: {x: {type: choice, values: [1]}}
objective: {goal: maximize, primary_metric: score}
limits: {max_total_trials: 1}
raydrive: {resources: {cpus: 1, gpus: 2}}
"""


@pytest.mark.ray
def test_what_a_cluster_holds_of_trials_of_several_nodes(tmp_path: Path) -> None:
    (tmp_path / "sweep.yml").write_text(SWEEP)
    command = [sys.executable, "-c", THREE_NODES, str(tmp_path / "sweep.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "fits: " in lines
    refused = [line for line in lines if line.startswith("refused: ")]
    assert refused[0].startswith(
        "refused: a trial asks for 3 nodes with 1 GPU and 1 CPU each, each on its own machine (strategy "
        "STRICT_SPREAD), and 2 of the 3 machines could hold one of them. The cluster has "
    )
    assert "Write strategy: PACK, " in refused[0]
    assert "or nodes: 2, or use a cluster that has more." in refused[0]
    assert "and 1 of the 3 machines could hold one of them" in refused[1]
    assert next(line for line in lines if line.startswith("grows: ")).endswith(" Waiting for the autoscaler.")
    assert [line for line in lines if line.startswith("differs:")] == []
    assert len([line for line in lines if line.startswith("agrees:")]) == 16
    assert "waits: waiting for 2 nodes with 2 GPUs and 1 CPU each: 1 free" in lines
    told = [line for line in lines if line.startswith("trials of the sweep,True,")]
    assert len(told) == 1, done.stdout
    assert (
        '"1 at once, if nothing else runs on these machines; each reserves 2 nodes with 2 GPUs and 1 CPU each'
        in told[0]
    )
