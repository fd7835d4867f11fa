"""Why a trial of several nodes can never start on these nodes, or does not start yet; in words, from amounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from raydrive.core.config.distribution import reserved_nodes
from raydrive.core.config.trial_spec import STRATEGIES, Resources
from raydrive.core.views.heartbeat import TURN
from raydrive.runtime.gang.placement import bundles_that_fit, gangs_that_fit, nodes_with_room

Amounts = Mapping[str, float]
_APART, _, _ANYWHERE, _TOGETHER = STRATEGIES


def why_never(resources: Resources, wanted: Amounts, totals: Sequence[Amounts]) -> tuple[str, str] | None:
    """Returns why these nodes could never hold a trial, and what to write; None where they could.

    Args:
        resources: What the trial reserves.
        wanted: The same for each of its nodes, under Ray's names.
        totals: What each node has.
    """
    if gangs_that_fit(wanted, resources.nodes, resources.strategy, totals) > 0:
        return None
    return _never(resources, wanted, totals), _remedies(resources, wanted, totals)


def why_never_here(resources: Resources, wanted: Amounts, totals: Amounts) -> str:
    """Returns what to write where a trial of several nodes is to run on one machine; empty where it can.

    Args:
        resources: What the trial reserves.
        wanted: The same for each of its nodes, under Ray's names.
        totals: What the machine has.
    """
    found = why_never(resources, wanted, [totals])
    return found[1] if found is not None else ""


def _never(resources: Resources, wanted: Amounts, totals: Sequence[Amounts]) -> str:
    able, asked = nodes_with_room(wanted, totals), reserved_nodes(resources)
    if resources.strategy == _TOGETHER:
        most = max((bundles_that_fit(wanted, node) for node in totals), default=0)
        text = f"a trial asks for {asked}, all on one machine (strategy STRICT_PACK)"
        return f"{text}, and no machine has room for more than {most} of them."
    if resources.strategy == _APART:
        machines = f"{able} of the {len(totals)} machine{'s' * (len(totals) != 1)} could hold one of them"
        return f"a trial asks for {asked}, each on its own machine (strategy STRICT_SPREAD), and {machines}."
    most = sum(bundles_that_fit(wanted, node) for node in totals)
    return f"a trial asks for {asked}, and all machines together have room for {most} of them."


def _remedies(resources: Resources, wanted: Amounts, totals: Sequence[Amounts]) -> str:
    ways = list(_ways(resources, wanted, totals))
    return f"Write {', or '.join([*ways, 'use a cluster that has more'])}."


def _ways(resources: Resources, wanted: Amounts, totals: Sequence[Amounts]) -> Iterator[str]:
    packed = gangs_that_fit(wanted, resources.nodes, _ANYWHERE, totals)
    if packed and resources.strategy in (_APART, _TOGETHER):
        yield "strategy: PACK, which may place several nodes of a trial on one machine"
    counts = range(resources.nodes - 1, 0, -1)
    fewer = next((count for count in counts if gangs_that_fit(wanted, count, resources.strategy, totals)), 0)
    if fewer:
        yield f"nodes: {fewer}" if fewer > 1 else "nodes: 1, a trial on one machine"
    else:
        yield "smaller amounts, which are per node"


def why_nodes_wait(
    resources: Resources, wanted: Amounts, totals: Sequence[Amounts], free: Sequence[Amounts] | None, *, held: int
) -> str:
    """Returns why a trial of several nodes is not placed yet.

    Args:
        resources: What the trial reserves.
        wanted: The same for each of its nodes, under Ray's names.
        totals: What each node of the cluster has.
        free: What each of them has free; None = not known.
        held: Trials of its run that have such a reservation.
    """
    asked = reserved_nodes(resources)
    most = gangs_that_fit(wanted, resources.nodes, resources.strategy, totals)
    if not most:
        return (
            f"waiting for {asked}: {_room(resources, wanted, totals)} in the cluster; no other machine has joined yet"
        )
    if free is None:
        return f"waiting for {asked}"
    ready = _room(resources, wanted, free)
    if gangs_that_fit(wanted, resources.nodes, resources.strategy, free):
        return f"waiting for {asked}, or for its processes to start: {ready} free"
    if held and held >= most:
        return f"{TURN}; each reserves {asked}: {ready} free"
    return f"waiting for {asked}: {ready} free"


def _room(resources: Resources, wanted: Amounts, nodes: Sequence[Amounts]) -> int:
    """For how many nodes of a trial there is room in such a way that they count for one trial."""
    if resources.strategy == _APART:
        return nodes_with_room(wanted, nodes)
    room = [bundles_that_fit(wanted, node) for node in nodes]
    return max(room, default=0) if resources.strategy == _TOGETHER else sum(room)


def fits_by_nodes(totals: Sequence[Amounts], most: int = 64) -> Iterator[tuple[int, str]]:
    """Yields numbers of nodes (1, 2, 4 and so on), and how many trials of this many nodes fit at once, in words.

    Args:
        totals: What each node of the cluster has.
        most: The largest number of nodes.
    """
    unit = "GPU" if any(node.get("GPU") for node in totals) else "CPU"
    whole = max((node.get(unit, 0.0) for node in totals), default=0.0)
    for count in (2**power for power in range(most.bit_length())):
        amounts = (1.0, whole) if whole > 1 else (1.0,)
        fits = [(amount, gangs_that_fit({unit: amount}, count, _APART, totals)) for amount in amounts]
        if count > most or not fits[0][1]:
            return
        yield count, "; ".join(f"{fit} at once with {amount:g} {unit} on each" for amount, fit in fits)
