"""What is changed in Ray while it starts a cluster of ours, without starting one."""

from __future__ import annotations

from typing import Any

import pytest
from ray._private import services
from ray._private.node import Node

from raydrive.runtime.embedded import _only_what_is_used, _soon

NAMES = ("start_api_server", "start_monitor", "start_log_monitor")


def test_ray_is_as_it_was_afterwards_whatever_happened() -> None:
    before = {name: getattr(Node, name) for name in NAMES}, services.get_node

    def fail_while_starting() -> None:
        with _only_what_is_used():
            assert all(getattr(Node, name) is not before[0][name] for name in NAMES)
            assert services.get_node is not before[1]
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail_while_starting()
    assert ({name: getattr(Node, name) for name in NAMES}, services.get_node) == before


def test_a_ray_without_such_names_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delattr(Node, name)
    monkeypatch.delattr(services, "get_node")
    with _only_what_is_used():
        assert not any(hasattr(Node, name) for name in NAMES)
        assert not hasattr(services, "get_node")
    assert not any(hasattr(Node, name) for name in NAMES)


def test_the_node_is_asked_for_even_where_nobody_can_be_asked_whether_it_is_there() -> None:
    asked: list[Any] = []

    def get_node(address: str, node_id: str) -> str:
        asked.append((address, node_id))
        return "the node"

    assert _soon(get_node, "nowhere", "n1") == "the node"
    assert asked == [("nowhere", "n1")]
