"""The user's code: a snapshot of the source directory, its way to the trials, and each trial's working directory.

The snapshot is a zip that depends on nothing but the files' names, modes and contents; its name is its sha256, so that
what a trial runs can be compared with what was submitted. Functions travel as the bytes they were pickled to.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from raydrive.core.errors import StorageError
from raydrive.storage.folder.base import failure
from raydrive.storage.folder.contained import open_regular
from raydrive.storage.folder.current import absolute
from raydrive.storage.folder.local import sha256_of
from raydrive.storage.run_layout import Place, RunLayout, as_folder, list_experiments
from raydrive.storage.source_files import MAX_BYTES, MAX_FILES, SourceFiles, collect

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class CodeSnapshot:
    """A source directory packed into a temporary zip; ``store_code`` puts it into a run. Use as a context manager."""

    path: Path
    """The zip."""
    sha256: str
    files: int
    size: int
    """Bytes of the files, unpacked."""

    def __enter__(self) -> CodeSnapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Removes the temporary zip."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def snapshot(
    source_dir: str | os.PathLike[str],
    storage: Place | None = None,
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
) -> CodeSnapshot:
    """Packs a source directory; nothing reaches the storage yet.

    Left out: ``.git``, ``__pycache__``, ``.venv``, ``venv``, the storage itself where it lies inside, and what
    ``.raydriveignore`` names (in the syntax of ``.gitignore``; without that file ``.amlignore`` counts, then
    ``.gitignore``; only the one at the top).

    Args:
        source_dir: The directory.
        storage: The workspace's storage.
        max_bytes: Limit on the files' bytes in total.
        max_files: Limit on the number of files.

    Raises:
        ConfigError: If it is not a directory, or something in it cannot be packed (all such things are listed).
        ConfigError: If a limit is passed; names the largest files and folders.
        StorageError: If there is no room for the temporary zip.
    """
    root = absolute(os.path.expanduser(source_dir))
    source = collect(root, exclude=_storage_inside(root, storage), max_bytes=max_bytes, max_files=max_files)
    descriptor, name = tempfile.mkstemp(prefix="raydrive-code-", suffix=".zip")
    os.close(descriptor)
    path = Path(name)
    try:
        _pack(source, path)
        return CodeSnapshot(path, sha256_of(path), len(source.files), source.size)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise failure("pack the code of", str(root), error) from error
        raise


def store_code(layout: RunLayout, source: CodeSnapshot | str | os.PathLike[str]) -> str:
    """Puts a snapshot (or a directory, which is packed first) into a run; returns its sha256.

    Raises:
        ConfigError: As ``snapshot``.
        StorageError: If it cannot be written.
    """
    if not isinstance(source, CodeSnapshot):
        storage_path = layout.folder.local_path
        source = snapshot(source, storage_path.parent.parent if storage_path else None)
    with source:
        store_archive(layout, source.path, source.sha256)
    return source.sha256


def store_archive(layout: RunLayout, archive: Path, sha256: str) -> None:
    """Puts the zip of a snapshot into a run.

    Args:
        layout: The run.
        archive: The zip; it stays where it is.
        sha256: That of the zip.

    Raises:
        StorageError: If it cannot be read or written.
    """
    name = f"{sha256}.zip"
    if not layout.code.exists(name):
        layout.code.put_file(archive, name)


def unpack_code(layout: RunLayout, sha256: str, into: Path) -> Path:
    """Returns a directory with the files of a snapshot, unpacked once per ``into`` whoever asks first.

    Files larger than ``SMALL_BYTES`` are read-only: working directories link to them.

    Args:
        layout: The run.
        sha256: As ``store_code`` returned it.
        into: A cache directory of this node, shared by any number of processes; made if missing.

    Raises:
        StorageError: If the snapshot is missing or cannot be unpacked.
        StorageError: If it is not what was stored, or names files outside.
    """
    target = into / sha256
    if target.is_dir():
        return target
    room = into / f".{sha256[:16]}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    archive = room / "code.zip"
    try:
        room.mkdir(parents=True)
        layout.code.get_file(f"{sha256}.zip", archive)
        found = sha256_of(archive)
        if found != sha256:
            place = layout.code.place_of(f"{sha256}.zip")
            raise StorageError(f"the code snapshot {place} is damaged: its sha256 is {found}")
        _unpack(archive, room / "code")
        try:
            os.rename(room / "code", target)
        except OSError:
            if not target.is_dir():  # else another process was first; the files are the same
                raise
    except OSError as error:
        raise failure("unpack the code into", str(into), error) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return target


def unpack(archive: Path, target: Path) -> None:
    """Unpacks the zip of a snapshot into a new directory.

    Raises:
        StorageError: If it cannot be unpacked, or names files outside.
    """
    try:
        _unpack(archive, target)
    except OSError as error:
        raise failure("unpack the code into", str(target), error) from error


def store_function(layout: RunLayout, data: bytes) -> str:
    """Puts a pickled function into a run; returns its sha256.

    Raises:
        StorageError: If it cannot be written.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    layout.code.write_whole(f"{sha256}.pkl", data)
    return sha256


def load_function(layout: RunLayout, sha256: str) -> bytes:
    """Returns the bytes that ``store_function`` stored.

    Raises:
        StorageError: If they are missing, cannot be read, or are not what was stored.
    """
    data = layout.code.read_bytes(f"{sha256}.pkl")
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        place = layout.code.place_of(f"{sha256}.pkl")
        raise StorageError(f"the function {place} is damaged: its sha256 is {found}")
    return data


SMALL_BYTES = 1 << 20
"""Files up to this size are copied into each working directory; larger ones are links to the unpacked snapshot."""
PUBLISHED = ("outputs", "logs")
"""Folders of a working directory that are kept. A snapshot's own of these names are not carried over: they would count
as the trial's."""


def make_workdir(snapshot: Path | None, into: Path, outputs: Path, logs: Path) -> Path:
    """Makes a trial's own working directory.

    Directories are real, files up to ``SMALL_BYTES`` are copies that the trial may change, larger ones are links.

    Args:
        snapshot: What ``unpack_code`` returned; None = no code.
        into: The directory to make; it must not exist.
        outputs: What ``./outputs`` links to; made if missing.
        logs: What ``./logs`` links to; made if missing.

    Returns:
        ``into``.

    Raises:
        StorageError: If something cannot be made.
    """
    try:
        os.makedirs(into)
        for name, place in zip(PUBLISHED, (outputs, logs), strict=True):
            os.makedirs(place, exist_ok=True)
            os.symlink(os.path.abspath(place), into / name)
        if snapshot is not None:
            _populate(os.path.abspath(snapshot), str(into), skip=PUBLISHED)
    except OSError as error:
        raise failure("make the working directory", str(into), error) from error
    return into


def _populate(source: str, target: str, skip: tuple[str, ...] = ()) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.name in skip:
                continue
            goal = f"{target}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(goal)
                _populate(entry.path, goal)
            elif entry.stat(follow_symlinks=False).st_size > SMALL_BYTES:
                os.symlink(entry.path, goal)
            else:
                _copy_small(entry.path, goal)


def _copy_small(source: str, target: str) -> None:
    reader = open_regular(source, os.O_RDONLY | os.O_NOFOLLOW)  # another trial may have put a FIFO or a link there
    try:
        stat = os.fstat(reader)
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, (stat.st_mode & 0o777) | 0o200)
        try:
            while block := os.read(reader, _BLOCK):
                while block:
                    block = block[os.write(writer, block) :]
            os.utime(writer, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _storage_inside(root: Path, storage: Place | None) -> tuple[Path, ...]:
    """The folders of the storage that lie in the source directory: they are not code."""
    folder = None if storage is None else as_folder(storage)
    path = folder.local_path if folder is not None else None
    if folder is None or path is None:
        return ()
    real = Path(os.path.realpath(path))
    base = Path(os.path.realpath(root))
    if real == base:
        return tuple(base / name for name in list_experiments(folder))
    return (real,) if real.is_relative_to(base) else ()


def _pack(source: SourceFiles, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in source.empty_folders:
            entry = zipfile.ZipInfo(name + "/", _EPOCH)
            entry.create_system, entry.external_attr = 3, (0o40755 << 16) | 0x10
            archive.writestr(entry, b"")
        for file in source.files:
            entry = zipfile.ZipInfo(file.name, _EPOCH)
            entry.create_system, entry.external_attr = 3, (0o100000 | file.mode) << 16
            entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, file.size
            with open(file.path, "rb") as reader, archive.open(entry, "w") as writer:
                shutil.copyfileobj(reader, writer, _BLOCK)


def _unpack(archive: Path, target: Path) -> None:
    target.mkdir()
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                goal = target / _safe(entry, archive)
                if entry.is_dir():
                    goal.mkdir(parents=True, exist_ok=True)
                    continue
                goal.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as reader, goal.open("xb") as writer:
                    shutil.copyfileobj(reader, writer, _BLOCK)
                mode = (entry.external_attr >> 16) & 0o777 or 0o644
                goal.chmod(mode & ~0o222 if entry.file_size > SMALL_BYTES else mode | 0o400)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise StorageError(f"the code snapshot {archive.name} cannot be unpacked: {error}") from error


def _safe(entry: zipfile.ZipInfo, archive: Path) -> str:
    """The entry's name, if it stays inside; the sha256 shows what was stored, not that it is harmless."""
    parts = entry.filename.rstrip("/").split("/")
    steps = entry.filename.rstrip("/").replace("\\", "/").split("/")  # a name may have a backslash, and means no folder
    kind = (entry.external_attr >> 16) & 0o170000
    if any(part in ("", ".", "..") or "\0" in part for part in [*parts, *steps]) or kind not in (
        0,
        0o100000,
        0o040000,
    ):
        raise StorageError(f"the code snapshot {archive.name} has an entry that leads outside: {entry.filename!r}")
    return "/".join(parts)
