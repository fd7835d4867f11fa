"""A trial's log on its node, kept below a limit: beyond it the middle is dropped, and head and tail stay.

The processes of a trial append to the file themselves, so that a log costs nothing. It is cut while they write: the
tail is copied to where the middle began, and the file ends after it. No call of the system copies the last bytes and
ends the file at once. What is written in between, in some microseconds or while this process has no turn on a busy
machine, is dropped, and what comes after the last look at the length is in no count: there is at least as much missing
as the log says.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

_COPY = 1 << 20
_LINE = 1 << 16
"""So far the end of a line is looked for at a cut."""
_ROUNDS = 200
"""Pieces at most that are copied beyond the tail as it was when a cut began."""


class CappedLog:
    """The log of one attempt.

    Not for several threads at a time.

    Args:
        path: Where it is; it may not exist yet.
        limit: Bytes it may have, not before it is looked at; 0 = any number.
        changed: Called after each cut with the first byte that is another one now.
    """

    def __init__(self, path: Path, limit: int, changed: Callable[[int], None] | None = None) -> None:
        self._path = str(path)
        self.limit = limit
        self._head = limit // 2
        self._changed = changed
        self._moved = 0
        """Bytes that have been taken out after the head."""
        self.dropped = 0
        """Bytes of output that are known to be missing; there may be more."""

    def is_too_long(self) -> bool:
        """Whether there is something to cut; costs one call of the system."""
        try:
            return bool(self.limit) and os.stat(self._path, follow_symlinks=False).st_size > self.limit
        except OSError:
            return False

    def read(self, start: int, most: int) -> tuple[bytes, int, int]:
        """Reads on in the output.

        Args:
            start: Byte of the whole output, as if nothing had been dropped.
            most: Bytes at most.

        Returns:
            What is there; where to continue; and how many bytes from ``start`` on are dropped.
        """
        with _opened(self._path, os.O_RDONLY) as file:
            if file is None:
                return b"", start, 0
            missing = 0
            if self._moved:
                kept = self._head - len(self._marker())
                if start < kept:
                    most = min(most, kept - start)
                else:
                    missing = max(0, self._head + self._moved - start)
                    start += missing
            place = start - self._moved if self._moved and start >= self._head else start
            data = os.pread(file, most, place)
            return data, start + len(data), missing

    def size(self) -> int:
        """Returns the bytes of the whole output so far, those that are known to be dropped included."""
        with _opened(self._path, os.O_RDONLY) as file:
            return 0 if file is None else os.fstat(file).st_size + self._moved

    def cut(self) -> bool:
        """Cuts it if it is too long; returns whether it was."""
        with _opened(self._path, os.O_RDWR) as file:
            if file is None or not self.limit or (size := os.fstat(file).st_size) <= self.limit:
                return False
            try:
                self._cut(file, size)
            except OSError:  # no room for the marker or the tail, of all things: at the next look
                return False
        if self._changed is not None:
            self._changed(max(0, self._head - len(self._marker())))
        return True

    def _cut(self, file: int, size: int) -> None:
        start = size - self.limit // 4
        start += os.pread(file, _LINE, start).find(b"\n") + 1
        source, target = start, self._head
        for _ in range(self.limit // 4 // _COPY + _ROUNDS):
            data = os.pread(file, _COPY, source)
            if not data:
                break
            os.pwrite(file, data, target)
            source, target = source + len(data), target + len(data)
        self._moved += os.fstat(file).st_size - target
        os.ftruncate(file, target)
        self.dropped = self._moved + len(self._marker())
        marker = self._marker()
        os.pwrite(file, marker, self._head - len(marker))

    def _marker(self) -> bytes:
        # Of the same length always, since the next cut writes over it.
        text = f"\nraydrive: at least {self.dropped:,} bytes of output are dropped: log_limit is {self.limit:,} bytes"
        return f"{text:<120}\n".encode()


@contextlib.contextmanager
def _opened(path: str, flags: int) -> Iterator[int | None]:
    """A regular file's descriptor; None where there is none: what a trial owns may be anything by now."""
    file = None
    with contextlib.suppress(OSError):
        file = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield file if file is not None and stat.S_ISREG(os.fstat(file).st_mode) else None
    finally:
        if file is not None:
            os.close(file)
