"""What an attempt left, on its way to the storage: its growing log, and at its end outputs, logs and kept files.

No file decides over the others or over the trial: what cannot be brought there is named, and stays on its node.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.core.errors import StorageError
from raydrive.runtime.gang.node_files import in_storage, settle
from raydrive.runtime.node_cache import LEFT_KEPT_S, leave
from raydrive.runtime.trial_actor.files.attempt_files import Prepared
from raydrive.runtime.trial_actor.files.leftovers import Leftovers, look, move_kept, resolve_links, take_replaced
from raydrive.storage.folder.contained import LEAVES, is_contained
from raydrive.storage.folder.names import legible
from raydrive.storage.run_layout import KEPT, LOG_NAME
from raydrive.storage.uploads import Uploaded, is_reachable, local_files, reason, upload_tree

LOG_PERIOD_S = 3.0
"""How often a growing log is brought to the storage."""
ROUNDS = 3
"""Tries of a file that the storage refuses while it takes others."""
REACHED_S = 1.0
"""A storage that took something so long ago is not asked whether it is there."""
_NAMED = 5
_NAME_CHARS = 300
_LOGGED = 1_000
_REASON = 300
"""Characters of a reason that are shown."""
_OURS = re.compile(r"\d+-\d+|rank-\d+")
"""Names that ``save_checkpoint`` gives while it copies, and folders of parts: one that was ended in the middle is no
surprise."""
Saved = Iterable[Mapping[str, int]]


async def upload_log(prepared: Prepared) -> None:
    """Uploads a growing log to a storage that is not local, so that it can be followed."""
    while True:
        await asyncio.sleep(LOG_PERIOD_S)
        with contextlib.suppress(StorageError):  # the next round, or the end, brings it all the same
            await asyncio.get_running_loop().run_in_executor(None, prepared.sync_log)


async def deliver(
    prepared: Prepared,
    note: Callable[[str, str], None],
    patience_s: float,
    saved: Callable[[], Saved] = tuple,
    given_up: Callable[[], bool] = lambda: False,
) -> None:
    """Stores what an attempt left, records what is missing, and removes the rest.

    Args:
        prepared: The attempt's files; its processes are gone.
        note: Takes a notice and what it is about; see ``Noted``.
        patience_s: How long a storage that is away is tried again.
        saved: Returns the files of the attempt's checkpoints, bytes by name: working copies of them are not missed.
        given_up: Whether the trial has been ended meanwhile: a storage that is away is not waited for then.
    """
    bare = prepared.is_bare()  # most function trials log and leave nothing, and short ones pay for each step
    if bare and prepared.uploader is None:
        prepared.clean(bare=True)
        settle_node(prepared)
        return
    delivery = _Delivery(prepared)
    loop = asyncio.get_running_loop()
    try:
        if not bare:
            await loop.run_in_executor(None, delivery.gather, saved())
            delivery.failed.update(await loop.run_in_executor(None, settle_node, prepared))
        if prepared.uploader is not None:
            await _until_stored(delivery, patience_s, given_up)
    except Exception as error:  # nothing of this may decide over the trial
        delivery.trouble(f"{type(error).__name__}: {error}")
    for text, about in delivery.notices():
        note(text, about)
    stays = delivery.stays
    if stays:
        leave(prepared.home)
    if prepared.uploader is not None:
        with contextlib.suppress(StorageError):  # with what was just written into it
            await loop.run_in_executor(None, prepared.sync_log)
    prepared.clean(bare=bare, stays=stays)


def settle_node(prepared: Prepared) -> dict[str, str]:
    """Moves what another node than the trial's first has left to its place in a local storage; returns what failed."""
    if not prepared.node_rank or prepared.uploader is not None:
        return {}
    return settle(prepared.files, prepared.node_rank, ("outputs", "logs", KEPT))


async def _until_stored(delivery: _Delivery, patience_s: float, given_up: Callable[[], bool]) -> None:
    """Tries until everything is there, is refused for good, or the storage has been away for too long."""
    pause_s, end, rounds = 0.5, time.monotonic() + patience_s, 0
    loop = asyncio.get_running_loop()
    while True:
        try:
            await loop.run_in_executor(None, delivery.upload, rounds + 1 == ROUNDS)
            rounds += 1
            delivery.away = ""
            if not delivery.refused or rounds == ROUNDS:
                return
        except StorageError as error:
            delivery.away = reason(error)
            if time.monotonic() > end or given_up():
                return
            delivery.prepared.note(f"{error}; trying again")
        again_at = time.monotonic() + pause_s
        while time.monotonic() < again_at and not given_up():
            await asyncio.sleep(min(0.5, pause_s))
        pause_s = min(2 * pause_s, 30.0)


@dataclass(slots=True)
class _Delivery:
    """What has become of an attempt's files."""

    prepared: Prepared
    left: Leftovers = field(default_factory=Leftovers)
    trees: dict[str, Uploaded] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Names that did not leave the working directory, and why."""
    unmarked: list[str] = field(default_factory=list)
    """Folders among the checkpoints that were never said to be whole."""
    away: str = ""
    """Why the storage cannot be reached; empty if it can."""
    _log: str = ""
    """Why the log is not there."""
    _reached: float = -math.inf
    """When the storage last took something, by the monotonic clock."""

    def trouble(self, why: str) -> None:
        """Notes an error that was not foreseen: all files stay."""
        self.failed["what the script left"] = why
        if self.prepared.uploader is not None:
            self.away = why

    def gather(self, saved: Saved) -> None:
        """Moves what is to stay out of the folders that are removed."""
        prepared = self.prepared
        going = (prepared.cwd, prepared.scratch)
        self.failed.update(take_replaced(prepared.cwd, prepared.files))
        taken: set[str] = set()
        for name in ("outputs", "logs", KEPT):
            if not is_contained([str(root) for root in prepared.within], str(prepared.files / name)):
                self.failed[name] = f"it is {LEAVES}"
        for name in {"outputs", "logs"} - {*self.failed}:
            self.failed.update(resolve_links(prepared.files / name, going, prepared.home, name, taken))
        with contextlib.suppress(OSError):  # the script may have removed it
            self.unmarked = [name for name in sorted(os.listdir(prepared.staging)) if not _OURS.fullmatch(name)]
        self.left = look(prepared.cwd, prepared.code, prepared.keep, taken)
        self.left.forget(saved)
        if KEPT in self.failed:
            return
        moved = move_kept(self.left.kept, prepared.files / KEPT, prepared.cwd)
        self.failed.update({f"{KEPT}/{name}": why for name, why in moved.items()})

    def upload(self, last: bool) -> None:
        """Uploads everything to a storage that is not local.

        Args:
            last: See ``upload_tree``.

        Raises:
            StorageError: If the storage is away.
        """
        prepared = self.prepared
        layout, trial = prepared.layout, prepared.trial
        below = in_storage(prepared.node_rank)
        tops = {"outputs": layout.outputs(trial), "logs": layout.logs(trial), KEPT: layout.kept(trial)}
        places = {name: top.child(*below) if below else top for name, top in tops.items()}

        def check() -> None:
            if time.monotonic() - self._reached > REACHED_S:
                is_reachable([prepared.log_folder, *places.values()])
                self._reached = time.monotonic()

        self._log = ""
        try:
            prepared.sync_log()
        except StorageError as error:
            check()
            self._log = reason(error)
        for name, folder in places.items():
            before = self.trees.setdefault(name, Uploaded())
            upload_tree(prepared.files / name, folder, before=before, check=check, last=last, within=prepared.within)

    @property
    def refused(self) -> dict[str, str]:
        """Names of files that the storage does not take, and why."""
        found = {f"{tree}/{name}": why for tree, done in self.trees.items() for name, why in done.missing.items()}
        return {LOG_NAME: self._log, **found} if self._log else found

    @property
    def stays(self) -> list[Path]:
        """Folders of this node with what is nowhere else."""
        found = [self.prepared.cwd] if self.failed else []
        return [*found, self.prepared.files] if self.away or self.refused else found

    def _absent(self) -> dict[str, str]:
        """Names of files that are not in the storage, and why."""
        if not self.away:
            return {**self.failed, **self.refused}
        absent = {LOG_NAME: self.away} | self.failed
        for tree in ("outputs", "logs", KEPT):
            done = self.trees.get(tree, Uploaded()).done
            with contextlib.suppress(StorageError):
                for name, _ in local_files(self.prepared.files / tree):
                    if name not in done:
                        absent[f"{tree}/{name}"] = self.away
        return absent

    def notices(self) -> list[tuple[str, str]]:
        """Returns what the trial's user must not miss, with what it is about; all names go into the log, too."""
        # The actors' only use of it, and it takes 7 ms.
        from raydrive.core.records import OUTPUTS  # lazy: raydrive.core.records, 0.006 s

        found = [
            (self._renamed(), ""),
            (self._skipped(), OUTPUTS),
            (self._missing(), OUTPUTS),
            (self._incomplete(), ""),
            (self.left.text(), ""),
            (self.left.shared_text(), ""),
        ]
        for text, _ in found:
            if text:
                self.prepared.note(text)
        return [notice for notice in found if notice[0]]

    def _renamed(self) -> str:
        new = [(tree, *names) for tree, done in self.trees.items() for names in done.renamed.items()]
        words = [f"{legible(f'{tree}/{name}')} as {tree}/{other}" for tree, name, other in new]
        return (
            f"stored under other names, because the storage does not accept theirs: {self._some(words)}"
            if words
            else ""
        )

    def _skipped(self) -> str:
        # A link that is kept leads to what is kept.
        words = [f"{tree}/{name}" for tree, done in self.trees.items() if tree != KEPT for name in done.skipped]
        return f"not in the storage, which accepts only files: {self._some(words)}" if words else ""

    def _missing(self) -> str:
        absent = self._absent()
        if not absent:
            return ""
        why = legible(next(iter(absent.values())))[:_REASON]
        places = " and ".join(map(str, self.stays))
        stay = f"the copy on node {os.uname().nodename} stays for {LEFT_KEPT_S / 86_400:g} days in {places}"
        return f"missing from the storage: {self._some([legible(name) for name in absent])} ({why}); {stay}"

    def _incomplete(self) -> str:
        words = [legible(name) for name in self.unmarked]
        return f"not kept, because no NAME.done marks them as complete: checkpoint {self._some(words)}" if words else ""

    def _some(self, words: list[str]) -> str:
        """The first few, with the number of the others; what is not there as a whole is in the log."""
        for number, word in enumerate(words[:_LOGGED]):
            if number >= _NAMED or len(word) > _NAME_CHARS:
                self.prepared.note(f"and {word}")
        shown = [f"{word[:100]}...{word[-150:]}" if len(word) > _NAME_CHARS else word for word in words[:_NAMED]]
        return ", ".join(shown) + (f" and {len(words) - _NAMED} more" if len(words) > _NAMED else "")
