"""Whether every node can use a storage: what a node answers, and the sentence that names the nodes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from raydrive.runtime.ray_cluster.storage_probe import prove

TWO_NODES = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from ray.cluster_utils import Cluster
from raydrive.core.config.trial_spec import Resources
from raydrive.core.errors import StorageError
from raydrive.runtime.ray_cluster.storage_probe import probe_storage

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
os.chdir(sys.argv[1])
for storage, cpus in ((sys.argv[1] + "/shared", 1), ("/proc/self/cwd/own", 1), ("/proc/self/cwd/own", 64)):
    try:
        probe_storage(storage, Resources(cpus=cpus))
        print("fine")
    except StorageError as error:
        print(error)
ray.shutdown()
cluster.shutdown()
"""
"""One storage that both nodes share, and one of which each process has its own."""


def test_a_node_proves_that_it_reads_and_writes_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")
    assert prove(str(tmp_path), "abc", "node-1", "laptop") == ""
    assert (tmp_path / "node-1").read_text() == "abc"


def test_a_node_that_has_another_folder_or_none(tmp_path: Path) -> None:
    assert prove(str(tmp_path), "abc", "node-1", "laptop") == "it cannot read what laptop wrote there"
    (tmp_path / "token").write_text("of another probe")
    assert prove(str(tmp_path), "abc", "node-1", "laptop") == "it cannot read what laptop wrote there"
    assert prove(str(tmp_path / "missing"), "abc", "node-1", "laptop") == "it cannot read what laptop wrote there"
    assert not (tmp_path / "node-1").exists()


def test_a_node_that_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")
    (tmp_path / "node-1").mkdir()
    assert prove(str(tmp_path), "abc", "node-1", "laptop").startswith(f"cannot write {tmp_path}/node-1: ")


@pytest.mark.ray
def test_the_nodes_that_cannot_use_a_storage_are_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_NODES, str(tmp_path)], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    shared, own, nowhere_to_run = done.stdout.splitlines()
    assert shared == "fine"
    assert own.startswith("1 of 1 other nodes that may run trials cannot use the storage /proc/self/cwd/own: node ")
    assert ": it cannot read what " in own
    assert "Hint: choose a storage that all nodes share with --storage" in own
    assert nowhere_to_run == "fine", "no trial can be placed on the other node"
    assert not list(tmp_path.rglob(".raydrive-probe*"))
