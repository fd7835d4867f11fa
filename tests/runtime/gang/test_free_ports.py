"""Ports that the processes of a trial meet at."""

from __future__ import annotations

import contextlib
import socket

from raydrive.runtime.gang.leader import PORTS, free_ports


def test_ports_are_free_and_one_that_is_taken_is_passed_over() -> None:
    with contextlib.ExitStack() as held:
        taken = set(free_ports(50))
        for port in taken:
            one = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            one.bind(("", port))
            one.listen()
        for _ in range(200):
            found = free_ports(3)
            assert len(set(found)) == 3
            assert not taken & set(found)
            assert all(port in PORTS for port in found)
