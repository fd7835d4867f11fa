"""Reading what a trial left: its files and its logs."""

from __future__ import annotations

import re
from pathlib import Path

from raydrive.core.errors import StorageError, TrialError, did_you_mean, show
from raydrive.storage.folder.base import Folder, failure
from raydrive.storage.folder.names import is_text, storable
from raydrive.storage.folder.open import open_folder
from raydrive.storage.run_layout import RunLayout, rank_log
from raydrive.storage.uploads import LOG_PART_BYTES, log_part

READ_LIMIT = 64 << 20
"""Bytes that ``read_log`` returns at most, by default."""
_LOG = re.compile(r"attempt-([0-9]{1,9})/(log|rank_[1-9][0-9]{0,8})\.txt")
_LOG_PART = re.compile(r"(attempt-[0-9]+/(?:log|rank_[1-9][0-9]*))-[0-9]{5,}(\.txt)")
_PART = re.compile(r"-[0-9]{5,}(\.[a-z]+)$")
_ORDER = re.compile(r"attempt-[0-9]+/order_[0-9]+(?:-[0-9]{5,})?\.jsonl")


def list_files(layout: RunLayout, trial: int, skipped: list[str] | None = None) -> list[str]:
    """Returns the names of a trial's files: ``attempt-1/log.txt``, ``logs/...``, ``outputs/...``; no checkpoints.

    Of several processes that train together each has its log, such as ``attempt-1/rank_3.txt``; the outputs of other
    nodes than the first are ``outputs/node_1/...`` and so on.

    A log that an object store keeps in parts is one name here. A name that is not UTF-8, as a directory may hold, is
    escaped as an object store has it; the functions here that take a name know what it means.

    Args:
        layout: The run.
        trial: Number of the trial.
        skipped: Gets the names of what is not a file of the trial, with the reason: links that leave the run's folder,
            FIFOs.

    Raises:
        StorageError: If the storage cannot be listed.
        RefusedFileError: If the trial's folder is a link that leaves the run's.
    """
    return sorted(_names(layout, trial, skipped))


def real_name(layout: RunLayout, trial: int, name: str) -> str:
    """Returns the name under which a file is in a trial's folder; as it is where nothing else is known of it.

    Args:
        layout: The run.
        trial: Number of the trial.
        name: As ``list_files`` gives it.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    folder = layout.trial(trial)
    if folder.local_path is None or "%" not in name or not is_inside(name) or folder.exists(name):
        return name
    return _names(layout, trial).get(name, name)


def _names(layout: RunLayout, trial: int, skipped: list[str] | None = None) -> dict[str, str]:
    """The names of a trial's files as they are shown, and as they are."""
    items = (item for item in layout.trial(trial).walk(skipped) if not item.name.startswith("checkpoints/"))
    found = {listed_name(item.name): item.name for item in items if listed_name(item.name)}
    for name in [name for name in found if not is_text(name)]:
        shown = storable(name)
        while shown in found:
            shown += "~"
        found[shown] = found.pop(name)
    return found


def read_file(layout: RunLayout, trial: int, name: str) -> bytes:
    """Returns the content of one of a trial's files; for large ones ``download_file`` is better.

    Raises:
        TrialError: If there is no such file.
        StorageError: If it cannot be read.
        RefusedFileError: If it is a link that leaves the run's folder, or no regular file.
    """
    data: bytes | None = None
    folder, name = layout.trial(trial), real_name(layout, trial, name)
    if is_inside(name) and not folder.is_folder(name):
        data = folder.read_or_none(name)
        log = _LOG.fullmatch(name)
        if data is None and log is not None:
            data = b"".join(_parts(layout.attempt(trial, int(log[1])), f"{log[2]}.txt", 0)) or None
    if data is None:
        raise _no_file(layout, trial, name)
    return data


def download_file(layout: RunLayout, trial: int, name: str, target: Path) -> int:
    """Copies one of a trial's files to a local path, whole or not at all; returns its bytes.

    Raises:
        TrialError: If there is no such file.
        StorageError: If it cannot be read, or the copy not be written.
        RefusedFileError: If it is a link that leaves the run's folder, or no regular file.
    """
    folder, name = layout.trial(trial), real_name(layout, trial, name)
    if is_inside(name) and not folder.is_folder(name) and folder.exists(name):
        return folder.get_file(name, target)
    data = read_file(layout, trial, name)  # a log in parts, or no such file
    open_folder(target.absolute().parent).write_whole(target.name, data)
    return len(data)


def copy_file(layout: RunLayout, trial: int, name: str, place: str) -> str:
    """Copies one file of a trial to where a user wants it; returns the path of the copy.

    Args:
        layout: The run.
        trial: Number of the trial.
        name: As ``list_files`` gives it.
        place: Where to; a folder, or a path that ends in ``/``, keeps the file's name.

    Raises:
        TrialError: If the trial has no such file.
        StorageError: If it cannot be read, is a link that leaves the run's folder, or cannot be written.
    """
    target = Path(place).expanduser()
    try:
        if target.is_dir() or place.endswith("/"):
            target = target / Path(name).name
        if target.exists() and not target.is_file():  # a terminal, a pipe: it is written to and not replaced
            target.write_bytes(read_file(layout, trial, name))
        else:
            download_file(layout, trial, name, target)
    except OSError as error:
        raise failure("write", show(str(target)), error) from error
    return str(target)


def copy_files(layout: RunLayout, trial: int, prefix: str, place: str) -> tuple[list[str], list[str]]:
    """Copies all files of a trial whose names begin with ``prefix``, keeping their folders.

    Returns:
        The paths of the copies, and what was left out: links that leave the run's folder, FIFOs.

    Raises:
        StorageError: If some cannot be read or written; the others are there.
    """
    root, skipped = Path(place).expanduser(), list[str]()
    copied, failed = list[str](), list[str]()
    for name in [one for one in list_files(layout, trial, skipped) if one.startswith(prefix)]:
        try:
            download_file(layout, trial, name, root / name)
            copied.append(str(root / name))
        except (OSError, StorageError) as error:
            failed.append(f"{name} ({error})")
    if failed:
        total = len(failed) + len(copied)
        raise StorageError(f"{len(failed)} of {total} files could not be copied: {', '.join(failed[:5])}")
    return copied, [text for text in skipped if text.startswith(prefix)]


def is_log(name: str) -> bool:
    """Whether this is the name of the log of an attempt, or of one of its ranks."""
    return _LOG.fullmatch(name) is not None


def read_log(
    layout: RunLayout, trial: int, attempt: int, start: int = 0, limit: int = READ_LIMIT, rank: int = 0
) -> tuple[bytes, int]:
    """Returns a part of an attempt's log and where to continue; to follow a log, call again with that.

    Args:
        layout: The run.
        trial: Number of the trial.
        attempt: Number of the attempt, from 1.
        start: Bytes to skip; negative = only this many of the last bytes.
        limit: Bytes to return at most.
        rank: Of the process, where several train together.

    Returns:
        The bytes, empty if there is nothing new (or no log yet), and the ``start`` for the next call.

    Raises:
        StorageError: If the log cannot be read.
        RefusedFileError: If it is a link that leaves the run's folder, or no regular file.
    """
    folder, name = layout.attempt(trial, attempt), rank_log(rank)
    if start < 0:
        start = max(0, log_size(layout, trial, attempt, rank) + start)
    data = read_piece(folder, name, start, limit)
    if not data and start > (size := log_size(layout, trial, attempt, rank)):
        start = size  # its middle was dropped meanwhile: continue with what is new
    return data, start + len(data)


def whole_log(layout: RunLayout, trial: int, attempt: int, rank: int = 0) -> str:
    """Returns an attempt's log, as far as it went when this was called.

    Raises:
        StorageError: If the log cannot be read.
    """
    whole, start, data = bytearray(), 0, b"..."
    end = log_size(layout, trial, attempt, rank)  # of one that grows faster than it can be read, too
    while data and start < end:
        data, start = read_log(layout, trial, attempt, start, rank=rank)
        whole += data
    return whole.decode("utf-8", "replace")


def log_size(layout: RunLayout, trial: int, attempt: int, rank: int = 0) -> int:
    """Returns the bytes of an attempt's log in the storage, 0 if there is none yet.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    name = rank_log(rank)
    return piece_sizes(layout.attempt(trial, attempt), name.removesuffix(".txt")).get(name, 0)


def piece_sizes(folder: Folder, prefix: str) -> dict[str, int]:
    """Returns the bytes of each log in an attempt's folder by name, whether it is kept in parts or not.

    Args:
        folder: The attempt's.
        prefix: Only names that begin so.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    found: dict[str, int] = {}
    for item in folder.list(prefix):
        if not item.is_dir:
            name = _PART.sub(r"\1", item.name)
            found[name] = found.get(name, 0) + item.size
    return found


def read_piece(folder: Folder, name: str, start: int, limit: int | None = None) -> bytes:
    """Returns bytes of a log in an attempt's folder, whether it is kept in parts or not; empty where there are none.

    Raises:
        StorageError: If it cannot be read.
        RefusedFileError: If it is a link that leaves the run's folder, or no regular file.
    """
    data = folder.read_or_none(name, start, limit)
    return b"".join(_parts(folder, name, start, limit)) if data is None else data


def _parts(folder: Folder, name: str, start: int, limit: int | None = None) -> list[bytes]:
    """A log from byte ``start`` on, from the parts that an object store keeps it in."""
    found: list[bytes] = []
    at = start
    while limit is None or at - start < limit:
        number, skip = divmod(at, LOG_PART_BYTES)
        left = None if limit is None else limit - (at - start)
        data = folder.read_or_none(log_part(number, name), skip, left)
        if not data:
            break
        found.append(data)
        at += len(data)
        if at % LOG_PART_BYTES:
            break
    return found


def listed_name(name: str) -> str:
    """Returns the name under which a file of a trial's folder is listed: of a part of a log that of the log.

    Empty for what is not a file of the trial, but tells in which order its logs grew.
    """
    if not name.startswith("attempt-"):
        return name
    return "" if _ORDER.fullmatch(name) else _LOG_PART.sub(r"\1\2", name) if _LOG_PART.fullmatch(name) else name


def is_inside(name: str) -> bool:
    """Whether a relative name stays below the folder it starts from."""
    return all(part not in ("", ".", "..") and "\0" not in part for part in name.split("/"))


def _no_file(layout: RunLayout, trial: int, name: str) -> TrialError:
    names = list_files(layout, trial)
    known = ", ".join(names[:20]) + (" ..." if len(names) > 20 else "") if names else "none"
    return TrialError(f"trial {trial} has no file {show(name)}; it has: {known}. {did_you_mean(name, names)}".rstrip())
