"""Getting files into the storage: a trial's folders at its end, and its log while it grows.

Where the storage is a local directory, trials write into it and nothing here is needed. On an object store, which
cannot append, a log is kept in parts of ``LOG_PART_BYTES``: ``log-00000.txt``, ``log-00001.txt``, ... Full parts never
change; the last one is put again while it grows. So an upload never costs more than a part and what is new, and byte n
of the log is found without a listing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.core.errors import RefusedFileError, StorageError
from raydrive.storage.contained import is_contained
from raydrive.storage.folder import Folder, failure
from raydrive.storage.local import open_source

LOG_PART_BYTES = 1 << 20
LEAVES = " (a link that leaves the folder of the run)"
"""Why a link is left out."""


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


def upload_tree(local: Path, folder: Folder, within: Sequence[Path] = ()) -> Uploaded:
    """Copies everything below a local directory into a folder, each file whole or not at all.

    Links to files are followed, unless they lead out; empty folders are not kept, as object stores have none.

    Args:
        local: The directory; one that does not exist holds nothing.
        folder: Where to.
        within: Folders that links may lead to; empty = the directory itself.

    Raises:
        StorageError: If a file cannot be copied. Those before it are there; to call again is safe.
    """
    done, roots = Uploaded(), within or (local,)
    for name, path in _files(local, "", done.skipped, roots):
        try:
            done.size += folder.put_file(path, name, within=roots)
        except RefusedFileError as error:  # replaced since it was listed
            done.skipped.append(f"{name} ({error})")
            continue
        done.files += 1
    return done


def local_files(directory: Path, within: Sequence[Path] = ()) -> Iterator[tuple[str, Path]]:
    """Yields the name below a local directory and the path of each of its files, links to files included.

    Args:
        directory: The directory; one that does not exist holds nothing.
        within: Folders that links may lead to; empty = all are followed.

    Raises:
        StorageError: If a folder cannot be read.
        RefusedFileError: If the directory is a link to elsewhere, or one is in it; that after all files.
    """
    skipped: list[str] = []
    yield from _files(directory, "", skipped, within)
    leaving = [text for text in skipped if text.endswith(LEAVES)]
    if leaving:
        raise RefusedFileError(f"cannot read all of {directory}: {', '.join(leaving[:10])}")


def _files(directory: Path, above: str, skipped: list[str], within: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    if within and not above and not is_contained([str(root) for root in within], str(directory)):
        skipped.append(f"{directory.name}{LEAVES}")
        return
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
            yield from _files(Path(entry.path), name + "/", skipped, within)
        elif within and entry.is_symlink() and not is_contained([str(root) for root in within], entry.path):
            skipped.append(f"{name}{LEAVES}")
        elif entry.is_file():
            yield name, Path(entry.path)
        else:
            kind = "a link to a folder" if entry.is_dir() else "a dangling link" if entry.is_symlink() else "not a file"
            skipped.append(f"{name} ({kind})")


class LogUploader:
    """Brings a growing local log to an object store; call ``sync`` now and then, and once at the end."""

    def __init__(self, local: Path, folder: Folder, within: Sequence[Path] = ()) -> None:
        """Prepares; nothing is copied yet.

        Args:
            local: The log. Only ever appended to.
            folder: The attempt's folder in the storage.
            within: Folders that no link in the log's place may lead out of; empty = its own.
        """
        self._local = local
        self._within = within or (local.parent,)
        self._folder = folder
        self._sent = 0

    @property
    def sent(self) -> int:
        """Bytes of the log that are in the storage."""
        return self._sent

    def sync(self) -> int:
        """Uploads what is new; returns how many bytes that were.

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
            number = self._sent // LOG_PART_BYTES
            start = number * LOG_PART_BYTES
            part = self._read(start)
            if start + len(part) <= self._sent:
                break
            self._folder.write_whole(log_part(number), part)
            self._sent = start + len(part)
        return self._sent - before

    def _read(self, start: int) -> bytes:
        try:
            with open_source(self._local, self._within) as file:
                file.seek(start)
                return file.read(LOG_PART_BYTES)
        except RefusedFileError:  # the trial has put something else there: nothing of that is brought anywhere
            return b""
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
