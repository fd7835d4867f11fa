"""Whether a Ray cluster answers at an address: asked in seconds, before Ray tries for minutes and fills stderr."""

from __future__ import annotations

import errno
import os
import socket
import time

TIMEOUT_S = 5.0
# A GCS that was just killed closes its connections one by one: for this long an answer that is none is asked again.
DYING_S = 2.0
# What an HTTP/2 client says first, with empty settings; a gRPC server such as Ray's GCS answers with its own settings.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4


def why_unreachable(address: str, timeout_s: float = TIMEOUT_S) -> str:
    """Returns why nothing like a Ray cluster answers at an address; empty when something does.

    Args:
        address: ``HOST:PORT``, a host in brackets for IPv6. Anything else is left to Ray.
        timeout_s: How long to wait for a connection, and for its first word; above 0.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        return ""
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s) as connection:
            if os.environ.get("RAY_USE_TLS", "").casefold() in ("1", "true"):
                return ""
            connection.sendall(_PREFACE)
            answer = connection.recv(9)
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except OSError as error:
        return (error.strerror or str(error) or type(error).__name__).lower()
    return "" if len(answer) >= 4 and answer[3] == _SETTINGS else "the process that listens there is not Ray's GCS"


def surely_gone(address: str) -> bool:
    """Whether a cluster is gone for certain: its address is this machine's, and nothing listens there any more.

    What another machine does not answer may live on behind a broken network; of this one, "refused" is the truth.
    What is being killed this moment still holds its port, though it answers nothing any more: it is asked again.

    Args:
        address: ``HOST:PORT`` as a driver recorded it.
    """
    host, _, _ = address.rpartition(":")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host.strip("[]"), 0))  # only an address of this machine can be bound
    except OSError:
        return False
    until = time.monotonic() + DYING_S
    while why := why_unreachable(address, timeout_s=DYING_S):
        if why == os.strerror(errno.ECONNREFUSED).lower():
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return False
