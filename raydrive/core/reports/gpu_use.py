"""What a trial uses of its GPUs, as one mapping of numbers: of all its nodes together, and of each of several.

``gpu_percent`` is the mean of the nodes and ``gpu_memory_bytes`` their sum; ``gpu_percent@1`` is that of node 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

USE, MEMORY = "gpu_percent", "gpu_memory_bytes"
_OF_NODE = "@"


def joint(nodes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Returns what the nodes of a trial use together, and each by itself where there are several.

    What is known of some nodes only is the mean or the sum of those.

    Args:
        nodes: What each uses, by ``USE`` and ``MEMORY``, in the order of the nodes; empty = not known.

    >>> joint([{"gpu_percent": 90.0}, {"gpu_percent": 10.0, "gpu_memory_bytes": 5.0}])["gpu_percent"]
    50.0
    """
    if len(nodes) == 1:
        return dict(nodes[0])
    use, memory = ([node[name] for node in nodes if name in node] for name in (USE, MEMORY))
    found = {USE: sum(use) / len(use)} if use else {}
    found |= {MEMORY: sum(memory)} if memory else {}
    for number, node in enumerate(nodes):
        found |= {f"{name}{_OF_NODE}{number}": value for name, value in node.items()}
    return found


def by_node(use: Mapping[str, float]) -> dict[int, dict[str, float]]:
    """Returns what each node of a trial uses, by its number; empty for a trial on one node.

    Args:
        use: As ``joint`` returns it.

    >>> by_node({"gpu_percent": 50.0, "gpu_percent@0": 90.0, "gpu_percent@1": 10.0})
    {0: {'gpu_percent': 90.0}, 1: {'gpu_percent': 10.0}}
    """
    found: dict[int, dict[str, float]] = {}
    for name, value in use.items():
        kind, _, number = name.partition(_OF_NODE)
        if number.isdecimal():
            found.setdefault(int(number), {})[kind] = value
    return dict(sorted(found.items()))
