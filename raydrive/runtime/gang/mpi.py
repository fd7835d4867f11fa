"""What the nodes of a trial with ``distribution: mpi`` run: one process each, as ``remote_shell`` describes them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from raydrive.core.config.trial_spec import Resources
from raydrive.runtime.gang import remote_shell
from raydrive.runtime.gang.rank_variables import Meeting

_OF_OTHER_LAUNCHERS = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE")
"""Variables by which scripts tell that torchrun has started them, and not mpirun."""


def without_ranks(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of a node without those that ``mpirun`` gives in other words."""
    return {name: text for name, text in variables.items() if name not in _OF_OTHER_LAUNCHERS}


def node_process(
    command: Sequence[str], resources: Resources, meeting: Meeting | None, node_rank: int
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns the command line of a node's one process, and what its environment has to hold beside the trial's.

    Args:
        command: What each rank of this node runs.
        resources: What the trial reserves.
        meeting: Where its nodes meet; None = it is one process.
        node_rank: Number of the node, from 0.
    """
    what, order = "launch", {"slots": resources.processes_per_node, "addresses": [], "token": ""}
    if meeting is not None and node_rank:
        what, order = "serve", {"port": meeting.ports[node_rank][0], "token": meeting.token}
    elif meeting is not None:
        others = zip(meeting.addresses[1:], meeting.ports[1:], strict=True)
        order |= {"addresses": [[address, ports[0]] for address, ports in others], "token": meeting.token}
    program = (sys.executable, "-I", "-S", remote_shell.__file__, what, "--")
    return (*program, *command), {remote_shell.ORDER: json.dumps(order)}
