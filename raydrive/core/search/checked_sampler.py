"""A sampler of a user's class: what it raises and what it answers is checked, so that an error names it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from raydrive.core.errors import UserCodeError, show
from raydrive.core.search.protocol import Sampler, SamplingSpec
from raydrive.core.search.trial_record import Suggestion, TrialRecord
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

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        """Returns what the sampler proposes.

        Raises:
            UserCodeError: If it fails, or what it returns is no configuration of the search space's parameters.
        """
        try:
            answer: Any = self._sampler.ask(number, history)
        except (Exception, SystemExit) as error:
            raise failure(self._sampler, f"ask(trial {number})", error) from error
        if answer is None or not (wrong := self._wrong(answer)):
            return answer  # type: ignore[no-any-return]
        raise UserCodeError(f"{type_name(type(self._sampler))}.ask returned {wrong} for trial {number}")

    def _wrong(self, answer: Any) -> str:
        if not isinstance(answer, Suggestion):
            return f"{show(answer)}, which is neither a Suggestion nor None,"
        if not isinstance(answer.params, dict) or set(answer.params) != self._names:
            return f"{show(answer.params)}, which are not values of {', '.join(sorted(self._names))},"
        try:
            json.dumps([answer.params, answer.origin, dict(answer.details)])
        except (TypeError, ValueError) as error:
            return f"{show(answer)}, which is no JSON ({error}),"
        return ""


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
