"""Whether a storage can be used from this machine: what is written reads back, and can be deleted.

Asked before a cluster is started for it, which may take a minute, and by ``raydrive doctor``. Whether the nodes of a
cluster see the same storage is another question: ``runtime/ray_cluster/storage_probe.py``.
"""

from __future__ import annotations

import contextlib
import os
import secrets

from raydrive.core.errors import StorageError
from raydrive.storage.folder.base import Folder
from raydrive.storage.run_layout import Place, as_folder

_BYTES = b"raydrive"


def check_usable(storage: Place, *, thorough: bool = False) -> None:
    """Writes something into a local storage, reads it and deletes it; asks a remote one whether it is there.

    Nothing is left behind: folders that were made for the question are removed.

    Args:
        storage: Folder or URI below which runs are kept.
        thorough: Write to a remote one, too: three round trips instead of one.

    Raises:
        StorageError: If the storage cannot be used from this machine.
    """
    folder = as_folder(storage)
    name = f".usable-{secrets.token_hex(4)}"
    path = folder.local_path
    if path is None:
        if thorough:
            _write(folder, name)
        else:
            folder.exists(name)  # endpoint, credentials and bucket are right
        return
    missing = [one for one in (path, *path.parents) if not one.exists()]
    try:
        _write(folder, name)
    finally:
        for one in missing:  # the innermost first
            with contextlib.suppress(OSError):
                os.rmdir(one)


def is_there(storage: Place) -> bool:
    """Returns whether a storage is there: its folder, or its bucket, in which folders appear with their first object.

    Args:
        storage: Folder or URI below which runs are kept.

    Raises:
        StorageError: If the storage cannot be reached.
    """
    folder = as_folder(storage)
    return folder.exists() or folder.bucket_exists()


def _write(folder: Folder, name: str) -> None:
    folder.make()
    try:
        folder.write_whole(name, _BYTES)
        found = folder.read_or_none(name)
        if found != _BYTES:
            raise StorageError(f"cannot rely on {folder}: data that was just written there reads back as {found!r}")
    except BaseException:
        with contextlib.suppress(StorageError):
            folder.delete(name)
        raise
    folder.delete(name)
