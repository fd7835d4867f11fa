"""Wraps a sampler of a user's class: checks its exceptions and results, so that an error names the class."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from raydrive.core.errors import UserCodeError, show
from raydrive.core.records import PAUSED
from raydrive.core.search.protocol import Sampler, SamplingSpec
from raydrive.core.search.trial_record import Continuation, Suggestion, TrialRecord
from raydrive.core.space.search_space import Space
from raydrive.core.user_classes import failure, is_own, type_name


class CheckedSampler:
    """Asks a user's sampler.

    Args:
        sampler: The sampler.
        space: The search space.

    Raises:
        UserCodeError: If it does not say whether it is cheap.
    """

    def __init__(self, sampler: Sampler, space: Space) -> None:
        self._sampler = sampler
        self._names = set(space.expressions)
        try:
            self._cheap = bool(sampler.cheap)
        except (Exception, SystemExit) as error:
            raise failure(sampler, "cheap", error) from error

    @property
    def cheap(self) -> bool:
        """As the sampler behind it."""
        return self._cheap

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | Continuation | None:
        """Returns what the sampler proposes.

        Raises:
            UserCodeError: If it fails, or what it returns is not a configuration of the search space's parameters.
        """
        try:
            answer: Any = self._sampler.ask(number, history)
        except (Exception, SystemExit) as error:
            raise failure(self._sampler, f"ask(trial {number})", error) from error
        if answer is None or not (wrong := self._wrong(answer, history)):
            return answer  # type: ignore[no-any-return]
        raise UserCodeError(f"{type_name(type(self._sampler))}.ask returned {wrong} for trial {number}")

    def go_on(self, history: Sequence[TrialRecord]) -> Continuation | None:
        """Returns which paused trial the sampler has continue.

        Raises:
            UserCodeError: If it fails, or what it returns is not a paused trial.
        """
        ask = getattr(self._sampler, "go_on", None)
        try:
            answer: Any = ask(history) if ask is not None else None
        except (Exception, SystemExit) as error:
            raise failure(self._sampler, "go_on()", error) from error
        wrong = f"{show(answer)},"
        if answer is None or isinstance(answer, Continuation):
            wrong = "" if answer is None else _wrong_trial(answer, history)
        if not wrong:
            return answer  # type: ignore[no-any-return]
        raise UserCodeError(f"{type_name(type(self._sampler))}.go_on returned {wrong} instead of a paused trial")

    def _wrong(self, answer: Any, history: Sequence[TrialRecord]) -> str:
        if isinstance(answer, Continuation):
            return _wrong_trial(answer, history)
        if not isinstance(answer, Suggestion):
            return f"{show(answer)}, which is not a Suggestion, a Continuation or None,"
        if not isinstance(answer.params, dict) or set(answer.params) != self._names:
            return f"{show(answer.params)}, which are not values of {', '.join(sorted(self._names))},"
        try:
            json.dumps([answer.params, answer.origin, dict(answer.details)])
        except (TypeError, ValueError) as error:
            return f"{show(answer)}, which is not JSON ({error}),"
        return _wrong_until(answer)


def _wrong_until(answer: Suggestion | Continuation) -> str:
    until: Any = answer.until
    if until is None or (isinstance(until, int) and not isinstance(until, bool) and until >= 1):
        return ""
    return f"{show(answer)}, whose until is neither None nor a whole number of 1 or more,"


def _wrong_trial(answer: Continuation, history: Sequence[TrialRecord]) -> str:
    if wrong := _wrong_until(answer):
        return wrong
    try:
        json.dumps([answer.origin, dict(answer.details)])
    except (TypeError, ValueError) as error:
        return f"{show(answer)}, which is not JSON ({error}),"
    known = isinstance(answer.trial, int) and 0 <= answer.trial < len(history)
    if known and history[answer.trial].state == PAUSED:
        return ""
    return f"{show(answer)}, whose trial {'is ' + history[answer.trial].state if known else 'does not exist'},"


def building(sampling: SamplingSpec) -> Callable[..., Sampler]:
    """Returns ``sampling.build``; that of a user's class gives a ``CheckedSampler``."""
    if is_own(type(sampling)):
        return sampling.build

    def build(*args: Any, **kwargs: Any) -> Sampler:
        try:
            sampler = sampling.build(*args, **kwargs)
        except (Exception, SystemExit) as error:
            raise failure(sampling, "build", error) from error
        return CheckedSampler(sampler, sampling.space)

    return build
