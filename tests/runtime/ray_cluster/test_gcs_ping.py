"""Asking whether a cluster answers: seconds, and a reason."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from raydrive.runtime.ray_cluster.gcs_ping import surely_gone, why_unreachable


@contextmanager
def listener(answer: bytes | None) -> Iterator[str]:
    """Something that listens and answers every client the same; None = it never says a word."""
    server = socket.create_server(("127.0.0.1", 0))
    held = []

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            held.append(client)
            if answer is not None:
                client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for client in held:
            client.close()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    assert why_unreachable(address) == "connection refused"


def test_a_grpc_server_answers_with_its_settings() -> None:
    with listener(bytes((0, 0, 18, 4, 0, 0, 0, 0, 0)) + bytes(18)) as address:
        assert why_unreachable(address) == ""


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n"])
def test_something_else_listens(answer: bytes) -> None:
    with listener(answer) as address:
        assert why_unreachable(address) == "the process that listens there is not Ray's GCS"


def test_a_silent_listener_costs_the_timeout_only() -> None:
    with listener(None) as address:
        assert why_unreachable(address, timeout_s=0.3) == "no answer within 0.3 s"


def test_tls_is_left_to_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USE_TLS", "1")
    with listener(None) as address:
        assert why_unreachable(address) == ""


def test_a_host_that_does_not_exist() -> None:
    assert "name" in why_unreachable("nosuchhost.invalid:6379")


@pytest.mark.parametrize("address", ["auto", "local", "host", "host:port", "host:99999999", ""])
def test_what_is_no_host_and_port_is_left_to_ray(address: str) -> None:
    assert why_unreachable(address) == ""


def test_a_cluster_that_is_dying_is_asked_again_until_its_port_is_closed() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def die() -> None:
        client, _ = server.accept()  # a killed GCS: its port is still open, the connection is dropped
        server.close()
        client.close()

    thread = threading.Thread(target=die)
    thread.start()
    assert surely_gone(f"127.0.0.1:{server.getsockname()[1]}")
    thread.join()


def test_only_a_refusal_by_this_machine_proves_that_a_cluster_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raydrive.runtime.ray_cluster.gcs_ping.DYING_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    assert surely_gone(address)
    with listener(None) as busy:
        assert not surely_gone(busy)
    assert not surely_gone("192.0.2.254:6379")
    assert not surely_gone("nosuchhost.invalid:6379")
    assert not surely_gone("")
