"""Folders on a mounted file system: plain system calls, nothing else imported."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import IO

from raydrive.storage.folder import Folder, Item, check_name, failure
from raydrive.storage.names import is_temporary, temporary

# What link() says where the file system has no hard links (FAT, many FUSE mounts).
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
_COPY_BYTES = 1 << 20


class LocalFolder(Folder):
    """A directory of a mounted file system (disk, NFS, FUSE)."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Folder], tuple[str]]:
        return Folder.open, (str(self._path),)

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
        return LocalFolder(self._path.joinpath(*map(check_name, names)))

    def read_or_none(self, name: str, start: int = 0, length: int | None = None) -> bytes | None:
        """See ``Folder.read_or_none``."""
        path = self._file(name)
        try:
            with open(path, "rb", buffering=0) as file:
                if start:
                    file.seek(start)
                return _read_exactly(file.fileno(), length)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure("read", path, error) from error

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

    def put_file(self, source: Path, name: str) -> int:
        """See ``Folder.put_file``."""
        path = self._file(name)
        with open_source(source) as reader, self._temporary(path, "write") as temporary:
            size = _copy(reader, temporary)
            os.replace(temporary, path)
            sync_directory(os.path.dirname(path))
        return size

    def get_file(self, name: str, target: Path) -> int:
        """See ``Folder.get_file``."""
        return LocalFolder(target.absolute().parent).put_file(Path(self._file(name)), target.name)

    def list(self, prefix: str = "") -> Sequence[Item]:
        """See ``Folder.list``."""
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

    def walk(self) -> Iterator[Item]:
        """See ``Folder.walk``; a link to a folder that it is in, itself or by another, is not followed."""
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
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise failure("delete", path, error) from error

    def delete_tree(self) -> None:
        """See ``Folder.delete_tree``."""
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

    @contextlib.contextmanager
    def _temporary(self, path: str, action: str) -> Iterator[str]:
        """A free name beside ``path`` (its folder is made); whatever is left of it at the end is removed."""
        folder, name = os.path.split(path)
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


def open_source(path: Path) -> IO[bytes]:
    """Opens a local file that is to be copied into a storage, without a buffer.

    Raises:
        StorageError: If it cannot be opened; the message then names it, not the copy.
    """
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise failure("read", str(path), error) from error


def _copy(reader: IO[bytes], target: str) -> int:
    size = 0
    mode = os.fstat(reader.fileno()).st_mode & 0o777
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode | 0o600)
    try:
        while block := reader.read(_COPY_BYTES):
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
