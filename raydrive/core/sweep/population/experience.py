"""What the members of a population have been trained with and what came of it, for the model of their gains."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.population.lineage import Lineage
from raydrive.core.population.protocol import Begun, Block
from raydrive.core.population.schedule import Change
from raydrive.core.records import QUEUED, RUNNING, Params
from raydrive.core.sweep.packed_params import plain_params
from raydrive.core.sweep.state import State, Trial


class Experience:
    """The past of a population.

    Args:
        state: The sweep's; read only.
        curves: The sweep's.
        lineage: All changes of the run.
    """

    def __init__(self, state: State, curves: Curves, lineage: Lineage) -> None:
        self._state, self._curves, self._lineage = state, curves, lineage

    def blocks(self, every: int) -> list[Block]:
        """Returns the stretches that all members have trained, oldest first.

        A stretch ends at a multiple of ``every``, and where hyperparameters changed. The first interval of a training
        has no value before it, so the first stretch begins there. What follows a checkpoint of another member is
        compared with the value that this one had there.

        Args:
            every: Intervals of a block.
        """
        found = [block for trial in self._state.trials for block in self._of(trial, every)]
        return sorted(found, key=lambda block: block.interval)

    def begun(self, besides: int) -> list[Begun]:
        """Returns what members train with now, or are about to, but for one of them.

        Args:
            besides: That one.
        """
        found = []
        for trial in (*self._state.open.values(), *self._state.paused.values()):
            pause, length = trial.pause, self._curves.length(trial.number)
            if trial.number == besides or not length:
                continue
            if pause is not None and pause.source is not None and pause.params is not None:
                found.append(Begun(length, pause.params, self.score(pause.source, pause.source_interval or 0)))
            elif trial.state in (QUEUED, RUNNING):
                found.append(Begun(length, plain_params(trial.params), self.score(trial.number, length)))
        return found

    def score(self, trial: int, interval: int) -> float:
        """Returns a trial's value at an interval, in the direction that is better: larger; NaN where it has none."""
        values = self._curves.values(trial)
        if not 1 <= interval <= len(values):
            return math.nan
        value = float(values[interval - 1])
        return value if self._curves.maximize else -value

    def _of(self, trial: Trial, every: int) -> Iterator[Block]:
        number, length = trial.number, self._curves.length(trial.number)
        changes = self._lineage.changes.get(number, [])
        first = self._lineage.first.get(number)
        began = plain_params(trial.params) if first is None else first
        stretches: list[tuple[int, Params, Change | None]] = [(0, began, None)]
        stretches += [(one.interval, one.params, one) for one in changes]
        ends = [start for start, _, _ in stretches[1:]] + [length]
        for (start, params, change), end in zip(stretches, ends, strict=True):
            taken = change is not None and change.source not in (None, number)
            yield from self._within(number, start, min(end, length), params, change if taken else None, every)

    def _within(
        self, number: int, start: int, end: int, params: Params, taken: Change | None, every: int
    ) -> Iterator[Block]:
        """Blocks of one stretch of a member's curve."""
        inner = range((start // every + 1) * every, end, every)
        for at, to in itertools.pairwise([start, *inner, end]):
            if to <= at:
                continue
            before, since = self.score(number, at), at
            if at == start and taken is not None and taken.source is not None:
                before = self.score(taken.source, taken.source_interval)
            elif at == 0:
                before, since = self.score(number, 1), 1
            if to > since and math.isfinite(before):
                gain = self.score(number, to) - before
                yield Block(at, params, before, gain * every / (to - since))
