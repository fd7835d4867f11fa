"""A process that tells a tracker of a run and is killed before it has recorded that, or closed anything."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

from raydrive.testing.trackers import ABOUT, TrackerContract, began, logged
from raydrive.trackers.protocol import Improved, Update

TOLD: list[Update] = [began(0), logged(0, 1), Improved(1011.0, 0, 1, 1.0), logged(0, 2), Improved(1012.0, 0, 2, 0.5)]
"""What it was told."""


def killed_while_told(contract: type[TrackerContract], folder: Path) -> None:
    """Tells a tracker of its own in another process, which dies.

    Args:
        contract: Makes the tracker.
        folder: Where that keeps what it is told.
    """
    process = multiprocessing.get_context("spawn").Process(target=_tell, args=(contract, folder))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _tell(contract: type[TrackerContract], folder: Path) -> None:
    tracker = contract().make(folder, ABOUT)
    tracker.begin()
    tracker.deliver(TOLD)
    os.kill(os.getpid(), signal.SIGKILL)
