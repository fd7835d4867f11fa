"""The journal of a run: one writer, many readers.

A line is one *entry* (``records.dump``), a fact and the decisions it caused, with a checksum. On a local file system
the newest segment grows by whole, synced writes and is closed at ``ROLL_BYTES`` or after an error; on an object store
each append is one immutable object. ``segments.py`` describes how the segments hang together.

A file for each commit would be immutable on disks too, but costs three times an append and leaves an inode each.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import time
from collections.abc import Sequence

from raydrive.core.errors import DamagedJournalError, JournalError
from raydrive.storage.checksums import lines_of, verified, with_checksums, written
from raydrive.storage.folder.base import Folder, failure
from raydrive.storage.folder.local import write_all
from raydrive.storage.folder.open import open_folder
from raydrive.storage.journal.reader import JournalReader, JournalRewoundError
from raydrive.storage.journal.segments import Chain, Header, Position, Segment

__all__ = ["ROLL_BYTES", "JournalReader", "JournalRewoundError", "JournalWriter"]

ROLL_BYTES = 4 << 20
"""A local segment is closed before it would grow larger than this."""
CLAIM_CHECK_S = 1.0
"""Seconds between two looks at whether a claim still holds, where it cannot be made exclusively."""
sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class JournalWriter:
    """Appends to a journal. Made by ``JournalWriter.open``; not for use by several threads at once."""

    def __init__(self, folder: Folder, epoch: int, writer: str, roll_bytes: int) -> None:
        """Use ``open``; this only stores what it is given."""
        self._folder = folder
        self._directory = folder.local_path
        self._epoch = epoch
        self._writer = writer
        self._roll_bytes = roll_bytes
        self._number = 0  # highest number used, also by a write that failed
        self._end: Position | None = None  # what is durable and counts
        self._before: Position | None = None  # what the newest durable segment continues after
        self._settled: Position | None = None
        self._checksum = 0  # of the last line of the open local segment
        self._descriptor: int | None = None
        self._superseded = 0
        self._claim_checked = time.monotonic()
        self._closed = False

    @classmethod
    def open(
        cls,
        folder: Folder | str | os.PathLike[str],
        epoch: int | None = None,
        *,
        roll_bytes: int = ROLL_BYTES,
        after: Position | None = None,
        anew: bool = False,
    ) -> JournalWriter:
        """Takes charge of a journal: any other writer's next append fails from now on.

        After it returned, a new ``JournalReader`` reads exactly what earlier writers left and this one continues after.

        Args:
            folder: The journal's folder; made if missing.
            epoch: The epoch to claim, if the caller has it; by default whichever is.
            roll_bytes: Size at which a local segment is closed, > 0.
            after: Where to continue; what is behind does not count any more. By default at the journal's end.
            anew: Whether nothing that was written before counts any more.

        Raises:
            JournalError: If ``epoch`` is not the next one (any more).
            DamagedJournalError: If the journal's end is damaged; ``after`` leaves the damage out.
            StorageError: If the folder cannot be read or written. A later try takes a higher epoch.
        """
        place = folder if isinstance(folder, Folder) else open_folder(folder)
        writer = secrets.token_hex(8)
        self = cls(place, _claim(place, epoch, writer), writer, roll_bytes)
        self._end = None if anew else after or _end_of(place, self._epoch)
        if self._directory is None:
            self._put([])
            self._fence()
        else:
            self._roll()
            self._fence()
            self._settled = self._before
        return self

    @property
    def epoch(self) -> int:
        """The epoch of this writer, from 1."""
        return self._epoch

    @property
    def settled(self) -> Position | None:
        """Up to where a snapshot may stand for the journal, see ``segments.py``; None when nowhere yet."""
        return self._settled

    def append(self, lines: Sequence[str | bytes]) -> None:
        """Appends entries in one durable write.

        When it returns, all lines are on disk and count; a later driver will see them. When it raises StorageError,
        none count, and the writer can be used again. (After a crash in between, some of the first may count.)

        Args:
            lines: Entries as ``records.dump`` gives them, each with its newline.

        Raises:
            ValueError: If one of them is not a single line.
            JournalError: If another writer took a higher epoch: this one must do nothing more.
            StorageError: If they could not be written (disk full, storage away).
        """
        bodies = _bodies(lines)
        if self._superseded:
            raise self._superseded_error()
        if self._closed:
            raise JournalError(f"the journal {self._folder} was closed by its writer")
        if not bodies:
            return
        if self._directory is None:
            self._put(bodies)
        else:
            self._grow(bodies)

    def check(self) -> None:
        """Looks whether another writer has taken over, as each append does; for a writer with nothing to write.

        Raises:
            JournalError: If another writer took a higher epoch.
            StorageError: If the folder cannot be read.
        """
        self._fence()

    def close(self) -> None:
        """Ends the use of this writer. The epoch stays claimed."""
        self._closed = True
        self._drop_descriptor()

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _grow(self, bodies: Sequence[bytes]) -> None:
        """Appends to the newest local segment."""
        data, checksum = with_checksums(bodies, self._checksum)
        full = self._end is not None and self._end.bytes + len(data) > self._roll_bytes
        if self._descriptor is None or full:
            self._roll()
            data, checksum = with_checksums(bodies, self._checksum)
        descriptor, end = self._descriptor, self._end
        if descriptor is None or end is None:
            raise JournalError(f"the journal {self._folder} has no segment to append to")
        writing = True
        try:
            write_all(descriptor, data)
            writing = False
            sync(descriptor)
            if not os.fstat(descriptor).st_nlink:
                raise JournalError(f"{self._folder.place_of(end.segment.name)} was deleted: the run cannot be recorded")
            self._fence()
            self._settled = self._before
        except BaseException as error:
            # What reached the file does not count (after a failed sync that is unknown): the next append continues
            # in a new segment, whose header leaves it out. It is not cut off here, since the next driver may have
            # counted it already. A disk so full that nothing was written does not cost a segment.
            if not (writing and _size(descriptor) == end.bytes):
                self._drop_descriptor()
            if isinstance(error, OSError):
                raise failure("append to", self._folder.place_of(end.segment.name), error) from error
            raise
        self._end, self._checksum = Position(end.segment, end.bytes + len(data)), checksum

    def _roll(self) -> None:
        """Begins a new local segment."""
        self._drop_descriptor()
        header = self._next_header()
        name, line = header.segment.name, header.dump()
        if not self._folder.create_exclusive(name, line):
            raise JournalError(
                f"another writer made {self._folder.place_of(name)} under this writer's epoch {self._epoch}"
            )
        path = f"{self._directory}/{name}"
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise failure("append to", path, error) from error
        self._before, self._end, self._checksum = self._end, Position(header.segment, len(line)), header.checksum

    def _put(self, bodies: Sequence[bytes]) -> None:
        """Writes an object of its own. One whose outcome is unknown is left out by the next one's header."""
        header = self._next_header()
        body = header.dump() + with_checksums(bodies, header.checksum)[0]
        self._folder.write_whole(header.segment.name, body)
        self._fence()
        self._settled, self._end = self._end, Position(header.segment, len(body))

    def _next_header(self) -> Header:
        self._number += 1
        return Header(Segment(self._epoch, self._number), self._end, self._writer)

    def _fence(self) -> None:
        """Looks, after each durable write, whether another writer has taken over.

        An NFS client may answer from its cache that there is no new claim, for as long as it caches directories
        (``acdirmax``, 60 s): an old driver on a node that came back learns it that much later. What it appends until
        then is left out by every reader, as the new epoch's header says.
        """
        # Reading asks an object store once; ``exists`` would ask again whether there is a folder of that name.
        if self._folder.read_or_none(Segment(self._epoch + 1, 0).name) is not None:
            found = (Segment.parse(item.name) for item in self._folder.list("e"))
            self._superseded = max(segment.epoch for segment in found if segment)
        elif self._directory is None and time.monotonic() - self._claim_checked > CLAIM_CHECK_S:
            # Object stores cannot create exclusively for certain: the last of two claims of one epoch holds.
            claim = self._folder.read_or_none(Segment(self._epoch, 0).name)
            self._claim_checked = time.monotonic()
            if claim is not None and self._writer.encode() not in claim:
                self._superseded = self._epoch
        if self._superseded:
            raise self._superseded_error()

    def _superseded_error(self) -> JournalError:
        return JournalError(
            f"superseded by epoch {self._superseded}: another driver took over {self._folder}; "
            f"this one (epoch {self._epoch}) writes no more"
        )

    def _drop_descriptor(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


def _size(descriptor: int) -> int:
    with contextlib.suppress(OSError):
        return os.fstat(descriptor).st_size
    return -1


def _bodies(lines: Sequence[str | bytes]) -> list[bytes]:
    """The entries without their newlines."""
    try:
        data = "".join(lines).encode()  # type: ignore[arg-type]
    except TypeError:
        data = b"".join(line.encode() if isinstance(line, str) else line for line in lines)
    bodies = data.split(b"\n")
    if bodies.pop() or len(bodies) != len(lines) or {line[-1:] for line in lines} - {"\n", b"\n"}:
        bad = next((line for line in lines if line[-1:] not in ("\n", b"\n") or len(line.splitlines()) != 1), "")
        raise ValueError(f"an entry is one line with its newline, got {bad[:80]!r}")
    return bodies


def _claim(folder: Folder, wanted: int | None, writer: str) -> int:
    for _ in range(100):  # each round that fails, another writer has claimed one
        found = [Segment.parse(item.name) for item in folder.list("e")]
        epoch = max((segment.epoch for segment in found if segment), default=0) + 1
        if wanted is not None and epoch != wanted:
            raise JournalError(f"cannot take epoch {wanted} of the journal {folder}: the next free one is {epoch}")
        row = {"claim": epoch, "writer": writer, "host": socket.gethostname(), "pid": os.getpid(), "at": time.time()}
        if folder.create_exclusive(Segment(epoch, 0).name, json.dumps(row).encode() + b"\n"):
            return epoch
    raise JournalError(f"cannot take over the journal {folder}: other drivers keep claiming it")


def _end_of(folder: Folder, epoch: int) -> Position | None:
    """Returns where the epochs below ``epoch`` end: after their last whole line.

    Raises:
        DamagedJournalError: If their last segment is damaged: where they end is not known then.
    """
    chain = Chain(folder, below=epoch)
    chain.refresh()
    last = chain.last()
    if last is None:
        return chain.snapshot.until if chain.snapshot else None
    header, start = chain.header(last)
    whole = chain.body(last, 0) or b""
    body = whole[start:]
    body = body[: written(body, checked=header.checked)]
    checksum = header.checksum
    for number, line in enumerate(lines_of(body) if header.checked else [], 1):
        found = verified(line, checksum)
        if found is None:
            raise DamagedJournalError(f"entry {number} of segment {last.name} is damaged: {line[:80]!r}")
        checksum = found[1]
    return Position(last, min(start, len(whole)) + len(body))
