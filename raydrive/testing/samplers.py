"""What every sampler must keep, as tests to inherit.

Subclass and say how to make the sampling object; pytest collects the rest:

    class TestMySampling(SamplerContract):
        def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
            return MySampling(parameter_space, seed=seed)

Needs nothing but pytest. Seeds are fixed, so a failure comes back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from raydrive.core.records import CANCELED, COMPLETED, FAILED, QUEUED, RUNNING
from raydrive.core.search.protocol import Sampler, SamplingSpec
from raydrive.core.search.registry import is_registered, sampling_from_json
from raydrive.core.search.sampling_record import built_sampling, sampling_record
from raydrive.core.search.trial_record import Continuation, Suggestion, TrialRecord
from raydrive.core.space.search_space import choice, loguniform, normal, quniform, randint, uniform

ParameterSpace = Mapping[str, Any]
_NEVER = 1000
"""No finite space below has as many configurations."""


def told(number: int, suggestion: Suggestion) -> TrialRecord:
    """Returns the trial of a suggestion in one of the states a sampler must cope with, by its number.

    Waiting, running, completed, stopped by a policy, failed without a metric, and completed with nothing but NaN.
    """
    value = 1.0 + math.sin(number)
    curve = [value / 2, value]
    kinds = (
        TrialRecord(number, suggestion.params, value, COMPLETED, curve),
        TrialRecord(number, suggestion.params, None, QUEUED),
        TrialRecord(number, suggestion.params, value, RUNNING, curve[:1]),
        TrialRecord(number, suggestion.params, value, CANCELED, curve, stopped=True),
        TrialRecord(number, suggestion.params, None, FAILED),
        TrialRecord(number, suggestion.params, None, COMPLETED, [math.nan, math.inf]),
    )
    return kinds[number % len(kinds)]


def asked(sampler: Sampler, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
    """Returns what a sampler proposes where no trial is paused.

    Raises:
        AssertionError: If it has one continue all the same.
    """
    answer = sampler.ask(number, history)
    if isinstance(answer, Continuation):
        raise AssertionError(f"no trial is paused, and the sampler has one go on: {answer}")
    return answer


def play(sampler: Sampler, limit: int) -> Iterator[Suggestion]:
    """Yields what a sampler proposes for trials 0 .. limit-1, each being ``told`` before the next one is asked for."""
    history: list[TrialRecord] = []
    for number in range(limit):
        suggestion = asked(sampler, number, history)
        if suggestion is None:
            return
        history.append(told(number, suggestion))
        yield suggestion


def distinct(sampling: SamplingSpec, suggestions: Sequence[Suggestion]) -> int:
    """Returns how many different configurations there are."""
    return len({sampling.space.key(suggestion.params) for suggestion in suggestions})


class SamplerContract:
    """Tests that any sampler passes; ``sampling`` is the only thing to write."""

    finite: ClassVar[ParameterSpace] = {
        "units": choice(16, 32, 64),
        "layers": randint(2),
        "model": choice({"kind": "linear"}, {"kind": "tree", "depth": choice(2, 4)}),
    }
    """A space of 18 configurations."""
    endless: ClassVar[ParameterSpace | None] = {
        "rate": loguniform(-9, -2),
        "momentum": uniform(0, 1),
        "width": quniform(8, 64, 8),
        "shift": normal(0, 1),
        "kernel": choice({"name": "linear"}, {"name": "rbf", "gamma": loguniform(-7, 0)}),
    }
    """An infinite space; None for samplers that refuse them."""
    asks = 24
    """Trials to ask for in an infinite space."""

    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        """Returns the sampling object under test."""
        raise NotImplementedError("say which sampler to test: override sampling(parameter_space, seed)")

    def read(self, raw: Mapping[str, Any]) -> SamplingSpec:
        """Returns the object of a record, as a run's driver builds it again."""
        if is_registered(raw["type"]):
            return sampling_from_json(raw)
        kind = type(self.sampling(self.finite, 7))
        return built_sampling(raw, lambda name: kind)

    def _spaces(self) -> list[tuple[ParameterSpace, int]]:
        return [(self.finite, _NEVER), *([] if self.endless is None else [(self.endless, self.asks)])]

    def _proposals(self, parameter_space: ParameterSpace, limit: int, seed: int = 7) -> list[Suggestion]:
        return list(play(self.sampling(parameter_space, seed).build(seed, True), limit))

    def test_proposals_lie_in_the_space_and_say_where_they_come_from(self) -> None:
        """Every proposal is a whole configuration with a name for its origin."""
        for parameter_space, limit in self._spaces():
            space = self.sampling(parameter_space, 7).space
            for suggestion in self._proposals(parameter_space, limit):
                assert space.contains(suggestion.params), suggestion
                assert suggestion.origin, suggestion

    def test_proposals_are_json(self) -> None:
        """The journal holds them: plain values, and the same after reading them back."""
        for parameter_space, limit in self._spaces():
            for suggestion in self._proposals(parameter_space, limit):
                whole = {"params": suggestion.params, "details": suggestion.details}
                assert json.loads(json.dumps(whole, allow_nan=False)) == whole

    def test_a_finite_space_gives_each_configuration_once_and_then_none(self) -> None:
        """Without replacement, to the last one; None stays None."""
        sampling = self.sampling(self.finite, 7)
        sampler, history = sampling.build(7, True), list[TrialRecord]()
        while (suggestion := asked(sampler, len(history), history)) is not None:
            assert len(history) < _NEVER, "no end"
            history.append(told(len(history), suggestion))
        assert len({sampling.space.key(seen.params) for seen in history}) == len(history)
        assert len(history) == sampling.space.size
        assert sampler.ask(len(history), history) is None

    def test_who_says_that_it_reads_no_curves_does_without(self) -> None:
        """Where its class says ``reads_curves = False``, a driver forgets those of trials that have ended."""
        for parameter_space, limit in self._spaces():
            sampling = self.sampling(parameter_space, 7)
            if vars(type(sampling)).get("reads_curves", True):
                return
            sampler, history = sampling.build(7, True), list[TrialRecord]()
            for suggestion in self._proposals(parameter_space, limit):
                assert sampler.ask(len(history), history) == suggestion
                history.append(replace(told(len(history), suggestion), curve=()))

    def test_trials_from_elsewhere_are_not_tried_again(self) -> None:
        """Configurations that other trials had (resumed ones) count as tried, however they came into the history."""
        sampling = self.sampling(self.finite, 7)
        size = sampling.space.size or 0
        foreign = [Suggestion(sampling.space.grid_at(index), "resumed") for index in range(size - 1, 2, -3)]
        history = [told(number, suggestion) for number, suggestion in enumerate(foreign)]
        sampler = sampling.build(7, True)
        while (suggestion := asked(sampler, len(history), history)) is not None:
            history.append(told(len(history), suggestion))
        assert len({sampling.space.key(seen.params) for seen in history}) == len(history) == size

    def test_a_fresh_sampler_gives_the_same_answer(self) -> None:
        """A resumed run continues as the interrupted one would have: the cache is not a memory."""
        for parameter_space, limit in self._spaces():
            proposals = self._proposals(parameter_space, limit)
            history = [told(number, suggestion) for number, suggestion in enumerate(proposals)]
            for number in {0, 1, len(proposals) // 2, len(proposals) - 1}:
                fresh = self.sampling(parameter_space, 7).build(7, True)
                assert fresh.ask(number, history[:number]) == proposals[number], number

    def test_an_earlier_question_gets_its_answer_again(self) -> None:
        """Asking again, with the history of then or of now, changes nothing."""
        for parameter_space, limit in self._spaces():
            sampler = self.sampling(parameter_space, 7).build(7, True)
            proposals = list(play(sampler, limit))
            history = [told(number, suggestion) for number, suggestion in enumerate(proposals)]
            assert sampler.ask(3, history[:3]) == proposals[3]
            assert sampler.ask(3, history) == proposals[3]
            assert sampler.ask(len(history) - 1, history[:-1]) == proposals[-1]

    def test_a_sampler_does_not_confuse_histories(self) -> None:
        """The same object asked about another run answers as a fresh one."""
        first = self._proposals(self.finite, _NEVER)
        other = [told(number, suggestion) for number, suggestion in enumerate(reversed(first))]
        sampler = self.sampling(self.finite, 7).build(7, True)
        list(play(sampler, 9))
        fresh = self.sampling(self.finite, 7).build(7, True)
        assert sampler.ask(9, other) == fresh.ask(9, other)

    def test_the_history_is_left_alone(self) -> None:
        """Neither the list nor the params in it are changed, and proposals are objects of their own."""
        for parameter_space, limit in self._spaces():
            sampling = self.sampling(parameter_space, 7)
            written = json.dumps(sampling_record(sampling))
            sampler, history = sampling.build(7, True), list[TrialRecord]()
            for number in range(min(limit, 12)):
                before = repr(history)
                suggestion = asked(sampler, number, history)
                assert repr(history) == before
                assert suggestion is not None
                history.append(told(number, suggestion))
            for seen in history:
                _spoil(seen.params)
            assert json.dumps(sampling_record(sampling)) == written

    def test_both_goals_are_served(self) -> None:
        """Minimising works too, and proposes configurations of the space."""
        for parameter_space, limit in self._spaces():
            sampling = self.sampling(parameter_space, 7)
            made = list(play(sampling.build(7, False), min(limit, self.asks)))
            assert made
            assert all(sampling.space.contains(suggestion.params) for suggestion in made)

    def test_json_gives_back_an_equal_sampling(self) -> None:
        """What a run's ``config.json`` holds is enough to make the same proposals."""
        for parameter_space, limit in self._spaces():
            sampling = self.sampling(parameter_space, 7)
            again = self.read(json.loads(json.dumps(sampling_record(sampling), allow_nan=False)))
            assert again == sampling
            assert type(again) is type(sampling)
            limit = min(limit, 5)
            assert list(play(again.build(1, True), limit)) == list(play(sampling.build(1, True), limit))

    def test_a_sampler_says_whether_it_is_cheap(self) -> None:
        """The driver asks expensive ones off the report path."""
        assert isinstance(self.sampling(self.finite, 7).build(7, True).cheap, bool)


def _spoil(value: Any) -> None:
    """Changes everything that can be changed in place."""
    if isinstance(value, dict):
        for item in value.values():
            _spoil(item)
        value["spoilt"] = True
    elif isinstance(value, list):
        value.append("spoilt")
