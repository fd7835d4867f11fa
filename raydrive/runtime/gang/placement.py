"""How many trials of several nodes the nodes of a cluster hold at once, by Ray's placement strategies.

A trial of ``count`` nodes is ``count`` equal bundles of resources. Ray places them by a strategy:

==============  ====================================================
STRICT_SPREAD   each bundle on a node of its own
SPREAD          so where that is possible, else anywhere
PACK            on as few nodes as possible, anywhere
STRICT_PACK     all bundles on one node
==============  ====================================================

Standard library only. A fraction of a GPU lies on one GPU: two GPUs hold two bundles of 0.6, not three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

UNLIMITED = 1_000_000
"""Bundles that reserve nothing which one node holds at most."""
_TOLERANCE = 1e-9
_WHOLE = ("GPU",)
"""Resources that consist of devices."""


def bundles_that_fit(bundle: Mapping[str, float], node: Mapping[str, float]) -> int:
    """Returns how many such bundles a node holds at once.

    Args:
        bundle: Amounts by resource; those of 0 count as nothing.
        node: Amounts that the node has, or has free.
    """
    fits = [_times(name, amount, node.get(name, 0.0)) for name, amount in bundle.items() if amount > 0]
    return min(fits, default=UNLIMITED)


def _times(name: str, amount: float, has: float) -> int:
    """How often an amount is there."""
    if name in _WHOLE and amount < 1:
        devices, rest = int(has + _TOLERANCE), has - int(has + _TOLERANCE)
        return devices * int(1 / amount + _TOLERANCE) + int(max(rest, 0.0) / amount + _TOLERANCE)
    if name in _WHOLE:
        has = int(has + _TOLERANCE)
    return min(int(has / amount + _TOLERANCE), UNLIMITED)


def nodes_with_room(bundle: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> int:
    """Returns on how many of the nodes such a bundle fits.

    Args:
        bundle: Amounts by resource.
        nodes: Amounts that each node has, or has free.
    """
    return sum(bundles_that_fit(bundle, node) > 0 for node in nodes)


def gangs_that_fit(bundle: Mapping[str, float], count: int, strategy: str, nodes: Sequence[Mapping[str, float]]) -> int:
    """Returns how many trials of ``count`` such bundles the nodes hold at once.

    Args:
        bundle: What each node of a trial reserves: amounts by resource.
        count: Nodes of one trial, 1 or more.
        strategy: Ray's placement strategy.
        nodes: Amounts that each node has, or has free.
    """
    room = [bundles_that_fit(bundle, node) for node in nodes]
    if strategy == "STRICT_PACK":
        return sum(each // count for each in room)
    if strategy != "STRICT_SPREAD":
        return sum(room) // count
    # Each trial takes at most one bundle of a node, so a node serves min(room, trials) of them; whatever serves
    # trials * count bundles in this way can be dealt out, and fewer trials fit wherever more do.
    low, high = 0, sum(room) // count
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(each, middle) for each in room) >= middle * count else (low, middle - 1)
    return low
