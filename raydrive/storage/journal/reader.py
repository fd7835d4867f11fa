"""Reading a journal, from the beginning or while it is being written.

A reader begins with the newest snapshot, if there is one, and continues with the segments after it. One that is in the
middle of segments when they are compacted and deleted continues in the snapshot, at the entry it had got to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from raydrive.core.errors import DamagedJournalError, JournalError, NonsenseError
from raydrive.core.records import Entry, dump, load
from raydrive.core.sweep.report_block import Block
from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.checksums import lines_of, verified, written
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.journal.segments import Chain, Position, Segment, Snapshot, Step
from raydrive.storage.journal.snapshots import SnapshotFile, SnapshotGoneError

_Given = Entry | bytes | None


class JournalRewoundError(JournalError):
    """Lines that a reader has given out do not count any more; the reader has gone back to the start.

    A reader that follows a live journal sees lines before their writer knows them to be durable. When that write then
    fails, or turns out to be a late one of a superseded driver, the journal continues from before it. Whoever folded
    the lines into a state throws the state away and reads again: the next ``read`` begins at the first entry.
    """


class _OvertakenError(Exception):
    """The segment the reader is in, or one after it, is gone: a snapshot stands for it."""


class JournalReader:
    """Reads the entries of a journal in order; each ``read`` continues where the last one stopped.

    Any number of readers may read while one writer writes. The cost of a ``read`` is that of the new data, not of the
    journal. A last line that is not whole yet is left for the next time.
    """

    def __init__(self, folder: Folder | str | os.PathLike[str]) -> None:
        """Prepares to read; the folder may not exist yet.

        Args:
            folder: The journal's folder.
        """
        self._folder = folder if isinstance(folder, Folder) else open_folder(folder)
        self._live = self._folder.local_path is not None  # segments of object stores do not grow
        self._chain = Chain(self._folder)
        self._at: Segment | None = None
        self._inside: Snapshot | None = None
        """The snapshot it is in."""
        self._sealed = False
        """Set at the end of a snapshot, before the segment that comes next."""
        self._drained = False
        self._until: Segment | None = None
        self._offset = self._line = self._entries = 0
        self._header_lines = 0
        self._checked = False  # whether the lines of the segment have checksums
        self._checksum = 0
        self._ahead = (0, 0)
        """Bytes and checksum of the line that is being given out."""
        self._last: _Given = None
        """The entry given last; None when there is no doubt that it counts."""
        self.notices: list[str] = []
        """What was left out on purpose, in words for the user: torn lines, late writes of superseded drivers."""
        self.unfinished = ""
        """What is behind the last entry and is none: an append that was cut short, or is being written."""

    @property
    def entries(self) -> int:
        """Entries given out so far."""
        return self._entries

    @property
    def epoch(self) -> int:
        """The epoch of the segment the reader is in; 0 before the first."""
        return self._at.epoch if self._at else 0

    def read(self) -> Iterator[Entry]:
        """Yields the entries that are new since the last call.

        Raises:
            JournalError: If a line in the middle is not an entry; names the segment, the line and how many entries
                came before it.
            JournalError: If a segment is missing or shorter than its successor says.
            JournalRewoundError: If entries given out before do not count any more.
            StorageError: If the storage cannot be read.
        """
        for piece in self._pieces("entries"):
            if isinstance(piece, bytes):
                yield self._entry(piece)
            else:
                self._entries += 1
                self._last = piece
                yield piece

    def read_blocks(self) -> Iterator[Entry | Block]:
        """Yields the new entries, many at once where a snapshot has them in columns; for ``Sweep.follow``.

        Raises:
            JournalError: As ``read``.
            JournalRewoundError: As ``read``.
            StorageError: As ``read``.
        """
        for piece in self._pieces("blocks"):
            if isinstance(piece, bytes):
                yield self._entry(piece)
            elif isinstance(piece, Block):
                self._entries += piece.entries
                self._last = None
                yield piece
            else:
                for entry in piece:
                    self._entries += 1
                    self._last = entry
                    yield entry

    def follow(self, sweep: Sweep) -> None:
        """Folds the new entries into a sweep.

        Raises:
            JournalError: As ``read``, and if an entry makes no sense after those before it; the sweep holds those.
            JournalRewoundError: As ``read``.
            StorageError: As ``read``.
        """
        try:
            sweep.follow(self.read_blocks())
        except NonsenseError as error:
            self._entries -= error.entries
            raise self._damaged(f"{self._name()} contains an invalid entry: {error}") from error

    @property
    def position(self) -> Position | None:
        """Where the entry given last ends; None in a snapshot and before the first entry."""
        return Position(self._at, self._offset) if self._at is not None and self._inside is None else None

    def read_lines(self) -> Iterator[bytes]:
        """Yields the new entries as lines (without the newline); cheap, as only their brackets are looked at.

        Raises:
            JournalError: As ``read``, but a line whose inside is damaged may be yielded.
            JournalRewoundError: As ``read``.
            StorageError: As ``read``.
        """
        for line in self._pieces("lines"):
            if self._inside is not None:
                self._entries += 1
                self._last = line
            elif isinstance(line, bytes) and line[:1] == b"[" and line[-1:] == b"]":
                self._took(line)
            else:
                found = f"line {self._line + 1} of segment {self._name()} is not a journal entry: {line[:80]!r}"
                raise self._damaged(found)
            yield line

    def read_part(self, after: Snapshot | None, until: Position) -> Iterator[bytes]:
        """Yields the lines between a snapshot (or the very beginning) and a settled position, from segments.

        Only for a reader that has not begun.

        Raises:
            JournalError: As ``read_lines``, and if the segments do not lead to that position.
            StorageError: As ``read_lines``.
        """
        self._chain.refresh(whole=True)
        self._until = until.segment
        if after is not None:
            self._leave_snapshot(after)
        else:
            first = self._chain.first()
            if first is not None:
                self._enter(first)
        try:
            for line in self._lines():
                self._took(line)
                yield line
        except _OvertakenError as error:
            raise JournalError(f"segment {error} has disappeared") from error
        if self._at is None or (self._at, self._offset) != until:
            raise JournalError(
                f"the journal {self._folder} does not lead to byte {until.bytes} of {until.segment.name}"
            )

    def _entry(self, line: bytes) -> Entry:
        try:
            entry = load(line)
        except JournalError as error:
            raise self._damaged(f"line {self._line + 1} of segment {self._name()} is {error}") from error
        self._took(line)
        return entry

    def _verified(self, line: bytes) -> bytes:
        """The entry of a line as it is in a segment.

        Raises:
            DamagedJournalError: If it is not what was written.
        """
        if not self._checked:
            self._ahead = (len(line) + 1, 0)
            return line
        found = verified(line, self._checksum)
        if found is None:
            raise DamagedJournalError(
                f"line {self._line + 1} of segment {self._name()} is not what was written: {line[:40]!r}..."
            )
        self._ahead = (len(line) + 1, found[1])
        return found[0]

    def _pieces(self, form: str) -> Iterator[Any]:
        """What comes next, from snapshot and segments, again and again where a snapshot has overtaken the reader."""
        while True:
            try:
                if self._begun() and self._inside is not None:
                    yield from self._snapshot_pieces(self._inside, form)
                yield from self._lines()
            except (_OvertakenError, SnapshotGoneError):
                self._overtaken()
            except JournalRewoundError:
                raise
            except JournalError as error:
                raise self._damaged(str(error)) from error
            else:
                return

    def _snapshot_pieces(self, snapshot: Snapshot, form: str) -> Iterator[Any]:
        file = SnapshotFile(self._folder, snapshot)
        if form == "blocks":
            yield from file.blocks_from(self._entries)
        elif form == "lines":
            yield from file.lines_from(self._entries)
        else:
            yield from file.entries_from(self._entries)
        self._leave_snapshot(snapshot)

    def _overtaken(self) -> None:
        """Finds the entry the reader had got to in a snapshot that goes further."""
        at, given, inside, last = self._at, self._entries, self._inside, self._last
        self._restart()
        self._chain.refresh(whole=True)
        snapshot = self._chain.snapshot
        if snapshot in (None, inside) or (at is not None and snapshot.until.segment < at):
            what = f"segment {at.name}" if inside is None and at else inside.name if inside else "the journal"
            self._entries = given
            raise self._damaged(f"{what} has disappeared")
        # Of what was read from a snapshot, or of nothing, there is no doubt; else the last entry tells.
        if given and inside is None and not self._gives(snapshot, given - 1, last):
            raise JournalRewoundError(f"the last of {given} entries are no longer valid; read again")
        self._entries, self._last = given, last
        self._enter_snapshot(snapshot)

    def _gives(self, snapshot: Snapshot, index: int, last: _Given) -> bool:
        if last is None:
            return True
        found = next(SnapshotFile(self._folder, snapshot).lines_from(index), None)
        return found == (last if isinstance(last, bytes) else dump(*last).encode()[:-1])

    def _lines(self) -> Iterator[bytes]:
        """Whole lines of segments from the current place on; whoever takes one calls ``_took``."""
        while self._begun():
            at = self._here()
            # The tail is read before looking for a successor: what is read after a successor's header was
            # written might be a late write that the header cuts off.
            tail = b"" if self._drained or self._sealed else self._body(at)
            try:
                step = self._step(at)
            except JournalRewoundError:
                raise
            except JournalError:
                yield from self._part(at, tail, None)
                raise
            if step is not None and len(tail) < step.cut - self._offset:
                # The segment grew, and was followed, after its tail was read: what the header says is there now.
                tail = self._body(at)[: step.cut - self._offset]
            yield from self._part(at, tail, step)
            if step is None or at == self._until:
                return
            self._enter(step.segment)

    def _body(self, at: Segment) -> bytes:
        body = self._chain.body(at, self._offset)
        if body is None:
            raise _OvertakenError(at.name)
        return body

    def _part(self, at: Segment, tail: bytes, step: Step | None) -> Iterator[bytes]:
        """The lines of a segment's rest that count."""
        whole = written(tail, checked=self._checked)
        counts = whole if step is None else max(step.cut - self._offset, 0)
        rest = tail[counts:]
        if step is not None and rest:
            self.notices.append(_left_out(at, rest))
        self.unfinished = _left_out(at, rest) if step is None and rest else ""
        for line in lines_of(tail[: min(counts, whole)] if len(tail) < counts else tail[:counts]):
            yield self._verified(line)
        self._drained = step is None and not self._live  # only now: the caller may leave before it took the last line
        if step is not None and len(tail) < counts:
            short = f"{counts - len(tail)} bytes shorter than {step.segment.name} says"
            raise DamagedJournalError(f"segment {at.name} is {short}")

    def _step(self, at: Segment) -> Step | None:
        try:
            try:
                step = self._chain.step(at)
                if step is None:
                    self._chain.refresh()
                    step = self._chain.step(at)
            except (JournalError, LookupError):
                # Probes, and listings made while files are, may show a later segment and not the one before it.
                self._chain.refresh(whole=True)
                if self._chain.snapshot is not None and self._chain.snapshot.until.segment > at:
                    raise _OvertakenError(at.name) from None
                step = self._chain.step(at)
        except LookupError:
            self._rewind(at)
        if step is not None and self._offset > step.cut and self._line > self._header_lines:
            self._rewind(at)
        return step

    def _rewind(self, at: Segment) -> None:
        given = self._entries
        self._restart()
        raise JournalRewoundError(f"the last of {given} entries read up to segment {at.name} do not count; read again")

    def _restart(self) -> None:
        self._chain = Chain(self._folder)
        self._at = self._inside = self._until = None
        self._sealed = self._drained = False
        self._offset = self._line = self._entries = 0
        self._last = None

    def _begun(self) -> bool:
        if self._at is None:
            self._chain.refresh()
            if self._chain.snapshot is None:
                try:
                    first = self._chain.first()
                except JournalError:
                    # Perhaps it was compacted and deleted between the listing and the look into it.
                    self._chain.refresh(whole=True)
                    first = self._chain.first() if self._chain.snapshot is None else None
                if first is not None:
                    self._enter(first)
            if self._chain.snapshot is not None:
                self._enter_snapshot(self._chain.snapshot)
        return self._at is not None

    def _enter_snapshot(self, snapshot: Snapshot) -> None:
        self._inside, self._at = snapshot, snapshot.until.segment

    def _leave_snapshot(self, snapshot: Snapshot) -> None:
        """Goes to where the first segment after it begins."""
        self._inside, self._sealed = None, True
        self._at, self._offset = snapshot.until
        self._line = self._header_lines = 1

    def _enter(self, segment: Segment) -> None:
        header, self._offset = self._chain.header(segment)
        self._at = segment
        self._line = self._header_lines = 2 if header.checked else 1
        self._checked, self._checksum = header.checked, header.checksum
        self._drained = self._sealed = False
        if header.spoilt:
            self.notices.append(f"one of the two headers of segment {segment.name} is damaged; the other one was used")

    def _took(self, line: bytes) -> None:
        read, self._checksum = self._ahead
        self._offset += read
        self._line += 1
        self._entries += 1
        self._last = line

    def _here(self) -> Segment:
        if self._at is None:
            raise JournalError("the journal is empty")
        return self._at

    def _name(self) -> str:
        return self._inside.name if self._inside else self._here().name

    def _damaged(self, what: str) -> DamagedJournalError:
        count = self._entries
        error = DamagedJournalError(
            f"the journal {self._folder} is damaged: {what}. The {count} entries before that can be read. Hint: "
            f"restore the file from a backup of the storage, or resume from there: raydrive resume RUN --up-to {count}"
        )
        error.readable = count
        return error


def _left_out(at: Segment, rest: bytes) -> str:
    whole = rest.count(b"\n")
    what = f"{whole} unconfirmed line{'s' * (whole != 1)}" if whole else "an unfinished line"
    return f"{what} ({len(rest)} bytes) at the end of segment {at.name} ignored"
