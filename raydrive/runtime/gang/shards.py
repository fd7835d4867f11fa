"""Checkpoints to which each process of a trial saves a part.

Each node brings the parts of its processes to the storage itself, and the manifest comes last and names the files of
all of them: a checkpoint of which a part is missing does not count. Once it counts, its files lie in one folder,
wherever and on however many nodes the trial continues.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raydrive import wire
from raydrive.runtime.actor_errors import answer
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_actor.files.attempt_files import Prepared
from raydrive.storage.checkpoints import (
    Manifest,
    UnstorableCheckpointError,
    complete,
    give_up,
    next_number,
    put_files,
)
from raydrive.storage.folder.contained import remove_tree
from raydrive.storage.folder.names import legible

TOLD_S = 30.0
"""After this long it is told that parts of a checkpoint are missing."""
FILES_OF_A_NODE = 100_000
Part = tuple[dict[str, dict[str, Any]], dict[str, str]]
"""Files and links of a part, as the manifest has them."""


def put_parts(prepared: Prepared, number: int, names: Mapping[int, str]) -> list[Part]:
    """Uploads the parts on this node to the storage.

    Args:
        prepared: The files of the attempt on this node.
        number: Of the checkpoint.
        names: Folder of each part, by rank.

    Raises:
        UnstorableCheckpointError: If something in them cannot be kept.
        StorageError: If they cannot be written.
    """
    found, first = [], prepared.node_rank * FILES_OF_A_NODE
    for rank, name in sorted(names.items()):
        folder = part_place(prepared, rank, name)
        part = put_files(prepared.layout, prepared.trial, number, folder, within=prepared.within, first=first)
        first += len(part[0])
        found.append(part)
    return found


def part_place(prepared: Prepared, rank: int, name: str) -> Path:
    """Returns the folder of a part on its node."""
    return Path(wire.part_folder(str(prepared.staging), rank)) / (name + wire.SAVED)


def drop_parts(prepared: Prepared, names: Mapping[int, str]) -> None:
    """Removes parts from this node, which the next ``save_checkpoint`` of their processes waits for."""
    for rank, name in names.items():
        remove_tree(part_place(prepared, rank, name))


@dataclass(slots=True)
class _Checkpoint:
    """One that is being saved."""

    names: dict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    """Folder of each part, by node and rank."""
    interval: int = 0
    value: float | None = None

    def ranks(self) -> set[int]:
        return {rank for names in self.names.values() for rank in names}


class ShardedCheckpoints:
    """Publishes the checkpoints of one attempt to which several processes save parts; on the trial's first node.

    Args:
        events: Of the attempt; tells what is missing, and has the publisher.
        prepared: The files of the attempt on this node.
        members: The actors of the other nodes.
        epoch: What they obey.
    """

    def __init__(self, events: AttemptEvents, prepared: Prepared, members: Sequence[Any] = (), epoch: int = 0) -> None:
        self._events = events
        self._prepared = prepared
        self._members = members
        self._epoch = epoch
        self._saves: defaultdict[int, int] = defaultdict(int)
        """How many parts each rank has saved: the n-th ones of all ranks belong together."""
        self._open: dict[int, _Checkpoint] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def announce(self, name: str, rank: int, of: int, node: int) -> None:
        """Takes that a part is ready.

        Args:
            name: Its folder.
            rank: Of the process that saved it.
            of: How many parts there are.
            node: Number of the node on which it lies.
        """
        save = self._saves[rank]
        self._saves[rank] += 1
        if save not in self._open:
            self._open[save] = _Checkpoint()
            asyncio.get_running_loop().call_later(TOLD_S, self._tell_missing, save, of)
        one = self._open[save]
        one.names[node][rank] = name
        if rank == 0:
            one.interval, one.value = self._events.progress
        if one.ranks() != set(range(of)):
            return
        del self._open[save]
        task = asyncio.get_running_loop().create_task(self._publish(one))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell_missing(self, save: int, of: int) -> None:
        one = self._open.get(save)
        if one is None or self._events.done.done():
            return
        missing = sorted(set(range(of)) - one.ranks())
        self._events.tell(
            f"a checkpoint waits for the parts of rank {', '.join(map(str, missing[:5]))}: each of the {of} processes "
            "has to call save_checkpoint(..., sharded=True)"
        )

    async def close(self) -> None:
        """Returns when all that is whole has been published; the processes are gone."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _publish(self, one: _Checkpoint) -> None:
        publisher = self._events.publisher
        if publisher is not None:
            await publisher.publish_parts(self._upload_of(one), one.interval, one.value)
        calls = [
            self._members[node - 1].drop_parts.remote(self._epoch, *self._attempt, names)
            for node, names in one.names.items()
            if node
        ]
        drop_parts(self._prepared, one.names.get(0, {}))
        await asyncio.gather(*map(answer, calls), return_exceptions=True)

    @property
    def _attempt(self) -> tuple[int, int]:
        return self._events.trial, self._events.attempt

    def _upload_of(self, one: _Checkpoint) -> Callable[[int, float | None], Awaitable[Manifest]]:
        async def upload(interval: int, value: float | None) -> Manifest:
            loop, layout, trial = asyncio.get_running_loop(), self._prepared.layout, self._prepared.trial
            number = await loop.run_in_executor(None, next_number, layout, trial)
            try:
                found = await asyncio.gather(*(self._put(number, node, names) for node, names in one.names.items()))
                files, links = merged([part for parts in found for part in parts])
                manifest = Manifest(number, self._events.attempt, interval, value, time.time(), files, links)
                await loop.run_in_executor(None, complete, layout, trial, manifest)
            except Exception:
                await loop.run_in_executor(None, give_up, layout, trial, number)
                raise
            return manifest

        return upload

    async def _put(self, number: int, node: int, names: Mapping[int, str]) -> Sequence[Part]:
        if node == 0:
            return await asyncio.get_running_loop().run_in_executor(None, put_parts, self._prepared, number, names)
        parts: Sequence[Part] = await self._members[node - 1].put_parts.remote(
            self._epoch, *self._attempt, number, names
        )
        return parts


def merged(parts: Sequence[Part]) -> Part:
    """Returns the files and links of all parts of a checkpoint.

    Raises:
        UnstorableCheckpointError: If two parts have a file of the same name.
    """
    files: dict[str, dict[str, Any]] = {}
    links: dict[str, str] = {}
    for own, more in parts:
        if twice := sorted(files.keys() & own.keys()):
            raise UnstorableCheckpointError(
                f"several processes saved {legible(twice[0])} as their part: give the files of each process unique "
                "names, such as model-rank-0.pt, or save the checkpoint on rank 0 alone, without sharded=True"
            )
        files.update(own)
        links.update(more)
    return files, links
