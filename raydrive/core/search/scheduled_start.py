"""The first hyperparameters of trials that train by a schedule."""

from __future__ import annotations

from collections.abc import Sequence

from raydrive.core.population.schedule import Setting
from raydrive.core.search.protocol import Sampler
from raydrive.core.search.trial_record import Continuation, Suggestion, TrialRecord
from raydrive.core.space.search_space import Space

ORIGIN = "schedule"
"""Origin of such a trial's hyperparameters."""


class ScheduledStart:
    """A sampler whose proposals have the first hyperparameters of a schedule.

    Args:
        sampler: Asked for those that the schedule does not have.
        space: The search space.
        first: The schedule's first setting.
    """

    def __init__(self, sampler: Sampler, space: Space, first: Setting) -> None:
        self._sampler = sampler
        self._first = dict(first.params)
        self._whole = self._first.keys() >= space.expressions.keys()

    @property
    def cheap(self) -> bool:
        """As the sampler behind it, where that is asked."""
        return self._whole or self._sampler.cheap

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | Continuation | None:
        """Returns the schedule's hyperparameters, with what the sampler proposes for others."""
        if self._whole:
            return Suggestion(dict(self._first), ORIGIN)
        found = self._sampler.ask(number, history)
        if not isinstance(found, Suggestion):
            return found
        return Suggestion({**found.params, **self._first}, ORIGIN, found.details, found.until)
