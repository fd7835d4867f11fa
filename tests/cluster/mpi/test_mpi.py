"""Trials whose processes `mpirun` starts, on two raylets: ranks, the reason of a failure, nothing left of a stop."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ray
ALL = ("two_nodes", "one_node", "fails", "dies", "stop", "stop_that_saves", "member")


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What came of each scenario; each of them waits until no process of its run is left."""
    command = [sys.executable, str(Path(__file__).with_name("scenarios.py")), *ALL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize(("name", "size"), [("two_nodes", 4), ("one_node", 2)])
def test_ranks_talk_by_mpi_and_make_one_curve(found: dict[str, Any], name: str, size: int) -> None:
    told = found[name]
    assert told["status"] == "Completed"
    assert told["values"][0] == [told["params"][0]["x"] + k for k in range(3)]
    assert set(told["metrics"]["total"]) == {sum(range(1, size + 1))}
    ranks = [told["variables"][f"rank-{rank}.json"] for rank in range(size)]
    assert [one["OMPI_COMM_WORLD_RANK"] for one in ranks] == [str(rank) for rank in range(size)]
    assert [one["NODE_RANK"] for one in ranks] == [str(rank // 2) for rank in range(size)]
    assert {(one["RANK"], one["WORLD_SIZE"], one["RAYDRIVE_MPI_ORDER"]) for one in ranks} == {(None, None, None)}


def test_the_ranks_of_a_node_share_memory_with_no_other_nodes(found: dict[str, Any]) -> None:
    """The names of its files tell local ranks, not nodes: of two nodes on one machine they would be the same."""
    ranks = [found["two_nodes"]["variables"][f"rank-{rank}.json"] for rank in range(4)]
    for name in ("OMPI_MCA_btl_sm_backing_directory", "OMPI_MCA_btl_vader_backing_directory"):
        first, second, third, fourth = (one[name] for one in ranks)
        assert first == second != third == fourth


def test_the_rank_that_fails_is_the_reason(found: dict[str, Any]) -> None:
    assert found["fails"]["why"][0].startswith("exit code 1: rank 3 on ")
    assert found["fails"]["why"][0].endswith(": ValueError: rank three is ill")
    assert "rank 2 on " in found["dies"]["why"][0]
    assert "ended by signal 9" in found["dies"]["why"][0]


def test_a_stop_leaves_the_first_nodes_ranks_their_grace_period_and_nothing_after_it(found: dict[str, Any]) -> None:
    assert {"prted", "orted"} & set(found["stop"]["ran"])
    assert (found["stop"]["why"], found["stop"]["left"]) == (["canceled by the user"], [])
    assert {"0.saved", "1.saved"} <= set(found["stop_that_saves"]["saved"])  # those of the first node


def test_a_lost_node_is_a_loss_of_the_trial(found: dict[str, Any]) -> None:
    assert (len(found["member"]["lost"]), found["member"]["ended"], found["member"]["left"]) == (1, [], [])
