"""What is changed in Ray while it starts a cluster of ours, without starting one."""

from __future__ import annotations

import importlib
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray._private import services
from ray._private.node import Node
from waiting import wait_until

from raydrive.runtime.ray_cluster import agent_stub, plain_ray
from raydrive.runtime.ray_cluster.embedded_ray import (
    SETTINGS,
    choose_start,
    free_ports,
    node_soon,
    only_what_is_used,
    quick_command,
)

NAMES = ("start_api_server", "start_monitor", "start_log_monitor")


def test_ray_is_as_it_was_afterwards_whatever_happened() -> None:
    before = {name: getattr(Node, name) for name in NAMES}, services.get_node

    def fail_while_starting() -> None:
        with only_what_is_used():
            assert all(getattr(Node, name) is not before[0][name] for name in NAMES)
            assert services.get_node is not before[1]
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail_while_starting()
    assert ({name: getattr(Node, name) for name in NAMES}, services.get_node) == before


def test_ray_is_started_with_what_we_know_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(plain_ray.VARIABLE, raising=False)
    start = choose_start()
    assert not start.plain
    assert str(start) == f"raydrive's start (Ray {ray.__version__})"


@pytest.mark.parametrize(
    ("variable", "key", "reason"),
    [
        ("1", None, "RAYDRIVE_PLAIN_RAY is set"),
        ("yes", False, "RAYDRIVE_PLAIN_RAY is set"),
        ("", True, "plain_ray is true in the settings"),
        ("0", True, ""),
        ("false", None, ""),
    ],
)
def test_a_user_asks_for_plain_ray(
    monkeypatch: pytest.MonkeyPatch, variable: str, key: bool | None, reason: str
) -> None:
    monkeypatch.setenv(plain_ray.VARIABLE, variable)
    start = choose_start(key)
    assert start.plain == bool(reason)
    assert not reason or str(start) == f"plain Ray: {reason}"


@pytest.mark.parametrize(
    ("owner", "name", "lacking"),
    [
        (Node, "start_monitor", "ray._private.node.Node.start_monitor"),
        (services, "get_node", "ray._private.services.get_node"),
    ],
)
def test_a_ray_that_lacks_a_part_is_started_as_it_is(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, lacking: str
) -> None:
    monkeypatch.delenv(plain_ray.VARIABLE, raising=False)
    monkeypatch.delattr(owner, name)
    start = choose_start()
    assert (start.plain, start.lacking) == (True, lacking)
    assert str(start) == f"plain Ray: Ray {ray.__version__} has no {lacking}, which raydrive's start modifies"


def test_a_ray_that_does_not_name_its_agents_ports_starts_its_agents_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(plain_ray.VARIABLE, raising=False)
    monkeypatch.delattr(importlib.import_module("ray._raylet"), "METRICS_AGENT_PORT_NAME")  # as in Ray 2.49
    start = choose_start()
    assert not start.plain
    assert str(start).endswith("with Ray's own agents)")


def test_the_node_is_asked_for_even_where_nobody_can_be_asked_whether_it_is_there() -> None:
    asked: list[Any] = []

    def get_node(address: str, node_id: str) -> str:
        asked.append((address, node_id))
        return "the node"

    assert node_soon(get_node, "nowhere", "n1") == "the node"
    assert asked == [("nowhere", "n1")]


def raylet_command(**changes: str) -> list[str]:
    options = {
        "--raylet_socket_name": "/tmp/raylet",
        "--labels": "",
        "--session_dir": "/tmp/session",
        "--node_id": "ab12",
        "--node_ip_address": "192.0.2.1",
        "--runtime_env_agent_port": "0",
        "--dashboard_agent_command": "python agent.py --minimal",
        "--runtime_env_agent_command": "python main.py --runtime-env-agent-port=0 --log-dir=/tmp",
    } | changes
    return ["raylet", "--head", *(f"{name}={value}" for name, value in options.items())]


def test_a_raylet_waits_for_no_agent() -> None:
    before, after = raylet_command(), quick_command(raylet_command())
    assert len(after) == len(before)
    changed = dict(part.partition("=")[::2] for part in after if part not in before)
    port = changed.pop("--runtime_env_agent_port")
    assert 0 < int(port) < 65536
    asked, _, agent = changed.pop("--runtime_env_agent_command").partition(" python main.py ")
    assert shlex.split(asked)[3:7] == [agent_stub.__file__, "asked", "192.0.2.1", port]
    assert agent == f"--runtime-env-agent-port={shlex.split(asked)[7]} --log-dir=/tmp"
    never = shlex.split(changed.pop("--dashboard_agent_command"))
    assert never[3:7] == [agent_stub.__file__, "never", "/tmp/session", "ab12"]
    assert "metrics_agent_port" in never[7:]
    assert changed == {}


@pytest.mark.parametrize(
    "command",
    [
        ["gcs_server", "--session_dir=/tmp/session"],
        raylet_command(**{"--dashboard_agent_command": ""}),
        raylet_command(**{"--session_dir": ""}),
    ],
)
def test_a_command_that_is_not_as_known_stays_as_it_is(command: list[str]) -> None:
    assert quick_command(command) == command


def test_an_agent_with_a_port_of_its_own_keeps_it() -> None:
    after = quick_command(raylet_command(**{"--runtime_env_agent_port": "4711"}))
    assert "--runtime_env_agent_port=4711" in after
    assert not any("asked" in part for part in after)


def test_a_raylet_looks_again_soon_for_what_does_not_listen_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    with only_what_is_used():
        assert os.environ.items() >= SETTINGS.items()
    assert not SETTINGS.keys() & os.environ.keys()


def test_settings_of_the_user_stay_and_are_not_mixed_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    name, other = SETTINGS
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(other, "7")
    with only_what_is_used():
        assert os.environ[other] == "7"
        assert name not in os.environ
    assert os.environ[other] == "7"


def started(*arguments: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A process that has started a stand-in, and the stand-in."""
    command = [sys.executable, "-I", "-S", agent_stub.__file__, *arguments]
    code = (
        "import os, subprocess, time; os.environ['RAY_RAYLET_PID'] = str(os.getpid()); "
        f"print(subprocess.Popen({command!r}).pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    return starter, psutil.Process(int(starter.stdout.readline()))


def end(starter: subprocess.Popen[str]) -> None:
    starter.kill()
    starter.communicate()


def test_a_stand_in_says_that_there_is_no_agent_and_lives_as_long_as_who_started_it(tmp_path: Path) -> None:
    starter, process = started("never", str(tmp_path), "ab12", "metrics_agent_port", "other_port")
    files = [tmp_path / "metrics_agent_port_ab12", tmp_path / "other_port_ab12"]
    wait_until(lambda: all(file.exists() for file in files), "the files of both ports")
    assert [file.read_text() for file in files] == ["-1", "-1"]
    assert process.is_running()
    end(starter)
    process.wait(30)


AGENT = """
import os, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    while True:
        asking, _ = listener.accept()
        with asking, asking.makefile("rb") as lines:
            line = lines.readline()
            asking.sendall(f"{os.getpid()} {os.environ['RAY_RAYLET_PID']} ".encode() + line * 1000)
"""


def listens(port: str) -> bool:
    """Whether somebody does, told by a bind that fails: to connect would be a question."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections do not count
        try:
            other.bind(("127.0.0.1", int(port)))
        except OSError:
            return True
    return False


def ask(port: str) -> tuple[int, int, str]:
    """Process id of the agent that answers, of its raylet as it knows it, and what it says."""
    wait_until(lambda: listens(port), "a listener")
    with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as asking:
        asking.sendall(b"hello\n")
        with asking.makefile("r") as answer:
            pid, raylet, words = answer.read().split(" ", 2)
    return int(pid), int(raylet), words


def test_a_stand_in_starts_the_agent_when_it_is_asked_and_passes_on_everything() -> None:
    port, agent_port = free_ports(2)
    starter, process = started("asked", "127.0.0.1", port, agent_port, sys.executable, "-c", AGENT, agent_port)
    wait_until(lambda: listens(port), "a listener")
    assert process.children() == []
    pid, raylet, words = ask(port)
    assert [child.pid for child in process.children()] == [pid]
    assert raylet == process.pid
    assert words == "hello\n" * 1000
    assert ask(port)[0] == pid
    agent = process.children()[0]
    end(starter)
    process.wait(30)
    agent.wait(30)


def test_an_agent_that_has_ended_is_started_again() -> None:
    port, agent_port = free_ports(2)
    starter, process = started("asked", "127.0.0.1", port, agent_port, sys.executable, "-c", AGENT, agent_port)
    first = ask(port)[0]
    psutil.Process(first).kill()
    wait_until(
        lambda: all(child.status() == psutil.STATUS_ZOMBIE for child in process.children()),
        "the end of what it started",
    )
    assert ask(port)[0] != first
    end(starter)
    process.wait(30)
