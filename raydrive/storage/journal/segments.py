"""The files of a journal and how they are linked.

    e0001-00000000.jsonl   claim of epoch 1: one line, created exclusively; the process that made it is the writer
    e0001-00000001.jsonl   first segment: a header line, twice, then entries, one a line
    e0001-00000002.jsonl   ...
    e0002-00000000.jsonl   claim of epoch 2: from now on epoch 1 is superseded
    e0002-00000001.jsonl   its header says how much of epoch 1 counts

Every header names the position it continues *after*: a segment and how many of its bytes count. So the segments form a
chain, and the chain, read from its newest end, is the journal:

- what is behind the named position does not count: a torn line, a write that failed and was made again, a late
  write of a superseded writer;
- a segment between the named one and this one does not count at all (a write whose outcome was unknown);
- a named segment that is missing or too short means damage, and so does a header of which neither copy is whole: what
  stood in that segment was acknowledged, unless a later header passes it over.

Lines and headers have checksums (``checksums.py``); those of raydrive 0.1.0 have none, and its headers stand once.

A snapshot (``snapshots.py``) may stand for the segments up to a position. It is made only for a *settled* one: a
later segment that names it as the place it continues after is durable, and no newer claim was there afterwards. Every
chain that will ever count leads through such a position, so the segments up to it can go, whoever writes by then.

Claim first, look second: a writer that finds no newer claim after its write is durable knows that the next writer will
see that write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple
from zlib import crc32

from raydrive.core.errors import DamagedJournalError
from raydrive.storage.folder.base import Folder

_SNAPSHOT = re.compile(r"snapshot-e(\d{4,})-(\d{8,})-(\d+)(?:-([0-9a-f]{8}))?\.parquet")
_NAME = re.compile(r"e(\d{4,})-(\d{8,})\.jsonl")
_HEADER = re.compile(rb'(\{"segment":[^\n]*?\})#([0-9a-f]{8})\n')
_HEADER_BYTES = 1024
_PREFETCH = 16
_FULL_LISTING_EVERY = 10
"""Refreshes. Between them a reader of an object store may miss an epoch whose first object was compacted meanwhile."""


class Segment(NamedTuple):
    """A file of the journal; ordered as written."""

    epoch: int
    """From 1; each new writer takes a higher one."""
    number: int
    """0 for the claim, data from 1."""

    @property
    def name(self) -> str:
        """The file's name."""
        return f"e{self.epoch:04d}-{self.number:08d}.jsonl"

    @classmethod
    def parse(cls, name: str) -> Segment | None:
        """Returns the segment of that name, None for other files."""
        match = _NAME.fullmatch(name)
        return cls(int(match.group(1)), int(match.group(2))) if match else None


class Position(NamedTuple):
    """A place in the journal: this many bytes of a segment."""

    segment: Segment
    bytes: int


class Snapshot(NamedTuple):
    """Stands for the older part of a journal; ordered by how far it goes."""

    until: Position
    """Every entry up to here is in it."""
    checksum: str = ""
    """CRC-32 of the file, eight hexadecimal digits; empty for one of raydrive 0.1.0."""

    @property
    def name(self) -> str:
        """The file's name."""
        segment, checksum = self.until.segment, f"-{self.checksum}" if self.checksum else ""
        return f"snapshot-e{segment.epoch:04d}-{segment.number:08d}-{self.until.bytes}{checksum}.parquet"

    @classmethod
    def parse(cls, name: str) -> Snapshot | None:
        """Returns the snapshot of that name, None for other files."""
        match = _SNAPSHOT.fullmatch(name)
        if match is None:
            return None
        epoch, number, size = map(int, match.groups()[:3])
        return cls(Position(Segment(epoch, number), size), match[4] or "")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a data segment."""

    segment: Segment
    after: Position | None
    """What this segment continues after; None for the very first."""
    writer: str
    """Random word of the writer that made it."""
    checked: bool = True
    """Whether it and the lines after it have checksums."""
    spoilt: bool = field(default=False, compare=False)
    """Whether one of its copies was damaged."""

    def dump(self) -> bytes:
        """Returns the line, twice, newlines included."""
        text = self._text()
        return b"%b#%08x\n" % (text, crc32(text)) * 2

    @property
    def checksum(self) -> int:
        """What the checksum of the segment's first line is begun with."""
        return crc32(self._text()) if self.checked else 0

    def _text(self) -> bytes:
        after = None if self.after is None else [self.after.segment.name, self.after.bytes]
        row = {"segment": self.segment.name, "after": after, "writer": self.writer}
        return json.dumps(row, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, data: bytes) -> tuple[Header, int] | None:
        """Returns the header at the beginning of a segment and its bytes; None if no copy of it is whole."""
        start = data.find(b'{"segment":', 0, _HEADER_BYTES)
        while start >= 0:
            copy = _HEADER.match(data, start, start + _HEADER_BYTES)
            if copy and copy[2] == b"%08x" % crc32(copy[1]):
                header = cls._of(copy[1], spoilt=data[: 2 * len(copy[0])] != copy[0] * 2)
                return None if header is None else (header, 2 * len(copy[0]))
            start = data.find(b'{"segment":', start + 1, _HEADER_BYTES)
        end = data.find(b"\n") + 1
        header = cls._of(data[: end - 1], checked=False) if end else None
        return None if header is None else (header, end)

    @classmethod
    def _of(cls, text: bytes, *, checked: bool = True, spoilt: bool = False) -> Header | None:
        try:
            row = json.loads(text)
            segment, after = Segment.parse(row["segment"]), None
            if row["after"] is not None:
                name, size = row["after"]
                before = Segment.parse(name)
                if before is None:
                    return None
                after = Position(before, int(size))
            return cls(segment, after, str(row["writer"]), checked, spoilt) if segment else None
        except (ValueError, TypeError, KeyError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Step:
    """How the journal continues after a segment."""

    segment: Segment
    """The next one."""
    cut: int
    """Bytes of the segment before that count."""


class Chain:
    """The segments of one journal that count, as far as looked at."""

    def __init__(self, folder: Folder, below: int | None = None) -> None:
        """Looks at a journal; call ``refresh`` first.

        Args:
            folder: The journal's folder.
            below: Only epochs below this one, as a new writer sees its predecessors.
        """
        self._folder = folder
        self._below = below
        self._local = folder.local_path is not None
        self.snapshot: Snapshot | None = None
        """The one that goes furthest, if there is one."""
        self._names: list[Segment] = []
        self._headers: dict[Segment, tuple[Header, int]] = {}
        self._bodies: dict[Segment, bytes] = {}
        self._damaged: set[Segment] = set()  # not empty, and without a whole header
        self._epochs: list[tuple[int, Position | None]] = []  # on the chain, oldest first, each with its cut
        self._refreshes = 0

    def refresh(self, *, whole: bool = False) -> None:
        """Looks for new segments: a listing, or on object stores mostly two probes.

        Args:
            whole: List in any case.

        Raises:
            StorageError: If the folder cannot be listed.
        """
        self._refreshes += 1
        snapshot = self.snapshot
        if whole or self._local or self._refreshes % _FULL_LISTING_EVERY == 1:
            items = self._folder.list()
            found = (Segment.parse(item.name) for item in items)
            names = sorted(one for one in found if one and one.number and self._looked_at(one.epoch))
            made = (Snapshot.parse(item.name) for item in items if item.size)  # empty: not there yet
            snapshot = max((one for one in made if one and self._looked_at(one.until.segment.epoch)), default=None)
        else:
            last = self._names[-1] if self._names else Segment(1, 0)
            probes = (Segment(last.epoch, last.number + 1), Segment(last.epoch + 1, 1))
            names = self._names + [segment for segment in probes if self._header(segment)]
        if names != self._names or snapshot != self.snapshot or not self._epochs:
            self._names, self.snapshot = names, snapshot
            self._epochs = self._link()

    def _looked_at(self, epoch: int) -> bool:
        return self._below is None or epoch < self._below

    def first(self) -> Segment | None:
        """Returns the first segment, None if there is none yet.

        Raises:
            JournalError: If the first one is missing or damaged.
        """
        segment = next(self._candidates(self._epochs[0][0], 0), None) if self._epochs else None
        if segment is None and self._epochs and self.snapshot is None:
            self._refuse_damaged(self._epochs[0][0], 0)
        if segment is not None:
            after = self._headers[segment][0].after
            if after is not None:
                raise DamagedJournalError(f"segment {after.segment.name} is missing or damaged")
        return segment

    def last(self) -> Segment | None:
        """Returns the newest segment, None if there is none.

        Raises:
            JournalError: If its header is damaged.
        """
        last = None
        if self._epochs:
            for last in self._candidates(self._epochs[-1][0], 0):  # noqa: B007
                pass
            known = last or (self.snapshot.until.segment if self.snapshot else Segment(0, 0))
            self._refuse_damaged(self._epochs[-1][0], known.number if known.epoch == self._epochs[-1][0] else 0)
        return last

    def step(self, at: Segment) -> Step | None:
        """Returns how the journal continues after a segment, None if it does not yet.

        Raises:
            JournalError: If the segment that comes next is missing or damaged.
            LookupError: If ``at`` does not count (any more).
        """
        place = next((index for index, (epoch, _) in enumerate(self._epochs) if epoch == at.epoch), None)
        if place is None:
            raise LookupError(at.name)
        cut = self._epochs[place][1]
        if cut is not None and at > cut.segment:
            raise LookupError(at.name)
        following = next(self._candidates(at.epoch, at.number, cut), None)
        if following is None:
            if place + 1 == len(self._epochs):
                self._refuse_damaged(at.epoch, at.number)
                return None
            following = next(self._candidates(self._epochs[place + 1][0], 0), None)
        if following is None:
            self._refuse_damaged(self._epochs[place + 1][0], 0)
            return None
        after = self._headers[following][0].after
        if after is None or after.segment > at:
            missing = after.segment.name if after else at.name
            raise DamagedJournalError(f"segment {missing} is missing or damaged: {following.name} continues after it")
        if self.snapshot is not None and after.segment == self.snapshot.until.segment and after != self.snapshot.until:
            raise DamagedJournalError(f"{following.name} does not continue where {self.snapshot.name} ends")
        return Step(following, after.bytes if after.segment == at else 0)

    def header(self, segment: Segment) -> tuple[Header, int]:
        """Returns a known segment's header, and how many bytes it takes."""
        return self._headers[segment]

    def body(self, segment: Segment, start: int) -> bytes | None:
        """Returns the content of a segment from byte ``start``; None if it is gone.

        Raises:
            StorageError: If it cannot be read.
        """
        if self._local:
            return self._folder.read_or_none(segment.name, start)
        self._fetch(segment)
        body = self._bodies.pop(segment, None)
        return None if body is None else body[start:]

    def _link(self) -> list[tuple[int, Position | None]]:
        """Follows the headers from the newest epoch back to the first.

        Where one points at what is not there, the epochs below are taken as they are: they can still be read, and
        ``step`` reports the damage where it is.
        """
        chain: list[tuple[int, Position | None]] = []
        cut: Position | None = None
        epoch = self._epoch_below(None)
        while epoch:
            first = next(self._candidates(epoch, 0), None)
            if first is None and self.snapshot is not None and epoch == self.snapshot.until.segment.epoch:
                chain.append((epoch, cut))  # what this epoch wrote is in the snapshot, and so is all before it
                break
            if first is None:
                if any(one.epoch == epoch for one in self._damaged):
                    chain.append((epoch, cut))  # ``step`` refuses where it gets there
                epoch, cut = self._epoch_below(epoch), None
                continue
            chain.append((epoch, cut))
            cut = self._headers[first][0].after
            if cut is None:
                break
            if cut.segment.epoch == epoch:
                epoch, cut = self._epoch_below(epoch), None
            else:
                epoch = cut.segment.epoch
        return chain[::-1]

    def _refuse_damaged(self, epoch: int, above: int) -> None:
        """Refuses to take a segment without a whole header for none.

        Raises:
            DamagedJournalError: If there is one in an epoch, beyond a number.
        """
        found = min((one for one in self._damaged if one.epoch == epoch and one.number > above), default=None)
        if found is not None:
            raise DamagedJournalError(f"the header of segment {found.name} is damaged")

    def _epoch_below(self, epoch: int | None) -> int:
        """The next lower epoch of which there is a file, 0 if there is none."""
        return max((name.epoch for name in self._names if epoch is None or name.epoch < epoch), default=0)

    def _candidates(self, epoch: int, above: int, cut: Position | None = None) -> Iterator[Segment]:
        """Segments of an epoch in order, those without a whole header left out."""
        for segment in self._names:
            if segment.epoch == epoch and segment.number > above and (cut is None or segment <= cut.segment):
                if self._header(segment):
                    yield segment
            elif segment.epoch > epoch:
                return

    def _header(self, segment: Segment) -> tuple[Header, int] | None:
        known = self._headers.get(segment)
        if known is None:
            if self._local:
                data = self._folder.read_or_none(segment.name, 0, _HEADER_BYTES)
            else:
                self._fetch(segment)
                data = self._bodies.get(segment)
            known = Header.parse(data) if data else None
            if known is None or known[0].segment != segment:
                # Empty for a moment while it is written, without its newline on file systems without links: or damaged.
                (self._damaged.add if data and b"\n" in data else self._damaged.discard)(segment)
                self._bodies.pop(segment, None)
                return None
            self._damaged.discard(segment)
            self._headers[segment] = known
        return known

    def _fetch(self, segment: Segment) -> None:
        """Gets an object and, at the same time, those listed after it: a round trip each would be slow."""
        if segment in self._bodies:
            return
        wanted = [segment]
        wanted += [name for name in self._names if name > segment and name not in self._bodies][: _PREFETCH - 1]
        with ThreadPoolExecutor(_PREFETCH) as pool:
            bodies = list(pool.map(self._folder.read_or_none, [name.name for name in wanted]))
        self._bodies.update((name, body) for name, body in zip(wanted, bodies, strict=True) if body)
