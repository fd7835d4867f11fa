"""What a terminal would show of a script's output: a line that is overwritten has several states, and one that stays.

Progress bars overwrite their line by a carriage return or backspaces, and nested bars go up and down between several
lines. A row here is a line of the terminal; each text that stood in it is a state of it, the last one not blank is what
it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    rb"[^\r\n\b\x1b]+|\r|\n|\x08+"
    rb"|\x1b\[(?P<args>[0-?]*)[ -/]*(?P<end>[@-~])"  # CSI: colours, cursor, erasing
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    rb"|\x1b[ -/]*[0-Z\\^-~]"  # other escapes, of two characters or three
    rb"|\x1b"
)
COLOURS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])|\x1b")
"""Escape sequences within a text: colours, the cursor, titles."""
_CONTROL = re.compile(rb"[\r\x08\x1b]")
_CUT = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,4000}\x1b?|[ -/]*)?\Z")
"""An escape sequence whose rest has not arrived."""
MAX_REACH = 100
"""Rows that a cursor may go back over; what is further up stays as it is."""
_LIVE_REACH = 10
"""Lines that are expected of a program that has hidden the cursor, as those do that redraw several lines."""
_QUIET = 20
"""After this many new lines in which the cursor never went up, a line is final when it ends, as before."""

Event = tuple[int, bytes, bool]
"""A row's number, a text that is in it now (empty = as before), and whether the row is final."""


class Screen:
    """Cuts output into rows and their states.

    Args:
        most: Bytes of a text that are kept; the rest of it is dropped.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""
        """What has arrived of an escape sequence, or of a line in the fast way."""
        self._text = b""
        self._row = self._lowest = self._first = 0
        """The cursor's row, the lowest one so far, and the first one that is not final."""
        self._reach = self._quiet = 0
        """Rows that the cursor has gone back over, and new lines since it last did."""

    def feed(self, data: bytes, *, last: bool = False) -> Iterator[Event]:
        """Yields what happened, in order.

        Args:
            data: What has arrived.
            last: Whether nothing more will: all rows are final.
        """
        data, self._rest = self._rest + data, b""
        if not self._reach and self._row == self._lowest and not _CONTROL.search(data):
            yield from self._plain(data)
        else:
            yield from self._tokens(data, last)
        if last:
            yield from self._end_text()
            yield from self._finish(self._lowest + 1)

    def _plain(self, data: bytes) -> Iterator[Event]:
        """The same for output without anything but lines, which nearly all is."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            yield self._row, (self._text + line)[: self._most], True
            self._text = b""
            self._row += 1
        self._first = self._lowest = self._row
        self._text = (self._text + rest)[: self._most]

    def _tokens(self, data: bytes, last: bool) -> Iterator[Event]:
        cut = None if last else _CUT.search(data, max(0, len(data) - 5_000))
        if cut is not None:
            data, self._rest = data[: cut.start()], cut[0]
        for token in _TOKEN.finditer(data):
            text = token[0]
            begin = text[:1]
            if begin == b"\n":
                yield from self._end_text()
                yield from self._new_line()
            elif begin == b"\r":
                yield from self._end_text()
            elif begin == b"\b":
                if len(text) >= len(self._text):
                    yield from self._end_text()
                else:
                    self._text = self._text[: -len(text)]
            elif begin != b"\x1b":
                self._text = (self._text + text)[: self._most]
            elif token["end"] is not None:
                yield from self._control(token["args"], token["end"])

    def _control(self, args: bytes, end: bytes) -> Iterator[Event]:
        number = int(args) if args.isdigit() and len(args) < 6 else None
        if end in b"AF":
            yield from self._end_text()
            self._row = max(0, self._lowest - MAX_REACH, self._row - (number or 1))
            up = self._lowest - self._row
            self._reach, self._quiet = up if self._quiet < 0 else max(self._reach, up), 0
            self._first = min(self._first, self._row)  # the first move up finds rows taken for final
        elif end in b"BE":
            yield from self._end_text()
            for _ in range(min(number or 1, MAX_REACH)):
                yield from self._new_line()
        elif args == b"?25" and end in b"lh":
            self._reach, self._quiet = (_LIVE_REACH, -1_000) if end == b"l" else (0, 0)
            if end == b"h":
                yield from self._finish(self._lowest)
        elif (end == b"K" and number in (1, 2)) or (end == b"G" and (number or 1) == 1):
            yield from self._end_text()

    def _end_text(self) -> Iterator[Event]:
        text, self._text = self._text, b""
        if text and not text.isspace():
            yield self._row, text, False

    def _new_line(self) -> Iterator[Event]:
        self._row += 1
        if self._row > self._lowest:
            self._lowest = self._row
            self._quiet += 1
            if self._quiet > _QUIET:
                self._reach = 0
            yield from self._finish(self._lowest - self._reach)

    def _finish(self, end: int) -> Iterator[Event]:
        """Rows before ``end`` are final."""
        for row in range(self._first, end):
            yield row, b"", True
        self._first = max(self._first, end)
