"""Whether this machine, or a cluster that answers, could ever hold a trial; asked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping

from raydrive.core.config.distribution import reserved_nodes
from raydrive.core.config.trial_spec import Resources
from raydrive.core.errors import ClusterError, Problem, show
from raydrive.runtime.gang.reasons import why_never_here
from raydrive.runtime.ray_cluster import connection as ray_connection
from raydrive.runtime.ray_cluster.dashboard_jobs import dashboard_of

_NODES = ("raydrive.resources.nodes", "trial.resources.instance_count", "resources.instance_count")
"""Where a sweep file may have the number of nodes."""


def machine_problems(resources: Resources, where: str, places: Mapping[str, str]) -> list[Problem]:
    """Returns a problem for each resource that this machine has less of than one trial asks for.

    Args:
        resources: What one trial reserves.
        where: Path of the resources, for errors.
        places: ``file:line:column`` by path.
    """
    asked = {"cpus": resources.cpus, "gpus": resources.gpus}
    asked.update({f"custom.{name}": amount for name, amount in resources.custom.items()})
    further = resources.nodes > 1 or any(amount for key, amount in asked.items() if key != "cpus")
    if max(asked["cpus"], 1) == 1 and not further:
        return []  # every machine has that, and Ray need not be imported
    totals = ray_connection.machine_totals()
    if totals is None:
        return []
    problems = []
    for key, amount in asked.items():
        has = totals.get({"cpus": "CPU", "gpus": "GPU"}.get(key, key), 0.0)
        if amount > has:
            path = f"{where}.{key}"
            allowed = f"at most {has:g}: this machine has {ray_connection.describe(totals)}"
            fix = f"Write {key.rpartition('.')[2]}: {has:g}, or use a cluster that has more: --address HOST:6379"
            place = places.get(path) or places.get(where, "")
            problems.append(Problem(path, show(_plain(amount)), allowed, fix, place))
    if not problems and resources.nodes > 1:
        problems += _nodes_problems(resources, totals, where, places)
    return problems


def _nodes_problems(
    resources: Resources, totals: Mapping[str, float], where: str, places: Mapping[str, str]
) -> list[Problem]:
    """What is wrong with several nodes of a trial on one machine."""
    wanted = {name: amount for name, amount in ray_connection.demand(resources).items() if name in totals}
    fix = why_never_here(resources, wanted, totals)
    if not fix:
        return []
    path = next((one for one in _NODES if one in places), f"{where}.nodes")
    fix = fix.replace("nodes: ", f"{path.rpartition('.')[2]}: ")
    allowed = f"what this machine can hold; it has {ray_connection.describe(totals)}"
    found = f"{reserved_nodes(resources)}, {resources.strategy}"
    return [Problem(path, found, allowed, f"{fix} Name one with --address HOST:6379.", places.get(path, ""))]


def cluster_note(resources: Resources, address: str, plain_ray: bool | None) -> str:
    """Returns what is to be known of a cluster that a run would go to; empty where it can hold a trial.

    Args:
        resources: What one trial reserves.
        address: Of the cluster, or of its dashboard.
        plain_ray: As for ``connect``.

    Raises:
        ClusterError: If no node of the cluster could ever hold a trial.
    """
    if dashboard_of(address):
        return (
            f"the resources of a trial were not compared with the cluster at {address}: only submit queries a dashboard"
        )
    try:
        ray_connection.connect(address, plain_ray=plain_ray)
    except ClusterError as error:
        return f"the resources of a trial were not compared with the cluster: {error}"
    try:
        return ray_connection.check_feasible(resources, may_grow=ray_connection.autoscaling())
    finally:
        ray_connection.disconnect()


def _plain(amount: float) -> float | int:
    return int(amount) if amount == int(amount) else amount
