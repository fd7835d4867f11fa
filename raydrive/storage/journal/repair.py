"""Continues a journal from an entry in its middle, if what follows is damaged or not wanted.

Nothing is deleted: a new epoch's first header names the place that it continues after, and all readers leave out the
rest. Where that place is in a snapshot, or the snapshot itself is damaged, the entries are written again as segments
and the snapshot is set aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from raydrive.core.errors import ConfigError, DamagedJournalError, Problem
from raydrive.core.views.heartbeat import dump_heartbeat
from raydrive.core.views.summary import INTERRUPTED
from raydrive.storage.folder.base import Folder
from raydrive.storage.journal.segments import Snapshot
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.storage.run_layout import RunLayout

SET_ASIDE = "set-aside"
"""Folder, beside the journal's files, of snapshots that do not count any more."""
_LINES = 5_000
"""Lines of one append while entries are written again."""


def cut(layout: RunLayout, entries: int) -> None:
    """Makes the first entries of a journal all of it.

    Args:
        layout: The run. A driver of it that is alive writes nothing more.
        entries: How many count, 0 or more.

    Raises:
        ConfigError: If the journal has not so many that can be read.
        StorageError: If it cannot be read or written.
    """
    reader = JournalReader(layout.journal)
    count = sum(1 for _ in _first(reader, entries if entries >= 0 else None))
    if count < entries or entries < 0:
        allowed = f"0 to {count}: the number of readable entries"
        raise ConfigError(Problem("--up-to", str(entries), allowed))
    snapshots = [item.name for item in layout.journal.list("snapshot-") if Snapshot.parse(item.name)]
    place = reader.position
    if place is not None or not snapshots:
        writer = JournalWriter.open(layout.journal, after=place, anew=place is None)
        writer.close()
    else:
        writer = _write_again(layout.journal, entries)
        for name in snapshots:
            _set_aside(layout.journal, name)
    # The heartbeat counts what the journal held before.
    layout.write_driver(dump_heartbeat({"state": INTERRUPTED, "epoch": writer.epoch, "entries": entries}))


def _first(reader: JournalReader, entries: int | None) -> Iterator[bytes]:
    """The lines of the first entries (None: of all), as many as can be read."""
    lines = islice(reader.read_lines(), entries)
    while True:
        try:
            yield next(lines)
        except (StopIteration, DamagedJournalError):
            return


def _write_again(folder: Folder, entries: int) -> JournalWriter:
    with JournalWriter.open(folder, anew=True) as writer:
        lines = _first(JournalReader(folder), entries)
        while batch := [line + b"\n" for line in islice(lines, _LINES)]:
            writer.append(batch)
    return writer


def _set_aside(folder: Folder, name: str) -> None:
    content = folder.read_or_none(name)
    if content is not None:
        folder.child(SET_ASIDE).write_whole(name, content)
    folder.delete(name)
