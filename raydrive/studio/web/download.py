"""One of a trial's files on its way to a viewer's disk.

What training scripts write is hostile until proven otherwise: its name must stay below the trial's folder, also through
links, and its content must never be run or shown by the browser as a page of the studio's origin.
"""

from __future__ import annotations

import asyncio
import re
import urllib.parse

from aiohttp import web

from raydrive.core.errors import RefusedFileError, StorageError, TrialError, show
from raydrive.storage.folder.base import Folder
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.trial_files import is_inside, real_name

BLOCK = 1 << 20


async def send_file(request: web.Request, layout: RunLayout, number: int, name: str) -> web.StreamResponse:
    """Streams a file of a trial, in bounded memory; what is appended to it meanwhile is left out.

    Args:
        request: The viewer's.
        layout: The run.
        number: The trial.
        name: The file, below the trial's folder.

    Raises:
        TrialError: If there is no such file there, or what is there is not read: the sentence gives the reason.
        StorageError: If the storage cannot be read.
    """
    folder, name = layout.trial(number), await asyncio.to_thread(real_name, layout, number, name)
    block, size = await asyncio.to_thread(_first, folder, number, name)
    response = web.StreamResponse(headers=headers(name))
    await response.prepare(request)
    at = 0
    while block:
        await response.write(block)
        at += len(block)
        if at >= size:
            break
        try:
            following = await asyncio.to_thread(folder.read_or_none, name, at, min(BLOCK, size - at))
        except StorageError:  # it was replaced or the storage went away: a viewer must see that this is not all
            if request.transport is not None:
                request.transport.close()
            return response
        block = following or b""
    await response.write_eof()
    return response


def headers(name: str) -> dict[str, str]:
    """Returns what keeps a browser from doing anything with a file but saving it under its own name."""
    last = name.rpartition("/")[2]
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", last)
    quoted = urllib.parse.quote(last, safe="", errors="replace")
    return {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quoted}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _first(folder: Folder, number: int, name: str) -> tuple[bytes, int]:
    """The first block of a file that may be given away, and the file's bytes."""
    missing = TrialError(f"trial {number} has no file {show(name)}")
    if not is_inside(name):
        raise missing
    try:
        size = None if folder.is_folder(name) else folder.size_or_none(name)
        data = None if size is None else folder.read_or_none(name, 0, min(BLOCK, size))
    except (StorageError, ValueError) as error:
        if isinstance(error, StorageError) and not isinstance(error, RefusedFileError) and not folder.exists():
            raise
        raise TrialError(f"{missing} that can be read: {error}") from error
    if size is None or data is None:
        raise missing
    return data, size
