"""A sampler whose configurations are tried several times: the sampler behind it sees each of them once.

The question whether a configuration is tried again is answered from the trials so far alone, so that a driver that
takes over answers it in the same way; what was answered is a suggestion like any other, and recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from raydrive.core.records import COMPLETED, FAILED, PAUSED, TERMINAL
from raydrive.core.repeats.rules import Repeats
from raydrive.core.search.protocol import Sampler
from raydrive.core.search.trial_record import LATER, Continuation, Later, Suggestion, TrialRecord, TrialView
from raydrive.core.search.tried_configurations import Standing

REPEAT = "repeat"
"""Origin of a suggestion that tries a configuration again."""


class RepeatedSampler:
    """Tries configurations again before it asks for new ones.

    Args:
        sampler: Asked for configurations, by their number among configurations.
        rule: How often each is tried.
        maximize: Whether larger values are better.
        alone: Number of first trials that are tried once whatever comes of them: they continue from earlier runs.
    """

    def __init__(self, sampler: Sampler, rule: Repeats, maximize: bool, alone: int = 0) -> None:
        self._sampler = sampler
        self._rule = rule
        self._maximize = maximize
        self._alone = alone
        self._standing_now = Standing(rule, maximize, alone)
        self._mark: object | None = None

    @property
    def cheap(self) -> bool:
        """As the sampler behind it."""
        return self._sampler.cheap

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | Continuation | Later | None:
        """Returns a configuration that is tried again, or a new one; ``LATER`` where that depends on what still runs.

        Args:
            number: Of the trial.
            history: As samplers get it.
        """
        standing = self._standing(history, number)
        members, place = standing.members, standing.again()
        if place is not None:
            first = history[members[place][0]]
            used = {history[one].params.get(self._rule.parameter) for one in members[place]}
            value = next(k for k in range(len(used) + 1) if k not in used)
            details = {"repeat_of": first.number, "repeat": len(members[place]) + 1}
            return Suggestion({**first.params, self._rule.parameter: value}, REPEAT, details)
        found = self._sampler.ask(len(members), _Condensed(history, standing, self._rule.parameter))
        if isinstance(found, Suggestion):
            if len(members) < self._alone:
                return found
            return replace(found, params={**found.params, self._rule.parameter: 0})
        if isinstance(found, Continuation):
            return self._of_a_trial(found, history, members)
        return LATER if standing.trains else None

    def go_on(self, history: Sequence[TrialRecord]) -> Continuation | None:
        """Returns a paused trial to continue with, where the sampler chooses among these; else None."""
        choose: Callable[[Sequence[TrialRecord]], Continuation | None] | None = getattr(self._sampler, "go_on", None)
        if choose is None:
            return None
        standing = self._standing(history, len(history))
        found = choose(_Condensed(history, standing, self._rule.parameter))
        return None if found is None else self._of_a_trial(found, history, standing.members)

    @staticmethod
    def _of_a_trial(
        found: Continuation, trials: Sequence[TrialRecord], members: Sequence[Sequence[int]]
    ) -> Continuation:
        """What was chosen by the number of a configuration, by that of its paused trial."""
        paused = [one for one in members[found.trial] if trials[one].state == PAUSED]
        return replace(found, trial=paused[0] if paused else members[found.trial][0])

    def _standing(self, history: Sequence[TrialRecord], number: int) -> Standing:
        """The configurations of the first trials: gone on with where these are the trials of the question before."""
        mark = getattr(history, "mark", None)
        if mark is None or mark is not self._mark or number < self._standing_now.trials:
            self._standing_now = Standing(self._rule, self._maximize, self._alone)
        self._mark = mark
        self._standing_now.update(history, number)
        return self._standing_now


class _Condensed(TrialView):
    """One observation of each configuration: the mean, with its standard error as noise; made when it is asked for."""

    def __init__(self, history: Sequence[TrialRecord], standing: Standing, parameter: str) -> None:
        self._history = history
        self._standing = standing
        self._parameter = parameter
        self._noise = standing.noise

    def __len__(self) -> int:
        return len(self._standing.groups)

    def at(self, number: int) -> TrialRecord:
        """Returns a configuration as one trial."""
        numbers, group = self._standing.members[number], self._standing.groups[number]
        trials = [self._history[one] for one in numbers]
        params = {name: value for name, value in trials[0].params.items() if name != self._parameter}
        record = replace(trials[0], number=number, params=params)
        if group.values:
            error = self._noise.error(len(group.values))
            record = replace(record, value=group.mean, state=COMPLETED, stopped=False, noise=error)
        if any(trial.state == FAILED for trial in trials):
            return replace(record, value=None, state=FAILED)
        if group.running and record.state in TERMINAL and not group.values:
            return replace(record, state=next(trial.state for trial in trials if trial.state not in TERMINAL))
        return record
