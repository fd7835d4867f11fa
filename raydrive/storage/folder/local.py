"""Folders on a mounted file system: plain system calls, nothing else imported."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import IO

from raydrive.core.errors import RefusedFileError
from raydrive.storage.folder.base import Folder, Item, check_name, failure
from raydrive.storage.folder.contained import (
    A_FILE,
    A_FOLDER,
    is_contained,
    list_contained,
    open_contained,
    open_regular,
    open_within,
    walk_contained,
)
from raydrive.storage.folder.names import is_temporary, temporary

# What link() says where the file system has no hard links (FAT, many FUSE mounts).
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
_COPY_BYTES = 1 << 20


class LocalFolder(Folder):
    """A directory of a mounted file system (disk, NFS, FUSE)."""

    __slots__ = ("_path", "_root")

    def __init__(self, path: Path, root: Path | None = None) -> None:
        """Names a directory.

        Args:
            path: The directory.
            root: A directory above it (or itself) that no link may lead out of; None = links are followed.
        """
        self._path = path
        self._root = root

    def __reduce__(self) -> tuple[Callable[..., Folder], tuple[Path, Path | None]]:
        return LocalFolder, (self._path, self._root)

    @property
    def uri(self) -> str:
        """The absolute path."""
        return str(self._path)

    @property
    def local_path(self) -> Path:
        """The directory."""
        return self._path

    def child(self, *names: str) -> LocalFolder:
        """See ``Folder.child``."""
        return LocalFolder(self._path.joinpath(*map(check_name, names)), self._root)

    def contained(self) -> LocalFolder:
        """See ``Folder.contained``."""
        return LocalFolder(self._path, self._path)

    def read_or_none(self, name: str, start: int = 0, length: int | None = None) -> bytes | None:
        """See ``Folder.read_or_none``."""
        try:
            descriptor = self._open(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure("read", self._file(name), error) from error
        try:
            size = os.fstat(descriptor).st_size
            if self._root is not None and length is None:
                length = max(size - start, 0)  # what grows as fast as it is read has no end
            if start:
                os.lseek(descriptor, min(start, size), os.SEEK_SET)
            return _read_exactly(descriptor, length)
        except OSError as error:
            raise failure("read", self._file(name), error) from error
        finally:
            os.close(descriptor)

    def size_or_none(self, name: str) -> int | None:
        """See ``Folder.size_or_none``."""
        try:
            descriptor = self._open(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure("look at", self._file(name), error) from error
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def write_whole(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """See ``Folder.write_whole``: temporary name, fsync, rename, fsync of the directory."""
        path = self._file(name)
        with self._temporary(path, "write") as temporary:
            _write_new(temporary, data, durable=durable)
            os.replace(temporary, path)
            if durable:
                sync_directory(os.path.dirname(path))

    def create_exclusive(self, name: str, data: bytes, *, private: bool = False) -> bool:
        """See ``Folder.create_exclusive``.

        A hard link to a finished temporary file is exclusive and whole at once, on NFS too. Where there are no hard
        links it is ``O_EXCL``, and a reader may see the file before its content.
        """
        path = self._file(name)
        with self._temporary(path, "create") as temporary:
            _write_new(temporary, data, durable=True, private=private)
            try:
                os.link(temporary, path)
            except FileExistsError:
                # An NFS server may have made the link and its answer been lost: the link count tells.
                if os.stat(temporary).st_nlink != 2:
                    return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                try:
                    _write_new(path, data, durable=True, private=private)
                except FileExistsError:
                    return False
            sync_directory(os.path.dirname(path))
        return True

    def put_file(self, source: Path, name: str, *, within: Sequence[Path] = ()) -> int:
        """See ``Folder.put_file``."""
        with open_source(source, within) as reader:
            return self._put(reader, name)

    def _put(self, reader: IO[bytes], name: str) -> int:
        path = self._file(name)
        with self._temporary(path, "write") as temporary:
            size = _copy(reader, temporary)
            os.replace(temporary, path)
            sync_directory(os.path.dirname(path))
        return size

    def get_file(self, name: str, target: Path) -> int:
        """See ``Folder.get_file``."""
        try:
            descriptor = self._open(name)
        except OSError as error:
            raise failure("read", self._file(name), error) from error
        with open(descriptor, "rb", buffering=0) as reader:
            return LocalFolder(target.absolute().parent)._put(reader, target.name)

    def list(self, prefix: str = "") -> Sequence[Item]:
        """See ``Folder.list``; in a contained folder only files and folders, and what links to a file inside it."""
        return self._list_contained(self._root, prefix) if self._root is not None else self._list(prefix)

    def _list_contained(self, root: Path, prefix: str) -> Sequence[Item]:
        try:
            found = list_contained(*self._below(root))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise failure("list", self.uri, error) from error
        chosen = (item for item in found if item.name.startswith(prefix) and not is_temporary(item.name))
        return [
            Item(item.name, item.size, item.kind == A_FOLDER, item.mtime)
            for item in chosen
            if item.kind in (A_FILE, A_FOLDER)
        ]

    def _list(self, prefix: str) -> Sequence[Item]:
        items = []
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if entry.name.startswith(prefix) and not is_temporary(entry.name):
                        items.append(_item(entry))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise failure("list", self.uri, error) from error
        return sorted((item for item in items if item is not None), key=lambda item: item.name)

    def walk(self, skipped: MutableSequence[str] | None = None) -> Iterator[Item]:
        """See ``Folder.walk``; a link to a folder that it is in, itself or by another, is not followed."""
        return self._walk_contained(self._root, skipped) if self._root is not None else self._walk()

    def _walk_contained(self, root: Path, skipped: MutableSequence[str] | None) -> Iterator[Item]:
        try:
            for found in walk_contained(*self._below(root), skipped):
                if not is_temporary(found.name.rpartition("/")[2]):
                    yield Item(found.name, found.size, False, found.mtime)
        except OSError as error:
            raise failure("list", self.uri, error) from error

    def _walk(self) -> Iterator[Item]:
        around: tuple[str, ...] = (os.path.realpath(self._path),)
        stack: list[tuple[LocalFolder, str, tuple[str, ...], Iterator[Item]]] = [(self, "", around, iter(self.list()))]
        while stack:
            folder, above, around, left = stack[-1]
            item = next(left, None)
            if item is None:
                stack.pop()
            elif not item.is_dir:
                yield Item(above + item.name, item.size, False, item.mtime)
            else:
                below = folder.child(item.name)
                real = os.path.realpath(below.uri)
                if real not in around:
                    stack.append((below, f"{above}{item.name}/", (*around, real), iter(below.list())))

    def exists(self, name: str = "") -> bool:
        """See ``Folder.exists``."""
        path = self._file(name) if name else self.uri
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise failure("look at", path, error) from error
        return True

    def is_folder(self, name: str) -> bool:
        """See ``Folder.is_folder``."""
        return os.path.isdir(self._file(name))

    def delete(self, name: str) -> None:
        """See ``Folder.delete``."""
        path = self._file(name)
        self._check_inside(os.path.dirname(path))
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise failure("delete", path, error) from error

    def delete_tree(self) -> None:
        """See ``Folder.delete_tree``."""
        self._check_inside(str(self._path.parent))
        try:
            shutil.rmtree(self._path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise failure("delete", self.uri, error) from error

    def make(self, *, exclusive: bool = False) -> bool:
        """See ``Folder.make``; exclusive is certain here."""
        try:
            os.makedirs(self._path.parent, exist_ok=True)
            try:
                os.mkdir(self._path)
            except FileExistsError:
                if exclusive or self._path.is_dir():
                    return False
                raise
            sync_directory(str(self._path.parent))
        except OSError as error:
            raise failure("make the folder", self.uri, error) from error
        return True

    def _file(self, name: str) -> str:
        return f"{self._path}/{check_name(name)}"

    def _below(self, root: Path, *names: str) -> tuple[tuple[str], str]:
        """The root, and a name in this folder relative to it."""
        return (str(root),), "/".join((*self._path.relative_to(root).parts, *map(check_name, names)))

    def _open(self, name: str) -> int:
        """Opens a file for reading.

        Raises:
            RefusedFileError: If it is none, or a link leads out of the root.
            OSError: If it cannot be opened.
        """
        return open_regular(self._file(name)) if self._root is None else open_contained(*self._below(self._root, name))

    def _check_inside(self, folder: str) -> None:
        """Refuses to write and delete where a link leads out of the root.

        Raises:
            RefusedFileError: If one does.
        """
        if self._root is not None and not is_contained((str(self._root),), folder):
            raise RefusedFileError(f"cannot change {folder}: a link leads out of the run's folder {self._root}")

    @contextlib.contextmanager
    def _temporary(self, path: str, action: str) -> Iterator[str]:
        """A free name beside ``path`` (its folder is made); whatever is left of it at the end is removed."""
        folder, name = os.path.split(path)
        self._check_inside(folder)
        part = f"{folder}/{temporary(name)}"
        try:
            os.makedirs(folder, exist_ok=True)
            try:
                yield part
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(part)
        except OSError as error:
            raise failure(action, path, error) from error


def sync_directory(path: str) -> None:
    """Makes the names in a directory durable; file systems that cannot (some FUSE mounts) are left alone.

    Raises:
        OSError: If the device failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Writes every byte: ``os.write`` may stop early, as on a disk that fills up.

    Raises:
        OSError: If the system refused; part of the data may be in the file.
    """
    view = memoryview(data)
    while view:
        written = os.write(descriptor, view)
        if written == 0:
            raise OSError(errno.EIO, "nothing was written")
        view = view[written:]


def _write_new(path: str, data: bytes, *, durable: bool, private: bool = False) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if private else 0o666)
    try:
        write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_source(path: Path, within: Sequence[Path] = ()) -> IO[bytes]:
    """Opens a local file that is to be copied into a storage, without a buffer.

    Args:
        path: The file.
        within: Folders that no link may lead out of; empty = links are followed.

    Raises:
        StorageError: If it cannot be opened; the message then names it, not the copy.
        RefusedFileError: If it is not a regular file, or a link leads out of all folders of ``within``.
    """
    try:
        return open(open_within(within, path) if within else open_regular(str(path)), "rb", buffering=0)
    except OSError as error:
        raise failure("read", str(path), error) from error


def sha256_of(path: Path, within: Sequence[Path] = ()) -> str:
    """Returns the SHA-256 of a local file's content, in hexadecimal.

    Args:
        path: The file.
        within: Folders that no link may lead out of; empty = links are followed.

    Raises:
        StorageError: If it cannot be read.
        RefusedFileError: If it is not a regular file, or a link leads out of all folders of ``within``.
    """
    digest = hashlib.sha256()
    with open_source(path, within) as file:
        while block := file.read(_COPY_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _copy(reader: IO[bytes], target: str) -> int:
    size, found = 0, os.fstat(reader.fileno())
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, found.st_mode & 0o777 | 0o600)
    try:
        # What is appended meanwhile is left out: what grows as fast as it is copied has no end.
        while size < found.st_size and (block := reader.read(min(_COPY_BYTES, found.st_size - size))):
            write_all(descriptor, block)
            size += len(block)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return size


def _read_exactly(descriptor: int, length: int | None) -> bytes:
    blocks = []
    left = length
    while left is None or left > 0:
        block = os.read(descriptor, _COPY_BYTES if left is None else min(left, _COPY_BYTES))
        if not block:
            break
        blocks.append(block)
        if left is not None:
            left -= len(block)
    return b"".join(blocks)


def _item(entry: os.DirEntry[str]) -> Item | None:
    try:
        stat = entry.stat()
        is_dir = entry.is_dir()
    except FileNotFoundError:  # removed meanwhile, or a dangling link
        return None
    except OSError:
        if entry.is_symlink():  # it leads in a circle, or to where this user may not look
            return None
        raise
    if not is_dir and not S_ISREG(stat.st_mode):
        return None  # a pipe or socket: there is nothing to read, and opening it may take for ever
    return Item(entry.name, 0 if is_dir else stat.st_size, is_dir, stat.st_mtime)
