"""Checkpoints of paused trials that will never continue: deleted where the policy limits how many trials are paused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from raydrive.core.errors import StorageError
from raydrive.core.records import Close
from raydrive.core.sweep.sweep import Sweep
from raydrive.runtime.decision_loop import Batch
from raydrive.storage.checkpoints import remove_all
from raydrive.storage.run_layout import RunLayout


class DroppedCheckpoints:
    """Deletes them, beside the event loop.

    Args:
        layout: The run folder.
    """

    def __init__(self, layout: RunLayout) -> None:
        self._layout = layout

    def after(self, sweep: Sweep, batches: Iterable[Batch]) -> None:
        """Looks at decisions that were carried out.

        Args:
            sweep: The run; the checkpoints of its best trial stay.
            batches: The decisions.
        """
        if getattr(sweep.config.policy, "max_paused", None) is None:
            return
        best = sweep.best
        closed = [one for batch in batches for one in batch.decisions if isinstance(one, Close) and one.by == "policy"]
        for close in closed:
            if best is None or best.trial != close.trial:
                asyncio.get_running_loop().run_in_executor(None, self._remove, close.trial)

    def _remove(self, trial: int) -> None:
        with contextlib.suppress(StorageError):  # they are no harm
            remove_all(self._layout, trial)
