"""Checkpoints in a run's storage: files first, then a manifest with sizes and sha256 that makes them count.

A folder without a manifest is the remains of an upload that was interrupted; no reader ever takes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from raydrive.core.dataclass_checks import wrong_types
from raydrive.core.errors import RefusedFileError, StorageError
from raydrive.storage.checksums import checked_json, unchecked_json
from raydrive.storage.folder.base import Folder, check_name, failure
from raydrive.storage.folder.contained import LINK_TO_FOLDER
from raydrive.storage.folder.local import sha256_of
from raydrive.storage.folder.names import legible, portable, storable, to_bytes
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.uploads import DANGLING_LINK, local_files

MANIFEST = "manifest.json"
FILES = "files"
ODD = "odd"
"""Folder of files whose names the store does not take."""
PIN = "resumed.json"
"""In a trial's folder of checkpoints: the one that its latest attempt continues from."""
TAKEN = "taken-by-"
"""Beginning of the names of files beside it: the one that another trial continues from, with that trial's number."""
_BLOCK = 1 << 20


class UnstorableCheckpointError(StorageError):
    """A folder can be no checkpoint, however often it is tried; the message says what in it is in the way."""


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
    """``size`` in bytes and ``sha256`` by name; ``as``: where the file is below the checkpoint's folder, if not in
    ``FILES`` under its name."""
    links: dict[str, str] = field(default_factory=dict)
    """Where its links to folders lead, by name: relative, and inside."""

    def to_json(self) -> dict[str, Any]:
        """Returns what the manifest's file holds; an older raydrive reads it where there are no links."""
        raw = asdict(self)
        return raw if self.links else {name: value for name, value in raw.items() if name != "links"}


def publish(
    layout: RunLayout,
    trial: int,
    local: Path,
    *,
    attempt: int,
    interval: int,
    value: float | None,
    at: float,
    within: Sequence[Path] = (),
) -> Manifest:
    """Copies a local folder into the storage as the next checkpoint of a trial: all of it, or it does not count.

    Links to files are followed, and links to its own folders are noted. A file whose name the store does not take is
    kept under another one and gets its own again when the checkpoint is fetched.

    Args:
        layout: The run.
        trial: Number of the trial.
        local: The folder.
        attempt: Number of the attempt that saved it.
        interval: How often the primary metric had been logged.
        value: Its last value.
        at: Seconds since the epoch.
        within: Folders that links in it may lead to; empty = all are followed.

    Raises:
        UnstorableCheckpointError: If something in it is not a file, or cannot be read.
        StorageError: If it cannot be written; then it does not count, and it may be tried again.
    """
    number = next_number(layout, trial)
    try:
        files, links = put_files(layout, trial, number, local, within=within)
        manifest = Manifest(number, attempt, interval, value, at, files, links)
        complete(layout, trial, manifest)
    except StorageError:
        give_up(layout, trial, number)
        raise
    return manifest


def next_number(layout: RunLayout, trial: int) -> int:
    """Returns the number of a trial's next checkpoint.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    return max((found for found, _ in _folders(layout, trial)), default=0) + 1


def put_files(
    layout: RunLayout, trial: int, number: int, local: Path, *, within: Sequence[Path] = (), first: int = 0
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Copies the files of a checkpoint, or of a part of one, into the storage; it does not count yet.

    Args:
        layout: The run.
        trial: Number of the trial.
        number: Of the checkpoint.
        local: The folder.
        within: Folders that links in it may lead to; empty = all are followed.
        first: Tells its files from those of the checkpoint's other parts; each has up to 100,000.

    Returns:
        What the manifest has as files and links.

    Raises:
        UnstorableCheckpointError: If something in it is not a file, or cannot be read.
        StorageError: If it cannot be written.
    """
    folder = layout.checkpoint(trial, number)
    files: dict[str, dict[str, Any]] = {}
    links: dict[str, str] = {}
    for name, path in _whole(local, links, within):
        try:
            digest = sha256_of(path, within)
        except RefusedFileError as error:  # replaced since it was looked at
            raise UnstorableCheckpointError(str(error)) from error
        except OSError as error:
            raise UnstorableCheckpointError(str(failure("read", legible(str(path)), error))) from error
        size, odd = _put(folder, name, path, first + len(files), within)
        files[name] = {"size": size, "sha256": digest, **({"as": odd} if odd else {})}
    return files, links


def complete(layout: RunLayout, trial: int, manifest: Manifest) -> None:
    """Writes the manifest of a checkpoint whose files are there: now it counts.

    Raises:
        StorageError: If it cannot be written.
    """
    data = checked_json(json.dumps(manifest.to_json()).encode())
    layout.checkpoint(trial, manifest.number).write_whole(MANIFEST, data)


def give_up(layout: RunLayout, trial: int, number: int) -> None:
    """Removes what there is of a checkpoint: on a full disk a part left by each try would keep it full."""
    with contextlib.suppress(StorageError):
        _remove(layout.checkpoint(trial, number))


def _whole(local: Path, links: dict[str, str], within: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """The files of a folder that can be kept as a whole.

    Raises:
        UnstorableCheckpointError: If it cannot.
    """
    left_out: dict[str, str] = {}
    try:
        found = list(local_files(local, left_out, within))
    except StorageError as error:
        raise UnstorableCheckpointError(str(error)) from error
    for name, kind in list(left_out.items()):
        if kind in (LINK_TO_FOLDER, DANGLING_LINK) and name != ".":
            target = os.readlink(local / name)
            if _stays(name, target):
                links[name] = target
                del left_out[name]
    if left_out:
        what = ", ".join(f"{legible(name)} ({kind})" for name, kind in list(left_out.items())[:5])
        more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
        raise UnstorableCheckpointError(f"it would not be complete without {what}{more}")
    yield from found


def _stays(name: str, target: str) -> bool:
    """Whether a link of a checkpoint leads to somewhere in it."""
    goal = os.path.normpath(os.path.join(os.path.dirname(name), target))
    return not os.path.isabs(goal) and goal.split("/")[0] != ".."


def _put(folder: Folder, name: str, path: Path, number: int, within: Sequence[Path]) -> tuple[int, str]:
    """Copies a file of a checkpoint.

    Args:
        folder: The checkpoint's.
        name: Name of the file in it.
        path: The file.
        number: Of this file, another one for each.
        within: Folders that no link on the way to the file may lead out of.

    Returns:
        Its size in bytes, and where it is if the store does not take its name: the manifest has that.

    Raises:
        StorageError: If it cannot be written under any name.
    """
    files, other = folder.child(FILES), f"{ODD}/{number:05d}"
    odd = files.local_path is None and storable(name) != name
    if odd or (files.longest_name is not None and len(to_bytes(name)) > files.longest_name):
        return folder.put_file(path, other, within=within), other
    try:
        return files.put_file(path, name, within=within), ""
    except StorageError:
        if portable(name) == name:
            raise
        return folder.put_file(path, other, within=within), other


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
            check_name(entry.get("as", name))
            if not isinstance(entry["sha256"], str):
                return None
        for name in manifest.links:
            check_name(name)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return manifest


def fetch_checkpoint(layout: RunLayout, trial: int, manifest: Manifest, into: Path) -> Path:
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
    folder, what = layout.checkpoint(trial, manifest.number), f"checkpoint {manifest.number} of trial {trial}"
    for name, entry in manifest.files.items():
        target, stored, shown = into / name, str(entry.get("as") or f"{FILES}/{name}"), legible(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists(stored):
            raise DamagedCheckpointError(f"{what}: {shown} is missing")
        folder.get_file(stored, target)
        found = sha256_of(target)
        if found != entry["sha256"]:
            raise DamagedCheckpointError(
                f"{what}: {shown} is damaged (sha256 {found[:12]}, published as {entry['sha256'][:12]})"
            )
    for name, goal in manifest.links.items():
        if not _stays(name, goal):
            raise DamagedCheckpointError(f"{what}: {legible(name)} is a link that leads elsewhere")
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).symlink_to(goal)
    return into


def name_of(source: int | None, name: str | None) -> str | None:
    """Returns what an attempt is told to continue from: ``7``, or ``3/7`` for the checkpoint of another trial."""
    return name if source is None or name is None else f"{source}/{name}"


def pin(layout: RunLayout, trial: int, attempt: int, number: int) -> None:
    """Records which checkpoint an attempt continues from: none deletes it, not even a lost one that still trains.

    Raises:
        StorageError: If that cannot be written.
    """
    data = json.dumps({"attempt": attempt, "number": number}).encode()
    layout.checkpoints(trial).write_whole(PIN, data)


def pinned(layout: RunLayout, trial: int) -> int | None:
    """Returns the checkpoint that the latest resumed attempt of a trial continues from, None when there is none.

    Raises:
        StorageError: If the storage cannot be read.
    """
    data = layout.checkpoints(trial).read_or_none(PIN)
    try:
        return int(json.loads(data)["number"]) if data else None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def pin_for(layout: RunLayout, trial: int, taker: int, number: int) -> None:
    """Records that another trial continues from a checkpoint: none deletes it until ``unpin_for``.

    Args:
        layout: The run.
        trial: Whose checkpoint it is.
        taker: The other trial.
        number: Of the checkpoint.

    Raises:
        StorageError: If that cannot be written.
    """
    data = json.dumps({"trial": taker, "number": number}).encode()
    layout.checkpoints(trial).write_whole(f"{TAKEN}{taker:05d}.json", data)


def unpin_for(layout: RunLayout, trial: int, taker: int) -> None:
    """Takes back what ``pin_for`` recorded.

    Raises:
        StorageError: If that cannot be deleted.
    """
    layout.checkpoints(trial).delete(f"{TAKEN}{taker:05d}.json")


def _taken(layout: RunLayout, trial: int) -> set[int]:
    """The checkpoints of a trial that other trials continue from.

    Raises:
        StorageError: If the storage cannot be read.
    """
    root, found = layout.checkpoints(trial), set()
    for item in root.list():
        if item.name.startswith(TAKEN):
            with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):
                found.add(int(json.loads(root.read_or_none(item.name) or b"{}")["number"]))
    return found


def prune(layout: RunLayout, trial: int, *, keep_last: int, maximize: bool, upto: int | None = None) -> list[int]:
    """Deletes all checkpoints but the last ones, the one with the best value, and those an attempt continues from.

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
    if gone:  # looked up last: an attempt may just be continuing from one of them
        kept = {pinned(layout, trial), *_taken(layout, trial)}
        gone = [number for number in gone if number not in kept]
    for number in gone:
        _remove(layout.checkpoint(trial, number))
    known = {manifest.number for manifest in complete}
    newest = max(known, default=0)
    for number, folder in _folders(layout, trial):
        if number < newest and number not in known and not folder.exists(MANIFEST):
            folder.delete_tree()
    return gone


def remove_all(layout: RunLayout, trial: int) -> None:
    """Deletes all checkpoints of a trial that has ended.

    Args:
        layout: The run.
        trial: Number of the trial.

    Raises:
        StorageError: If the storage cannot be read or written.
    """
    for _, folder in _folders(layout, trial):
        _remove(folder)


def _remove(folder: Folder) -> None:
    folder.delete(MANIFEST)  # first: a reader must never see a manifest of files that are being deleted
    folder.delete_tree()


def _folders(layout: RunLayout, trial: int) -> list[tuple[int, Folder]]:
    root = layout.checkpoints(trial)
    return [(int(item.name), root.child(item.name)) for item in root.list() if item.is_dir and item.name.isdigit()]
