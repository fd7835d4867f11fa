"""A sampler whose configurations are tried several times: the sampler behind it sees each of them once.

The question whether a configuration is tried again is answered from the trials so far alone, so that a driver that
takes over answers it in the same way; what was answered is a suggestion like any other, and recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from raydrive.core.records import COMPLETED, FAILED, PAUSED, QUEUED, RUNNING, TERMINAL, Params
from raydrive.core.repeats.groups import Group, Noise, key_of
from raydrive.core.repeats.race import contenders
from raydrive.core.repeats.rules import Repeats
from raydrive.core.search.protocol import Sampler
from raydrive.core.search.trial_record import LATER, Continuation, Later, Suggestion, TrialRecord

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
        self._keys: list[tuple[Params, str]] = []

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
        trials = list(history[:number])
        members, groups = self._grouped(trials)
        place = self._again(groups)
        if place is not None:
            first = trials[members[place][0]]
            used = {trials[one].params.get(self._rule.parameter) for one in members[place]}
            value = next(k for k in range(len(used) + 1) if k not in used)
            details = {"repeat_of": first.number, "repeat": len(members[place]) + 1}
            return Suggestion({**first.params, self._rule.parameter: value}, REPEAT, details)
        known = self._condensed(trials, members, groups)
        found = self._sampler.ask(len(members), known)
        if isinstance(found, Suggestion):
            if len(members) < self._alone:
                return found
            return replace(found, params={**found.params, self._rule.parameter: 0})
        if isinstance(found, Continuation):
            return self._of_a_trial(found, trials, members)
        return LATER if any(trial.state in (QUEUED, RUNNING) for trial in trials) else None

    def go_on(self, history: Sequence[TrialRecord]) -> Continuation | None:
        """Returns a paused trial to continue with, where the sampler chooses among these; else None."""
        choose: Callable[[Sequence[TrialRecord]], Continuation | None] | None = getattr(self._sampler, "go_on", None)
        if choose is None:
            return None
        trials = list(history)
        members, groups = self._grouped(trials)
        found = choose(self._condensed(trials, members, groups))
        return None if found is None else self._of_a_trial(found, trials, members)

    @staticmethod
    def _of_a_trial(
        found: Continuation, trials: Sequence[TrialRecord], members: Sequence[Sequence[int]]
    ) -> Continuation:
        """What was chosen by the number of a configuration, by that of its paused trial."""
        paused = [one for one in members[found.trial] if trials[one].state == PAUSED]
        return replace(found, trial=paused[0] if paused else members[found.trial][0])

    def _grouped(self, trials: Sequence[TrialRecord]) -> tuple[list[list[int]], list[Group]]:
        """Trials by configuration, each with what they say together; the order is that of their first trials."""
        members, groups, places = list[list[int]](), list[Group](), dict[str, int]()
        for number, trial in enumerate(trials):
            key = f"{number}:" if number < self._alone else self._key(number, trial.params)
            place = places.setdefault(key, len(groups))
            if place == len(groups):
                groups.append(Group())
                members.append([])
            members[place].append(number)
            groups[place].take(number, trial.value, trial.state)
        return members, groups

    def _key(self, number: int, params: Params) -> str:
        while len(self._keys) <= number:
            self._keys.append(({}, ""))
        known, key = self._keys[number]
        if not key or known != params:
            key = key_of(params, self._rule.parameter)
            self._keys[number] = (params, key)
        return key

    def _again(self, groups: Sequence[Group]) -> int | None:
        """The configuration that is tried again: of those with the fewest trials the best one."""
        if self._rule.race:
            open_to = [place for place in contenders(groups, self._maximize) if not groups[place].running]
        else:
            open_to = [place for place, group in enumerate(groups) if not group.unsound]
        left = [place for place in open_to if place >= self._alone and len(groups[place].trials) < self._rule.max]
        return min(left, key=lambda place: len(groups[place].trials), default=None)

    def _condensed(
        self, trials: Sequence[TrialRecord], members: Sequence[Sequence[int]], groups: Sequence[Group]
    ) -> list[TrialRecord]:
        """One observation of each configuration: the mean, with its standard error as noise."""
        noise = Noise.of(groups)
        found = []
        for place, (numbers, group) in enumerate(zip(members, groups, strict=True)):
            first = trials[numbers[0]]
            params = {name: value for name, value in first.params.items() if name != self._rule.parameter}
            record = replace(first, number=place, params=params)
            if group.values:
                error = noise.error(len(group.values))
                record = replace(record, value=group.mean, state=COMPLETED, stopped=False, noise=error)
            if any(trials[one].state == FAILED for one in numbers):
                record = replace(record, value=None, state=FAILED)
            elif group.running and record.state in TERMINAL and not group.values:
                record = replace(
                    record, state=next(trials[n].state for n in numbers if trials[n].state not in TERMINAL)
                )
            found.append(record)
        return found
