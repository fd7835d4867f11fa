"""Which checkpoints other trials continue from: no trial actor deletes one of them."""

from __future__ import annotations

from collections.abc import Mapping

from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.checkpoints import pin_for, unpin_for
from raydrive.storage.run_layout import RunLayout

Taken = tuple[int, int]
"""Trial and number of a checkpoint."""


def needed(sweep: Sweep) -> dict[int, Taken]:
    """Returns, by trial, the checkpoints of other trials that it continues from next, or would if it were lost now."""
    if sweep.config.rules.population is None:
        return {}
    found = {}
    for one in (*sweep.open_trials, *sweep.paused_trials):
        pause = one.pause
        if pause is not None and pause.source is not None:  # its own attempt is being ended
            found[one.number] = (pause.source, int(pause.resume_from or 0))
        elif one.checkpoint_of is not None:
            found[one.number] = (one.checkpoint_of, int(one.checkpoint or 0))
    return found


class CheckpointPins:
    """Keeps what the storage has of this up to date.

    Args:
        layout: The run.
    """

    def __init__(self, layout: RunLayout) -> None:
        self._layout = layout
        self.known: dict[int, Taken] = {}
        """What is in the storage, as far as this driver has written it."""

    def update(self, wanted: Mapping[int, Taken]) -> None:
        """Writes what is new and removes what is no longer needed.

        Raises:
            StorageError: If that cannot be done; it is tried again with the next call.
        """
        for taker, (trial, number) in wanted.items():
            if self.known.get(taker) != (trial, number):
                pin_for(self._layout, trial, taker, number)
                self._forget(taker, unless=trial)
                self.known[taker] = (trial, number)
        for taker in self.known.keys() - wanted.keys():
            self._forget(taker)
            del self.known[taker]

    def _forget(self, taker: int, unless: int | None = None) -> None:
        before = self.known.get(taker)
        if before is not None and before[0] != unless:
            unpin_for(self._layout, before[0], taker)
