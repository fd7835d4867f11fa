"""Folders behind ``pyarrow.fs``: S3, Google Cloud Storage, Azure, HDFS.

What an object store can promise, and what not:

- A put replaces an object whole; there is no append and no cheap rename. HDFS has rename and gets it.
- pyarrow offers no conditional put. ``create_exclusive`` therefore looks first, puts content that is unique to this
  call, waits ``SETTLE_S`` and reads back: of two callers whose puts are less than that apart the later put wins and the
  earlier caller learns it. Two callers with a longer pause between look and put could both believe that they won.
  The journal adds a check of its own claim at every append, so that at most one of them continues.
- Azure without hierarchical namespace shows an empty blob for a moment when one is written; readers of raydrive
  treat an empty file as one that is not there yet.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import time
import urllib.parse
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from pathlib import Path
from typing import Any

from raydrive.core.errors import StorageError
from raydrive.storage.folder.base import Folder, Item, check_name, failure
from raydrive.storage.folder.local import open_source
from raydrive.storage.folder.names import is_temporary, temporary, to_bytes
from raydrive.storage.folder.uris import within

SETTLE_S = 0.3
"""How long ``create_exclusive`` waits before it reads back what it put."""
_KEY_BYTES = 1024
"""Longest key of an object in S3, Google Cloud Storage and Azure."""
_COPY_BYTES = 8 << 20
# Import errors: a pyarrow built without that file system. ValueError, KeyError: pyarrow on odd URIs and answers.
_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError, KeyError, ImportError, NotImplementedError)


def normalise(uri: str, environment: dict[str, str] | None = None) -> str:
    """Returns the URI as pyarrow understands it.

    ``wasb[s]://C@A.blob.core.windows.net/p`` becomes ``abfs[s]://C@A.dfs.core.windows.net/p``, and for S3 the
    variables ``AWS_ENDPOINT_URL_S3`` and ``AWS_ENDPOINT_URL``, which pyarrow ignores, become ``endpoint_override``.

    Args:
        uri: What the user gave.
        environment: Where the variables are looked up; ``os.environ`` by default.
    """
    environment = dict(os.environ) if environment is None else environment
    parts = urllib.parse.urlsplit(uri)
    scheme, host, query = parts.scheme.lower(), parts.netloc, dict(urllib.parse.parse_qsl(parts.query))
    if scheme in ("wasb", "wasbs"):
        scheme = scheme.replace("wasb", "abfs")
        host = host.replace(".blob.", ".dfs.", 1)
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if scheme == "s3":
        if endpoint and "endpoint_override" not in query:
            query["endpoint_override"] = endpoint
        # Without a region pyarrow asks Amazon for the bucket's, which a private endpoint's bucket is not known to.
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        if "region" not in query and (region or "endpoint_override" in query):
            query["region"] = region or "us-east-1"
        where = urllib.parse.urlsplit(query.get("endpoint_override", ""))
        if where.scheme in ("http", "https") and where.netloc:
            query["endpoint_override"] = where.netloc
            query.setdefault("scheme", where.scheme)
    return urllib.parse.urlunsplit((scheme, host, parts.path.rstrip("/"), urllib.parse.urlencode(query), ""))


def open_remote(uri: str) -> ArrowFolder:
    """Returns the folder at a URI that pyarrow understands after ``normalise``.

    Raises:
        StorageError: If the URI has no bucket, container or host.
        StorageError: If pyarrow cannot set up a client for it.
    """
    whole = normalise(uri)
    if not urllib.parse.urlsplit(whole).netloc and not whole.startswith(("hdfs:", "viewfs:")):
        raise StorageError(f"cannot open {uri}: the URI names no bucket. Hint: {uri.partition(':')[0]}://BUCKET/PATH")
    try:
        filesystem, path = _connect(whole)
    except _ERRORS as error:
        raise failure("open", uri, error) from error
    return ArrowFolder(filesystem, path.rstrip("/"), whole)


def _connect(uri: str) -> tuple[Any, str]:
    from pyarrow import fs  # lazy: pyarrow, 0.08 s

    if uri.startswith("s3:") and "allow_delayed_open=" not in uri:
        # A small object is then one request; a multipart upload of one part is three.
        with contextlib.suppress(ValueError):  # a pyarrow that does not know the option
            return fs.FileSystem.from_uri(f"{uri}{'&' if '?' in uri else '?'}allow_delayed_open=true")  # type: ignore[no-any-return]
    return fs.FileSystem.from_uri(uri)  # type: ignore[no-any-return]


class ArrowFolder(Folder):
    """A folder of a pyarrow file system."""

    __slots__ = ("_filesystem", "_path", "_renames", "_uri")

    def __init__(self, filesystem: Any, path: str, uri: str) -> None:
        """Wraps a pyarrow file system.

        Args:
            filesystem: A ``pyarrow.fs.FileSystem``.
            path: The folder's path in it.
            uri: What opens the same again.
        """
        self._filesystem, self._path, self._uri = filesystem, path, uri
        # Where a file is visible while it is being written, it is written under another name first.
        self._renames = filesystem.type_name in ("hdfs", "local", "mock")

    def __reduce__(self) -> tuple[Callable[..., Folder], tuple[str]]:
        return open_remote, (self._uri,)

    @property
    def uri(self) -> str:
        """The URI with its options."""
        return self._uri

    @property
    def longest_name(self) -> int | None:
        """What the store's longest key leaves."""
        if self._renames:
            return None
        key = self._path.partition("/")[2]  # the first part is the bucket
        return max(_KEY_BYTES - len(to_bytes(key)) - 1, 0)

    @property
    def local_path(self) -> None:
        """None: there is no directory."""
        return

    def child(self, *names: str) -> ArrowFolder:
        """See ``Folder.child``."""
        tail = "/".join(map(check_name, names))
        return ArrowFolder(self._filesystem, f"{self._path}/{tail}", within(self._uri, urllib.parse.quote(tail)))

    def read_or_none(self, name: str, start: int = 0, length: int | None = None) -> bytes | None:
        """See ``Folder.read_or_none``; only the wanted range is fetched."""
        path = self._file(name)
        data: bytes | None = None
        with (
            self._tried("read", name),
            contextlib.suppress(FileNotFoundError),
            self._filesystem.open_input_file(path) as file,
        ):
            left = max(file.size() - start, 0)
            data = file.read_at(left if length is None else min(length, left), start) if left else b""
        return data

    def size_or_none(self, name: str) -> int | None:
        """See ``Folder.size_or_none``."""
        from pyarrow import fs  # lazy: pyarrow, 0.08 s

        with self._tried("look at", name):
            info = self._filesystem.get_file_info(self._file(name))
        return int(info.size or 0) if info.type == fs.FileType.File else None

    def write_whole(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """See ``Folder.write_whole``: one put, durable once answered."""
        path = self._file(name)
        with self._tried("write", name), self._writing(path) as stream:
            stream.write(data)

    def create_exclusive(self, name: str, data: bytes, *, private: bool = False) -> bool:
        """See ``Folder.create_exclusive``, and the head of this module for its limits.

        The data should be unique to this call, else two callers with the same data both win.
        """
        if self.exists(name):
            return False
        self.write_whole(name, data)
        time.sleep(SETTLE_S)
        return self.read_or_none(name) == data

    def put_file(self, source: Path, name: str, *, within: Sequence[Path] = ()) -> int:
        """See ``Folder.put_file``."""
        size, path = 0, self._file(name)
        with (
            self._tried("write", name),
            open_source(source, within) as reader,
            self._writing(path) as stream,
        ):
            whole = os.fstat(reader.fileno()).st_size  # what grows as fast as it is copied has no end
            while size < whole and (block := reader.read(min(_COPY_BYTES, whole - size))):
                stream.write(block)
                size += len(block)
        return size

    def get_file(self, name: str, target: Path) -> int:
        """See ``Folder.get_file``."""
        part = target.with_name(temporary(target.name))
        size, path = 0, self._file(name)
        try:
            with self._tried("read", name):
                target.parent.mkdir(parents=True, exist_ok=True)
                with self._filesystem.open_input_stream(path) as stream, part.open("wb") as writer:
                    while block := stream.read(_COPY_BYTES):
                        writer.write(block)
                        size += len(block)
                part.replace(target)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
        return size

    def list(self, prefix: str = "") -> Sequence[Item]:
        """See ``Folder.list``."""
        return [item for item in self._select(recursive=False) if item.name.startswith(prefix)]

    def walk(self, skipped: MutableSequence[str] | None = None) -> Iterator[Item]:
        """See ``Folder.walk``; one recursive listing."""
        yield from (item for item in self._select(recursive=True) if not item.is_dir)

    def exists(self, name: str = "") -> bool:
        """See ``Folder.exists``."""
        from pyarrow import fs  # lazy: pyarrow, 0.08 s

        path = self._file(name) if name else self._path
        with self._tried("look at", name):
            info = self._filesystem.get_file_info(path)
        return bool(info.type != fs.FileType.NotFound)

    def bucket_exists(self) -> bool:
        """See ``Folder.bucket_exists``: an object store has no folder without an object in it."""
        from pyarrow import fs  # lazy: pyarrow, 0.08 s

        if self._renames:
            return False
        with self._tried("look at", ""):
            info = self._filesystem.get_file_info(self._path.partition("/")[0])
        return bool(info.type != fs.FileType.NotFound)

    def is_folder(self, name: str) -> bool:
        """See ``Folder.is_folder``."""
        from pyarrow import fs  # lazy: pyarrow, 0.08 s

        path = self._file(name)
        with self._tried("look at", name):
            info = self._filesystem.get_file_info(path)
        return bool(info.type == fs.FileType.Directory)

    def delete(self, name: str) -> None:
        """See ``Folder.delete``."""
        path = self._file(name)
        with self._tried("delete", name), contextlib.suppress(FileNotFoundError):
            self._filesystem.delete_file(path)

    def delete_tree(self) -> None:
        """See ``Folder.delete_tree``."""
        if self.exists():
            with self._tried("delete", ""), contextlib.suppress(FileNotFoundError):
                self._filesystem.delete_dir(self._path)

    def make(self, *, exclusive: bool = False) -> bool:
        """See ``Folder.make``; object stores have no folders: there it only says whether something is there."""
        if exclusive and self.exists():
            return False
        if self._renames:
            with self._tried("make the folder", ""):
                self._filesystem.create_dir(self._path, recursive=True)
        return True

    def _file(self, name: str) -> str:
        return f"{self._path}/{check_name(name)}"

    @contextlib.contextmanager
    def _tried(self, action: str, name: str) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            raise failure(action, self.place_of(name), error) from error

    @contextlib.contextmanager
    def _writing(self, path: str) -> Iterator[Any]:
        """A stream whose content appears at ``path`` when the block ends without an error."""
        goal = path
        if self._renames:
            folder, name = posixpath.split(path)
            self._filesystem.create_dir(folder, recursive=True)
            goal = f"{folder}/{temporary(name)}"
        stream = self._filesystem.open_output_stream(goal)
        try:
            yield stream
        except BaseException:
            # pyarrow has no way to drop a stream: closing (which its destructor does too) may publish the part that
            # was written, so that is removed again. A close that fails has published nothing.
            with contextlib.suppress(*_ERRORS):
                stream.close()
                self._filesystem.delete_file(goal)
            raise
        stream.close()
        if goal != path:
            self._rename(goal, path)

    def _rename(self, source: str, target: str) -> None:
        try:
            self._filesystem.move(source, target)
        except OSError:
            if self._filesystem.type_name != "hdfs":  # only HDFS refuses to rename over an existing file
                raise
            self._filesystem.delete_file(target)
            self._filesystem.move(source, target)

    def _select(self, *, recursive: bool) -> Sequence[Item]:
        from pyarrow import fs  # lazy: pyarrow, 0.08 s

        with self._tried("list", ""):
            selector = fs.FileSelector(self._path, allow_not_found=True, recursive=recursive)
            infos = self._filesystem.get_file_info(selector)
        items = []
        for info in infos:
            is_dir = info.type == fs.FileType.Directory
            name = info.path[len(self._path) :].removeprefix("/")
            if is_dir:
                name = name.rstrip("/")
            # An object whose name ends in a slash stands for a folder: consoles make such.
            if not name or name.endswith("/") or is_temporary(info.base_name):
                continue
            items.append(Item(name, 0 if is_dir else info.size or 0, is_dir, (info.mtime_ns or 0) / 1e9))
        return sorted(items, key=lambda item: item.name)
