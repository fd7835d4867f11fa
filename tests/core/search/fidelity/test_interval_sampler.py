from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from raydrive.core.errors import ConfigError
from raydrive.core.records import CANCELED, COMPLETED, FAILED, PAUSED, RUNNING
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.registry import sampling_from_json
from raydrive.core.search.trial_record import LATER, Continuation, Suggestion, TrialRecord
from raydrive.core.space.search_space import choice, uniform
from raydrive.testing.samplers import ParameterSpace, SamplerContract

SPACE = {"x": uniform(0, 1), "y": uniform(0, 1)}
WHOLE = 32


def sampling(space: Any = None, **options: Any) -> BayesianParameterSampling:
    return BayesianParameterSampling(space or SPACE, fidelity="intervals", max_intervals=WHOLE, **options)


class TestIntervals(SamplerContract):
    """As long as no trial is paused, it is a sampler like any other."""

    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return sampling(parameter_space, seed=seed)


def curve(params: Any, intervals: int = WHOLE) -> list[float]:
    """Falls to the distance from (0.3, 0.6)."""
    end = (params["x"] - 0.3) ** 2 + 0.5 * (params["y"] - 0.6) ** 2
    return [end + (1.0 - end) * math.exp(-t / 4.0) for t in range(1, intervals + 1)]


class Search:
    """A sampler, and the trials it was told about; steps are trained at once."""

    def __init__(self, seed: int = 0, sign: float = 1.0, **options: Any) -> None:
        self.sampler: Any = sampling(seed=seed, **options).build(0, sign < 0)
        self.sign = sign
        self.trials: list[TrialRecord] = []

    def train(self, number: int, until: int | None) -> None:
        whole = [self.sign * value for value in curve(self.trials[number].params, until or WHOLE)]
        best = min(whole) if self.sign > 0 else max(whole)
        state = COMPLETED if until is None else PAUSED
        self.trials[number] = replace(self.trials[number], curve=whole, value=best, state=state, until=until)

    def step(self) -> Suggestion | Continuation | None:
        answer = self.sampler.ask(len(self.trials), self.trials)
        if isinstance(answer, Continuation):
            self.train(answer.trial, answer.until)
        elif answer is not None:
            self.trials.append(TrialRecord(len(self.trials), answer.params))
            self.train(len(self.trials) - 1, answer.until)
        return answer

    @property
    def trained(self) -> int:
        return sum(len(trial.curve) for trial in self.trials)


def test_the_first_trials_are_a_ladder_and_the_others_begin_short() -> None:
    search = Search(min_intervals=2)
    answers = [search.step() for _ in range(6)]
    assert all(isinstance(answer, Suggestion) and answer.origin == "initial" for answer in answers)
    assert [answer.until for answer in answers if answer] == [None, 16, 8, 4, 2, 2]


def test_it_finds_a_good_trial_in_few_trainings_and_tells_why() -> None:
    search = Search()
    continued = []
    while search.trained < 10 * WHOLE:
        answer = search.step()
        assert answer is not None
        if answer.origin == "model":
            assert json.loads(json.dumps(answer.details)) == answer.details
            assert answer.details["predicted_deviation"] > 0.0
            assert 0.0 <= answer.details["chance_of_best"] <= 1.0
        if isinstance(answer, Continuation):
            continued.append(answer)
    assert len(search.trials) > 15, "few trials trained to their end"
    assert len(continued) > 2
    best = min(search.trials, key=lambda trial: trial.value if trial.value is not None else math.inf)
    assert curve(best.params)[-1] < 0.02


def test_larger_is_better_is_smaller_is_better_of_the_opposite() -> None:
    up, down = Search(sign=-1.0), Search()
    for _ in range(16):
        there, here = up.step(), down.step()
        assert there is not None
        assert here is not None
        assert there.until == here.until
        assert getattr(there, "params", None) == getattr(here, "params", None)
    assert up.trials[-1].params == down.trials[-1].params


def test_a_paused_trial_that_is_sure_to_win_goes_on() -> None:
    search = Search()
    for _ in range(10):
        search.step()
    number = len(search.trials)
    search.trials.append(TrialRecord(number, {"x": 0.3, "y": 0.6}))
    search.train(number, 16)
    answer = search.sampler.go_on(search.trials)
    assert isinstance(answer, Continuation)
    assert answer.trial == number
    assert answer.until is None or answer.until > 16


def test_what_cannot_win_does_not_go_on_when_no_other_may_begin() -> None:
    search = Search()
    for x in (0.3, 0.5, 0.7, 0.9, 0.1, 0.0, 1.0, 0.8):
        search.trials.append(TrialRecord(len(search.trials), {"x": x, "y": 0.6}))
        search.train(len(search.trials) - 1, None if x == 0.3 else 16)
    assert search.sampler.go_on(search.trials) is None
    assert search.sampler.go_on(search.trials[:1]) is None, "nothing is paused"
    search.trials.append(TrialRecord(len(search.trials), {"x": 0.9, "y": 0.9}, None, "Running"))
    assert search.sampler.go_on(search.trials) == LATER, "what runs may pause as the best one"


def test_two_at_once_are_not_the_same() -> None:
    search = Search()
    for _ in range(14):
        search.step()
    found = []
    for _ in range(4):
        answer = search.sampler.ask(len(search.trials), search.trials)
        if isinstance(answer, Continuation):
            search.trials[answer.trial] = replace(search.trials[answer.trial], state=RUNNING, until=answer.until)
            found.append(answer.trial)
        else:
            found.append((answer.params["x"], answer.params["y"]))
            search.trials.append(TrialRecord(len(search.trials), answer.params, state=RUNNING, until=answer.until))
    assert len(set(found)) == 4


def test_failed_and_canceled_trials_and_those_without_numbers_are_lived_with() -> None:
    search = Search()
    for _ in range(12):
        search.step()
    n = len(search.trials)
    search.trials += [
        TrialRecord(n, {"x": 0.31, "y": 0.61}, None, FAILED),
        TrialRecord(n + 1, {"x": 0.9, "y": 0.1}, 0.5, CANCELED, [0.9, 0.5], stopped=True),
        TrialRecord(n + 2, {"x": 0.2, "y": 0.1}, None, PAUSED, [math.nan, math.inf]),
        TrialRecord(n + 3, {"x": 0.2, "y": 0.3}, 0.2, COMPLETED, ()),
    ]
    answer = search.sampler.ask(n + 4, search.trials)
    assert isinstance(answer, Suggestion) or answer.trial not in (n, n + 1, n + 3)


def test_a_finite_space_ends_with_its_paused_trials() -> None:
    search = Search()
    search.sampler = sampling({"x": choice(0.0, 0.3, 0.6), "y": choice(0.5, 0.6)}, seed=0).build(0, False)
    answers = []
    while (answer := search.step()) is not None:
        answers.append(answer)
    assert len(search.trials) == 6
    best = min(search.trials, key=lambda trial: trial.value if trial.value is not None else math.inf)
    assert best.params == {"x": 0.3, "y": 0.6}
    assert best.state == COMPLETED


def test_what_earlier_runs_taught_replaces_the_first_trials() -> None:
    before = [
        TrialRecord(-1 - k, {"x": k / 10, "y": (3 * k % 10) / 10}, None, COMPLETED, curve({"x": k / 10, "y": 0.3}))
        for k in range(10)
    ]
    before = [replace(trial, value=min(trial.curve)) for trial in before]
    fresh = sampling(seed=1).build(0, False, before).ask(0, [])
    assert isinstance(fresh, Suggestion)
    assert fresh.origin == "model"
    assert fresh.until is not None, "how curves go on is known"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"fidelity": "interval", "max_intervals": 9}, "fidelity: found 'interval'"),
        ({"fidelity": "intervals"}, "max_intervals: found None"),
        ({"fidelity": "intervals", "max_intervals": 1}, "max_intervals: found 1"),
        ({"fidelity": "intervals", "max_intervals": 9, "min_intervals": 10}, "min_intervals: found 10"),
        ({"max_intervals": 9}, "max_intervals: found 9; allowed: nothing without fidelity"),
        ({"fidelity": "intervals", "max_intervals": 9, "algorithm": "tpe"}, "algorithm: found 'tpe'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        BayesianParameterSampling(SPACE, **options)


def test_it_is_recorded_whole_and_only_where_it_is_used() -> None:
    spec = sampling(min_intervals=3)
    assert sampling_from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert spec.continues
    plain = BayesianParameterSampling(SPACE)
    assert "fidelity" not in plain.to_json(), "earlier versions read the record of a run without it"
    assert not plain.continues
