"""Starting Ray on this machine, for one run: only the processes that the run needs.

What is changed in Ray here is none of its public interface. The changes last no longer than the start, and save nothing
but time. A Ray that lacks one of the parts is started as it is, with one line that tells it; a user asks for that with
``RAYDRIVE_PLAIN_RAY=1`` or ``plain_ray: true``. Measured with Ray 2.60 on two cores; ``benchmarks/LOG.md`` has the
figures.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from raydrive.runtime.ray_cluster import agent_stub as stand_ins
from raydrive.runtime.ray_cluster import plain_ray as plain

_UNUSED = ("start_api_server", "start_monitor", "start_log_monitor")
"""What Ray starts for every cluster, as methods of its node. Without a dashboard the API server does nothing but count
usage, which is off; the monitor asks for more machines, of which there are none; the log monitor copies what workers
print to this process, which is off. Each is a Python process that imports for a second, and Ray waits for the first one
before it starts the rest: on two cores a third of the time in which it is up, and most of that in which it ends."""
SETTINGS = {
    # When its object store does not listen yet, a raylet tries again after this long. With Ray's second, every other
    # start on two cores takes a second more.
    "RAY_raylet_client_connect_timeout_milliseconds": "20",
    "RAY_raylet_client_num_connect_attempts": "500",
}
"""Read by Ray's processes, which pass over what they do not know. Together they are Ray's ten seconds; where one
is set, both stay as they are."""
_PORTS = ("METRICS_AGENT_PORT_NAME", "METRICS_EXPORT_PORT_NAME", "DASHBOARD_AGENT_LISTEN_PORT_NAME")
"""Where Ray has the names of the ports that its dashboard agent tells the raylet."""
_NODE_S = 10.0
"""Seconds of frequent looks whether the node is there; then Ray looks, in its own time."""


@dataclass(frozen=True, slots=True)
class RayStart:
    """How an embedded Ray is started."""

    plain: bool
    """True = as Ray starts by itself, none of its private parts changed."""
    why: str
    """The reason, for people; the version of Ray where it is raydrive's start."""
    lacking: str = ""
    """The part that this Ray lacks, where plain Ray is used though it was not asked for."""

    def __str__(self) -> str:
        return f"plain Ray: {self.why}" if self.plain else f"raydrive's start ({self.why})"


def choose_start(plain_ray: bool | None = None) -> RayStart:
    """Returns how an embedded Ray would be started here.

    Args:
        plain_ray: What the settings ask for; ``RAYDRIVE_PLAIN_RAY`` wins over it.
    """
    asked = plain.asked_by_variable()
    if asked:
        return RayStart(True, f"{plain.VARIABLE} is set")
    if asked is None and plain_ray:
        return RayStart(True, "plain_ray is true in the settings")
    version = f"Ray {metadata.version('ray')}"
    lacking = next((f"{at}.{name}" for at, name, _ in _CHANGES if not hasattr(_found(at), name)), "").replace(":", ".")
    if lacking:
        return RayStart(True, f"{version} has no {lacking}, which raydrive's start modifies", lacking)
    agents = all(hasattr(_found("ray._raylet"), name) for name in _PORTS)
    return RayStart(False, version if agents else f"{version}, with Ray's own agents")


def start_ray(num_cpus: int | None, plain_ray: bool | None = None, **options: Any) -> None:
    """Starts Ray and connects to it.

    Args:
        num_cpus: Cores that it is to count; None = those of this machine.
        plain_ray: What the settings ask for: True = change nothing in Ray.
        options: Of ``ray.init``.

    Raises:
        Exception: Whatever ``ray.init`` raises.
    """
    import ray  # lazy: ray, 0.2 s

    start = choose_start(plain_ray)
    if start.lacking:
        print(f"raydrive: {start}. It takes a few seconds longer to start.", file=sys.stderr, flush=True)
    with _plain_workers() if start.plain else only_what_is_used():
        # The address is given explicitly: ray.init() alone would join whatever cluster runs on this machine.
        ray.init("local", include_dashboard=False, num_cpus=num_cpus, **options)


@contextlib.contextmanager
def _plain_workers() -> Iterator[None]:
    """Has the processes of this cluster leave Ray as it is, too: they inherit the variable."""
    before = os.environ.get(plain.VARIABLE)
    os.environ[plain.VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[plain.VARIABLE]
        else:
            os.environ[plain.VARIABLE] = before


@contextlib.contextmanager
def only_what_is_used() -> Iterator[None]:
    """Makes Ray skip what is unused and wait for nothing; restores it afterwards."""
    with contextlib.ExitStack() as stack:
        for path, name, other in _CHANGES:
            owner = _found(path)
            rays = getattr(owner, name)
            stack.callback(setattr, owner, name, rays)
            ours = functools.partial(other, rays)
            # Python 3.13 warns of a partial in a class, for it is to become a method.
            setattr(owner, name, staticmethod(ours) if isinstance(owner, type) else ours)
        if not SETTINGS.keys() & os.environ.keys():
            for name, value in SETTINGS.items():
                stack.callback(os.environ.pop, name, None)
                os.environ[name] = value
        yield


def _start(start_ray_process: Callable[..., Any], command: Sequence[str], *arguments: Any, **options: Any) -> Any:
    """Starts one of Ray's processes; a raylet with what is quick."""
    with contextlib.suppress(Exception):  # this only saves time: what is not as we know it stays as it is
        command = quick_command(command)
    return start_ray_process(command, *arguments, **options)


def quick_command(command: Sequence[str]) -> list[str]:
    """Returns the command of a raylet so that it waits for no agent; any other one as it is.

    A raylet starts two agents, Python programs that import for a second, and is not a node before they have told it
    where they listen. The dashboard agent serves metrics and the dashboard, which an embedded cluster has none of: a
    stand-in says so. Another one listens in the place of the agent of runtime environments, and starts it at a request,
    which nothing of ours makes.
    """
    raylet = importlib.import_module("ray._raylet")
    port_names = [getattr(raylet, name) for name in _PORTS]
    options = dict(part.partition("=")[::2] for part in command)
    session_dir, node_id = options.get("--session_dir"), options.get("--node_id")
    if not (session_dir and node_id and options.get("--dashboard_agent_command")):
        return list(command)
    stand_in = [sys.executable, "-I", "-S", stand_ins.__file__]
    no_agent = subprocess.list2cmdline([*stand_in, "never", session_dir, node_id, *port_names])
    changed = {"--dashboard_agent_command": no_agent}
    agent, unset = options.get("--runtime_env_agent_command", ""), "--runtime-env-agent-port=0"
    host = options.get("--node_ip_address")
    if host and options.get("--runtime_env_agent_port") == "0" and unset in agent:
        port, agent_port = free_ports(2)
        asked = subprocess.list2cmdline([*stand_in, "asked", host, port, agent_port])
        changed["--runtime_env_agent_port"] = port
        changed["--runtime_env_agent_command"] = f"{asked} {agent.replace(unset, f'{unset[:-1]}{agent_port}')}"
    names = [part.partition("=")[0] for part in command]
    return [f"{name}={changed[name]}" if name in changed else part for name, part in zip(names, command, strict=True)]


def free_ports(count: int) -> list[str]:
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in held:
            free.bind(("", 0))
        return [str(free.getsockname()[1]) for free in held]


def node_soon(get_node: Callable[..., Any], gcs_address: str, node_id: str) -> Any:
    """Asks for the node when it is there: Ray asks at once and then a second later, whenever that was in between."""
    with contextlib.suppress(Exception):  # this only saves time; what is wrong Ray finds out itself
        client = importlib.import_module("ray._raylet").GcsClient(address=gcs_address)
        end = time.monotonic() + _NODE_S
        while time.monotonic() < end and all(node.hex() != node_id for node in client.get_all_node_info()):
            time.sleep(0.02)
    return get_node(gcs_address, node_id)


def _no_dashboard(get_dashboard_dependency_error: Callable[..., Any]) -> ImportError:
    """Returns why no dashboard can be started, without importing aiohttp and more, 0.2 s, to find that out."""
    return ImportError("unused")


def _nothing(*args: object, **options: object) -> None:
    """Stands for the start of a process."""


def _found(path: str) -> Any:
    """Returns a module of Ray's, or a class in one; None where there is none of this name."""
    module, _, name = path.partition(":")
    try:
        found = importlib.import_module(module)
    except ImportError:
        return None
    return getattr(found, name, None) if name else found


_CHANGES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    *(("ray._private.node:Node", name, _nothing) for name in _UNUSED),
    ("ray._private.services", "get_node", node_soon),
    ("ray._private.services", "start_ray_process", _start),
    ("ray._private.utils", "get_dashboard_dependency_error", _no_dashboard),
)
"""What is changed in Ray: owner, name, and what is there during the start, which gets Ray's own first."""
