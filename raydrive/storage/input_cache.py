"""Data that a run reads from elsewhere, brought to a node: once per place, whole or not at all.

A place is a URI of ``http(s)``, or of a file system that ``open_folder`` opens. Processes of one node that want the
same place wait for the one that is fetching it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import posixpath
import secrets
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from raydrive.core.errors import StorageError
from raydrive.storage.folder.base import SCHEMES, failure, redact
from raydrive.storage.folder.contained import open_regular
from raydrive.storage.folder.names import legible, to_bytes
from raydrive.storage.folder.open import open_folder

WEB = ("http", "https")
FETCHED = (*WEB, *SCHEMES, "wasb", "wasbs")
"""Schemes of places that can be fetched."""
TRIES = 3
TIMEOUT_S = 60.0
"""Longest silence of a web server."""
LONGEST_NAME = 255
"""Bytes of a file's name on Linux, at most."""
_BLOCK_BYTES = 1 << 20


def scheme_of(text: str) -> str:
    """Returns the scheme of a URI in lower case; empty for a path.

    >>> scheme_of("s3://bucket/key"), scheme_of("data/iris.csv")
    ('s3', '')
    """
    scheme, mark, _ = text.partition("://")
    return scheme.lower() if mark else ""


def fetch_input(uri: str, cache: Path, *, folder: bool) -> Path:
    """Returns the local copy of a place, made now unless it is there already.

    Args:
        uri: The place.
        cache: Folder of this node's copies.
        folder: Whether the place is a folder; all of it is copied.

    Raises:
        StorageError: If there is nothing, or it cannot be read whole.
    """
    key = hashlib.sha256(f"{folder} {uri}".encode()).hexdigest()[:20]
    name = posixpath.basename(urllib.parse.unquote(urllib.parse.urlsplit(uri).path).rstrip("/")) or "data"
    whole = cache / key
    if whole.is_dir():
        return whole / name
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / f".{key}.lock"):
        if whole.is_dir():  # the one we waited for has brought it
            return whole / name
        partial = cache / f".{key}.{secrets.token_hex(4)}.tmp"
        partial.mkdir()
        try:
            _bring(uri, partial / name, folder)
            partial.rename(whole)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return whole / name


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process of this node at a time; a process that dies lets go."""
    with open(open_regular(str(path), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _bring(uri: str, target: Path, folder: bool) -> None:
    if scheme_of(uri) in WEB:
        if folder:
            raise StorageError(f"cannot fetch {redact(uri)}: a web server does not list folders. Hint: name a file")
        _download(uri, target)
        return
    if folder:
        place = open_folder(uri)
        names = [item.name for item in place.walk()]
        _check_names(uri, names)
        for name in names:
            place.get_file(name, target / name)
        if not names:
            hint = "check the address; for a single file write type: uri_file"
            raise StorageError(f"cannot fetch {redact(uri)}: it contains no file. Hint: {hint}")
        return
    parts = urllib.parse.urlsplit(uri)
    above, name = posixpath.split(parts.path.rstrip("/"))
    place = open_folder(urllib.parse.urlunsplit(parts._replace(path=above)))
    place.get_file(urllib.parse.unquote(name), target)


def _check_names(uri: str, names: Sequence[str]) -> None:
    """Refuses a folder with files that cannot all be files below a directory, before any of them is fetched.

    Raises:
        StorageError: If there are such; it has no cause, for trying again does not help.
    """
    files, odd = set(names), list[str]()
    for name in names:
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            odd.append(f"{legible(name)!r} is not a valid name inside a folder")
        elif any(len(to_bytes(part)) > LONGEST_NAME for part in parts):
            odd.append(f"a part of {legible(name)[:60]!r}... has more than {LONGEST_NAME} bytes")
        elif any("/".join(parts[:depth]) in files for depth in range(1, len(parts))):
            odd.append(f"{legible(name)!r} is below a file")
    if odd:
        more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
        hint = "rename them there, or use a folder without them"
        raise StorageError(f"cannot fetch {redact(uri)} completely: {'; '.join(odd[:5])}{more}. Hint: {hint}")


def _download(url: str, target: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            _download_once(url, target)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 or not left:
                raise failure("fetch", url, OSError(f"HTTP {error.code} {error.reason}")) from None
        except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are among them
            if not left or _ours(error):
                raise failure("fetch", url, getattr(error, "reason", None) or error) from None
        time.sleep(0.5 * (TRIES - left))


def _ours(error: BaseException) -> bool:
    """Whether it is this node's disk, which trying again does not help."""
    return isinstance(error, OSError) and getattr(error, "filename", None) is not None


def _download_once(url: str, target: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "raydrive", "Accept-Encoding": "identity"})
    size = 0
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer, target.open("wb") as file:
        while block := answer.read(_BLOCK_BYTES):
            file.write(block)
            size += len(block)
        expected = answer.headers.get("Content-Length")
    if expected is not None and int(expected) != size:
        raise ConnectionError(f"the connection ended after {size} of {expected} bytes")
