"""Checkpoints in a run's storage: files first, then a manifest with sizes and sha256 that makes them count.

A folder without a manifest is the remains of an upload that was interrupted; no reader ever takes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raydrive.core.errors import StorageError
from raydrive.core.typed import wrong_types
from raydrive.storage.checksums import checked_json, unchecked_json
from raydrive.storage.folder import Folder, check_name
from raydrive.storage.layout import RunLayout
from raydrive.storage.transfer import local_files

MANIFEST = "manifest.json"
FILES = "files"
PIN = "resumed.json"
"""In a trial's folder of checkpoints: the one that its latest attempt goes on from."""
_BLOCK = 1 << 20


class DamagedCheckpointError(StorageError):
    """A checkpoint is not what was published; the message says which file and how."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What makes a checkpoint count."""

    number: int
    """Counts the checkpoints of a trial from 1."""
    attempt: int
    interval: int
    """How often the primary metric had been logged when it was saved."""
    value: float | None
    """The last value of the primary metric then; None when there was none, or it was not finite."""
    at: float
    files: dict[str, dict[str, Any]]
    """``size`` in bytes and ``sha256`` by name."""


def publish(
    layout: RunLayout, trial: int, local: Path, *, attempt: int, interval: int, value: float | None, at: float
) -> Manifest:
    """Copies a local folder into the storage as the next checkpoint of a trial.

    Raises:
        StorageError: If it cannot be written; then it does not count, and it may be tried again.
    """
    number = max((found for found, _ in _folders(layout, trial)), default=0) + 1
    folder = layout.checkpoint(trial, number)
    files: dict[str, dict[str, Any]] = {}
    try:
        for name, path in local_files(local):
            digest = _digest(path)
            size = folder.child(FILES).put_file(path, name)
            files[name] = {"size": size, "sha256": digest}
        manifest = Manifest(number, attempt, interval, value, at, files)
        folder.write_whole(MANIFEST, checked_json(json.dumps(asdict(manifest)).encode()))
    except StorageError:
        with contextlib.suppress(StorageError):  # on a full disk a part left by each try would keep it full
            _remove(folder)
        raise
    return manifest


def manifests(layout: RunLayout, trial: int) -> list[Manifest]:
    """Returns the complete checkpoints of a trial, oldest first; what cannot be read is left out.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    found = []
    for number, folder in _folders(layout, trial):
        manifest = _parsed(folder.read_or_none(MANIFEST) or b"")
        if manifest is not None and manifest.number == number:
            found.append(manifest)
    return sorted(found, key=lambda manifest: manifest.number)


def _parsed(data: bytes) -> Manifest | None:
    """A manifest; None for one that is torn or damaged: its checkpoint does not count."""
    content = unchecked_json(data)
    try:
        manifest = Manifest(**json.loads(content or b""))
        if wrong_types(manifest):
            return None
        for name, entry in manifest.files.items():
            check_name(name)
            if not isinstance(entry["sha256"], str):
                return None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return manifest


def fetch(layout: RunLayout, trial: int, manifest: Manifest, into: Path) -> Path:
    """Copies a checkpoint to this node and proves it whole.

    Args:
        layout: The run.
        trial: Number of the trial.
        manifest: The checkpoint.
        into: Folder to make; replaced if it exists.

    Raises:
        DamagedCheckpointError: If a file is missing, or is not what was published.
        StorageError: If the storage cannot be read.
    """
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    folder = layout.checkpoint(trial, manifest.number).child(FILES)
    for name, entry in manifest.files.items():
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists(name):
            raise DamagedCheckpointError(f"checkpoint {manifest.number} of trial {trial}: {name} is missing")
        folder.get_file(name, target)
        found = _digest(target)
        if found != entry["sha256"]:
            raise DamagedCheckpointError(
                f"checkpoint {manifest.number} of trial {trial}: {name} is damaged (sha256 {found[:12]}, "
                f"published as {entry['sha256'][:12]})"
            )
    return into


def pin(layout: RunLayout, trial: int, attempt: int, number: int) -> None:
    """Says which checkpoint an attempt goes on from, so that nobody deletes it, not even a lost one that still trains.

    Raises:
        StorageError: If that cannot be written.
    """
    data = json.dumps({"attempt": attempt, "number": number}).encode()
    layout.checkpoints(trial).write_whole(PIN, data)


def pinned(layout: RunLayout, trial: int) -> int | None:
    """Returns the checkpoint that the latest resumed attempt of a trial goes on from, None when there is none.

    Raises:
        StorageError: If the storage cannot be read.
    """
    data = layout.checkpoints(trial).read_or_none(PIN)
    try:
        return int(json.loads(data)["number"]) if data else None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def prune(layout: RunLayout, trial: int, *, keep_last: int, maximize: bool, upto: int | None = None) -> list[int]:
    """Deletes all checkpoints but the last ones, the one with the best value, and the one an attempt goes on from.

    What uploads left that were interrupted goes too.

    Args:
        layout: The run.
        trial: Number of the trial.
        keep_last: How many of the newest to keep, 1 or more.
        maximize: Whether larger values are better.
        upto: Only among those up to this number, the last that the run's record names; None = all.

    Returns:
        The numbers of those deleted.

    Raises:
        StorageError: If the storage cannot be read or written.
    """
    complete = [found for found in manifests(layout, trial) if upto is None or found.number <= upto]
    keep = {manifest.number for manifest in complete[-max(1, keep_last) :]}
    valued = [manifest for manifest in complete if manifest.value is not None]
    if valued:
        sign = 1.0 if maximize else -1.0
        keep.add(max(valued, key=lambda manifest: sign * (manifest.value or 0.0)).number)
    gone = [manifest.number for manifest in complete if manifest.number not in keep]
    if gone:  # looked up last: an attempt may just be going on from one of them
        kept = pinned(layout, trial)
        gone = [number for number in gone if number != kept]
    for number in gone:
        _remove(layout.checkpoint(trial, number))
    known = {manifest.number for manifest in complete}
    newest = max(known, default=0)
    for number, folder in _folders(layout, trial):
        if number < newest and number not in known and not folder.exists(MANIFEST):
            folder.delete_tree()
    return gone


def _remove(folder: Folder) -> None:
    folder.delete(MANIFEST)  # first: a reader must never see a manifest of files that are being deleted
    folder.delete_tree()


def _folders(layout: RunLayout, trial: int) -> list[tuple[int, Folder]]:
    root = layout.checkpoints(trial)
    return [(int(item.name), root.child(item.name)) for item in root.list() if item.is_dir and item.name.isdigit()]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
