"""Connecting to Ray, and whether a cluster could ever satisfy a request."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from raydrive.core.config.trial_spec import Resources
from raydrive.core.errors import ClusterError, brief, show
from raydrive.core.views.heartbeat import TURN
from raydrive.runtime.gang.reasons import why_never, why_nodes_wait
from raydrive.runtime.ray_cluster import plain_ray as plain
from raydrive.runtime.ray_cluster.embedded_ray import start_ray
from raydrive.runtime.ray_cluster.gcs_ping import why_unreachable

NAMESPACE = "raydrive"
TOKEN_FILE = "~/.ray/auth_token"


@dataclass(frozen=True, slots=True)
class Connection:
    """How this process is connected to Ray."""

    address: str
    """GCS address of the cluster."""
    embedded: bool
    """True when raydrive started the cluster and is to stop it."""
    outlives: bool
    """True when the cluster continues without this process, so that drivers must be detached."""


def connect(address: str | None = None, *, num_cpus: int | None = None, plain_ray: bool | None = None) -> Connection:
    """Connects to Ray, or uses the connection this process already has.

    Args:
        address: ``auto``, ``HOST:PORT``, or ``local`` for an embedded cluster; None takes ``RAY_ADDRESS``, then
            an embedded cluster.
        num_cpus: Cores of an embedded cluster; None = those of this machine.
        plain_ray: True = change none of Ray's private parts, here and in the processes of our actors;
            ``RAYDRIVE_PLAIN_RAY`` wins over it.

    Raises:
        ClusterError: If no cluster answers at the address.
    """
    explicit = address or os.environ.get("RAY_ADDRESS") or "local"
    if explicit != "local":
        before_import()
    import ray  # lazy: ray, 0.3 s

    if ray.is_initialized():
        # Someone else's ray.init(): a cluster it started ends with this process, one it joined does not.
        own = _started_here()
        return Connection(_gcs_address(), embedded=False, outlives=not own)
    if explicit.startswith(("http://", "https://", "ray://")):
        raise ClusterError(
            f"--address {explicit}: found a {explicit.split(':')[0]} address; allowed: auto or HOST:PORT of the "
            "cluster's GCS (usually port 6379); submit and resume also accept http://HOST:8265, the address of the "
            "dashboard."
        )
    if unreachable := why_unreachable(explicit):
        raise _no_cluster(explicit, unreachable)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        with warnings.catch_warnings():
            # Ray 2.54, say, warns every process that connects: tasks without GPUs will see all of them. 2.60 does not.
            warnings.filterwarnings("ignore", "Tip: In future versions of Ray, .*accelerator", FutureWarning)
            if explicit == "local":
                start_ray(num_cpus, plain_ray, **options)
            else:
                if plain.asked_by_variable() or (plain.asked_by_variable() is None and plain_ray):
                    options["runtime_env"] = {"env_vars": {plain.VARIABLE: "1"}}
                ray.init(address=explicit, **options)
    except Exception as error:  # Ray raises whatever comes, a bare Exception where a node starts too slowly
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if explicit == "local":
            raise ClusterError(
                f"Ray could not be started on this machine: {first.rstrip('.')}. Hint: when the machine is busy, try "
                f"again; {plain.VARIABLE}=1 starts Ray without raydrive's changes, for a Ray that raydrive does not "
                "know; Ray's own logs are in /tmp/ray/session_latest/logs"
            ) from error
        raise _no_cluster(explicit, first) from error
    return Connection(_gcs_address(), embedded=explicit == "local", outlives=explicit != "local")


def before_import() -> None:
    """Sets what Ray reads once, when it is imported, for a process that will join a cluster which runs already."""
    if "RAY_AUTH_MODE" not in os.environ and os.path.exists(os.path.expanduser(TOKEN_FILE)):
        # A cluster started where a token lies asks for it, and a client with an explicit address does not send it
        # unless this is set (seen with Ray 2.60).
        os.environ["RAY_AUTH_MODE"] = "token"


def _no_cluster(address: str, why: str) -> ClusterError:
    told = brief(why, 1000).rstrip(".")
    return ClusterError(
        f"no Ray cluster answers at {show(address)}: {told}. Start one with 'ray start --head', give --address "
        "HOST:PORT, or omit the address for a local run. If the cluster uses tokens, set RAY_AUTH_MODE=token."
    )


def _gcs_address() -> str:
    import ray  # lazy: ray, 0.3 s

    return str(ray.get_runtime_context().gcs_address)


def _started_here() -> bool:
    """Whether this process started the cluster it is connected to."""
    import ray  # lazy: ray, 0.3 s

    node = getattr(getattr(ray, "_private", None), "worker", None)
    global_node = getattr(node, "_global_node", None)
    return bool(global_node is not None and getattr(global_node, "head", False))


def disconnect() -> None:
    """Leaves Ray; an embedded cluster stops."""
    import ray  # lazy: ray, 0.3 s

    ray.shutdown()


def actor_options(resources: Resources) -> dict[str, Any]:
    """Returns the reservation as options of a Ray actor."""
    options: dict[str, Any] = {"num_cpus": resources.cpus, "num_gpus": resources.gpus}
    if resources.memory:
        options["memory"] = int(resources.memory)
    if resources.custom:
        options["resources"] = dict(resources.custom)
    if resources.accelerator_type:
        options["accelerator_type"] = resources.accelerator_type
    return options


def demand(resources: Resources) -> dict[str, float]:
    """Returns the reservation under Ray's resource names."""
    wanted = {"CPU": resources.cpus, "GPU": resources.gpus, **resources.custom}
    if resources.memory:
        wanted["memory"] = resources.memory
    if resources.accelerator_type:
        wanted[f"accelerator_type:{resources.accelerator_type}"] = 0.001
    return {name: float(amount) for name, amount in wanted.items() if amount}


def fitting(wanted: Mapping[str, float], totals: Sequence[Mapping[str, float]]) -> bool:
    """Whether some node could hold the whole request when it is empty."""
    return any(all(node.get(name, 0.0) + 1e-9 >= amount for name, amount in wanted.items()) for node in totals)


def describe(amounts: Mapping[str, float]) -> str:
    """Returns resources for people: ``2 CPU, 0.5 GPU, 4 GiB memory``."""
    parts = []
    for name, amount in sorted(amounts.items()):
        if name in ("memory", "object_store_memory"):
            parts.append(f"{amount / 2**30:.3g} GiB {name}")
        elif name.startswith("accelerator_type:"):
            parts.append(f"a {name.partition(':')[2]}")
        else:
            parts.append(f"{amount:g} {name}")
    return ", ".join(parts) or "nothing"


def machine_totals() -> dict[str, float] | None:
    """Returns the CPUs and GPUs that an embedded Ray would count on this machine, None where this Ray cannot tell."""
    try:
        from ray._private.accelerators import get_accelerator_manager_for_resource  # lazy: ray, 0.3 s
        from ray._private.utils import get_num_cpus  # lazy: ray, 0.3 s

        gpus: Any = get_accelerator_manager_for_resource("GPU")
        visible = gpus.get_current_process_visible_accelerator_ids()
        count = gpus.get_current_node_num_accelerators()
        return {
            "CPU": float(get_num_cpus()),
            "GPU": float(count if visible is None else min(count, len(visible))),
        }
    except (ImportError, AttributeError):  # Ray's private parts: another version has others
        return None


def nodes() -> list[tuple[str, dict[str, float]]]:
    """Returns the live nodes as ``(name, total resources)``, without Ray's bookkeeping resources."""
    import ray  # lazy: ray, 0.3 s

    out = []
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if node["Alive"]:
            kept = {
                name: float(amount)
                for name, amount in node["Resources"].items()
                if not name.startswith("node:") and name != "object_store_memory"
            }
            out.append((str(node["NodeName"]), kept))
    return out


def free_by_node() -> list[dict[str, float]] | None:
    """Returns what each live node has free, None where this Ray cannot tell.

    Ray has no public function for it (2.49 to 2.60): ``ray.nodes()`` has totals, ``ray.available_resources()`` sums.
    """
    try:
        from ray._private.state import available_resources_per_node  # lazy: ray, 0.3 s

        found = available_resources_per_node()  # type: ignore[no-untyped-call]
    except (ImportError, AttributeError):  # Ray's private parts: another version has others
        return None
    return [{name: float(amount) for name, amount in node.items()} for node in found.values()]


def check_feasible(resources: Resources, *, may_grow: bool = False) -> str:
    """Checks that one trial fits on some node, or on the nodes of the cluster where it has several.

    Args:
        resources: What one trial reserves.
        may_grow: Whether an autoscaler may add larger nodes; then a misfit is only a notice.

    Returns:
        A notice for the user, or an empty string.

    Raises:
        ClusterError: If the nodes could never hold a trial; the message lists them.
    """
    wanted = demand(resources)
    alive = nodes()
    listing = "; ".join(f"{name}: {describe(totals)}" for name, totals in alive) or "no live node"
    if resources.nodes > 1:
        misfit = why_never(resources, wanted, [totals for _, totals in alive])
        if misfit is None or may_grow:
            return f"{misfit[0]} The cluster has {listing}. Waiting for the autoscaler." if misfit else ""
        raise ClusterError(f"{misfit[0]} The cluster has {listing}. {misfit[1]}")
    if fitting(wanted, [totals for _, totals in alive]):
        return ""
    text = f"a trial asks for {describe(wanted)}, and no node has that much. The cluster has {listing}."
    if may_grow:
        return f"{text} Waiting for the autoscaler."
    raise ClusterError(
        f"{text} Use a cluster with such a node, or lower the resources of a trial: {_lower(wanted, alive)}"
    )


def _lower(wanted: Mapping[str, float], alive: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """What to write for the node that lacks least: ``resources: {cpus: 2, gpus: 0}``."""
    keys = {"CPU": "cpus", "GPU": "gpus"}
    most = max((totals for _, totals in alive), key=lambda totals: sum(n in totals for n in wanted), default={})
    amounts = {keys[name]: min(amount, most.get(name, 0.0)) for name, amount in wanted.items() if name in keys}
    return f"resources: {{{', '.join(f'{key}: {amount:g}' for key, amount in amounts.items())}}}"


def autoscaling() -> bool:
    """Whether an autoscaler may add nodes (by ``RAYDRIVE_AUTOSCALING``, KubeRay or a cluster launcher)."""
    given = os.environ.get("RAYDRIVE_AUTOSCALING")
    if given is not None:
        return given not in ("", "0", "false")
    return bool(os.environ.get("RAY_CLUSTER_NAME") or os.environ.get("RAY_CLOUD_INSTANCE_ID"))


def granted(
    wanted: Mapping[str, float], total: Mapping[str, float], free: Mapping[str, float], *, held: int, starting: int
) -> int:
    """Returns how many of the actors that start have their reservation already, as far as what is in use tells.

    Ray says of an actor only that it is not there yet, until its process has started, which takes a second or more.

    Args:
        wanted: What each of them reserves.
        total: What the cluster has.
        free: What of it is not reserved.
        held: Actors of the same kind that have started.
        starting: Actors that may have a reservation.
    """
    in_use = [
        int((total[name] - free.get(name, 0.0)) / amount + 1e-6) for name, amount in wanted.items() if name in total
    ]
    return max(0, min(starting, min(in_use, default=0) - held))


def starting_now(resources: Resources, *, held: int, starting: int) -> int:
    """Returns how many of the actors that start have their reservation already; see ``granted``."""
    return granted(demand(resources), *_total_and_free(), held=held, starting=starting)


def _total_and_free() -> tuple[dict[str, float], dict[str, float]]:
    """What the cluster has, and what of it is not reserved."""
    import ray  # lazy: ray, 0.3 s

    total = {name: float(amount) for name, amount in ray.cluster_resources().items()}  # type: ignore[no-untyped-call]
    free = {name: float(amount) for name, amount in ray.available_resources().items()}  # type: ignore[no-untyped-call]
    return total, free


def why_waiting(resources: Resources, *, held: int) -> str:
    """Returns why a trial is not placed yet, for people.

    Args:
        resources: What the trial reserves.
        held: Actors of its run that have such a reservation; where a trial has several nodes, trials that have one.
    """
    wanted = demand(resources)
    if resources.nodes > 1:
        return why_nodes_wait(resources, wanted, [totals for _, totals in nodes()], free_by_node(), held=held)
    if not fitting(wanted, [totals for _, totals in nodes()]):
        return f"waiting for a node with {describe(wanted)}; none has joined yet"
    return shortage(wanted, *_total_and_free(), held=held)


def shortage(wanted: Mapping[str, float], total: Mapping[str, float], free: Mapping[str, float], *, held: int) -> str:
    """Returns what a trial waits for, for people: other trials of its run, or what others use of the cluster.

    Args:
        wanted: What it reserves.
        total: What the cluster has.
        free: What of it is not reserved.
        held: Actors of its run that have such a reservation.
    """
    short = {name: amount for name, amount in wanted.items() if free.get(name, 0.0) < amount}
    if not short:
        return f"waiting for one node to have {describe(wanted)} free, or for its process to start"
    have = describe({name: free.get(name, 0.0) for name in short})
    others = {name: total.get(name, 0.0) - free.get(name, 0.0) - held * amount for name, amount in short.items()}
    if held and all(others[name] < amount - 1e-6 for name, amount in short.items()):
        return f"{TURN}; each reserves {describe(short)}, free in the cluster: {have}"
    return f"waiting for {describe(short)}; free in the cluster: {have}"


def was_restarted() -> bool:
    """Whether Ray has started the actor that this process runs before, and starts it again."""
    import ray  # lazy: ray, 0.3 s

    with warnings.catch_warnings():
        # Of this property of Ray 2.60 itself, which reads a deprecated one; there is no newer way. Ray prints what an
        # actor warns about in the terminal of whoever has called ray.init().
        warnings.filterwarnings("ignore", r"(?s).*Use get_actor_id\(\) instead", DeprecationWarning)
        return bool(ray.get_runtime_context().was_current_actor_reconstructed)


def versions() -> dict[str, str]:
    """Returns the versions that a run's record names."""
    import platform  # lazy: platform, 0.001 s

    import ray  # lazy: ray, 0.3 s

    return {
        "raydrive": metadata.version("raydrive"),
        "ray": ray.__version__,
        "python": platform.python_version(),
    }
