"""In front of an S3 server: a proxy that denies some keys, as a policy of a bucket does."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit

_BODY = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_DENIED = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


@contextlib.contextmanager
def denying(url: str, denies: Callable[[str, str], bool]) -> Iterator[str]:
    """Starts the proxy; gives its URL.

    Args:
        url: The server behind it.
        denies: Gets method and path of a request.
    """
    behind = urlsplit(url)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                block = self.request.recv(65536)
                if not block:
                    return
                head += block
            line, _, rest = head.partition(b"\r\n")
            method, path, _ = line.decode().split(" ")
            if denies(method, unquote(path)):
                self.request.sendall(_DENIED)
                self.request.shutdown(socket.SHUT_WR)
                self.request.settimeout(5)
                with contextlib.suppress(OSError):
                    while self.request.recv(65536):  # else closing would drop the answer on its way
                        pass
                return
            with socket.create_connection((behind.hostname or "", behind.port or 80)) as server:
                # One request for each connection, so that every one is looked at.
                server.sendall(line + b"\r\nConnection: close\r\n" + rest)
                threading.Thread(target=_pump, args=(self.request, server), daemon=True).start()
                _pump(server, self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
