"""Which hyperparameters the trials of a run have had, and whose training they continued with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from raydrive.core.population.schedule import Change, Stretch, stretches
from raydrive.core.records import Params


@dataclass(slots=True)
class Lineage:
    """All changes of a run."""

    first: dict[int, Params] = field(default_factory=dict)
    """The first hyperparameters of each trial that has changed."""
    changes: dict[int, list[Change]] = field(default_factory=dict)
    """By trial, oldest first."""
    count: int = 0
    """Number of changes in the run."""

    def add(self, trial: int, before: Params, change: Change) -> None:
        """Takes a change in.

        Args:
            trial: Number of the trial.
            before: Its hyperparameters before the change.
            change: The change.
        """
        self.first.setdefault(trial, before)
        self.changes.setdefault(trial, []).append(change)
        self.count += 1

    def of(self, trial: int, interval: int, params: Callable[[int], Params]) -> list[Stretch]:
        """Returns what a trial was trained with up to an interval, sources followed back to the beginning.

        Args:
            trial: Number of the trial.
            interval: As its curve counts them.
            params: Returns the present hyperparameters of a trial.
        """
        return stretches(trial, interval, self.changes, lambda one: self.first.get(one) or params(one))
