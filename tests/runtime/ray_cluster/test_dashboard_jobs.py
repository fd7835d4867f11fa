"""What a dashboard's refusals mean to a user; jobs that really run are in ``tests/cluster/test_dashboard.py``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from raydrive.core.errors import ClusterError
from raydrive.runtime.ray_cluster.dashboard_jobs import dashboard_of, run_job


@contextmanager
def answering(status: int, text: str) -> Iterator[str]:
    """A server that answers every request so; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("status", "text"), [(401, "Unauthorized: Missing authentication token"), (403, "Forbidden: Invalid token")]
)
def test_a_dashboard_that_asks_for_a_token(status: int, text: str, tmp_path: Path) -> None:
    with answering(status, text) as address, pytest.raises(ClusterError) as caught:
        run_job(address, "true", tmp_path, timeout_s=5)
    assert str(caught.value) == (
        f"the Ray dashboard at {address} requires a token: set it in ~/.ray/auth_token or RAY_AUTH_TOKEN, and set "
        "RAY_AUTH_MODE=token before Python starts"
    )


@pytest.mark.parametrize(("status", "text"), [(500, "out of order"), (404, "nothing here"), (200, "no JSON")])
def test_what_is_no_dashboard(status: int, text: str, tmp_path: Path) -> None:
    with answering(status, text) as address, pytest.raises(ClusterError) as caught:
        run_job(address, "true", tmp_path, timeout_s=5)
    assert str(caught.value).startswith(f"no Ray dashboard that accepts jobs answers at {address}: ")
    assert "usually port 8265" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "variable", "found"),
    [
        ("http://head:8265", "", "http://head:8265"),
        ("https://head", "10.0.0.1:6379", "https://head"),
        (None, "http://head:8265", "http://head:8265"),
        ("10.0.0.1:6379", "http://head:8265", None),
        ("auto", "", None),
        (None, "", None),
    ],
)
def test_which_address_is_a_dashboards(
    address: str | None, variable: str, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", variable)
    assert dashboard_of(address) == found
