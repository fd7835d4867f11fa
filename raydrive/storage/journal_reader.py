"""Reading a journal, from the beginning or while it is being written."""

from __future__ import annotations

import os
from collections.abc import Iterator

from raydrive.core.errors import JournalError
from raydrive.core.records import Entry, load
from raydrive.storage.folder import Folder
from raydrive.storage.segments import Chain, Segment, Step, whole_lines


class JournalRewoundError(JournalError):
    """Lines that a reader has given out do not count any more; the reader has gone back to the start.

    A reader that follows a live journal sees lines before their writer knows them to be durable. When that write then
    fails, or turns out to be a late one of a superseded driver, the journal goes on from before it. Whoever folded the
    lines into a state throws the state away and reads again: the next ``read`` begins at the first entry.
    """


class JournalReader:
    """Reads the entries of a journal in order; each ``read`` goes on where the last one stopped.

    Any number of readers may read while one writer writes. The cost of a ``read`` is that of the new data, not of the
    journal. A last line that is not whole yet is left for the next time.
    """

    def __init__(self, folder: Folder | str | os.PathLike[str]) -> None:
        """Prepares to read; the folder may not exist yet.

        Args:
            folder: The journal's folder.
        """
        self._folder = folder if isinstance(folder, Folder) else Folder.open(folder)
        self._live = self._folder.local_path is not None  # segments of object stores do not grow
        self.notices: list[str] = []
        """What was left out on purpose, in words for the user: torn lines, late writes of superseded drivers."""
        self._restart()

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
        for line in self._lines():
            try:
                entry = load(line)
            except JournalError as error:
                raise self._damaged(f"line {self._line + 1} of segment {self._name()} is {error}") from error
            self._took(line)
            yield entry

    def read_lines(self) -> Iterator[bytes]:
        """Yields the new entries as lines (without the newline); cheap, as only their brackets are looked at.

        Raises:
            JournalError: As ``read``, but a line whose inside is damaged may be yielded.
            JournalRewoundError: As ``read``.
            StorageError: As ``read``.
        """
        for line in self._lines():
            if line[:1] != b"[" or line[-1:] != b"]":
                found = f"line {self._line + 1} of segment {self._name()} is not a journal entry: {line[:80]!r}"
                raise self._damaged(found)
            self._took(line)
            yield line

    def _lines(self) -> Iterator[bytes]:
        """Whole lines from the current place on; whoever takes one calls ``_took``."""
        try:
            while self._begun():
                at = self._here()
                # The tail is read before looking for a successor: what is read after a successor's header was
                # written might be a late write that the header cuts off.
                tail = b"" if self._drained else self._chain.body(at, self._offset)
                if tail is None:
                    raise JournalError(f"segment {at.name} has disappeared")
                try:
                    step = self._step(at)
                except JournalRewoundError:
                    raise
                except JournalError:
                    yield from self._part(at, tail, None)
                    raise
                if step is not None and len(tail) < step.cut - self._offset:
                    # The segment grew, and was followed, after its tail was read: what the header says is there now.
                    tail = (self._chain.body(at, self._offset) or b"")[: step.cut - self._offset]
                yield from self._part(at, tail, step)
                if step is None:
                    return
                self._enter(step.segment)
        except JournalRewoundError:
            raise
        except JournalError as error:
            raise self._damaged(str(error)) from error

    def _part(self, at: Segment, tail: bytes, step: Step | None) -> Iterator[bytes]:
        """The lines of a segment's rest that count."""
        counts = whole_lines(tail) if step is None else max(step.cut - self._offset, 0)
        if step is not None and len(tail) > counts:
            self._notice(at, tail[counts:])
        data = tail[:counts] if len(tail) >= counts else tail[: whole_lines(tail)]
        if data:
            yield from data[:-1].split(b"\n")
        self._drained = step is None and not self._live  # only now: the caller may leave before it took the last line
        if step is not None and len(tail) < counts:
            raise JournalError(f"segment {at.name} is {counts - len(tail)} bytes shorter than {step.segment.name} says")

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
                step = self._chain.step(at)
        except LookupError:
            self._rewind(at)
        if step is not None and self._offset > step.cut and self._line > 1:
            self._rewind(at)
        return step

    def _rewind(self, at: Segment) -> None:
        given = self._entries
        self._restart()
        raise JournalRewoundError(f"the last of {given} entries read up to segment {at.name} do not count; read again")

    def _restart(self) -> None:
        self._chain = Chain(self._folder)
        self._at: Segment | None = None
        self._offset = self._line = self._entries = 0
        self._drained = False

    def _begun(self) -> bool:
        if self._at is None:
            self._chain.refresh()
            first = self._chain.first()
            if first is not None:
                self._enter(first)
        return self._at is not None

    def _enter(self, segment: Segment) -> None:
        self._at, self._offset, self._line, self._drained = segment, self._chain.header_bytes(segment), 1, False

    def _took(self, line: bytes) -> None:
        self._offset += len(line) + 1
        self._line += 1
        self._entries += 1

    def _here(self) -> Segment:
        if self._at is None:
            raise JournalError("the journal is empty")
        return self._at

    def _name(self) -> str:
        return self._here().name

    def _notice(self, at: Segment, rest: bytes) -> None:
        whole = rest.count(b"\n")
        what = f"{whole} unconfirmed line{'s' * (whole != 1)}" if whole else "an unfinished line"
        self.notices.append(f"{what} ({len(rest)} bytes) at the end of segment {at.name} left out")

    def _damaged(self, what: str) -> JournalError:
        return JournalError(
            f"the journal {self._folder} is damaged: {what}. The {self._entries} entries before that can be read. "
            "Hint: restore the file from a backup of the storage, or start a new run warm-started from this one"
        )
