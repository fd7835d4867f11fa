"""Any legal history of a run, played by a small driver that picks what happens next from a tape of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from raydrive.core import records
from raydrive.core.config.lineage import Continued, Lineage, Parent
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.paused_trials import PausedTrials, Promotion
from raydrive.core.early_stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    SuccessiveHalvingPolicy,
    TruncationSelectionPolicy,
)
from raydrive.core.early_stopping.retention import PolicyNeeds
from raydrive.core.early_stopping.verdict import Verdict
from raydrive.core.out_of_memory.recognition import BY_KERNEL, BY_RAY, OF_GPU
from raydrive.core.records import (
    CANCELED,
    COMPLETED,
    FAILED,
    OUTPUTS,
    Began,
    Cancelled,
    Checkpointed,
    Close,
    Ended,
    Entry,
    Estimated,
    Fact,
    Finish,
    Launch,
    Lost,
    Noted,
    Reported,
    Started,
    Stop,
    Ticked,
)
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.sweep.report_block import Block, Other
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import EMPTY, PriorTrial, WarmStartData, sampler_of
from raydrive.core.sweep.warm_start_data import dump as dump_heritage
from raydrive.core.sweep.warm_start_data import load as load_heritage
from raydrive.core.views.summary import row, summarize
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.testing.memory import Memory
from raydrive.testing.sweep_invariants import check, picture


@dataclass(frozen=True)
class EveryOther:
    """Pauses each trial at every second interval; the better half of those that got there go on."""

    restart: bool = False

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        if interval % 2:
            return Verdict(False, "not yet")
        if curves.best_until(trial, interval) is None:
            return Verdict(True, "no number")
        return Verdict(False, f"paused at {interval}", pause=interval > 1)

    def level(self, intervals: int) -> int:
        return intervals // 2 * 2

    def promote(self, paused: PausedTrials, curves: Curves, least: float) -> Promotion | None:
        for level in reversed(paused.levels):
            place, n = paused.position(paused.best(level))
            if place <= max(n // 2, level <= least and level == paused.levels[0]):
                return Promotion(paused.best(level), f"{place} of {n} at {level}")
        return None

    def hopeless(self, paused: PausedTrials, curves: Curves, least: float) -> Iterator[tuple[int, str]]:
        for level in paused.levels:
            place, n = paused.position(paused.best(level))
            if level > least or place <= max(n // 2, 1):
                return
            yield from ((trial, f"one of the worse half of {n}") for trial in paused.at(level))

    def needs(self) -> PolicyNeeds:
        return PolicyNeeds(bests=True, every=2)


POLICIES = (
    EveryOther(),
    EveryOther(restart=True),
    SuccessiveHalvingPolicy(reduction_factor=2),
    SuccessiveHalvingPolicy(reduction_factor=2, max_intervals=5, brackets=2, max_paused=1),
    SuccessiveHalvingPolicy(mode="stop", reduction_factor=2),
    NoTerminationPolicy(),
    BanditPolicy(slack_amount=0.2),
    BanditPolicy(slack_factor=0.1, evaluation_interval=2, delay_evaluation=1),
    MedianStoppingPolicy(),
    MedianStoppingPolicy(evaluation_interval=2, delay_evaluation=3),
    TruncationSelectionPolicy(50),
    TruncationSelectionPolicy(34, delay_evaluation=2),
)
OBJECTIVES = ("best", "best", "best", "last", "min", "max", "mean_last_1", "mean_last_2", "mean_last_5")
RULES: tuple[dict[str, Any], ...] = (
    *({} for _ in range(6)),
    {"target": 0.9},
    {"target": 0.5},
    {"no_improvement": 1},
    {"no_improvement": {"trials": 2, "tolerance": 0.3}},
    {"budget": {"cpu_hours": 0.004}},
    {"cost": {"limit": 1, "prices": {"cpu": 60, "gpu": 1000}}, "no_improvement": 3},
)
POPULATIONS: tuple[dict[str, Any], ...] = (
    {"every": 1, "quantile": 0.5},
    {"every": 2, "quantile": 0.34, "perturb": {"resample": 0.5}},
    {"every": 1, "max_intervals": 3},
    {"every": 2, "quantile": 0.5, "model": "pb2"},
    {"schedule": [{"interval": 0, "params": {"a": 1}}, {"interval": 2, "params": {"a": 3}}]},
)
VALUES = (0.5, 0.5, 0.1, 0.9, -0.3, 0.0, 7, math.nan, math.inf, -math.inf, None, 10**400)


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    grid = draw(st.booleans())
    sampling = GridParameterSampling({"a": choice(1, 2, 3)}) if grid else RandomParameterSampling({"a": uniform(0, 1)})
    population = draw(st.sampled_from([*[None] * 8, *POPULATIONS]))
    return RunConfig(
        experiment="histories",
        metric=Metric(name="m", goal=draw(st.sampled_from(PrimaryMetricGoal)), value=draw(st.sampled_from(OBJECTIVES))),
        sampling=sampling,
        policy=draw(st.sampled_from(POLICIES)) if population is None else NoTerminationPolicy(),
        limits=Limits(
            max_total_runs=draw(st.integers(1 if population is None else 2, 6)),
            max_concurrent_runs=draw(st.integers(1, 3)),
            max_duration_s=draw(st.sampled_from((None, 20.0, 200.0))),
            trial_timeout_s=draw(st.sampled_from((None, 5.0, 50.0))),
            max_attempts=draw(st.integers(1, 3)),
            first_failures=draw(st.integers(0, 3)),
            strict=draw(st.sampled_from([0, 0, 1, 4])),
        ),
        trial=TrialSpec(kind="function", resources=Resources(memory=2**31)),
        seed=draw(st.integers(0, 9)),
        rules=RunRules.of(
            {
                "finish_when": draw(st.sampled_from(RULES)) or None,
                "population": population,
                "on_oom": draw(st.sampled_from([None, None, {}, {"memory": 2, "up_to": "6GiB", "attempts": 2}])),
            }
        ),
    )


Given = tuple[RunConfig, WarmStartData]
"""A configuration and what earlier runs brought: mostly nothing."""


@st.composite
def runs(draw: st.DrawFn) -> Given:
    config = draw(configs())
    if draw(st.sampled_from((True, True, False))):
        return config, EMPTY
    curves = st.lists(st.sampled_from((0.5, 0.1, 0.9, -0.3, math.nan, math.inf)), max_size=6)
    states = st.sampled_from((COMPLETED, CANCELED, FAILED))
    prior_trials = [
        PriorTrial(place, trial, {"a": trial}, draw(states), draw(curves), learned=True)
        for place, count in enumerate(draw(st.lists(st.integers(0, 4), max_size=2)))
        for trial in range(count)
    ]
    parents = [Parent(run=f"earlier-{place}", experiment="e") for place in range(2)]
    sources = draw(st.lists(st.sampled_from(("checkpoint 4", "outputs", "")), max_size=2))
    resumed_prefixes = tuple(draw(curves) if source else () for source in sources)
    continued = [
        Continued(run="earlier-9", experiment="e", trial=n, params={"a": 7 + n}, source=source, interval=len(prefix))
        for n, (source, prefix) in enumerate(zip(sources, resumed_prefixes, strict=True))
    ]
    lineage = Lineage(parents=tuple(parents), continued=tuple(continued))
    return replace(config, lineage=lineage), load_heritage(
        dump_heritage(WarmStartData(tuple(prior_trials), resumed_prefixes))
    )


class Nobody:
    """A runner that keeps what it was told, and checks that it could be done."""

    def __init__(self) -> None:
        self.running: dict[int, int] = {}
        self.closed: list[int] = []
        self.finished: Finish | None = None

    def launch(self, launch: Launch) -> None:
        assert launch.trial not in self.closed
        self.running[launch.trial] = launch.attempt

    def stop(self, stop: Stop) -> None:
        assert self.running[stop.trial] == stop.attempt

    def close(self, close: Close) -> None:
        assert close.trial not in self.closed
        self.closed.append(close.trial)
        self.running.pop(close.trial, None)

    def finish(self, finish: Finish) -> None:
        assert not self.running
        self.finished = finish


class History:
    """A loop in which things happen; ``Sampler``, judge, journal and policies are the real ones."""

    def __init__(self, given: Given) -> None:
        self.config, warm_start = given
        self.now = 100.0
        self.memory = Memory()
        self.runner = Nobody()
        self.sweep = Sweep(self.config, warm_start)
        sampler = sampler_of(self.config, warm_start)
        self.loop = DecisionLoop(self.sweep, sampler, self.runner, self.memory, lambda: self.now)
        self.seq: dict[tuple[int, int], int] = {}

    def step(self, number: int) -> None:
        """Lets one thing happen, chosen by a number."""
        number, kind = divmod(number, 32)
        self.now += (0.0, 0.5, 1.0, 3.0)[number % 4]
        number //= 4
        if not self.sweep.epoch:
            self.tell(Started(self.now, 1))
        elif kind == 0:
            self.tell(Started(self.now + number % 50, self.sweep.epoch + number % 2, {}, self._limits(number)))
        elif kind == 1:
            estimated = Estimated(self.now, number % 7 / 10, len(self.sweep.trials))
            cancelled = Cancelled(self.now, None, "enough")
            self.tell((cancelled, estimated, estimated)[number % 5] if number % 5 < 3 else Ticked(self.now))
        elif kind in (2, 3, 4):
            self.now += number % 30
            self.tell(Ticked(self.now))
        elif self.sweep.trials:
            number, place = divmod(number, 8)
            trials = [trial.number for trial in (*self.sweep.open_trials, *self.sweep.paused_trials)] or [0]
            # Mostly an open trial; now and then any, to be dropped when it is over.
            trial = place % len(self.sweep.trials) if place == 7 else trials[place % len(trials)]
            self._step_trial(kind, number, trial)

    def take_over(self, first: History) -> None:
        """Goes on in the place of another driver, whose journal has been replayed."""
        self.now, self.seq = first.now, first.seq
        self.runner.running = {trial.number: trial.attempt for trial in self.sweep.open_trials}

    def tell(self, fact: Fact) -> None:
        self.loop.take([fact])

    def _limits(self, number: int) -> dict[str, Any]:
        more = self.sweep.limits.max_total_runs + 1
        return ({}, {"max_total_runs": more}, {"max_duration_s": None}, {"max_concurrent_runs": 3})[number // 2 % 4]

    def _step_trial(self, kind: int, number: int, trial: int) -> None:
        # Every so often the attempt before this one is heard of: a ghost.
        attempt = self.sweep.trials[trial].attempt - (number % 11 == 10)
        known = self.sweep.curves.length(trial)
        if kind < 9:
            self.tell(Began(self.now, trial, attempt, "node", number, "0", "", ("node", "other")[: number % 3]))
        elif kind < 21:
            again = known > 0 and number % 7 == 6
            interval = 1 + number % known if again else known + 1
            self.report(trial, attempt, interval, VALUES[number % len(VALUES)], number)
        elif kind == 21:
            self.report(trial, attempt, 0, None, number)
        elif kind == 23:
            self.tell(Noted(self.now, trial, attempt, f"notice {number % 40}", ("", OUTPUTS)[number % 2]))
        elif kind in (22, 24) and known:
            self.tell(Checkpointed(self.now, trial, attempt, 1 + number % known, f"{1 + number % known:05}"))
        elif kind == 25:
            self.tell(Cancelled(self.now, trial, f"user {number}"))
        elif kind in (26, 27):
            self.tell(Lost(self.now, trial, attempt, ("node died", "node died", BY_RAY)[number % 3]))
        elif kind > 27:
            words = ("Traceback\nValueError: x", "Traceback\nValueError: x", BY_KERNEL, OF_GPU)[number // 5 % 4]
            self.tell(Ended(self.now, trial, attempt, (0, 0, 1, -9, None)[number % 5], words))

    def report(self, trial: int, attempt: int, interval: int, value: Any, number: int) -> None:
        seq = self.seq.get((trial, attempt), 0) + 1 - (number % 13 == 12)  # at least once: some come twice
        self.seq[trial, attempt] = max(seq, self.seq.get((trial, attempt), 0))
        metrics = ({}, {"loss": 0.5}, {"M": math.nan, "text": "ü\n"}, {"table": {"a": [1, math.inf]}})[number % 4]
        self.tell(Reported(self.now, trial, attempt, seq, interval, value if interval else None, metrics))


def block_of(entries: Sequence[Entry]) -> Block:
    reports = [fact for fact, _ in entries if isinstance(fact, Reported)]
    others, before = [], 0
    for fact, decisions in entries:
        before += isinstance(fact, Reported)
        if not isinstance(fact, Reported):
            others.append(Other(before, fact, decisions))
        elif decisions:
            others.append(Other(before, None, decisions))
    numbers = [[r.trial, r.attempt, r.seq, r.interval] for r in reports]
    trial, attempt, seq, interval = np.array(numbers, dtype=np.int64).reshape(-1, 4).T
    value = [math.nan if r.value is None else math.inf if r.value == 10**400 else float(r.value) for r in reports]
    at = np.array([r.at for r in reports], dtype=float)
    logged = [tuple(r.metrics) for r in reports]
    return Block(
        at, trial, attempt, seq, interval, np.array(value, dtype=float), logged.__getitem__, others, len(entries)
    )


def _asked_of_a_curve(curves: Curves) -> list[Callable[[int], Any]]:
    numbers = [curves.length, curves.last, curves.best, curves.best_interval, curves.top]
    return [*numbers, curves.objective, curves.objective_interval, curves.overall]


def told(sweep: Sweep) -> dict[str, Any]:
    """What a judge that forgets values of trials that are over still tells of everything."""
    curves, numbers = sweep.curves, range(len(sweep.trials))
    trials = [replace(trial, params=dict(trial.params)) for trial in sweep.trials]
    return {
        "trials": repr(trials),
        "curves": [repr([f(n) for f in _asked_of_a_curve(curves)]) for n in numbers],
        "open": {trial.number: repr(curves.values(trial.number)) for trial in sweep.open_trials},
        "rows": repr([row(sweep, trial, 9e9) for trial in trials]),
        "summary": repr(summarize(sweep, 9e9)),
        "seen": [(repr(replace(seen, curve=())), type(seen.params)) for seen in sweep.history],
        "metric_missing": sweep.metric_missing,
        "edge": [curves.incumbent(k) for k in range(1, 12)],
    }


def tapes_of(kinds: int) -> st.SearchStrategy[list[int]]:
    """Tapes for histories in which one of so many kinds of things happens at a time."""
    choices = st.integers(0, kinds * 4 * 8 * 128 - 1)
    # Short ones shrink; the long ones are where trials finish, budgets run out and drivers come and go.
    return st.lists(choices, max_size=30) | st.lists(choices, min_size=40, max_size=120)


H = TypeVar("H", bound=History)


def played(history: H, tape: Sequence[int]) -> H:
    for number in tape:
        history.step(number)
    return history


def assert_replays_at_every_prefix(history: History, run: Given, tape: Sequence[int]) -> None:
    replayed, read = Sweep(*run), 0
    for number in tape:
        history.step(number)
        for line in history.memory.lines[read:]:
            replayed.apply(*records.load(line))
        read = len(history.memory.lines)
        assert picture(replayed) == picture(history.sweep)
        check(history.sweep)


def folded_in_blocks(run: Given, entries: Sequence[Entry], cuts: Sequence[int]) -> Sweep:
    """The sweep of a journal that is read in blocks, cut where it is said."""
    bounds = sorted({0, len(entries), *(min(cut, len(entries)) for cut in cuts)})
    found = Sweep(*run)
    for begin, end in pairwise(bounds):
        found.follow([block_of(entries[begin:end])])
    return found


def assert_goes_on_as_the_same_run(make: Callable[[], H], tape: Sequence[int], cut: int) -> None:
    """A second driver replays what the first one wrote, and decides from there as the first would have."""
    unbroken, first, second = played(make(), tape), played(make(), tape[:cut]), make()
    for line in first.memory.lines:
        second.sweep.apply(*records.load(line))
    second.take_over(first)
    for number in tape[cut:]:
        second.step(number)
    assert [*first.memory.lines, *second.memory.lines] == unbroken.memory.lines
    assert picture(second.sweep) == picture(unbroken.sweep)
