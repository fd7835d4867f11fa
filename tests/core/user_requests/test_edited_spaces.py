"""Sampling goes on in an edited search space: nothing twice, and what fits still teaches."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.records import COMPLETED, Began, Ended, Reported, Started
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.sampling_record import sampling_record
from raydrive.core.search.trial_record import Suggestion, TrialRecord
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.sweep.edits import sampler_now
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import sampler_of
from raydrive.core.user_requests.requests import plan
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.testing.memory import Memory

NAMES = ("a", "b", "c")
spaces = st.dictionaries(st.sampled_from(NAMES), st.sets(st.integers(0, 5), min_size=1, max_size=4), min_size=1)


class Nobody:
    """A runner that keeps what it is told to launch."""

    def __init__(self) -> None:
        self.launched: list[int] = []

    def launch(self, launch: Any) -> None:
        self.launched.append(launch.trial)

    def stop(self, stop: Any) -> None:
        """Nothing is stopped."""

    close = finish = stop


def grid(values: dict[str, set[int]]) -> GridParameterSampling:
    return GridParameterSampling({name: choice(*sorted(options)) for name, options in values.items()})


def a_config(sampling: Any, total: int, at_a_time: int = 2) -> RunConfig:
    return RunConfig(
        experiment="edited",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=sampling,
        limits=Limits(max_total_runs=total, max_concurrent_runs=at_a_time),
        trial=TrialSpec(kind="function"),
        seed=1,
    )


class Played:
    """A run whose trials all end well, one after the other."""

    def __init__(self, config: RunConfig) -> None:
        self.sweep, self.at = Sweep(config), 0.0
        self.loop = DecisionLoop(self.sweep, sampler_of(config), Nobody(), Memory(), lambda: self.at)
        self.tell(Started(0.0, 1))

    def tell(self, fact: Any) -> None:
        self.at += 1.0
        self.loop.take([fact])

    def edit(self, sampling: Any) -> None:
        request = {"do": "edit", "patch": {"sampling": sampling_record(sampling)}}
        for fact in plan(self.sweep, request, self.at).facts:
            self.tell(fact)

    def end_one(self) -> bool:
        if not self.sweep.open_trials:
            return False
        trial = self.sweep.open_trials[0]
        self.tell(Began(self.at, trial.number, 1))
        self.tell(Reported(self.at, trial.number, 1, 1, 1, 0.5))
        self.tell(Ended(self.at, trial.number, 1, 0))
        return True


@given(st.lists(spaces, min_size=2, max_size=4), st.lists(st.integers(0, 6), min_size=3, max_size=3), st.integers(1, 3))
def test_a_grid_of_an_edited_space_tries_each_combination_once(
    wanted: list[dict[str, set[int]]], before: list[int], at_a_time: int
) -> None:
    first = grid(wanted[0])
    played = Played(a_config(first, first.space.size or 1, at_a_time))
    for values, ends in zip(wanted[1:], before, strict=False):
        for _ in range(ends):
            played.end_one()
        sampling = grid(values)
        if sampling == played.sweep.config.sampling or played.sweep.finished:
            continue
        played.edit(sampling)
    while played.end_one():
        pass
    sweep = played.sweep
    assert sweep.finished is not None
    assert sweep.finished.state == COMPLETED
    space = sweep.config.sampling.space
    names = set(space.expressions)
    inside = [
        space.key(trial.params)
        for trial in sweep.trials
        if names <= trial.params.keys() and all(e.contains(trial.params[n]) for n, e in space.expressions.items())
    ]
    assert set(inside) == {space.key(space.grid_at(index)) for index in range(space.size or 0)}
    # Combinations of spaces with further parameters may fall together; those of one space never come twice.
    of_one_space = [trial.params for trial in sweep.trials if trial.params.keys() == names]
    assert len({space.key(params) for params in of_one_space}) == len(of_one_space)


def record(number: int, params: dict[str, Any], value: float) -> TrialRecord:
    return TrialRecord(number=number, params=params, value=value, state=COMPLETED, curve=(value,))


def test_trials_that_fit_an_edited_space_teach_its_model_and_others_do_not() -> None:
    """The model proposes near what was good inside; what was better outside of the space does not draw it there."""
    sampling = BayesianParameterSampling({"x": uniform(0, 1)}, seed=1, initial_points=3)
    sampler = sampler_now(a_config(sampling, 50))
    inside = [record(n, {"x": x, "gone": 3}, 1 - abs(x - 0.2)) for n, x in enumerate((0.0, 0.1, 0.2, 0.5, 0.7, 1.0))]
    outside = [record(6 + n, {"x": 3.0 + n}, 100.0) for n in range(3)]
    found = sampler.ask(9, [*inside, *outside])
    assert isinstance(found, Suggestion)
    assert found.origin == "model"
    assert abs(found.params["x"] - 0.2) < 0.15


def test_what_lies_outside_takes_no_place_in_a_finite_space() -> None:
    sampling = BayesianParameterSampling({"x": choice(1, 2)}, seed=1)
    sampler = sampler_now(a_config(sampling, 50))
    outside = [record(n, {"x": 7 + n}, 0.5) for n in range(5)]
    first = sampler.ask(5, outside)
    assert isinstance(first, Suggestion)
    second = sampler.ask(6, [*outside, record(5, dict(first.params), 0.5)])
    assert isinstance(second, Suggestion)
    assert {first.params["x"], second.params["x"]} == {1, 2}
    assert sampler.ask(7, [*outside, record(5, dict(first.params), 0.5), record(6, dict(second.params), 0.5)]) is None


def test_random_draws_go_on_with_the_number_of_the_trial() -> None:
    narrow, wide = (
        RandomParameterSampling({"x": uniform(0, 1)}, seed=3),
        RandomParameterSampling({"x": uniform(0, 2)}, seed=3),
    )
    draws = [sampler_now(a_config(narrow, 9)).ask(n, []) for n in range(4)]
    history = [record(n, dict(one.params), 0.5) for n, one in enumerate(draws) if isinstance(one, Suggestion)]
    after = sampler_now(a_config(wide, 9)).ask(4, history)
    assert isinstance(after, Suggestion)
    assert all(after.params["x"] != 2 * one.params["x"] for one in history)
