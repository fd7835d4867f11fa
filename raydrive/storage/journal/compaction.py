"""Compaction of a journal: older segments become one Parquet file, in parallel to the writer and without blocking it.

    due(folder, settled)      whether it is worth it
    compact(folder, until)    reads segments, writes the next snapshot; nothing is deleted
    prune_segments(folder)    deletes what the newest snapshot stands for, once readers had time to continue

The work is done in a separate process, so that a driver's event loop shares no interpreter with it: see
``compact_elsewhere``. That process decides nothing: it gets a settled position from the one writer (``segments.py``),
and what it writes is true whoever writes by then. Killed at any moment it leaves segments and old snapshot as they
were, beside at most a temporary file.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

from raydrive.core.errors import JournalError, StorageError
from raydrive.package_path import code_of, python_command
from raydrive.storage.folder.base import Folder, failure
from raydrive.storage.folder.open import open_folder
from raydrive.storage.journal.reader import JournalReader
from raydrive.storage.journal.segments import Chain, Position, Segment, Snapshot
from raydrive.storage.journal.snapshots import SnapshotFile, write_snapshot

DUE_BYTES = 16 << 20
DUE_OBJECTS = 256
EAGER = 4
"""At the beginning and at the end of a run, this many times less is worth it."""
_DELETING = 8
BOOT = code_of(__name__, "module.main()")
"""What ``python -c`` runs."""


def due(folder: Folder, settled: Position | None, *, eager: bool = False) -> bool:
    """Returns whether enough of a journal is in segments for the next snapshot to be worth it.

    A snapshot is written again each time, so the larger it is, the longer the wait: of all that is ever written for
    snapshots, most is the last few.

    Args:
        folder: The journal.
        settled: Up to where the next snapshot would go.
        eager: For a moment that is not to be missed: less is enough.

    Raises:
        StorageError: If the folder cannot be listed.
    """
    if settled is None:
        return False
    items = folder.list()
    named = ((Snapshot.parse(item.name), item.size) for item in items)
    snapshot, old_bytes = max(((made, size) for made, size in named if made), default=(None, 0))
    start = snapshot.until.segment if snapshot else Segment(0, 0)
    sizes = [
        item.size
        for item in items
        if (found := Segment.parse(item.name)) and found.number and start < found <= settled.segment
    ]
    share = EAGER if eager else 1
    # A snapshot is about an eighth of its lines.
    enough = sum(sizes) >= max(DUE_BYTES, 2 * old_bytes) // share
    many = folder.local_path is None and len(sizes) >= max(DUE_OBJECTS, old_bytes >> 16) // share
    return enough or many


def compact(folder: Folder, until: Position) -> Snapshot:
    """Makes a snapshot that goes as far as a settled position; returns the newest there is.

    Args:
        folder: The journal.
        until: As ``JournalWriter.settled`` says.

    Raises:
        JournalError: If the journal is damaged before that position.
        StorageError: If the storage cannot be read or written.
    """
    chain = Chain(folder)
    chain.refresh(whole=True)
    old = chain.snapshot
    if old is not None and old.until.segment >= until.segment:
        return old
    _sweep_up(folder)
    new = Snapshot(until)
    with tempfile.TemporaryDirectory(prefix="raydrive-") as scratch:
        path = Path(scratch) / new.name
        before = SnapshotFile(folder, old).tables() if old is not None else ()
        try:
            count = write_snapshot(str(path), before, JournalReader(folder).read_part(old, until))
        except OSError as error:
            raise failure("write", str(path), error) from error
        new = Snapshot(until, f"{crc32(path.read_bytes()):08x}")
        path = path.rename(Path(scratch) / new.name)
        written = SnapshotFile(open_folder(scratch), new)
        found = sum(table.num_rows for table in written.tables())  # reads all of it, so all checksums are looked at
        if found != count:
            raise JournalError(f"{new.name} reads back with {found} entries instead of {count}")
        folder.put_file(path, new.name)
    return new


def prune_segments(folder: Folder) -> int:
    """Deletes the segments and older snapshots that the newest snapshot stands for; returns how many files.

    Claims stay: they say which epochs were taken.

    Raises:
        StorageError: If the storage fails; to call again is safe.
    """
    items = folder.list()
    snapshots = sorted(one for item in items if (one := Snapshot.parse(item.name)))
    if not snapshots:
        return 0
    until = snapshots[-1].until.segment
    segments = sorted(found for item in items if (found := Segment.parse(item.name)) and found.number)
    names = [*(found.name for found in segments if found <= until), *(older.name for older in snapshots[:-1])]
    if folder.local_path is not None:
        for name in names:
            folder.delete(name)
    else:
        with ThreadPoolExecutor(_DELETING) as pool:
            list(pool.map(folder.delete, names))
    return len(names)


def _sweep_up(folder: Folder) -> None:
    """Removes what a snapshot that was interrupted left on a local disk."""
    if folder.local_path is not None:
        for path in folder.local_path.glob(".snapshot-*.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()


# ---------------------------------------------------------------------------------------------- its own process


def compact_elsewhere(folder: Folder, until: Position, limit_s: float) -> str:
    """Runs ``compact`` in a separate process, which ends at once when this one is gone, and waits for it.

    Args:
        folder: The journal.
        until: As ``JournalWriter.settled`` says.
        limit_s: Seconds after which it is given up.

    Returns:
        Why there is no new snapshot; empty when there is one.

    Raises:
        OSError: If the process cannot be started.
    """
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            python_command(sys.executable, BOOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            cwd="/",
        ) as process,
    ):
        if process.stdin is not None:
            # Not as arguments, which everybody on the machine can read: a URI may hold keys.
            task = {"folder": folder.uri, "segment": until.segment.name, "bytes": until.bytes}
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(task).encode() + b"\n")
                process.stdin.flush()
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"gave up after {limit_s:g} s"
        said.seek(0)
        last = said.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        return "" if status == 0 else " ".join(last) or f"exit status {status}"


def main() -> None:
    """Compacts the journal that stdin names."""
    with contextlib.suppress(OSError):
        os.nice(5)
    task = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_watch, daemon=True).start()
    segment = Segment.parse(task["segment"])
    if segment is None:
        raise SystemExit(f"not a segment: {task['segment']}")
    try:
        compact(open_folder(task["folder"]), Position(segment, task["bytes"]))
    except StorageError as error:
        raise SystemExit(str(error)) from error


def _watch() -> None:
    """Ends this process with the one that started it."""
    while os.read(0, 1):  # not through a buffer, whose lock would be in the way of this process's own end
        pass
    os._exit(1)
