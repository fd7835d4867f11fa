"""Whether a storage can be used: asked before a cluster is started for it, which may take a minute."""

from __future__ import annotations

import contextlib
import os
import secrets

from raydrive.core.errors import StorageError
from raydrive.storage.folder.base import Folder
from raydrive.storage.run_layout import Place, as_folder


def check_usable(storage: Place) -> None:
    """Writes something into a local storage and takes it away again; asks a remote one whether it is there.

    Nothing is left behind: folders that were made for the question are removed.

    Raises:
        StorageError: If the storage cannot be used from this machine.
    """
    folder = as_folder(storage)
    name = f".usable-{secrets.token_hex(4)}"
    path = folder.local_path
    if path is None:
        folder.exists(name)  # one round trip: endpoint, credentials and bucket are right
        return
    missing = [one for one in (path, *path.parents) if not one.exists()]
    try:
        _write(folder, name)
    finally:
        for one in missing:  # the innermost first
            with contextlib.suppress(OSError):
                os.rmdir(one)


def _write(folder: Folder, name: str) -> None:
    folder.make()
    try:
        folder.write_whole(name, b"raydrive")
    finally:
        with contextlib.suppress(StorageError):
            folder.delete(name)
