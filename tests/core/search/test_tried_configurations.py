"""Configurations kept up to date as trials come and go: the same as looking at all of them anew, at every step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.records import CANCELED, COMPLETED, FAILED, QUEUED, RUNNING
from raydrive.core.repeats.groups import Group, Noise, key_of
from raydrive.core.repeats.race import contenders
from raydrive.core.repeats.rules import Repeats
from raydrive.core.search.repeated import RepeatedSampler
from raydrive.core.search.trial_record import FrozenTrials, Suggestion, TrialRecord
from raydrive.core.search.tried_configurations import Standing

ENDS = (COMPLETED, COMPLETED, COMPLETED, FAILED, CANCELED)


class Counting:
    """A sampler whose configurations are whole numbers; keeps how it saw them last."""

    cheap = True

    def __init__(self) -> None:
        self.saw: list[TrialRecord] = []

    def ask(self, number: int, history: Any) -> Suggestion:
        self.saw = list(history)
        return Suggestion({"x": number}, "count")


def by_looking_at_all(trials: list[TrialRecord], rule: Repeats, maximize: bool, alone: int) -> int | None:
    """Which configuration is tried again, by its place: what ``Standing`` answers from what it keeps."""
    groups: dict[str, Group] = {}
    for trial in trials:
        key = f"{trial.number}:" if trial.number < alone else key_of(trial.params, rule.parameter)
        groups.setdefault(key, Group()).take(trial.number, trial.value, trial.state)
    found = list(groups.values())
    if rule.race:
        may = [place for place in contenders(found, maximize) if not found[place].running]
    else:
        may = [place for place, group in enumerate(found) if not group.unsound]
    left = [place for place in may if place >= alone and len(found[place].trials) < rule.max]
    return min(left, key=lambda place: len(found[place].trials), default=None)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), min_size=1, max_size=80),
    st.builds(Repeats, max=st.integers(2, 4), race=st.booleans()),
    st.booleans(),
    st.integers(0, 2),
)
def test_what_is_kept_is_what_all_trials_tell(
    steps: list[tuple[int, int]], rule: Repeats, maximize: bool, alone: int
) -> None:
    inner, trials, mark = Counting(), list[TrialRecord](), object()
    sampler, standing = RepeatedSampler(inner, rule, maximize, alone), Standing(rule, maximize, alone)
    for kind, number in steps:
        open_ones = [one.number for one in trials if one.state in (QUEUED, RUNNING)]
        if kind == 9 and trials:  # a user has a trial tried again: it is open once more, and the mark another one
            trials[number % len(trials)] = replace(trials[number % len(trials)], state=RUNNING)
            mark, standing = object(), Standing(rule, maximize, alone)
        elif kind < 4 and open_ones:
            one = open_ones[number % len(open_ones)]
            end = ENDS[number % 5]
            value = None if end == FAILED else number / 7
            trials[one] = replace(trials[one], state=end, value=value)
        history = FrozenTrials(trials)
        history.mark = mark
        answer = sampler.ask(len(trials), history)
        fresh = Counting()
        assert answer == RepeatedSampler(fresh, rule, maximize, alone).ask(len(trials), trials)
        standing.update(history, len(trials))
        assert standing.again() == by_looking_at_all(trials, rule, maximize, alone)
        assert standing.noise == Noise.of(standing.groups) or standing.noise.freedom == 0
        if isinstance(answer, Suggestion):
            if answer.origin == "count":
                assert inner.saw == fresh.saw
            trials.append(TrialRecord(len(trials), answer.params))
