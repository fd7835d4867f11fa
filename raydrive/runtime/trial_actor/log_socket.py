"""The actor's side of the wire: a Unix socket that any process of the trial may write JSON lines to (see ``wire``)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from raydrive import wire
from raydrive.core.reports.message_checks import shown
from raydrive.runtime.private_folder import private_folder

MAX_LINE_BYTES = 64 << 20
"""A longer line is dropped: nothing that is logged is so big, and it must not fill the actor's memory."""

REST_S = 0.002
"""Between two looks at a process that logs without a pause: each one takes its core from it for a moment."""
BUSY_S = 0.005
"""A process whose lines come in such a distance logs without a pause."""

ACCEPT_AGAIN_S = 1.0
"""After this long connections are accepted again where there were no descriptors left."""
_READ_BYTES = 1 << 18
_MAX_READS = 100
"""Pieces of a connection that are read at once: one that never ends must not keep the others waiting."""

Take = Callable[[Sequence[wire.Message]], Sequence[wire.Message] | None]


class LogSocket:
    """Reads what a trial logs, one trial after the other.

    Belongs to the event loop it was started in. ``take`` and ``notice`` may be replaced at any time.
    """

    def __init__(self) -> None:
        self.path = ""
        """Path of the socket, for ``RAYDRIVE_CHANNEL``; empty until ``start``."""
        self.take: Take = lambda messages: None
        """Called with the messages of each chunk, in order; returns those it cannot read; never raises."""
        self.notice: Callable[[str], None] = lambda text: None
        """Called with a sentence when something that was sent cannot be read: the first time since ``drain``."""
        self.bad_lines = 0
        """How many lines could not be read since the last ``drain``."""
        self._listening: socket.socket | None = None
        self._identity = (0, 0)
        """Device and inode of the socket's path."""
        self._readers: dict[_Reader, None] = {}  # in the order in which they came
        self._paused = False
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Creates the socket and begins to accept connections.

        Raises:
            OSError: The socket cannot be created.
        """
        self._bind()

    def _bind(self) -> None:
        """Makes the socket, at the path it had where that is possible.

        Raises:
            OSError: It cannot be made.
        """
        folder = private_folder()
        path = self.path if self.path and Path(self.path).parent == folder else ""
        if path and os.path.lexists(path):  # something else, in the place of a socket that was removed
            with contextlib.suppress(OSError):
                os.unlink(path)
        if not path or os.path.lexists(path):
            path = str(folder / f"{os.getpid()}-{secrets.token_hex(4)}.sock")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listening.bind(path)
            listening.listen(512)
            found = os.lstat(path)
        except OSError:
            listening.close()
            raise
        self._listening, self.path, self._identity = listening, path, (found.st_dev, found.st_ino)
        self._listen()

    def mend(self) -> bool:
        """Makes the socket again where it was removed, as by cleaners of ``/tmp``.

        At the same path, as far as possible, so that processes that have it from their environment find it.

        Returns:
            Whether it had gone.

        Raises:
            OSError: It cannot be made.
        """
        before = self._listening
        if before is None or self._is_there():
            return False
        self._accept()  # what had connected before
        asyncio.get_running_loop().remove_reader(before.fileno())
        try:
            self._bind()
        except OSError:
            self._listen()
            raise
        before.close()
        return True

    def _is_there(self) -> bool:
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def _listen(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)

    def pause(self) -> None:
        """Stops reading: when the kernel's buffer is full, ``log()`` waits in the training process."""
        self._paused = True
        for reader in self._readers:
            reader.pause()

    def resume(self) -> None:
        """Continues reading."""
        self._paused = False
        for reader in list(self._readers):
            reader.resume()

    async def drain(self, timeout_s: float = 10.0) -> bool:
        """Reads everything that was sent by the processes of a job that has ended.

        They are gone, so every connection is at its end once it is read empty. One that stays open belongs to a process
        outside the job's tree: it is closed, so that nothing of it is taken for the next job's.

        Args:
            timeout_s: Longest wait; a pause of the channel counts.

        Returns:
            Whether all connections came to their end in time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while True:
            all_taken = self._accept()  # a process may have connected, written and ended before
            taken = list(self._readers)
            if not self._paused:
                for reader in taken:
                    reader.read()
            complete = await self._wait_until_empty(end)
            for reader in list(self._readers):
                reader.close()
            if all_taken or loop.time() >= end:
                break
            if not taken:  # others hold all descriptors there are
                await asyncio.sleep(ACCEPT_AGAIN_S)
        self.bad_lines = 0
        return complete and all_taken

    async def close(self) -> None:
        """Closes all connections and removes the socket."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None
        for reader in list(self._readers):
            reader.close()
        if self._is_there():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    async def _wait_until_empty(self, end: float) -> bool:
        """Waits until all connections have come to their end, or the loop's clock is at ``end``; whether they have."""
        loop = asyncio.get_running_loop()
        while self._readers and loop.time() < end:
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), end - loop.time())
        return not self._readers

    def _accept(self) -> bool:
        """Takes all new connections; False if some had to be left."""
        while self._listening is not None:
            try:
                connection, _ = self._listening.accept()
            except BlockingIOError:
                return True
            except OSError:  # no descriptors left: they wait in the queue, and must not be looked at all the time
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._listening.fileno())
                loop.call_later(ACCEPT_AGAIN_S, self._listen)
                return False
            reader = _Reader(self, connection)
            self._readers[reader] = None
            if not self._paused:
                reader.resume()
        return True

    # ------------------------------------------------------------------ what the readers say

    def _closed(self, reader: _Reader) -> None:
        self._readers.pop(reader, None)
        self._changed.set()

    def _read(self, lines: Sequence[bytes]) -> None:
        messages, bad = wire.decode(lines)
        odd = self.take(messages) if messages else None
        if odd:
            self._complain(f"a message that was logged cannot be read and was dropped: {shown(odd[0])}", len(odd))
        if bad:
            self._complain(f"a line that was logged is not a JSON object and was dropped: {bad[0][:200]!r}", len(bad))

    def _complain(self, text: str, count: int = 1) -> None:
        first = self.bad_lines == 0
        self.bad_lines += count
        if first:
            self.notice(text)


class _Reader:
    """One connection: cuts what arrives into lines. It reads nothing before ``resume``.

    On the bare socket, for a very short trial spends more on a transport of asyncio's than on all it logs.
    """

    def __init__(self, channel: LogSocket, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._channel = channel
        self._socket = connection
        self._fd = connection.fileno()
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._size = 0
        self._paused = True
        self._watched = False
        self._read_at = 0.0
        self._rest: asyncio.TimerHandle | None = None

    def read(self) -> None:
        """Reads what there is now."""
        for _ in range(_MAX_READS):
            if self._paused or not self._read_piece():
                return

    def pause(self) -> None:
        self._paused = True
        self._watch(False)

    def resume(self) -> None:
        """Reads again, at once."""
        self._paused = False
        self._look()

    def close(self) -> None:
        """Reads no more; what was not read is dropped."""
        self._paused = True
        self._look()
        self._watch(False)
        self._socket.close()
        self._channel._closed(self)

    def _on_readable(self) -> None:
        now = self._loop.time()
        if now - self._read_at < BUSY_S:
            self._watch(False)
            self._rest = self._loop.call_later(REST_S, self._look)
        self._read_at = now
        self._read_piece()  # one, and then the other connections' turn

    def _read_piece(self) -> bool:
        """Reads a piece, or sees the end; returns whether there may be another."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if data:
            self._take(data)
        else:
            # What is left is a line that its writer was killed in the middle of: nothing that was ever logged.
            self.close()
        return bool(data)

    def _look(self) -> None:
        """The rest has ended."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        self._watch(not self._paused)

    def _watch(self, watched: bool) -> None:
        if watched and not self._watched:
            self._loop.add_reader(self._fd, self._on_readable)
        elif self._watched and not watched:
            self._loop.remove_reader(self._fd)
        self._watched = watched

    def _take(self, data: bytes) -> None:
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
