"""Stands in for an agent of an embedded Ray: a raylet wants one that lives as long as itself.

Started as a program of its own with ``python -I -S``: nothing but the standard library, and of that what starts in
20 ms, where the agents import for a second.

    stand_in.py never SESSION_DIR NODE_ID NAME ...          for one that an embedded cluster has no use for
    stand_in.py asked HOST PORT AGENT_PORT COMMAND ...      for one that may be asked for something, and seldom is
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

LOOK_S = 1.0
START_S = 60.0
"""Seconds that an agent may take until it listens."""


def absent_agent(session_dir: str, node_id: str, *names: str) -> None:
    """Says that there is no agent, as Ray's own does where its dashboard is not installed: port -1, in a file for each.

    Returns when the raylet that has started this process is gone.

    Args:
        session_dir: Folder of the cluster's session.
        node_id: Of the raylet's node, in hexadecimal.
        names: Of the ports.
    """
    raylet = _raylet()
    for name in names:
        partial = os.path.join(session_dir, f".{name}_{node_id}")
        with open(partial, "w") as file:
            file.write("-1")
        os.rename(partial, os.path.join(session_dir, f"{name}_{node_id}"))
    while os.getppid() == raylet:
        time.sleep(LOOK_S)


def on_demand_agent(host: str, port: str, agent_port: str, *command: str) -> None:
    """Listens in the agent's place; starts it at the first question, passes questions on to it and answers back.

    Returns when the raylet that has started this process is gone.

    Args:
        host: Address where the raylet looks for the agent.
        port: Port where it looks for it.
        agent_port: Port where the agent will listen.
        command: Program and arguments of the agent.
    """
    raylet, agent = _raylet(), None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, int(port)), family=family) as listener:
        listener.settimeout(LOOK_S)
        while os.getppid() == raylet:
            try:
                asking, _ = listener.accept()
            except TimeoutError:
                continue
            if agent is None or agent.poll() is not None:
                # It looks whether its raylet is still its parent.
                agent = subprocess.Popen(command, env={**os.environ, "RAY_RAYLET_PID": str(os.getpid())})
            threading.Thread(target=_relay, args=(asking, (host, int(agent_port))), daemon=True).start()
    if agent is not None:
        agent.terminate()


def _relay(asking: socket.socket, address: tuple[str, int]) -> None:
    """Passes on one conversation, both ways, to its end."""
    with asking, _connected(address) as agent:
        back = threading.Thread(target=_pass_on, args=(agent, asking), daemon=True)
        back.start()
        _pass_on(asking, agent)
        back.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):  # either end may hang up
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _connected(address: tuple[str, int]) -> socket.socket:
    """A connection to the agent, once it listens."""
    end = time.monotonic() + START_S
    while True:
        try:
            return socket.create_connection(address)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _raylet() -> int:
    # Set by the raylet, which may be gone before this process can look up its parent.
    return int(os.environ.get("RAY_RAYLET_PID") or os.getppid())


if __name__ == "__main__":
    (absent_agent if sys.argv[1] == "never" else on_demand_agent)(*sys.argv[2:])
