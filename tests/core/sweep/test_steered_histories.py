"""Histories in which users edit, add, retry, pause, stop and note: what holds of all histories holds of these."""

from __future__ import annotations

from typing import Any

import pytest
from histories import (
    POLICIES,
    Given,
    History,
    Nobody,
    assert_goes_on_as_the_same_run,
    assert_replays_at_every_prefix,
    folded_in_blocks,
    played,
    runs,
    tapes_of,
    told,
)
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.early_stopping.retention import needs_of
from raydrive.core.records import Close, Ended, Launch, Started, Ticked
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.sampling_record import sampling_record
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import EMPTY
from raydrive.core.user_classes import is_own
from raydrive.core.user_facts import Added, Annotated, Edited, Retried, RunPaused, RunUnpaused, StopAsked
from raydrive.testing.sweep_invariants import check_journal, picture

SAMPLINGS = (
    GridParameterSampling({"a": choice(1, 2, 3, 4)}),
    GridParameterSampling({"a": choice(2, 3), "b": choice(True, False)}),
    RandomParameterSampling({"a": uniform(0, 2)}),
    RandomParameterSampling({"a": choice(1, 9)}),
    RandomParameterSampling({"a": uniform(0, 1)}, rule="sobol"),
)
OWN = [policy for policy in POLICIES if is_own(type(policy))]
STEERING = 12
"""Kinds of what users do."""
CONFIG = RunConfig(
    experiment="steered",
    metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
    sampling=RandomParameterSampling({"a": uniform(0, 1)}),
    limits=Limits(max_total_runs=2, max_concurrent_runs=1),
    trial=TrialSpec(kind="function"),
    seed=1,
)


class Tireless(Nobody):
    """A runner whose trials may be tried again."""

    def launch(self, launch: Launch) -> None:
        self.running[launch.trial] = launch.attempt

    def close(self, close: Close) -> None:
        self.closed.append(close.trial)
        self.running.pop(close.trial, None)


class SteeredHistory(History):
    """One in which users do something now and then."""

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        self.runner = self.loop.runner = Tireless()

    def take_over(self, first: History) -> None:
        super().take_over(first)
        self.loop.sampler = self.loop.made_sampler()

    def step(self, number: int) -> None:
        """Lets one thing happen, chosen by a number."""
        number, kind = divmod(number, 32 + STEERING)
        if kind < 32:
            super().step(number * 32 + kind)
            return
        sweep, revision = self.sweep, self.sweep.steering.revision
        trial = number % len(sweep.trials) if sweep.trials else 0
        if kind < 35 and self.config.rules.population is not None:
            return  # a population goes with no policy, so an edit to one is refused before it is a fact
        if kind < 35:
            self.tell(Edited(self.now, revision + 1 - (number % 9 == 8), self._patch(number), "ada", number % 2 == 0))
        elif kind < 37:
            self.tell(Added(self.now, {"a": number % 5}, "ada"))
        elif kind < 40:
            self.tell(Retried(self.now, trial, "", number % 2 == 0))
        elif kind == 40:
            self.tell(RunPaused(self.now, "ada", number % 3 == 0))
        elif kind == 41:
            self.tell(RunUnpaused(self.now))
        elif kind == 42:
            self.tell(StopAsked(self.now, trial, "it is enough", "ada"))
        else:
            self.tell(Annotated(self.now, trial if number % 2 else None, "look", {"k": "v"}))

    def _patch(self, number: int) -> dict[str, Any]:
        number, kind = divmod(number, 4)
        if kind == 0:
            return {"limits": {"max_total_runs": 1 + number % 8, "max_concurrent_runs": 1 + number % 4}}
        if kind == 1:
            return {"policy": policy_record(OWN[number % len(OWN)])}
        if kind == 2:
            return {"sampling": sampling_record(SAMPLINGS[number % len(SAMPLINGS)])}
        if number % 2:
            return {"rules": {"finish_when": self._rule(number), "on_oom": None if number % 3 else {}}}
        return {"limits": {"max_attempts": 1 + number % 3}, "trial": {"grace_s": float(number % 9)}}

    @staticmethod
    def _rule(number: int) -> dict[str, Any] | None:
        rules: tuple[dict[str, Any] | None, ...] = (None, {"target": number / 4}, {"no_improvement": 1 + number % 3})
        return rules[number % 3]


tapes = tapes_of(32 + STEERING)


@given(runs(), tapes)
def test_the_journal_replays_to_the_live_state_at_every_prefix(run: Given, tape: list[int]) -> None:
    assert_replays_at_every_prefix(SteeredHistory(run), run, tape)


@given(runs(), tapes)
def test_every_entry_is_legal_and_judged_again_the_same(run: Given, tape: list[int]) -> None:
    history = played(SteeredHistory(run), tape)
    assert picture(check_journal(run[0], history.memory.lines, run[1])) == picture(history.sweep)


@given(runs(), tapes, st.lists(st.integers(0, 130), max_size=3))
def test_folding_many_entries_at_once_is_folding_each(run: Given, tape: list[int], cuts: list[int]) -> None:
    entries = [records.load(line) for line in played(SteeredHistory(run), tape).memory.lines]
    assert picture(folded_in_blocks(run, entries, cuts)) == picture(Sweep.replay(run[0], entries, run[1]))


@given(runs(), tapes, st.integers(0, 120))
def test_a_driver_that_takes_over_anywhere_goes_on_as_the_same_run(run: Given, tape: list[int], cut: int) -> None:
    assert_goes_on_as_the_same_run(lambda: SteeredHistory(run), tape, cut)


@given(runs(), tapes)
def test_a_run_whose_trials_all_end_ends(run: Given, tape: list[int]) -> None:
    history = played(SteeredHistory(run), tape)
    history.tell(RunUnpaused(history.now))
    if not history.sweep.epoch:
        history.tell(Started(history.now, 1))
    rounds = 0
    while not history.sweep.finished:
        rounds += 1
        assert rounds < 100
        for trial in history.sweep.open_trials:
            history.report(trial.number, trial.attempt, history.sweep.curves.length(trial.number) + 1, 0.5, 0)
            history.tell(Ended(history.now, trial.number, trial.attempt, 0))
        if not history.sweep.open_trials and not history.sweep.finished:
            history.tell(Ticked(history.now))
    check_journal(run[0], history.memory.lines, run[1])


@given(runs(), tapes)
def test_a_lean_judge_folds_anew_where_an_edit_asks_for_more_and_goes_on_the_same(run: Given, tape: list[int]) -> None:
    history, live, read = SteeredHistory(run), Sweep(*run, lean=True), 0
    entries = []
    for number in tape:
        history.step(number)
        for line in history.memory.lines[read:]:
            fact, decisions = records.load(line)
            entries.append((fact, decisions))
            if live.outgrown:
                live = Sweep.replay(run[0], entries[:-1], run[1])
            if isinstance(fact, Edited) and fact.rejudge:  # a driver folds anew before it judges
                live = Sweep.replay(run[0], entries[:-1], run[1])
            assert live.accepts(fact)
            assert live.handle(fact) == decisions
        read = len(history.memory.lines)
    if live.outgrown:
        live = Sweep.replay(run[0], entries, run[1])
    assert told(live) == told(history.sweep)


@given(runs(), tapes)
def test_a_driver_forgets_again_after_each_edit_and_retry_and_goes_on_the_same(run: Given, tape: list[int]) -> None:
    history, live, read = SteeredHistory(run), Sweep(*run, lean=True), 0
    entries: list[Any] = []
    for number in tape:
        history.step(number)
        for line in history.memory.lines[read:]:
            fact, decisions = records.load(line)
            asks = isinstance(fact, Edited | Retried)
            if asks and live.curves.dropped:  # as a driver does: the judge of this fact knows everything
                live = Sweep.replay(run[0], entries, run[1])
            assert live.accepts(fact)
            assert live.handle(fact) == decisions
            entries.append((fact, decisions))
            if asks:
                live.shed()
        read = len(history.memory.lines)
    assert told(live) == told(history.sweep)
    closed = {trial.number for trial in live.trials if not trial.open and live.curves.length(trial.number)}
    needs = needs_of(live.config.policy, live.config.sampling, live.config.rules.population)
    if needs is not None and any(isinstance(fact, Edited | Retried) for fact, _ in entries):
        assert all(live.curves.values_dropped(number) for number in closed), "and keeps no values of what has ended"


@pytest.mark.parametrize(
    "fact", [Retried(1.0, 3), StopAsked(1.0, 3, "why"), Annotated(1.0, 3, "text"), RunUnpaused(1.0)]
)
def test_what_changes_nothing_is_dropped(fact: Any) -> None:
    history = SteeredHistory((CONFIG, EMPTY))
    history.tell(Started(0.0, 1))
    assert not history.sweep.accepts(fact)
