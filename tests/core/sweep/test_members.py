"""Members of a population take over each other's training; what holds of any history is in ``test_histories.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journalled_sweep import StartedSweep

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.records import (
    BY_PAUSE,
    COMPLETED,
    FAILED,
    PAUSED,
    Began,
    Close,
    Finish,
    Launch,
    Lost,
    Params,
    Pause,
    Stop,
    Suggested,
)
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.runtime.simulated import simulate
from raydrive.testing.memory import Memory
from raydrive.testing.sweep_invariants import check_journal


def config_of(population: dict[str, Any], *, size: int = 4, places: int = 4, seed: int = 0) -> RunConfig:
    return RunConfig(
        experiment="members",
        metric=Metric(name="accuracy", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"lr": uniform(0, 1)}),
        limits=Limits(max_total_runs=size, max_concurrent_runs=places),
        trial=TrialSpec(kind="function"),
        seed=seed,
        rules=RunRules.of({"population": population}),
    )


class Court(StartedSweep):
    """One of a population."""

    def begin(self, trial: int) -> None:
        if trial == len(self.sweep.trials):
            self.tell(Suggested(self.at(), trial, {"lr": (trial + 1) / 10}, "random"))
        super().begin(trial)

    def trained(self, value_of: Callable[[int], float], intervals: int) -> None:
        """All members begin, log so many intervals and save, the best number last."""
        for trial in range(self.config.limits.max_total_runs):
            self.begin(trial)
        for _ in range(intervals):
            for trial in reversed(range(self.config.limits.max_total_runs)):
                self.report(trial, value_of(trial))
                self.save(trial)


Make = Callable[..., Court]


@pytest.fixture
def court() -> Iterator[Make]:
    courts: list[Court] = []

    def make(population: dict[str, Any], **more: Any) -> Court:
        courts.append(Court(config_of(population, **more)))
        return courts[-1]

    yield make
    for each in courts:
        each.verify()


def test_one_of_the_worst_goes_on_from_one_of_the_best(court: Make) -> None:
    one = court({"every": 3, "perturb": {"resample": 0}})
    one.trained(lambda trial: trial / 10, 2)
    for trial in (3, 2, 1):
        assert one.report(trial, trial / 10) == ()
    pause, stop = one.report(0, 0.0)
    assert isinstance(pause, Pause)
    assert (pause.trial, pause.by, pause.interval) == (0, "exploit", 3)
    assert isinstance(stop, Stop)
    assert (stop.trial, stop.by) == (0, BY_PAUSE)
    (launch,) = one.end(0)
    assert isinstance(launch, Launch)
    assert (launch.trial, launch.attempt, launch.resume_from, launch.interval) == (0, 2, "2", 3)
    assert (launch.source, launch.source_interval) == (3, 2)
    assert launch.params["lr"] in (pytest.approx(0.32), pytest.approx(0.48))
    assert launch.why == (
        f"accuracy 0 at interval 3 is 4 of 4: continues from trial 3, 0.3; lr 0.4 to {launch.params['lr']:.4g}"
    )
    trial = one.sweep.trials[0]
    assert (trial.params, trial.checkpoint, trial.checkpoint_of) == (launch.params, "2", 3)
    assert [part.trial for part in one.sweep.trained_with(0)] == [3, 0]
    # A node that is lost before it has saved anything: the same checkpoint again, and no further change.
    one.tell(Began(one.at(), 0, 2, "node"))
    (again,) = one.tell(Lost(one.at(), 0, 2, "node lost"))
    assert isinstance(again, Launch)
    assert (again.source, again.resume_from, again.params, again.why) == (3, "2", launch.params, "")
    assert len(one.sweep.changes[0]) == 1
    one.begin(0)
    one.report(0, 0.35)
    one.save(0)
    assert one.sweep.trials[0].checkpoint_of is None
    (own,) = one.tell(Lost(one.at(), 0, 3, "node lost"))
    assert isinstance(own, Launch)
    assert (own.source, own.resume_from, own.interval) == (None, "4", 4)


def test_a_better_member_without_a_checkpoint_of_its_own_is_no_source(court: Make) -> None:
    one = court({"every": 2}, size=2)
    one.begin(0)
    one.begin(1)
    one.report(1, 0.5, 0.5)
    assert one.report(0, 0.1, 0.1) == ()
    one.save(1)
    one.report(1, 0.5)
    assert len(one.report(0, 0.1, 0.1)) == 2


def test_equal_members_and_a_single_one_stay_as_they_are(court: Make) -> None:
    one = court({"every": 1, "quantile": 0.5}, size=3)
    for trial in range(3):
        one.begin(trial)
        assert one.report(trial, 0.5) == ()
        one.save(trial)
    for trial in range(3):
        assert one.report(trial, 0.5) == ()


def test_values_that_are_no_numbers_are_the_worst(court: Make) -> None:
    one = court({"every": 1}, size=2)
    one.begin(0)
    one.begin(1)
    one.report(0, 0.1)
    one.save(0)
    assert [type(decision) for decision in one.report(1, float("nan"))] == [Pause, Stop]


def test_a_whole_training_is_not_changed_at_its_end(court: Make) -> None:
    one = court({"every": 2, "max_intervals": 4}, size=2)
    one.trained(lambda trial: trial / 10, 1)
    one.report(1, 0.5)
    one.save(1)
    one.report(0, 0.1)
    one.end(0)
    one.begin(0)
    assert one.report(0, 0.1, 0.1) == ()


def test_members_that_wait_for_a_place_have_their_turn(court: Make) -> None:
    one = court({"every": 2}, size=3, places=2)
    one.begin(0)
    one.begin(1)
    assert one.report(0, 0.1) == ()
    (pause,) = one.report(0, 0.2)
    assert isinstance(pause, Pause)
    assert pause.by == "population"
    (stop,) = one.save(0)
    assert isinstance(stop, Stop)
    assert one.end(0) == ()
    assert one.sweep.trials[0].state == PAUSED
    one.begin(2)  # a new one goes before it
    one.report(1, 0.5, 0.6)
    one.save(1)
    assert one.report(1, 0.7) == ()  # at interval 2 nothing was behind it
    one.report(1, 0.8)
    one.save(1)
    (launch,) = one.end(1)
    assert isinstance(launch, Launch)
    # Compared when it goes on: trial 1 is better, and has a checkpoint.
    assert (launch.trial, launch.source) == (0, 1)


def test_a_schedule_changes_hyperparameters_at_its_intervals(court: Make) -> None:
    settings = [{"interval": 0, "params": {"lr": 0.1}}, {"interval": 2, "params": {"lr": 0.9}}]
    one = court({"schedule": settings}, size=1)
    one.begin(0)
    one.report(0, 0.1, 0.2)
    one.save(0)
    (launch,) = one.end(0)
    assert isinstance(launch, Launch)
    assert (launch.params, launch.source, launch.resume_from, launch.interval) == ({"lr": 0.9}, None, "2", 2)
    one.begin(0)
    assert one.report(0, 0.3, 0.4) == ()
    assert [(part.interval, part.params["lr"]) for part in one.sweep.trained_with(0)] == [(0, 0.1), (2, 0.9)]


def test_training_that_saves_no_checkpoint_is_refused(court: Make) -> None:
    one = court({"every": 2}, size=2)
    one.begin(0)
    one.begin(1)
    one.report(0, 0.1, 0.2, 0.3)
    close, stop = one.end(0, 0)
    assert isinstance(close, Close)
    assert close.state == COMPLETED
    assert isinstance(stop, Stop)
    (_, finish) = one.end(1)
    assert isinstance(finish, Finish)
    assert finish.state == FAILED
    assert "no trial has saved one: trial 0 trained to its end. Save one during training" in finish.why


def test_failed_members_are_no_sources_and_the_run_ends(court: Make) -> None:
    one = court({"every": 1}, size=2)
    one.begin(0)
    one.begin(1)
    one.report(1, 0.9)
    one.save(1)
    one.end(1, 1)
    assert one.report(0, 0.1) == ()
    one.end(0, 0)
    assert one.sweep.finished is not None


def climb(trial: int, params: Params) -> Iterator[tuple[float, float]]:
    """Accuracy grows by what the learning rate allows; members differ in speed."""
    for interval in range(1, 21):
        yield 1.0 + trial / 10, interval * (1.0 - abs(params["lr"] - 0.6))


@given(
    st.integers(0, 1000),
    st.integers(2, 6),
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([0.2, 0.34, 0.5]),
    st.sampled_from([0.0, 0.25, 1.0, "pb2"]),
)
def test_a_run_on_virtual_time_trains_all_members_to_their_end(
    seed: int, size: int, places: int, every: int, quantile: float, how: float | str
) -> None:
    """Any run: its journal is judged again with the same answer, and every value stays in the search space."""
    changed = {"model": how} if isinstance(how, str) else {"perturb": {"resample": how}}
    population = {"every": every, "quantile": quantile, **changed}
    config, memory = config_of(population, size=size, places=places, seed=seed), Memory()
    sweep = simulate(config, climb, writer=memory)
    assert sweep.finished is not None
    assert sweep.finished.state == COMPLETED
    assert [sweep.curves.length(trial) for trial in range(size)] == [20] * size
    replayed = check_journal(config, memory.lines)
    space = config.sampling.space
    for trial in replayed.trials:
        assert space.contains(trial.params)
        parts = replayed.trained_with(trial.number)
        assert parts[-1].params == trial.params
        intervals = [part.interval for part in parts]
        assert intervals == sorted(set(intervals))
        assert intervals[0] == 0
    again = Memory()
    simulate(config, climb, writer=again)
    assert again.lines == memory.lines


def test_a_model_chooses_what_has_gained_most(court: Make) -> None:
    """Members at lr 0.1 to 0.4 that gain as much an interval as their lr: a larger one is expected to gain more."""
    one = court({"every": 3, "model": "pb2"})
    one.trained(lambda trial: 0.0, 1)
    for trial in (3, 2, 1, 0):
        one.report(trial, (trial + 1) / 10)
        one.save(trial)
    for trial in (3, 2, 1):
        one.report(trial, (trial + 1) / 5)
        one.save(trial)
    for trial in (3, 2, 1):
        one.report(trial, 3 * (trial + 1) / 10)
        one.save(trial)
    pause, _ = one.report(0, 0.2)
    assert isinstance(pause, Pause)
    assert pause.params is not None
    assert pause.params["lr"] > 0.35
    assert "(the model expects +" in pause.why
    assert pause.why.endswith(" of 3 intervals with them)")


def test_a_population_finds_what_its_members_did_not_begin_with() -> None:
    sweep = simulate(config_of({"every": 2}, size=8, places=8), climb)
    assert sum(map(len, sweep.changes.values())) >= 8
    first = max(1 - abs(part.params["lr"] - 0.6) for trial in range(8) for part in sweep.trained_with(trial)[:1])
    assert sweep.best is not None
    assert sweep.best.value > 20 * first - 0.5
