"""Getting files into the storage: a trial's folders at its end, and its log while it grows.

Where the storage is a local directory, trials write into it and nothing here is needed. On an object store, which
cannot append, a log is kept in parts of ``LOG_PART_BYTES``: ``log-00000.txt``, ``log-00001.txt``, ... Full parts never
change; the last one is put again while it grows. So an upload never costs more than a part and what is new, and byte n
of the log is found without a listing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.core.errors import StorageError
from raydrive.storage.folder import Folder, failure

LOG_PART_BYTES = 1 << 20


def log_part(number: int) -> str:
    """Returns the name of a part of a log, from 0."""
    return f"log-{number:05d}.txt"


@dataclass(slots=True)
class Uploaded:
    """What ``upload_tree`` did."""

    files: int = 0
    size: int = 0
    """Bytes."""
    skipped: list[str] = field(default_factory=list)
    """Names left out, with the reason: dangling links, links to folders, sockets."""


def upload_tree(local: Path, folder: Folder) -> Uploaded:
    """Copies everything below a local directory into a folder, each file whole or not at all.

    Links to files are followed; empty folders are not kept, as object stores have none.

    Args:
        local: The directory; one that does not exist holds nothing.
        folder: Where to.

    Raises:
        StorageError: If a file cannot be copied. Those before it are there; to call again is safe.
    """
    done = Uploaded()
    for name, path in _files(local, "", done.skipped):
        done.size += folder.put_file(path, name)
        done.files += 1
    return done


def local_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yields the name below a local directory and the path of each of its files, links to files included.

    Raises:
        StorageError: If a folder cannot be read.
    """
    return _files(directory, "", [])


def _files(directory: Path, above: str, skipped: list[str]) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(directory) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failure("read", str(directory), error) from error
    for entry in found:
        name = above + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), name + "/", skipped)
        elif entry.is_file():
            yield name, Path(entry.path)
        else:
            kind = "a link to a folder" if entry.is_dir() else "a dangling link" if entry.is_symlink() else "not a file"
            skipped.append(f"{name} ({kind})")


class LogUploader:
    """Brings a growing local log to an object store; call ``sync`` now and then, and once at the end."""

    def __init__(self, local: Path, folder: Folder) -> None:
        """Prepares; nothing is copied yet.

        Args:
            local: The log. Only ever appended to, unless ``rewind`` says otherwise.
            folder: The attempt's folder in the storage.
        """
        self._local = local
        self._folder = folder
        self._sent = 0
        self._parts = 0
        """Parts that are in the storage."""
        self._lock = threading.Lock()

    @property
    def sent(self) -> int:
        """Bytes of the log that are in the storage."""
        return self._sent

    def rewind(self, start: int) -> None:
        """Told, by any thread, that the log has another content from this byte on, and may be shorter."""
        with self._lock:
            self._sent = min(self._sent, start)

    def sync(self) -> int:
        """Uploads what is new; returns how many bytes that were, 0 or less when the log has become shorter.

        Raises:
            StorageError: If it could not be written. The next call begins where this one got to.
        """
        before = self._sent
        try:
            size = os.stat(self._local).st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise failure("read", str(self._local), error) from error
        while self._sent < size:
            sent = self._sent
            number = sent // LOG_PART_BYTES
            start = number * LOG_PART_BYTES
            part = self._read(start)
            if start + len(part) <= sent:
                break
            self._folder.write_whole(log_part(number), part)
            self._parts = max(self._parts, number + 1)
            with self._lock:
                if self._sent == sent:  # not rewound meanwhile
                    self._sent = start + len(part)
        while self._parts > max(1, -(-self._sent // LOG_PART_BYTES)):
            self._folder.delete(log_part(self._parts - 1))
            self._parts -= 1
        return self._sent - before

    def _read(self, start: int) -> bytes:
        try:
            with self._local.open("rb") as file:
                file.seek(start)
                return file.read(LOG_PART_BYTES)
        except OSError as error:
            raise failure("read", str(self._local), error) from error


def check_writable(folder: Folder) -> None:
    """Proves that a folder can be written, read and cleaned from here.

    Raises:
        StorageError: If one of them fails.
    """
    name = f"probe-{os.getpid()}-{os.urandom(4).hex()}"
    folder.write_whole(name, b"raydrive")
    found = folder.read_or_none(name)
    folder.delete(name)
    if found != b"raydrive":
        raise StorageError(f"cannot rely on {folder}: what was written there a moment ago reads back as {found!r}")
