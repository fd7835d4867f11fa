"""Opening a folder at a local path or a URI."""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path

from raydrive.core.argument_checks import LONGEST_NAME, unusable
from raydrive.core.errors import StorageError, show
from raydrive.storage.folder.arrow import open_remote
from raydrive.storage.folder.base import SCHEMES, Folder, redact
from raydrive.storage.folder.current import absolute
from raydrive.storage.folder.local import LocalFolder
from raydrive.storage.folder.uris import SCHEME_PATTERN


def open_folder(place: str | os.PathLike[str]) -> Folder:
    """Returns the folder at a local path or URI. Nothing is created, and no local disk is touched.

    Args:
        place: A path (relative and ``~`` allowed) or a URI such as ``s3://bucket/path?region=eu-west-1``.
            Options of the file system stand in the query: ``endpoint_override``, ``region``, ``scheme``, ...

    Raises:
        StorageError: If the scheme is unknown.
        StorageError: If the store's client cannot be set up from the URI.
    """
    text = os.fspath(place)
    wrong = unusable(text) or ("" if len(text) <= LONGEST_NAME else f"{len(text):,} characters")
    if wrong:
        raise StorageError(f"cannot open {show(text)}: no storage path can contain {wrong}")
    match = SCHEME_PATTERN.match(text)
    if match is None:
        return LocalFolder(_local_path(text))
    try:
        urllib.parse.urlsplit(text)
    except ValueError as error:
        raise StorageError(f"cannot open {redact(text)}: {error}") from error
    scheme = match.group(1).lower()
    if scheme == "file":
        return LocalFolder(_path_of_file_uri(text))
    if scheme not in (*SCHEMES, "wasb", "wasbs"):
        raise StorageError(
            f"cannot open {redact(text)}: no such scheme {scheme!r}. "
            f"Hint: use a path or one of {', '.join(name + '://' for name in SCHEMES)}"
        )

    return open_remote(text)


def _local_path(text: str) -> Path:
    if not text:
        raise StorageError("cannot open storage '': the path is empty. Hint: use '.' for the current folder")
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in SCHEMES and scheme.lower() != "file":
        raise StorageError(
            f"cannot open {redact(text)}: without two slashes behind {scheme}: it is a folder on this machine. "
            f"Hint: write {scheme}://{redact(rest.lstrip('/'))}, or ./{redact(text)} for a folder of that name"
        )
    expanded = os.path.expanduser(text)
    if expanded.startswith("~"):
        raise StorageError(f"cannot open {text}: there is no such user for '~'. Hint: write the full path")
    return absolute(expanded)


def _path_of_file_uri(uri: str) -> Path:
    parts = urllib.parse.urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise StorageError(
            f"cannot open {uri}: a file URI cannot name a host, found {parts.netloc!r}. "
            f"Hint: three slashes, file:///{parts.netloc}{parts.path}"
        )
    return _local_path(urllib.parse.unquote(parts.path))
