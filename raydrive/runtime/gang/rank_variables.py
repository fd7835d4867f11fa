"""The environment variables by which the processes of a trial find each other.

Names and meanings are those of ``torchrun``, of ``TF_CONFIG`` and of Azure ML's distributed jobs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from raydrive import ranks
from raydrive.core.config.trial_spec import Resources
from raydrive.runtime.gpus.visible import showing

NODE_COUNT = "RAYDRIVE_NODE_COUNT"
NODE_RANK = "NODE_RANK"
OWN_GPUS = "RAYDRIVE_OWN_GPUS"
"""The GPUs of its node that are one process's share, as in ``CUDA_VISIBLE_DEVICES``."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the processes of one attempt meet; JSON values only."""

    addresses: Sequence[str]
    """IP address of each node, by node rank."""
    ports: Sequence[Sequence[int]]
    """Ports that each node found free: the rendezvous's, then one for each of its processes."""
    token: str = ""
    """Secret of the attempt."""

    def to_json(self) -> dict[str, Any]:
        """Returns what ``Meeting(**raw)`` takes."""
        return {"addresses": list(self.addresses), "ports": [list(one) for one in self.ports], "token": self.token}


def node_variables(resources: Resources, meeting: Meeting, node_rank: int) -> dict[str, str]:
    """Returns the variables that all processes of one node have in common.

    Args:
        resources: What the trial reserves.
        meeting: Where its processes meet.
        node_rank: Number of the node, from 0.
    """
    master, port = meeting.addresses[0], str(meeting.ports[0][0])
    return {
        "MASTER_ADDR": master,
        "MASTER_PORT": port,
        "WORLD_SIZE": str(resources.world_size),
        "LOCAL_WORLD_SIZE": str(resources.processes_per_node),
        NODE_RANK: str(node_rank),
        "GROUP_RANK": str(node_rank),
        "GROUP_WORLD_SIZE": str(resources.nodes),
        NODE_COUNT: str(resources.nodes),
        "AZUREML_NODE_COUNT": str(resources.nodes),
        "AZ_BATCH_MASTER_NODE": f"{master}:{port}",
        "AZ_BATCHAI_MPI_MASTER_NODE": master,
        "AZ_BATCH_NODE_LIST": ";".join(meeting.addresses),
        "AZ_BATCH_HOST_LIST": ",".join(meeting.addresses),
    }


def process_variables(
    resources: Resources,
    meeting: Meeting,
    node_rank: int,
    local_rank: int,
    *,
    distribution: str,
    gpus: str,
    env: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Returns the variables of one process, beside those of its node.

    Args:
        resources: What the trial reserves.
        meeting: Where its processes meet.
        node_rank: Number of the node, from 0.
        local_rank: Number of the process on its node, from 0.
        distribution: One of ``trial_spec.DISTRIBUTIONS``, or empty.
        gpus: The GPUs of the node's reservation, as in ``CUDA_VISIBLE_DEVICES``.
        env: What the processes of the node have in common.
    """
    rank = node_rank * resources.processes_per_node + local_rank
    found = {"RANK": str(rank), "LOCAL_RANK": str(local_rank), "ROLE_RANK": str(rank)}
    share = ",".join(own_gpus([one for one in gpus.split(",") if one], local_rank, resources.processes_per_node))
    if gpus:
        found[OWN_GPUS] = share
    if distribution == "tensorflow":
        found["TF_CONFIG"] = tf_config(meeting, resources, rank)
        if gpus and resources.processes_per_node > 1:  # TensorFlow takes all the memory of every GPU that it sees
            found |= showing(share, env)
    return found


def own_gpus(gpus: Sequence[str], local_rank: int, processes: int) -> Sequence[str]:
    """Returns a process's share of its node's GPUs: as many for each, or one of them where there are fewer GPUs.

    >>> own_gpus(["0", "1", "2", "3"], 1, 2)
    ['2', '3']
    >>> own_gpus(["0", "1"], 3, 4)
    ['1']
    """
    if not gpus:
        return []
    each = max(1, len(gpus) // processes)
    start = local_rank * each if len(gpus) >= processes else local_rank * len(gpus) // processes
    return gpus[start : start + each]


def tf_config(meeting: Meeting, resources: Resources, rank: int) -> str:
    """Returns ``TF_CONFIG`` of one worker."""
    each = resources.processes_per_node
    places = [(node, process) for node in range(resources.nodes) for process in range(each)]
    workers = [f"{meeting.addresses[node]}:{meeting.ports[node][1 + process]}" for node, process in places]
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}})


def outer_ranks(environment: Mapping[str, str], distribution: str) -> str:
    """Returns ``ranks.outer_ranks`` of a trial to whose processes raydrive gives their ranks.

    Args:
        environment: The variables that the trial begins with.
        distribution: One of ``trial_spec.DISTRIBUTIONS``, or empty.
    """
    own = {"RANK", "WORLD_SIZE", "LOCAL_RANK", *(("TF_CONFIG",) if distribution == "tensorflow" else ())}
    if distribution == "mpi":
        own = {"OMPI_COMM_WORLD_RANK"}
    return ranks.outer_ranks({name: text for name, text in environment.items() if name not in own})
