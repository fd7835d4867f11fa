"""Where the files of a trial's other nodes end: below ``outputs/node_1``, ``logs/node_1`` and so on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from raydrive.runtime.trial_actor.files.leftovers import move_tree
from raydrive.storage.folder.contained import remove_tree

NODES = "nodes"
"""Folder in a trial's, with that of each node but the first while it trains."""


def while_training(files: Path, node_rank: int) -> Path:
    """Returns where a node of a trial has its ``outputs`` and ``logs`` while it trains.

    Args:
        files: The trial's folder.
        node_rank: Number of the node: the first one has them where they stay.
    """
    return files / NODES / str(node_rank) if node_rank else files


def in_storage(node_rank: int) -> tuple[str, ...]:
    """Returns the folder of a node below ``outputs``, ``logs`` and ``kept`` of its trial; none for the first node."""
    return (f"node_{node_rank}",) if node_rank else ()


def settle(files: Path, node_rank: int, names: tuple[str, ...]) -> dict[str, str]:
    """Moves what a node's processes left to where it stays.

    Args:
        files: What ``while_training`` returned.
        node_rank: Number of the node, from 1.
        names: Names of the folders in ``files``.

    Returns:
        Names of what could not be moved, and why.
    """
    failed: dict[str, str] = {}
    trial = files.parent.parent
    for name in names:
        target = trial.joinpath(name, *in_storage(node_rank))
        if os.path.isdir(files / name) and os.listdir(files / name):
            os.makedirs(target, exist_ok=True)
            failed.update(move_tree(str(files / name), str(target), f"{name}/{target.name}"))
    if not failed:
        remove_tree(files)
        with contextlib.suppress(OSError):  # another node's is there
            files.parent.rmdir()
    return failed
