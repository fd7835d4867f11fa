"""Getting files into the storage: a trial's folders at its end, and its log while it grows.

Where the storage is a local directory, trials write into it and nothing here is needed. On an object store, which
cannot append, a log is kept in parts of ``LOG_PART_BYTES``: ``log-00000.txt``, ``log-00001.txt``, ..., and a log of
another name likewise: ``rank_3-00000.txt``, ... Full parts never change; the last one is put again while it grows. So
an upload never costs more than a part and what is new, and byte n of the log is found without a listing.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.core.errors import RefusedFileError, StorageError
from raydrive.storage.folder.base import Folder, failure
from raydrive.storage.folder.contained import LEAVES, LINK_TO_FOLDER, is_contained
from raydrive.storage.folder.local import open_source
from raydrive.storage.folder.names import LONGEST, legible, portable, storable, temporary, to_bytes
from raydrive.storage.run_layout import LOG_NAME

LOG_PART_BYTES = 1 << 20
DANGLING_LINK = "a dangling link"
"""What such an entry is called among those that are left out."""


def log_part(number: int, name: str = LOG_NAME) -> str:
    """Returns the name of a part of a log.

    Args:
        number: Of the part, from 0.
        name: Of the log, such as ``rank_3.txt``.
    """
    stem, dot, kind = name.rpartition(".")
    return f"{stem}-{number:05d}{dot}{kind}"


@dataclass(slots=True)
class Uploaded:
    """What ``upload_tree`` did."""

    files: int = 0
    size: int = 0
    """Bytes."""
    skipped: list[str] = field(default_factory=list)
    """Names left out, with the reason: dangling links, links to folders, sockets."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Names that the store does not take, and what is there instead."""
    missing: dict[str, str] = field(default_factory=dict)
    """Names of files that could not be copied, and why."""
    done: set[str] = field(default_factory=set)
    """Names of those that are there."""


def upload_tree(
    local: Path,
    folder: Folder,
    *,
    before: Uploaded | None = None,
    check: Callable[[], object] = lambda: None,
    last: bool = True,
    within: Sequence[Path] = (),
) -> Uploaded:
    """Copies everything below a local directory into a folder, each file whole or not at all.

    Links to files are followed, unless they lead out; empty folders are not kept, as object stores have none. A file
    that cannot be copied is among ``missing``, and the others follow. A name that an object store does not take is
    escaped (``names.py``).

    Args:
        local: The directory; one that does not exist holds nothing.
        folder: Where to.
        before: What an earlier call did; it is continued, and returned.
        check: Called when a file could not be copied; raises StorageError when that is not the file's fault: the
            storage is away.
        last: Whether a file whose name is refused is stored under a portable name. It may be that it is not the name:
            better when trying again was in vain.
        within: Folders that links may lead to; empty = the directory itself.

    Raises:
        StorageError: If ``check`` does. What ``before`` then holds is there; to call again is safe.
    """
    done = Uploaded() if before is None else before
    skipped: dict[str, str] = {}
    done.missing = {}
    roots = within or (local,)
    files = list(_files(local, skipped, done.missing, roots))
    done.skipped = [f"{legible(name)} ({kind})" for name, kind in skipped.items()]
    names = _Names(folder, {*(name for name, _ in files), *done.renamed.values()})
    for name, path in files:
        if name not in done.done:
            _upload(name, path, folder, names, done, check, last=last, within=roots)
    return done


class _Names:
    """Which names a folder gives to files, each another one."""

    def __init__(self, folder: Folder, taken: set[str]) -> None:
        self._longest = folder.longest_name
        self._local = folder.local_path is not None
        self._taken = taken

    def first(self, name: str) -> str:
        """The name to try: as it is, unless it is known that the store does not take it."""
        found = name if self._local else storable(name)
        return self._free(name, found) if self._longest is None or _bytes(found) <= self._longest else self.other(name)

    def other(self, name: str) -> str:
        """One that any store takes."""
        return self._free(name, portable(name, min(self._longest or LONGEST, LONGEST)))

    def _free(self, name: str, wanted: str) -> str:
        found, count = wanted, 1
        while found != name and found in self._taken:
            count += 1
            found = f"{wanted}~{count}"
        self._taken.add(found)
        return found


def _upload(
    name: str,
    path: Path,
    folder: Folder,
    names: _Names,
    done: Uploaded,
    check: Callable[[], object],
    *,
    last: bool,
    within: Sequence[Path],
) -> None:
    """Copies one file, or notes why that is not possible.

    Raises:
        StorageError: If ``check`` does.
    """
    first = names.first(name)
    error = _put(path, folder, first, done, within)
    if error is not None:
        check()
        if last and (other := names.other(name)) != first and _put(path, folder, other, done, within) is None:
            first, error = other, None
    if error is not None:
        done.missing[name] = reason(error)
        return
    done.files += 1
    done.done.add(name)
    if first != name:
        done.renamed[name] = first


def _put(path: Path, folder: Folder, name: str, done: Uploaded, within: Sequence[Path]) -> StorageError | None:
    try:
        done.size += folder.put_file(path, name, within=within)
    except StorageError as error:
        return error
    except (OSError, ValueError) as error:
        refused = failure("write", folder.place_of(name), error)
        refused.__cause__ = error
        return refused
    return None


def reason(error: StorageError) -> str:
    """Returns what the system or the store said, without the place, which is known where this is shown."""
    cause = error.__cause__
    text = getattr(cause, "strerror", None) or str(cause or error) or type(cause).__name__
    return legible(" ".join(re.sub(r"^When .* in bucket '[^']*': ", "", text, flags=re.DOTALL).split()))


def _bytes(name: str) -> int:
    return len(to_bytes(name))


def local_files(
    directory: Path, left_out: dict[str, str] | None = None, within: Sequence[Path] = ()
) -> Iterator[tuple[str, Path]]:
    """Yields the name below a local directory and the path of each of its files, links to files included.

    Args:
        directory: The directory; one that does not exist holds nothing.
        left_out: Gets the names of what is not a file, and what it is: a link to a folder, a dangling link, a socket.
        within: Folders that links may lead to, those to elsewhere are left out, too; empty = all are followed.

    Raises:
        StorageError: If a folder cannot be read.
    """
    unread: dict[str, str] = {}
    yield from _files(directory, {} if left_out is None else left_out, unread, within)
    for name, why in unread.items():
        raise StorageError(f"{legible(name)} is missing: {why}")


def _files(
    directory: Path, skipped: dict[str, str], unread: dict[str, str], within: Sequence[Path]
) -> Iterator[tuple[str, Path]]:
    """In the order of names; a stack, since folders may be nested deeper than Python calls."""
    roots = [str(root) for root in within]
    if roots and not is_contained(roots, str(directory)):
        skipped["."] = LEAVES
        return
    stack = [_entries(directory, "", unread)]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        name, entry = found
        if entry.is_dir(follow_symlinks=False):
            stack.append(_entries(Path(entry.path), name + "/", unread))
        elif roots and entry.is_symlink() and not is_contained(roots, entry.path):
            skipped[name] = LEAVES
        elif _is_file(entry):
            yield name, Path(entry.path)
        else:
            skipped[name] = _kind(entry)


def _entries(directory: Path, above: str, unread: dict[str, str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(directory) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        found = []
    except OSError as error:
        found = []
        unread[above or "."] = str(failure("read", str(directory), error))
    return ((above + entry.name, entry) for entry in found)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a circle of links
        return False


def _kind(entry: os.DirEntry[str]) -> str:
    """What an entry is that is not a file, for messages."""
    try:
        is_folder = stat.S_ISDIR(os.stat(entry.path).st_mode)
    except OSError:
        return DANGLING_LINK if entry.is_symlink() else "not a file"
    return LINK_TO_FOLDER if is_folder else "not a file"


class LogUploader:
    """Uploads a growing local log to an object store; call ``sync`` now and then, and once at the end."""

    def __init__(self, local: Path, folder: Folder, within: Sequence[Path] = (), name: str = LOG_NAME) -> None:
        """Prepares; nothing is copied yet.

        Args:
            local: The log. Only ever appended to, unless ``rewind`` says otherwise.
            folder: The attempt's folder in the storage.
            within: Folders that no link in the log's place may lead out of; empty = its own.
            name: Of the log in that folder, such as ``rank_3.txt`` or ``order_1.jsonl``.
        """
        self._name = name
        self._local = local
        self._within = within or (local.parent,)
        self._folder = folder
        self._sent = 0
        self._parts = 0
        """Parts that are in the storage."""
        self._lock = threading.Lock()

    @property
    def folder(self) -> Folder:
        """The attempt's folder in the storage."""
        return self._folder

    @property
    def sent(self) -> int:
        """Bytes of the log that are in the storage."""
        return self._sent

    def rewind(self, start: int) -> None:
        """Notes, from any thread, that the log has another content from this byte on, and may be shorter."""
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
            self._folder.write_whole(log_part(number, self._name), part)
            self._parts = max(self._parts, number + 1)
            with self._lock:
                if self._sent == sent:  # not rewound meanwhile
                    self._sent = start + len(part)
        while self._parts > max(1, -(-self._sent // LOG_PART_BYTES)):
            self._folder.delete(log_part(self._parts - 1, self._name))
            self._parts -= 1
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


def is_reachable(folders: Sequence[Folder]) -> None:
    """Proves that something can be written into one of some folders; what is written there no listing shows.

    Raises:
        StorageError: If that is possible in none of them; the error is that of the first.
    """
    errors: list[StorageError] = []
    for folder in folders:
        name = temporary("probe")
        try:
            folder.write_whole(name, b"raydrive", durable=False)
        except StorageError as error:
            errors.append(error)
            continue
        with contextlib.suppress(StorageError):  # a user that may write may perhaps not delete
            folder.delete(name)
        return
    if errors:
        raise errors[0]
