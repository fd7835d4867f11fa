"""One of a trial's files on its way to a viewer's disk.

What training scripts write is hostile until proven otherwise: its name must stay below the trial's folder, also through
links, and its content must never be run or shown by the browser as a page of the studio's origin.
"""

from __future__ import annotations

import asyncio
import re
import urllib.parse
from pathlib import Path

from aiohttp import web

from raydrive.core.errors import StorageError, TrialError
from raydrive.storage.files import is_inside, real_name
from raydrive.storage.folder import Folder
from raydrive.storage.layout import RunLayout

BLOCK = 1 << 20


async def send_file(request: web.Request, layout: RunLayout, number: int, name: str) -> web.StreamResponse:
    """Streams a file of a trial, in bounded memory.

    Args:
        request: Who asks.
        layout: The run.
        number: The trial.
        name: The file, below the trial's folder.

    Raises:
        TrialError: If there is no such file there.
        StorageError: If it cannot be read.
    """
    folder, name = layout.trial(number), await asyncio.to_thread(real_name, layout, number, name)
    block = await asyncio.to_thread(_first, folder, number, name)
    response = web.StreamResponse(headers=headers(name))
    await response.prepare(request)
    at = 0
    while block:
        await response.write(block)
        at += len(block)
        if len(block) < BLOCK:
            break
        block = await asyncio.to_thread(_next, folder, name, at)
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


def _first(folder: Folder, number: int, name: str) -> bytes:
    """The first block of a file that may be given away."""
    missing = TrialError(f"trial {number} has no file {name!r}")
    if not is_inside(name) or "\0" in name:
        raise missing
    root = folder.local_path
    try:
        if root is not None and not _stays(root, name):
            raise missing
        data = None if folder.is_folder(name) else folder.read_or_none(name, 0, BLOCK)
    except (StorageError, ValueError) as error:
        if isinstance(error, StorageError) and not folder.exists():
            raise
        raise missing from error
    if data is None:
        raise missing
    return data


def _next(folder: Folder, name: str, at: int) -> bytes:
    return folder.read_or_none(name, at, BLOCK) or b""


def _stays(root: Path, name: str) -> bool:
    """Whether a path is a plain file below a folder once all links are followed."""
    try:
        path = (root / name).resolve(strict=True)
        return path.is_file() and path.is_relative_to(root.resolve(strict=True))
    except (OSError, RuntimeError):
        return False
