"""The actor's side of the wire: a Unix socket that any process of the trial may write JSON lines to (see ``wire``)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from raydrive import wire

MAX_LINE_BYTES = 64 << 20
"""A longer line is dropped: nothing that is logged is so big, and it must not fill the actor's memory."""

REST_S = 0.002
"""Between two looks at a process that logs without a pause: each one takes its core from it for a moment."""
BUSY_S = 0.005
"""A process whose lines come in such a distance logs without a pause."""

Take = Callable[[Sequence[wire.Message]], None]


class Channel:
    """Reads what a trial logs, one trial after the other.

    Belongs to the event loop it was started in. ``take`` and ``notice`` may be replaced at any time.
    """

    def __init__(self) -> None:
        self.path = ""
        """Path of the socket, for ``RAYDRIVE_CHANNEL``; empty until ``start``."""
        self.take: Take = lambda messages: None
        """Called with the messages of each chunk that was read, in order; must not raise."""
        self.notice: Callable[[str], None] = lambda text: None
        """Called with a sentence when something that was sent cannot be read: the first time since ``drain``."""
        self.bad_lines = 0
        """How many lines could not be read since the last ``drain``."""
        self._server: asyncio.AbstractServer | None = None
        self._readers: set[_Reader] = set()
        self._paused = False
        self._changed = asyncio.Event()
        self._fences: set[str] = set()

    async def start(self) -> None:
        """Creates the socket and begins to accept connections.

        Raises:
            OSError: The socket cannot be created.
        """
        path = str(private_folder() / f"{os.getpid()}-{secrets.token_hex(4)}.sock")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Reader(self), path, backlog=512)
        self.path = path

    def pause(self) -> None:
        """Stops reading: when the kernel's buffer is full, ``log()`` waits in the training process."""
        self._paused = True
        for reader in self._readers:
            reader.pause()

    def resume(self) -> None:
        """Goes on reading."""
        self._paused = False
        for reader in list(self._readers):
            reader.resume()

    async def drain(self, timeout_s: float = 10.0) -> bool:
        """Reads everything that was sent by the processes of a job that is over.

        They are gone, so every connection is at its end once it is read empty. One that stays open belongs to somebody
        outside the job's process tree: it is closed, so that nothing of it is taken for the next job's.

        Args:
            timeout_s: Longest wait; a pause of the channel counts.

        Returns:
            Whether all connections came to their end in time.
        """
        complete = True
        try:
            await asyncio.wait_for(self._until_empty(), timeout_s)
        except asyncio.TimeoutError:
            complete = False
        for reader in list(self._readers):
            reader.abort()
        self.bad_lines = 0
        return complete

    async def close(self) -> None:
        """Closes all connections and removes the socket."""
        if self._server is not None:
            self._server.close()
        for reader in list(self._readers):
            reader.abort()
        if self.path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    async def _until_empty(self) -> None:
        # A process may have connected, written and ended before the connection was accepted. Connections are accepted
        # in order: once one of ours has come through, all earlier ones are among the readers.
        fence = secrets.token_hex(8)
        self._fences.add(fence)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.setblocking(False)
                await asyncio.get_running_loop().sock_connect(connection, self.path)
                connection.send(wire.encode({"fence": fence}))
            while fence in self._fences or self._readers:
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._fences.discard(fence)

    # ------------------------------------------------------------------ what the readers say

    def _opened(self, reader: _Reader) -> None:
        self._readers.add(reader)
        if self._paused:
            reader.pause()

    def _closed(self, reader: _Reader) -> None:
        self._readers.discard(reader)
        self._changed.set()

    def _read(self, lines: Sequence[bytes]) -> None:
        messages, bad = wire.decode(lines)
        if messages and "fence" in messages[-1] and messages[-1]["fence"] in self._fences:
            self._fences.discard(messages.pop()["fence"])
            self._changed.set()
        if messages:
            self.take(messages)
        if bad:
            self._complain(f"a line that was logged is not a JSON object and was dropped: {bad[0][:200]!r}", len(bad))

    def _complain(self, text: str, count: int = 1) -> None:
        first = self.bad_lines == 0
        self.bad_lines += count
        if first:
            self.notice(text)


class _Reader(asyncio.Protocol):
    """One connection: cuts what arrives into lines."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._paused = False
        self._read_at = 0.0
        self._rest: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._channel._opened(self)

    def data_received(self, data: bytes) -> None:
        self._rest_if_busy()
        # Parts of a long line are joined once, when its end has come.
        head, newline, rest = data.partition(b"\n")
        self._size += len(head)
        if self._size <= MAX_LINE_BYTES:
            self._parts.append(head)
        else:
            self._parts = []
        if not newline:
            return
        too_long = self._size > MAX_LINE_BYTES
        first = b"".join(self._parts)
        *lines, tail = rest.split(b"\n")
        self._parts, self._size = [tail], len(tail)
        if too_long:
            self._channel._complain(f"a line of more than {MAX_LINE_BYTES >> 20} MiB was logged and dropped")
        self._channel._read([first, *lines])

    def connection_lost(self, error: Exception | None) -> None:
        # What is left is a line that its writer was killed in the middle of: nothing that was ever logged.
        self._channel._closed(self)

    def _rest_if_busy(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._read_at < BUSY_S and self._transport is not None and not self._paused:
            self._transport.pause_reading()
            self._rest = loop.call_later(REST_S, self._look)
        self._read_at = now

    def _look(self) -> None:
        """The rest is over."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
            if self._transport is not None and not self._paused:
                self._transport.resume_reading()

    def pause(self) -> None:
        if self._transport is not None and not self._paused:
            self._paused = True
            if self._rest is None:
                self._transport.pause_reading()

    def resume(self) -> None:
        """Reads again, at once."""
        if self._paused:
            self._paused = False
            if self._rest is None and self._transport is not None:
                self._transport.resume_reading()
        self._look()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def private_folder() -> Path:
    """A folder that only this user can enter, with a path short enough for sockets (108 bytes in all).

    Raises:
        OSError: No such folder can be made.
    """
    folder = Path("/tmp") / f"raydrive-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return folder
    # Somebody else has made it, or has opened it to others.
    return Path(tempfile.mkdtemp(prefix="raydrive-", dir="/tmp"))
