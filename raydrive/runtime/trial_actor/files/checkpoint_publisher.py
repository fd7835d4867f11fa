"""The trial actor's side of checkpoints: what training left in its checkpoint folder reaches the storage.

Training puts a folder ``NAME`` into ``RAYDRIVE_CHECKPOINT_DIR`` and then an empty file ``NAME.done``;
``save_checkpoint`` calls the whole folder ``NAME.raydrive`` and says so on the channel, since a marker is a file to
make and to delete, for which training would wait. Uploading runs in a thread here while training continues; when it has
ended, both are removed, which is what the next ``save_checkpoint`` waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raydrive import wire
from raydrive.core.errors import StorageError
from raydrive.storage.checkpoints import (
    DamagedCheckpointError,
    Manifest,
    UnstorableCheckpointError,
    fetch_checkpoint,
    manifests,
    pin,
    prune,
    publish,
)
from raydrive.storage.folder.contained import remove_tree
from raydrive.storage.folder.names import legible
from raydrive.storage.run_layout import RunLayout

LET_GO_S = 0.02
"""Seconds after which an announced checkpoint is published."""
POLL_S = 0.5
MOST_ANNOUNCED = 1_000
"""Most announced checkpoints that are waited for."""
SAVED_KEPT = 5
"""Number of latest checkpoints whose files are remembered."""
AGAIN_S = 10.0
"""Seconds for which a checkpoint is tried at most after one was given up: training does not wait twice for the same."""
CONFIRM_S = 5.0
"""Seconds that an attempt's end waits for the record of its last checkpoint, so that the one before can go."""


Upload = Callable[[int, float | None], Awaitable[Manifest]]
"""Uploads a checkpoint to the storage, given the intervals that it holds and the last value."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The checkpoint an attempt continues from."""

    path: Path
    """The local copy."""
    interval: int
    """How often the primary metric had been logged when it was saved."""
    number: int


def recover(
    layout: RunLayout, trial: int, attempt: int, name: str, interval: int, into: Path, note: Callable[[str], None]
) -> Resumed | None:
    """Downloads a checkpoint to this node; a damaged one is replaced by the previous one, with a notice.

    Args:
        layout: The run.
        trial: Number of the trial.
        attempt: Number of the attempt that continues from it; the checkpoint is kept for as long as it does.
        name: Number of the wanted checkpoint, as text; with the number of another trial before it, as ``name_of`` has
            it, where it is that trial's. The driver keeps such a one for as long as it is needed.
        interval: Intervals it holds. One with more is of an attempt that was lost before it could report them.
        into: Folder to make.
        note: Takes a notice of what was passed over.

    Returns:
        The checkpoint, or None when no whole one is left.

    Raises:
        StorageError: If the storage cannot be read.
    """
    source, _, number = name.rpartition("/")
    if source:
        taken = _take_over(layout, int(source), int(number), into, note)
        if taken is not None:
            return Resumed(taken[0], interval, taken[1])
        name = str(max((found.number for found in manifests(layout, trial)), default=0))
    whole = manifests(layout, trial)
    known = [found for found in whole if found.number <= int(name) and found.interval <= interval]
    if known and int(name) not in [found.number for found in whole]:
        note(f"checkpoint {name} of trial {trial} is missing or damaged; using the previous one")
    for manifest in reversed(known):
        pin(layout, trial, attempt, manifest.number)
        try:
            path = fetch_checkpoint(layout, trial, manifest, into)
        except DamagedCheckpointError as error:
            note(f"{error}; using the previous one")
            continue
        return Resumed(path, manifest.interval, manifest.number)
    note(f"no complete checkpoint of trial {trial} is left: it starts from the beginning")
    return None


def _take_over(
    layout: RunLayout, trial: int, wanted: int, into: Path, note: Callable[[str], None]
) -> tuple[Path, int] | None:
    """Downloads another trial's checkpoint, or a newer or older one; returns the copy and its number."""
    found = manifests(layout, trial)
    newer = [one for one in found if one.number >= wanted]
    for manifest in (*newer, *reversed([one for one in found if one.number < wanted])):
        if manifest.number != wanted:
            note(f"checkpoint {wanted} of trial {trial} is missing or damaged; using its checkpoint {manifest.number}")
        with contextlib.suppress(DamagedCheckpointError):
            return fetch_checkpoint(layout, trial, manifest, into), manifest.number
    note(f"no complete checkpoint of trial {trial} is left: it continues from its own")
    return None


class CheckpointPublisher:
    """Publishes the checkpoints of one attempt.

    Args:
        layout: The run.
        trial: Number of the trial.
        attempt: Number of the attempt.
        staging: Where training puts them.
        progress: Returns the intervals logged so far, and the last value of the primary metric.
        published: Called with each complete checkpoint.
        note: Takes a notice of what went wrong.
        missing: Called with the checkpoint that is not in the storage, and why.
        keep_last: How many of the newest to keep.
        patience_s: How long an upload that fails is tried again; meanwhile the next ``save_checkpoint`` waits.
        maximize: Whether larger values are better.
        within: Folders that links in a checkpoint may lead to; empty = the one where training puts them.
    """

    def __init__(
        self,
        layout: RunLayout,
        trial: int,
        attempt: int,
        staging: Path,
        *,
        progress: Callable[[], tuple[int, float | None]],
        published: Callable[[Manifest], None],
        note: Callable[[str], None],
        missing: Callable[[str], None] = lambda text: None,
        keep_last: int,
        patience_s: float,
        maximize: bool,
        within: Sequence[Path] = (),
    ) -> None:
        self._layout = layout
        self._trial = trial
        self._attempt = attempt
        self._staging = staging
        self._progress = progress
        self._published = published
        self._note = note
        self._missing = missing
        self._keep_last = keep_last
        self._patience_s = self._patience_now_s = patience_s
        self._maximize = maximize
        self._within = within or (staging,)
        self._announced: dict[str, tuple[int, float | None]] = {}
        self._seen: set[str] = set()
        self._saved: deque[Mapping[str, int]] = deque(maxlen=SAVED_KEPT)
        self._last = 0
        self._confirmed = 0
        self._confirming = asyncio.Event()
        self._wake = asyncio.Event()
        self._closing = False
        self._publishing = asyncio.Lock()
        self._later: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Publishes what appears from now on, until closed or cancelled."""
        self._later = asyncio.get_running_loop().call_later(POLL_S, self._watch_now)

    def saved(self) -> Sequence[Mapping[str, int]]:
        """Returns the files of the latest checkpoints that were published, bytes by name."""
        return tuple(self._saved)

    def cancel(self) -> None:
        """Stops at once; nothing after ``close``."""
        for what in (self._later, self._watching):
            if what is not None:
                what.cancel()

    def _watch_now(self) -> None:
        # A task only when there may be something: most trials save nothing, and short ones pay for each task.
        if self._watching is None and not self._closing:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    def announce(self, name: str) -> None:
        """Takes a message of the channel that ``name`` is ready: what was logged before it belongs to it."""
        if len(self._announced) >= MOST_ANNOUNCED:  # of nothing that ever was there
            self._announced.pop(next(iter(self._announced)))
        self._announced[name] = self._progress()
        self._watch_now()
        self._wake.set()

    def confirm(self, number: int) -> None:
        """Notes that the run's record names a checkpoint: only now may those before it be deleted."""
        self._confirmed = max(self._confirmed, number)
        if self._confirmed >= self._last:
            self._confirming.set()

    def confirm_later(self, expected: bool) -> None:
        """Sets whether the last one is going to be confirmed; ``close`` waits for it only then."""
        if expected and self._confirmed < self._last:
            self._confirming.clear()
        elif not expected:
            self._confirming.set()

    async def close(self) -> None:
        """Publishes the rest; to be called when nothing more will be said on the channel."""
        self._closing = True
        self._wake.set()
        if self._later is not None:
            self._later.cancel()
        if self._watching is not None:
            await asyncio.wait([self._watching])  # two at once would publish the same folder twice
        await self.sweep(last=True)
        for name in [name for name in self._announced if name not in self._seen][:1]:
            self._note(f"the checkpoint {name!r} was announced, but no folder {name} is in {wire.CHECKPOINT_DIR}")
        if self._last:
            with contextlib.suppress(asyncio.TimeoutError):  # a driver that is away: one more is kept
                await asyncio.wait_for(self._confirming.wait(), CONFIRM_S)
            await asyncio.get_running_loop().run_in_executor(None, self._prune)

    async def _watch(self) -> None:
        """Begins with a look."""
        while not self._closing:
            self._wake.clear()
            if self._announced:
                # Training continues now: reading, hashing and syncing at once would take its core and its disk from it.
                await asyncio.sleep(LET_GO_S)
            if not self._closing:  # else close() does, once, for the last time
                await self.sweep()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_S)

    async def sweep(self, *, last: bool = False) -> None:
        """Publishes all that is ready now.

        Args:
            last: Nothing more will be said on the channel: what was not announced yet never will be.
        """
        found: list[str] = []
        with contextlib.suppress(FileNotFoundError):  # training may have removed it
            found = [name for name in os.listdir(self._staging) if name.endswith((wire.DONE, wire.SAVED))]
        ready = (self._staging / name for name in found)
        for path in sorted(ready, key=_changed_ns):
            saved = path.name.endswith(wire.SAVED)
            name = path.name.removesuffix(wire.SAVED if saved else wire.DONE)
            folder = path if saved else self._staging / name
            if saved and name not in self._announced:
                if not last:
                    continue  # its message, which tells the interval it belongs to, is on its way
                if name.endswith(wire.REPORTED):  # the process ended between the copy and the message with its values
                    remove_tree(folder)
                    continue
            interval, value = self._announced.pop(name) if name in self._announced else self._progress()
            if folder.is_dir():
                await self._publish(self._upload_of(folder), interval, value)
            else:
                what = "it is a file, and a checkpoint is a folder" if folder.exists() else "there is no such folder"
                self._missing(f"the checkpoint {legible(name)} is not in the storage: {what}")
                folder.unlink(missing_ok=True)
            self._seen.add(name)
            if not saved:
                with contextlib.suppress(OSError):  # save_checkpoint waits for as long as it is there
                    remove_tree(path) if path.is_dir() else path.unlink()
            remove_tree(folder)

    def _upload_of(self, folder: Path) -> Upload:
        async def upload(interval: int, value: float | None) -> Manifest:
            return await asyncio.get_running_loop().run_in_executor(None, self._upload, folder, interval, value)

        return upload

    async def publish_parts(self, upload: Upload, interval: int, value: float | None) -> None:
        """Publishes a checkpoint whose parts lie on several nodes, as any other.

        Args:
            upload: Brings all parts to the storage; given intervals and the last value, or None.
            interval: Intervals logged when it was saved.
            value: The last value of the primary metric then.
        """
        await self._publish(upload, interval, value)
        await asyncio.get_running_loop().run_in_executor(None, self._prune)

    async def _publish(self, upload: Upload, interval: int, value: float | None) -> None:
        async with self._publishing:  # two at once would take the same number
            await self._publish_next(upload, interval, value)

    async def _publish_next(self, upload: Upload, interval: int, value: float | None) -> None:
        finite = value if value is not None and math.isfinite(value) else None
        pause_s, end = 0.5, time.monotonic() + self._patience_now_s
        while True:
            try:
                manifest = await upload(interval, finite)
            except UnstorableCheckpointError as error:
                self._missing(f"the checkpoint at interval {interval} is not in the storage: {error}")
                return
            except (StorageError, OSError) as error:
                if time.monotonic() > end:
                    self._missing(f"the checkpoint at interval {interval} was given up: {error}")
                    self._patience_now_s = min(AGAIN_S, self._patience_s)
                    return
                self._note(f"checkpoint at interval {interval}: {error}; trying again")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, 30.0)
            else:
                self._patience_now_s = self._patience_s
                self._last = manifest.number
                self._saved.append({name: file["size"] for name, file in manifest.files.items()})
                self._confirming.clear()
                self._published(manifest)
                return

    def _upload(self, folder: Path, interval: int, value: float | None) -> Manifest:
        done = publish(
            self._layout,
            self._trial,
            folder,
            attempt=self._attempt,
            interval=interval,
            value=value,
            at=time.time(),
            within=self._within,
        )
        self._prune()
        return done

    def _prune(self) -> None:
        """Deletes older checkpoints, but none that a relaunch may have to continue from."""
        if not self._confirmed:
            return
        try:
            keep_last, maximize = self._keep_last, self._maximize
            prune(self._layout, self._trial, keep_last=keep_last, maximize=maximize, upto=self._confirmed)
        except StorageError as error:
            self._note(f"older checkpoints could not be deleted: {error}")  # the next one tries again


def _changed_ns(path: Path) -> int:
    """When a file was changed last, nanoseconds since the epoch; 0 where training has removed it meanwhile."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
