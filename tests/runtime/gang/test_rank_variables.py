"""What each process of a trial finds in its environment."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive import ranks
from raydrive.core.config.trial_spec import Resources
from raydrive.runtime.gang.rank_variables import (
    Meeting,
    node_variables,
    outer_ranks,
    own_gpus,
    process_variables,
    tf_config,
)

MEETING = Meeting(["10.0.0.1", "10.0.0.2"], [[29500, 29501, 29502], [28000, 28001, 28002]])
TWO_BY_TWO = Resources(cpus=2, gpus=4, nodes=2, processes_per_node=2)


def variables(node: int, local: int, distribution: str = "pytorch", gpus: str = "0,1,2,3") -> dict[str, str]:
    own = process_variables(TWO_BY_TWO, MEETING, node, local, distribution=distribution, gpus=gpus)
    return {**node_variables(TWO_BY_TWO, MEETING, node), **own}


def test_each_process_is_told_its_rank_and_where_all_meet() -> None:
    found = variables(1, 1)
    assert (found["RANK"], found["LOCAL_RANK"], found["NODE_RANK"], found["GROUP_RANK"]) == ("3", "1", "1", "1")
    assert (found["WORLD_SIZE"], found["LOCAL_WORLD_SIZE"]) == ("4", "2")
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("10.0.0.1", "29500")
    assert found["AZ_BATCH_MASTER_NODE"] == "10.0.0.1:29500"
    assert found["AZ_BATCH_HOST_LIST"] == "10.0.0.1,10.0.0.2"
    assert ranks.rank_of(found) == 3
    assert ranks.size_of(found) == 4


def test_with_torch_all_gpus_of_the_node_are_seen_and_the_share_is_named() -> None:
    found = variables(0, 1)
    assert "CUDA_VISIBLE_DEVICES" not in found
    assert found["RAYDRIVE_OWN_GPUS"] == "2,3"


def test_with_tensorflow_only_the_share_is_seen() -> None:
    assert variables(0, 1, "tensorflow")["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert "CUDA_VISIBLE_DEVICES" not in variables(0, 1, "tensorflow", gpus="")


def test_tf_config_names_all_workers_and_this_one() -> None:
    found = json.loads(tf_config(MEETING, TWO_BY_TWO, 2))
    workers = ["10.0.0.1:29501", "10.0.0.1:29502", "10.0.0.2:28001", "10.0.0.2:28002"]
    assert found == {"cluster": {"worker": workers}, "task": {"type": "worker", "index": 2}}
    assert ranks.size_of({"TF_CONFIG": json.dumps(found)}) == 4


@given(st.integers(1, 8), st.integers(1, 8))
def test_shares_are_disjoint_and_as_large_as_can_be(gpus: int, processes: int) -> None:
    names = [str(number) for number in range(gpus)]
    shares = [own_gpus(names, local, processes) for local in range(processes)]
    assert {len(share) for share in shares} == {max(1, gpus // processes)}
    if gpus >= processes:
        assert len({name for share in shares for name in share}) == sum(map(len, shares))
    else:  # several processes on a GPU, as evenly as possible
        counts = [sum(share == [name] for share in shares) for name in names]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("before", [{"SLURM_PROCID": "3"}, {"RANK": "5", "WORLD_SIZE": "8", "SLURM_PROCID": "3"}])
def test_ranks_from_before_the_trial_do_not_count_and_its_own_do(before: dict[str, str]) -> None:
    own = variables(1, 0)
    env = {**before, **own, ranks.OUTER_RANKS: outer_ranks({**before, **own}, "pytorch")}
    assert ranks.rank_of(env) == 2
