"""A trial over several nodes and processes, on four raylets: one curve, one fate, nothing left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gpu_libraries import write_libraries

pytestmark = pytest.mark.ray
ALL = (
    "meeting",
    "command",
    "returned",
    "gpus",
    "failure",
    "cancel",
    "driver",
    "member",
    "leader",
    "fewer_nodes",
    "room_for_one_and_a_half",
    "grows",
)


PYNVML = """
import os

class NVMLError(Exception): pass
def nvmlInit(): pass
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetUtilizationRates(device): return type("Rates", (), {"gpu": 40})
def nvmlDeviceGetComputeRunningProcesses(device):
    pids = [int(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    return [type("Process", (), {"pid": pid, "usedGpuMemory": 100}) for pid in pids]
"""
"""Stands for NVIDIA's library: every process of the machine holds 100 bytes of every GPU."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each scenario."""
    libraries = write_libraries(tmp_path_factory.mktemp("libraries"), pynvml=PYNVML)
    path = os.pathsep.join(filter(None, [str(libraries), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, str(Path(__file__).with_name("gang_scenarios.py")), *ALL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def curve(told: dict[str, Any], trial: int, intervals: int) -> list[float]:
    return [told["params"][trial]["x"] + k for k in range(intervals)]


def test_the_processes_of_two_nodes_find_each_other_and_make_one_curve(found: dict[str, Any]) -> None:
    told = found["meeting"]
    assert told["status"] == "Completed"
    assert told["values"] == [curve(told, trial, 3) for trial in range(3)]
    assert set(told["metrics"]["total"]) == {1 + 2 + 3 + 4}


def test_each_process_has_the_variables_of_its_rank(found: dict[str, Any]) -> None:
    variables = found["meeting"]["variables"]
    ranks = [variables[f"rank-{rank}.json"] for rank in range(4)]
    assert [(one["RANK"], one["NODE_RANK"], one["GROUP_RANK"], one["LOCAL_RANK"]) for one in ranks] == [
        ("0", "0", "0", "0"),
        ("1", "0", "0", "1"),
        ("2", "1", "1", "0"),
        ("3", "1", "1", "1"),
    ]
    for one in ranks:
        assert (one["WORLD_SIZE"], one["LOCAL_WORLD_SIZE"], one["size"]) == ("4", "2", 4)
        assert (one["RAYDRIVE_NODE_COUNT"], one["AZUREML_NODE_COUNT"]) == ("2", "2")
        assert one["AZ_BATCH_MASTER_NODE"] == f"{one['MASTER_ADDR']}:{one['MASTER_PORT']}"
    assert len({(one["MASTER_ADDR"], one["MASTER_PORT"], one["AZ_BATCH_HOST_LIST"]) for one in ranks}) == 1


def test_outputs_and_logs_of_every_node_and_rank_are_kept(found: dict[str, Any]) -> None:
    told = found["meeting"]
    assert {"outputs/rank-0.json", "outputs/rank-1.json"} <= set(told["files"])
    assert {"outputs/node_1/rank-2.json", "outputs/node_1/rank-3.json"} <= set(told["files"])
    assert not any(name.startswith("nodes/") for name in told["files"])
    names = ["log.txt", "rank_1.txt", "rank_2.txt", "rank_3.txt"]
    assert [f"this is rank {rank}\n" in told["logs"][name] for rank, name in enumerate(names)] == [True] * 4


def test_a_command_runs_once_on_each_node(found: dict[str, Any]) -> None:
    told = found["command"]
    assert told["status"] == "Completed"
    assert "node 0 of 2\n" in told["logs"]["log.txt"]
    assert "node 1 of 2\n" in told["logs"]["rank_1.txt"]
    assert told["values"] == [[0.5]]


def test_what_rank_0_returns_is_the_value(found: dict[str, Any]) -> None:
    assert found["returned"]["values"] == [curve(found["returned"], 0, 1)]


def test_what_each_node_uses_of_its_gpus_is_told_and_recorded(found: dict[str, Any]) -> None:
    told = found["gpus"]
    assert told["why"] == ["canceled by the user"]
    for row in (told["now"], told["then"]):
        held = [node["gpu_memory_bytes"] for node in row["gpu_nodes"]]
        assert [(node["node"], node["gpu_percent"]) for node in row["gpu_nodes"]] == [
            (name, 40.0) for name in row["nodes"]
        ]
        assert (len(held), min(held) >= 100) == (2, True)
        assert (row["gpu_percent"], row["gpu_memory_bytes"]) == (40.0, sum(held))


def test_one_rank_that_fails_ends_all_and_its_traceback_is_the_reason(found: dict[str, Any]) -> None:
    told = found["failure"]
    assert told["why"][0].startswith("exit code 1: rank 3 on ")
    assert told["why"][0].endswith(": ValueError: rank three is ill")
    assert (told["attempts"], told["lost"], told["left"]) == ([1], [], [])


def test_a_stop_ends_the_processes_of_all_nodes(found: dict[str, Any]) -> None:
    told = found["cancel"]
    assert told["why"] == ["canceled by the user", "ended by itself after 40 intervals"]
    assert (told["lost"], told["left"]) == ([], [])


def test_a_new_driver_adopts_all_nodes_of_a_trial(found: dict[str, Any]) -> None:
    told = found["driver"]
    assert (told["epoch"], told["began"], told["attempts"], told["lost"]) == (2, 1, [1], [])
    assert told["values"] == [curve(told, 0, 60)]


@pytest.mark.parametrize("who", ["member", "leader"])
def test_the_loss_of_one_node_is_one_loss_and_the_trial_goes_on_from_all_parts(found: dict[str, Any], who: str) -> None:
    told = found[who]
    assert (told["attempts"], len(told["lost"]), told["began"]) == ([2], 1, 2)
    assert told["values"] == [curve(told, 0, 24)]
    assert "parts: ['of-rank-0.json', 'of-rank-1.json', 'of-rank-2.json', 'of-rank-3.json']" in told["logs"]
    assert told["left"] == []


def test_a_trial_goes_on_on_fewer_nodes(found: dict[str, Any]) -> None:
    told = found["fewer_nodes"]
    assert told["status"] == "Completed"
    assert told["values"] == [curve(told, 0, 16)]
    assert "parts: ['of-rank-0.json', 'of-rank-1.json', 'of-rank-2.json', 'of-rank-3.json']" in told["logs"]


def test_where_there_is_room_for_one_and_a_half_both_get_done(found: dict[str, Any]) -> None:
    told = found["room_for_one_and_a_half"]
    assert (told["status"], told["attempts"], told["lost"]) == ("Completed", [1, 1], [])


def test_a_cluster_that_grows_takes_the_one_that_waits(found: dict[str, Any]) -> None:
    told = found["grows"]
    assert (told["status"], told["attempts"], told["lost"], told["at_once"]) == ("Completed", [1, 1], [], True)
    assert list(told["waited"].values()) == [
        "until another trial of this run ends; each reserves 3 nodes with 2 CPUs each: 1 free"
    ]


def test_nothing_stays_reserved(found: dict[str, Any]) -> None:
    assert found["groups"] == ["REMOVED"]
