"""Checksums: they locate a flipped bit, a lost line of the journal or a run of zeros in it.

    [{"kind":"Reported",...}]#1a2b3c4d      the first line of an append
    [{"kind":"Reported",...}]+5e6f7a8b      each further line of the same append

The eight digits are the CRC-32 of the line up to and including the mark, begun with the checksum of the line before (of
the header for a segment's first line). So lines cannot be exchanged or left out either. Lines without a mark are those
of raydrive 0.1.0; the header of their segment has no checksum.

The mark tells a torn append from damage: an append follows only when the one before is durable. Zeros in the last
append are what a power cut leaves; zeros before a later append stand where something was acknowledged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from zlib import crc32

FIRST, FURTHER = b"#", b"+"
DIGITS = 8
_TAIL = 1 + DIGITS
_ENDED = re.compile(rb"\][#+][0-9a-f]{8}")
_APPEND = re.compile(rb"\]#[0-9a-f]{8}\n")
_ENTRY = re.compile(rb'\n\[\{"kind":"[^\0\n]*\]\n')
_CHECKED_JSON = re.compile(rb', "checksum": "([0-9a-f]{8})"\}\s*\Z')
_CHECKED_LINES = re.compile(rb"#([0-9a-f]{8})\n\Z")
_HOLE = b"\0" * 8
"""Zero bytes in a row that a write which did not end may leave; fewer are damage."""


def with_checksums(lines: Iterable[bytes], before: int) -> tuple[bytes, int]:
    """Returns the lines of one append with their checksums.

    Args:
        lines: Entries without their newlines.
        before: Checksum of the line before.

    Returns:
        The lines, each with its newline, and the checksum of the last one.
    """
    parts: list[bytes] = []
    mark = FIRST
    for line in lines:
        marked = line + mark
        before = crc32(marked, before)
        parts += (marked, b"%08x\n" % before)
        mark = FURTHER
    return b"".join(parts), before


def verified(line: bytes, before: int) -> tuple[bytes, int] | None:
    """Returns a line without its checksum, and the checksum; None if the line is not what was written.

    Args:
        line: As read, without the newline.
        before: Checksum of the line before.
    """
    found = crc32(line[:-DIGITS], before)
    if line[-DIGITS:] != b"%08x" % found or line[-_TAIL:-DIGITS] not in (FIRST, FURTHER):
        return None
    return line[:-_TAIL], found


def written(data: bytes, *, checked: bool) -> int:
    """Returns how much of a segment's end was written to its end; the rest is an append that was cut short.

    Damaged lines count: their readers find that out.

    Args:
        data: Lines, and perhaps a part of one.
        checked: Whether they have checksums.
    """
    end = data.rfind(b"\n") + 1
    hole = data.find(_HOLE, 0, end)
    if hole >= 0:
        later = (_APPEND if checked else _ENTRY).search(data, hole, end)
        return end if later else data.rfind(b"\n", 0, hole) + 1
    # A last line that lacks nothing but its newline, in whose place there is another byte, was written to its end.
    return len(data) if checked and _ENDED.fullmatch(data[-1 - _TAIL - 1 : -1]) and end < len(data) else end


def checked_json(data: bytes) -> bytes:
    """Returns the text of a JSON object with a checksum of itself as its last key."""
    return data[:-1] + b', "checksum": "%08x"}' % crc32(data) if data[-1:] == b"}" and len(data) > 2 else data


def unchecked_json(data: bytes) -> bytes | None:
    """Returns the text that ``checked_json`` was given; None if it is not what was written.

    A text without a checksum, as raydrive 0.1.0 wrote them, is returned as it is.
    """
    found = _CHECKED_JSON.search(data)
    if found is None:
        return data
    content = data[: found.start()] + b"}"
    return content if found[1] == b"%08x" % crc32(content) else None


def checked_lines(data: bytes) -> bytes:
    """Returns whole lines with a last one that is their checksum, for a file that is written at once."""
    return data + b"#%08x\n" % crc32(data)


def unchecked_lines(data: bytes) -> bytes | None:
    """Returns the lines that ``checked_lines`` was given; None if they are not what was written.

    Lines without a checksum, as raydrive 0.1.0 wrote them, are returned as they are.
    """
    found = _CHECKED_LINES.search(data)
    if found is None:
        return data
    content = data[: found.start()]
    return content if found[1] == b"%08x" % crc32(content) else None


def lines_of(data: bytes) -> list[bytes]:
    """Returns the lines of ``data`` without their newlines; the last one may lack its own."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines
