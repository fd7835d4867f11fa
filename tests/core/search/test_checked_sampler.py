"""What a user's sampler may answer where trials are paused, and how a wrong answer is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from raydrive.core.errors import UserCodeError
from raydrive.core.records import PAUSED, RUNNING
from raydrive.core.search.checked_sampler import CheckedSampler
from raydrive.core.search.trial_record import Continuation, Suggestion, TrialRecord
from raydrive.core.space.search_space import parse_space, uniform

HISTORY = (TrialRecord(0, {"x": 0.5}, 0.1, PAUSED, [0.1]), TrialRecord(1, {"x": 0.7}, None, RUNNING))


class Answers:
    """A sampler with one answer."""

    cheap = True

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Any:
        return self.answer

    def go_on(self, history: Sequence[TrialRecord]) -> Any:
        return self.answer


class NoChoice:
    """A sampler that knows nothing of paused trials."""

    cheap = True

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Any:
        return Suggestion({"x": 0.1}, "own")


def checked(sampler: Any) -> CheckedSampler:
    return CheckedSampler(sampler, parse_space({"x": uniform(0, 1)}))


@pytest.mark.parametrize("answer", [None, Continuation(0), Continuation(0, 3, "model", {"gain": 0.5})])
def test_a_paused_trial_may_be_chosen(answer: Any) -> None:
    assert checked(Answers(answer)).ask(2, HISTORY) == answer
    assert checked(Answers(answer)).go_on(HISTORY) == answer


def test_who_does_not_choose_has_nothing_go_on() -> None:
    assert checked(NoChoice()).go_on(HISTORY) is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Continuation(1), "whose trial is Running"),
        (Continuation(7), "whose trial does not exist"),
        (Continuation(0, 0), "whose until is neither None nor a whole number of 1 or more"),
        (Continuation(0, 2.5), "whose until is neither None nor a whole number of 1 or more"),  # type: ignore[arg-type]
        (Continuation(0, 2, "model", {"gain": object()}), "which is not JSON"),
    ],
)
def test_a_wrong_choice_is_told(answer: Any, told: str) -> None:
    for ask in (lambda one: one.ask(2, HISTORY), lambda one: one.go_on(HISTORY)):
        with pytest.raises(UserCodeError, match=told):
            ask(checked(Answers(answer)))


def test_a_new_configuration_is_no_choice_among_paused_trials() -> None:
    with pytest.raises(UserCodeError, match=r"go_on returned .* instead of a paused trial"):
        checked(Answers(Suggestion({"x": 0.1}, "own"))).go_on(HISTORY)
    with pytest.raises(UserCodeError, match="whose until is neither"):
        checked(Answers(Suggestion({"x": 0.1}, "own", until=-1))).ask(2, HISTORY)
