"""Starting Ray on this machine, for one run: only the processes that the run needs."""

from __future__ import annotations

import contextlib
import functools
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

_UNUSED = ("start_api_server", "start_monitor", "start_log_monitor")
"""What Ray starts for every cluster, as methods of its node. Without a dashboard the API server does nothing but count
usage, which is off; the monitor asks for more machines, of which there are none; the log monitor copies what workers
print to this process, which is off. Each is a Python process that imports for a second, and Ray waits for the first one
before it starts the rest: on two cores a third of the time in which it is up, and most of that in which it ends."""
_NODE_S = 10.0
"""So long we look often whether the node is there; then Ray looks, in its own time."""


def start_ray(num_cpus: int | None, **options: Any) -> None:
    """Starts Ray and connects to it.

    Args:
        num_cpus: Cores that it is to count; None = those of this machine.
        options: Of ``ray.init``.

    Raises:
        Exception: Whatever ``ray.init`` raises.
    """
    import ray

    with _only_what_is_used():
        # The address is given explicitly: ray.init() alone would join whatever cluster runs on this machine.
        ray.init("local", include_dashboard=False, num_cpus=num_cpus, **options)


@contextlib.contextmanager
def _only_what_is_used() -> Iterator[None]:
    """Has Ray leave out what is unused; a Ray that names it otherwise starts all of it, as ever."""
    from ray._private import services
    from ray._private.node import Node

    changes: list[tuple[Any, str, Any]] = [(Node, name, _nothing) for name in _UNUSED]
    if hasattr(services, "get_node"):
        changes.append((services, "get_node", functools.partial(_soon, services.get_node)))
    with contextlib.ExitStack() as stack:
        for owner, name, other in changes:
            if hasattr(owner, name):
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, other)
        yield


def _soon(get_node: Callable[..., Any], gcs_address: str, node_id: str) -> Any:
    """Asks for the node when it is there: Ray asks at once and then a second later, whenever that was in between."""
    with contextlib.suppress(Exception):  # this only saves time; what is wrong Ray finds out itself
        client = importlib.import_module("ray._raylet").GcsClient(address=gcs_address)
        end = time.monotonic() + _NODE_S
        while time.monotonic() < end and all(node.hex() != node_id for node in client.get_all_node_info()):
            time.sleep(0.02)
    return get_node(gcs_address, node_id)


def _nothing(*args: object, **options: object) -> None:
    """Stands for the start of a process."""
