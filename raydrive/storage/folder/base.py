"""A folder somewhere: on a local file system, or behind ``pyarrow.fs``.

The only file operations the rest of raydrive uses, and what they promise:

    write_whole        readers see the old content, the new content, or nothing; never a part
    create_exclusive   one of several callers wins (local: certain; object stores: see ``arrow.py``)
    everything         an operating-system or pyarrow error becomes a StorageError that names the URI, what was
                       tried and what to do about it

Local folders never import pyarrow: importing it costs more than starting a small trial.
"""

from __future__ import annotations

import errno
import os
import re
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from pathlib import Path

from raydrive.core.errors import StorageError
from raydrive.storage.folder.names import legible
from raydrive.storage.folder.uris import SCHEME_PATTERN, split_options

SCHEMES = ("file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
"""URI schemes that can be opened; ``wasb`` and ``wasbs`` are rewritten to ``abfs`` and ``abfss``."""

_SECRET_KEYS = ("secret", "password", "token", "key", "sig", "credential")

_ERRNO_HINTS = {
    errno.ENOSPC: "the disk is full: free some space there, or choose another storage with --storage",
    errno.EDQUOT: "the disk quota is used up: free some space there, or choose another storage with --storage",
    errno.EFBIG: "the file would be larger than this file system or process may write (see ulimit -f)",
    errno.EACCES: "this user has no permission: check owner and mode of the folder",
    errno.EPERM: "this user has no permission: check owner and mode of the folder",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOENT: "it does not exist: check the path, and that the file system is mounted on this node",
    errno.EEXIST: "there is a file where a folder should be, or another process was faster",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "there is a folder of that name",
    errno.EMFILE: "too many files are open: raise ulimit -n",
    errno.ESTALE: "the network file system lost the file: another node removed it, or the mount must be renewed",
    errno.EIO: "the device reported an error: check the disk or the network mount",
    errno.ENAMETOOLONG: "the path is too long for this file system",
}
_TEXT_HINTS = (  # object stores report in words; first match wins
    (
        r"NoSuchBucket|bucket does not exist|Bucket '.*' not found|ContainerNotFound",
        "the bucket or container does not exist: create it first, or correct the name",
    ),
    (
        r"ACCESS_DENIED|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|Forbidden|\b403\b|credential",
        "the credentials are missing or lack permission: check them on every node (S3: AWS_ACCESS_KEY_ID, AWS_PROFILE)",
    ),
    (
        r"NETWORK_CONNECTION|[Cc]ould not connect|curlCode|resolve host|timed? ?out|Connection refused",
        "the service cannot be reached: check the network, endpoint_override in the URI, and AWS_ENDPOINT_URL",
    ),
    (
        r"libhdfs|libjvm|CLASSPATH|JAVA_HOME",
        "HDFS needs Java and libhdfs on every node: set JAVA_HOME, HADOOP_HOME and CLASSPATH",
    ),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One name in a folder."""

    name: str
    """Relative to the folder that was listed; has slashes only when it comes from ``walk``."""
    size: int
    """Bytes; 0 for a folder."""
    is_dir: bool
    mtime: float = 0.0
    """Last change, seconds since the epoch; 0 where the store does not say."""


def redact(uri: str) -> str:
    """Returns the URI without passwords, keys and tokens, fit for messages and logs."""
    if not SCHEME_PATTERN.match(uri):
        return uri
    try:
        parts = urllib.parse.urlsplit(uri)
    except ValueError:  # no URI; what in it is a password cannot be determined
        return f"{uri.partition('://')[0]}://***"
    if "@" not in parts.netloc and not parts.query:
        return uri
    host = parts.netloc
    if "@" in host and parts.scheme not in ("abfs", "abfss"):  # abfs: container@account is not a secret
        host = "***@" + host.rpartition("@")[2]
    query = "&".join(
        f"{key}=***" if any(word in key.lower() for word in _SECRET_KEYS) else f"{key}={value}"
        for key, value in urllib.parse.parse_qsl(parts.query)
    )
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, query, ""))


def failure(action: str, uri: str, error: BaseException) -> StorageError:
    """Returns the StorageError for a failed file operation, with a hint on what to do.

    Args:
        action: What was tried, in the infinitive ("write").
        uri: What it was tried on.
        error: What the operating system or pyarrow said.
    """
    number = getattr(error, "errno", None)
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = " ".join(str(text).split())[:500]
    text = re.sub(r"://[^/\s:@]+:[^/\s@]+@", "://***@", text)
    hint = next((words for pattern, words in _TEXT_HINTS if re.search(pattern, text)), "")
    hint = hint or _ERRNO_HINTS.get(number or 0, "")
    tail = f". Hint: {hint}" if hint else ""
    return StorageError(f"cannot {action} {legible(redact(uri))}: {legible(text)}{tail}")


def check_name(name: str) -> str:
    """Returns the relative name as given.

    Raises:
        ValueError: If it is empty, absolute, or would lead out of the folder.
    """
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ValueError(f"not a name inside a folder: {name!r}")
    return name


class Folder(ABC):
    """A folder of a workspace's storage; it need not exist yet, and is made by the first write into it.

    Instances are cheap, stateless, and can be pickled (a copy opens the same URI).
    """

    __slots__ = ()

    @property
    @abstractmethod
    def uri(self) -> str:
        """What ``open_folder`` takes to get here again: an absolute path, or a URI with its options."""

    @property
    def longest_name(self) -> int | None:
        """Bytes that the name of a file in this folder may have; None = what the file system takes."""
        return None

    @property
    @abstractmethod
    def local_path(self) -> Path | None:
        """The directory itself when it is on a mounted file system, else None."""

    @abstractmethod
    def child(self, *names: str) -> Folder:
        """Returns the folder below this one.

        Raises:
            ValueError: If a name is empty or would lead out of the folder.
        """

    @abstractmethod
    def read_or_none(self, name: str, start: int = 0, length: int | None = None) -> bytes | None:
        """Returns a file's content, or a part of it; None if there is no such file.

        Args:
            name: The file's name.
            start: Bytes to skip.
            length: Bytes to read at most; None = to the end.

        Raises:
            StorageError: If the file exists but cannot be read.
        """

    @abstractmethod
    def size_or_none(self, name: str) -> int | None:
        """Returns the bytes of a file, or None if there is none of this name.

        Raises:
            StorageError: If that cannot be found out, or something else than a file is there.
        """

    @abstractmethod
    def write_whole(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Writes a file that appears, or is replaced, as a whole or not at all.

        Args:
            name: The file's name; folders on the way are made.
            data: The content.
            durable: Whether to wait until a power cut cannot undo it. Without, only readers are safe.

        Raises:
            StorageError: If it could not be written; what was there before is untouched.
        """

    @abstractmethod
    def create_exclusive(self, name: str, data: bytes, *, private: bool = False) -> bool:
        """Writes a new file, whole and durable, if there is none of this name; tells whether it did.

        Raises:
            StorageError: If it could not be written for another reason than that it exists.
        """

    @abstractmethod
    def put_file(self, source: Path, name: str, *, within: Sequence[Path] = ()) -> int:
        """Copies a local file here, whole or not at all, in bounded memory; returns its bytes.

        Args:
            source: The local file; what is appended to it meanwhile may be left out.
            name: The file's name here.
            within: Local folders that no link on the way to the source may lead out of; empty = links are followed.

        Raises:
            StorageError: If either file failed.
            RefusedFileError: If the source is not a regular file, or a link leads out of ``within``.
        """

    @abstractmethod
    def get_file(self, name: str, target: Path) -> int:
        """Copies a file from here to a local path, whole or not at all, in bounded memory; returns its bytes.

        Raises:
            StorageError: If either file failed.
        """

    @abstractmethod
    def list(self, prefix: str = "") -> Sequence[Item]:
        """Returns what is in this folder, sorted by name; empty if the folder does not exist.

        Args:
            prefix: Only names that begin so.

        Raises:
            StorageError: If it cannot be listed.
        """

    @abstractmethod
    def exists(self, name: str = "") -> bool:
        """Returns whether a file or folder (or, without a name, this folder) exists.

        Raises:
            StorageError: If that cannot be found out.
        """

    def bucket_exists(self) -> bool:
        """Returns whether the bucket is there that holds this folder; False where folders need no bucket.

        Raises:
            StorageError: If it cannot be asked.
        """
        return False

    @abstractmethod
    def is_folder(self, name: str) -> bool:
        """Returns whether there is a folder of this name.

        Raises:
            StorageError: If that cannot be found out.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Removes a file; one that is not there is no error.

        Raises:
            StorageError: If it is still there.
        """

    @abstractmethod
    def delete_tree(self) -> None:
        """Removes this folder and everything in it; one that is not there is no error.

        Raises:
            StorageError: If something is left.
        """

    @abstractmethod
    def make(self, *, exclusive: bool = False) -> bool:
        """Makes this folder and those above it; tells whether it was new.

        Args:
            exclusive: Touch nothing if it exists already. (Without, the answer may be False for a new one.)

        Raises:
            StorageError: If it could not be made.
        """

    def contained(self) -> Folder:
        """Returns this folder so that nothing is read through a link that leads out of it.

        For folders that others write to, such as a trial; those below it are contained by the same. Object
        stores have no links.
        """
        return self

    @abstractmethod
    def walk(self, skipped: MutableSequence[str] | None = None) -> Iterator[Item]:
        """Yields every file below this folder, names relative to it, in order of their names.

        Args:
            skipped: Gets the names of what is not a file, with the reason, in a contained folder. A link to a folder is
                entered there, each such folder once, but not from inside itself.

        Raises:
            StorageError: If a folder cannot be listed.
        """

    def read_bytes(self, name: str) -> bytes:
        """Returns a file's content.

        Raises:
            StorageError: If there is no such file or it cannot be read.
        """
        data = self.read_or_none(name)
        if data is None:
            missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            raise failure("read", self.place_of(name), missing)
        return data

    def place_of(self, name: str) -> str:
        """Returns where a file of this folder is, for messages: no secrets, no options."""
        base, _ = split_options(self.uri)
        return redact(f"{base.rstrip('/')}/{name}" if name else base)

    def __repr__(self) -> str:
        return f"Folder({redact(self.uri)!r})"

    def __str__(self) -> str:
        return redact(self.uri)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Folder) and other.uri == self.uri

    def __hash__(self) -> int:
        return hash(self.uri)
