"""What the callbacks have in common: which values are logged, from which process, and with which checkpoint.

Standard library only, nothing newer than Python 3.8: training scripts import this in environments of their own.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any, Callable, Sequence, Union  # noqa: UP035  (Python 3.8)

from raydrive import ranks
from raydrive.context import Run

# Evaluated at run time, hence spelled for Python 3.8.
Metrics = Union[None, Sequence[str], Mapping[str, str]]  # noqa: UP007
"""None: every number that the library has; names: these; a mapping: the library's names by the names to log."""


class TrialReport:
    """Logs values with the checkpoint that holds them, from rank 0.

    Args:
        metrics: Which values are logged, and under which names.
        checkpoint: Whether a checkpoint is saved with them.
        every_n: Only every n-th report is logged, 1 or more.

    Raises:
        ValueError: ``every_n`` is below 1.
    """

    def __init__(self, metrics: Metrics = None, checkpoint: bool = True, every_n: int = 1) -> None:
        if every_n < 1:
            raise ValueError(f"every_n: found {every_n!r}; expected a whole number of 1 or more")
        self.metrics = metrics
        self.checkpoint = checkpoint
        self.every_n = every_n
        self._calls = 0

    @property
    def run(self) -> Run:
        """The trial."""
        return Run.get_context()

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0 of the processes that train together, whose values count."""
        return ranks.rank_of(os.environ) == 0

    @property
    def saves(self) -> bool:
        """Whether a checkpoint is saved with the next report: not outside a trial, where it would not be used."""
        return self.checkpoint and not self.run.offline

    def due(self) -> bool:
        """Returns whether this call is one of every n; the n-th, the 2n-th and so on are."""
        self._calls += 1
        return self._calls % self.every_n == 0

    def saved(self, name: str) -> str | None:
        """Returns the path of a file or folder in the checkpoint to continue from; None where there is none."""
        folder = self.run.resume_from
        path = os.path.join(folder, name) if folder is not None else ""
        return path if path and os.path.exists(path) else None

    def chosen(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values to log by the names to log them under.

        Raises:
            KeyError: None of the metrics that were asked for is there.
        """
        numbers = {name: number for name, value in values.items() if (number := _number(value)) is not None}
        if self.metrics is None:
            return numbers
        wanted = self.metrics if isinstance(self.metrics, Mapping) else {name: name for name in self.metrics}
        found = {name: numbers[theirs] for name, theirs in wanted.items() if theirs in numbers}
        if wanted and not found:
            there = ", ".join(map(repr, numbers)) or "no number"
            asked = ", ".join(map(repr, wanted.values()))
            raise KeyError(f"metrics: found {there}; expected {asked}; name one of these, or use metrics=None for all")
        return found

    def report(self, values: Mapping[str, Any], step: float, save: Callable[[str], None] | None = None) -> None:
        """Logs values, where this is rank 0.

        Args:
            values: All that the library has.
            step: Where in training this is, such as the epoch, from 1.
            save: Writes the checkpoint into the folder it is given; None = there is none.

        Raises:
            KeyError: None of the metrics that were asked for is there.
            OSError: The checkpoint cannot be written.
        """
        if not self.is_first:
            return
        found = self.chosen(values)
        if not found:
            return
        if save is None or not self.saves:
            self.run.report(found, step=step)
            return
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
            save(folder)
            self.run.report(found, step=step, checkpoint=folder)


def _number(value: Any) -> float | int | None:
    """The number that a value is; None where it is none."""
    if isinstance(value, (int, float)):
        return value
    size = getattr(value, "shape", None)
    if hasattr(value, "item") and (size is None or all(one == 1 for one in size)):
        item = value.item()
        return item if isinstance(item, (int, float)) else None
    return None
