"""A real S3 endpoint: moto's server on loopback, in a process of its own, with one bucket."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, int]]:
    """Starts the server; gives its URL and its process id."""
    # Not just any from PATH: older ones answer multipart uploads wrongly.
    program = os.environ.get("MOTO_SERVER") or str(Path(sys.executable).with_name("moto_server"))
    if not Path(program).exists():
        pytest.skip(
            "moto's S3 server is not installed: pip install 'raydrive[test]', or set MOTO_SERVER to the program"
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    command = [program, "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _make_bucket(url, server)
        yield url, server.pid
    finally:
        server.terminate()
        server.wait(20)


def _make_bucket(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "moto_server ended at once"
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT"), timeout=10):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("moto_server did not answer")
