"""A stream whose reader may close it: further output is dropped, and the work continues."""

from __future__ import annotations

import errno
from typing import Any, TextIO


class Unbroken:
    """Writes to a text stream as long as it has a reader; a closed pipe is not an error.

    A run must not end because ``head`` has read enough. Everything but writing is the stream's own.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.broken = False
        """Whether the reader has gone."""

    def write(self, text: str) -> int:
        """Writes a text, or drops it; returns its length."""
        if not self.broken:
            try:
                self._stream.write(text)
            except OSError as error:
                self._drop(error)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes several texts, or drops them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hands over what is buffered, or drops it."""
        if not self.broken:
            try:
                self._stream.flush()
            except OSError as error:
                self._drop(error)

    def _drop(self, error: OSError) -> None:
        if error.errno != errno.EPIPE:
            raise error
        self.broken = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
