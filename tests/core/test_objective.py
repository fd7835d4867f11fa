from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.config.lineage import Continued, Lineage, Parent
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.early_stopping.retention import PolicyNeeds
from raydrive.core.objective import NAMES, Objective, is_objective
from raydrive.core.records import COMPLETED, Began, Ended, Fact, Lost, Reported, Started, Suggested
from raydrive.core.search.bayesian.curve_extrapolation import CurveExtrapolation
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.report_block import Block
from raydrive.core.sweep.state import Best
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import PriorTrial, WarmStartData, sampler_of
from raydrive.core.sweep.warm_start_filter import prior_trials_of
from raydrive.core.views.summary import ranked, row, row_json
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import check, picture

NAN, INF = math.nan, math.inf
CURVE = [0.5, 0.9, 0.2, 0.7, 0.6]


@pytest.mark.parametrize(
    ("name", "maximize", "values", "found"),
    [
        ("best", True, CURVE, (0.9, 2)),
        ("best", False, CURVE, (0.2, 3)),
        ("last", True, CURVE, (0.6, 5)),
        ("min", True, CURVE, (0.2, 3)),
        ("min", False, CURVE, (0.2, 3)),
        ("max", True, CURVE, (0.9, 2)),
        ("max", False, CURVE, (0.9, 2)),
        ("mean_last_1", True, CURVE, (0.6, 5)),
        ("mean_last_3", True, CURVE, (0.5, 5)),
        ("mean_last_5", False, CURVE, (0.58, 5)),
        ("mean_last_99", True, CURVE, (0.58, 5)),  # of those it has
        ("best", True, [0.5, NAN, INF], (0.5, 1)),
        ("last", True, [0.5, NAN], (None, None)),
        ("last", True, [NAN, 0.5], (0.5, 2)),
        ("last", False, [0.5, -INF], (None, None)),
        ("min", True, [0.5, NAN, 0.7], (None, None)),  # the worst there can be
        ("min", False, [0.5, NAN, 0.7], (0.5, 1)),
        ("mean_last_2", True, [NAN, 0.5, 0.7], (0.6, 3)),
        ("mean_last_3", True, [NAN, 0.5, 0.7], (None, None)),
        ("mean_last_3", True, [1.7e308] * 3, (1.7e308, 3)),  # their sum is beyond the floats
        ("last", True, [], (None, None)),
    ],
)
def test_what_of_a_curve_counts(name: str, maximize: bool, values: list[float], found: tuple[Any, Any]) -> None:
    assert is_objective(name)
    value, interval = Objective.of(name, maximize).find(values)
    assert interval == found[1]
    assert value == (None if found[0] is None else pytest.approx(found[0], rel=1e-12))
    curves = Curves(maximize, objective=Objective.of(name, maximize))
    for k, one in enumerate(values, 1):
        curves.add(3, k, one)
    assert (curves.objective(3), curves.objective_interval(3)) == (value, interval)
    assert curves.overall(3) == value


@pytest.mark.parametrize("name", [*NAMES, "mean_last_1", "mean_last_999999"])
def test_names(name: str) -> None:
    assert is_objective(name)
    Objective.of(name, True)


@pytest.mark.parametrize(
    "name", ["", "BEST", "mean_last_0", "mean_last_-1", "mean_last_1000000", "mean_5", "last\n", 5]
)
def test_no_names(name: Any) -> None:
    assert not is_objective(name)


odd = st.sampled_from([0.5, 0.5, 0.1, -0.3, 0.0, -0.0, 7.0, 1e308, NAN, INF, -INF])


@given(
    st.sampled_from([*NAMES, "mean_last_1", "mean_last_3"]),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 4), odd), max_size=60),
    st.sets(st.integers(0, 60), max_size=10),
)
def test_the_leader_is_who_a_look_at_all_curves_finds(
    name: str, maximize: bool, logged: list[tuple[int, float]], looks: set[int]
) -> None:
    """Whenever it is asked, and however the values came: one by one, or many at once; lean or whole."""
    objective = Objective.of(name, maximize)
    curves, lean = Curves(maximize, objective=objective), Curves(maximize, PolicyNeeds(), objective)
    known: dict[int, list[float]] = {}
    for at, (trial, value) in enumerate(logged):
        known.setdefault(trial, []).append(value)
        for one in (curves, lean):
            assert one.add(trial, len(known[trial]), value)
        if at in looks and not curves.by_best:
            curves.leader()
    at_once = Curves(maximize, objective=objective)
    for trial, values in known.items():
        at_once.extend(trial, np.array(values))
        lean.close(trial)
    found = {trial: objective.find(values) for trial, values in sorted(known.items())}
    valued = [(value if maximize else -value, -trial) for trial, (value, _) in found.items() if value is not None]
    best = -max(valued)[1] if valued else None
    for one in (curves, lean, at_once):
        assert repr({trial: (one.objective(trial), one.objective_interval(trial)) for trial in found}) == repr(found)
        if not one.by_best:
            assert repr(one.leader()) == repr(None if best is None else (best, *found[best]))


# --- a run -----------------------------------------------------------------------------------------------------------


def sweep_of(
    value: str, curves: dict[int, list[float]], *, maximize: bool = True, ended: bool = True, **more: Any
) -> Sweep:
    config = function_config(tuple(range(9)), maximize=maximize, max_concurrent_runs=9, **more)
    sweep = Sweep(replace(config, metric=replace(config.metric, value=value)))
    for fact in facts_of(curves, ended=ended):
        assert sweep.accepts(fact)
        sweep.handle(fact)
    check(sweep)
    return sweep


def facts_of(curves: dict[int, list[float]], *, ended: bool = True) -> list[Fact]:
    facts: list[Fact] = [Started(0.0, 1)]
    for trial, values in curves.items():
        facts += [Suggested(1.0, trial, {"x": trial}), Began(1.0, trial, 1)]
        facts += [Reported(1.0 + k, trial, 1, k, k, value) for k, value in enumerate(values, 1)]
        facts += [Ended(99.0, trial, 1, 0)] if ended else []
    return facts


CURVES = {0: [0.1, 0.9, 0.3], 1: [0.5, 0.6, 0.6], 2: [0.2, 0.8, NAN], 3: [0.6, 0.5, 0.6]}


@pytest.mark.parametrize(
    ("value", "order", "best"),
    [
        ("best", [0, 2, 1, 3], Best(0, 0.9, 2)),
        ("last", [1, 3, 0, 2], Best(1, 0.6, 3)),
        ("max", [0, 2, 1, 3], Best(0, 0.9, 2)),
        ("min", [1, 3, 0, 2], Best(1, 0.5, 1)),
        ("mean_last_2", [0, 1, 3, 2], Best(0, 0.6, 3)),
        ("mean_last_9", [1, 3, 0, 2], None),
    ],
)
def test_trials_are_ranked_by_the_objective(value: str, order: list[int], best: Best | None) -> None:
    sweep = sweep_of(value, CURVES)
    assert [trial.number for trial in ranked(sweep)] == order
    if best is not None:
        assert sweep.best == best
    assert sweep.best is not None
    assert sweep.best.trial == order[0]
    told = row_json(row(sweep, sweep.trials[2], 99.0))
    assert told["best"] == 0.8
    assert math.isnan(told["last"])
    assert told[value] == sweep.curves.objective(2) if value not in ("best", "last") else True


def test_the_last_value_of_a_trial_that_trains_on_counts_as_far_as_it_is() -> None:
    sweep = sweep_of("last", {0: [0.5], 1: [0.4]}, ended=False)
    assert sweep.best == Best(0, 0.5, 1)
    before = sweep.best
    assert sweep.best is before  # who shows it can see that nothing is new
    sweep.handle(Reported(9.0, 0, 1, 2, 2, 0.3))
    assert sweep.best == Best(1, 0.4, 1)
    sweep.handle(Reported(9.0, 1, 1, 2, 2, NAN))
    assert sweep.best == Best(0, 0.3, 2)
    sweep.handle(Reported(9.0, 0, 1, 3, 3, INF))
    assert sweep.best is None
    assert sweep.metric_missing is False


def test_a_stopped_trial_has_the_last_value_it_logged_and_policies_compare_bests() -> None:
    """Trial 1's last value is far behind; its best is not, and HyperDrive's policies look at that."""
    policy = BanditPolicy(slack_amount=0.2)
    sweep = sweep_of("last", {0: [0.9, 0.9], 1: [0.8, 0.1]}, policy=policy, ended=False)
    assert [trial.stop_by for trial in sweep.trials] == ["", ""]
    sweep = sweep_of("last", {0: [0.9, 0.9], 1: [0.6]}, policy=policy, ended=False)
    assert [trial.stop_by for trial in sweep.trials] == ["", "policy"]
    sweep.handle(Ended(9.0, 1, 1, -15))
    assert sweep.curves.objective(1) == 0.6


def test_a_repeated_interval_of_a_relaunched_attempt_is_no_last_value() -> None:
    sweep = sweep_of("last", {0: [0.5, 0.6]}, ended=False)
    sweep.handle(Lost(9.0, 0, 1, "gone"))
    sweep.handle(Began(10.0, 0, 2))
    sweep.handle(Reported(11.0, 0, 2, 1, 1, 0.1))
    assert sweep.best == Best(0, 0.6, 2)


@pytest.mark.parametrize("value", ["last", "min", "mean_last_2"])
def test_blocks_lean_and_entry_by_entry_are_the_same(value: str) -> None:
    rng = random.Random(value)
    curves = {n: [rng.choice([0.1, 0.5, rng.random(), NAN]) for _ in range(200)] for n in range(5)}
    config = function_config(tuple(range(9)), max_concurrent_runs=9)
    config = replace(config, metric=replace(config.metric, value=value))
    facts = facts_of(curves)
    single = Sweep.replay(config, [(fact, ()) for fact in facts])
    pieces: list[Any] = []
    for fact in facts:
        if isinstance(fact, Reported):
            numbers = [
                np.array([one]) for one in (fact.at, fact.trial, fact.attempt, fact.seq, fact.interval, fact.value)
            ]
            pieces.append(Block(*numbers, logged=lambda _: (), entries=1))
        else:
            pieces.append((fact, ()))
    blocks, lean = Sweep.replay(config, pieces), Sweep.replay(config, pieces, lean=True)
    assert picture(blocks) == picture(single)
    assert repr(lean.best) == repr(single.best)
    assert [lean.curves.objective(n) for n in curves] == [single.curves.objective(n) for n in curves]


# --- earlier runs and samplers ---------------------------------------------------------------------------------------


def test_what_was_logged_in_an_earlier_run_is_learned_from_and_is_no_result_of_this_one() -> None:
    config = function_config(tuple(range(9)))
    going_on = Continued(run="r", experiment="e", trial=0, params={"x": 0}, source="checkpoint 2", interval=2)
    lineage = Lineage(parents=(Parent(run="r", experiment="e"),), continued=(going_on,))
    config = replace(config, metric=replace(config.metric, value="mean_last_2"), lineage=lineage)
    sweep = Sweep(config, WarmStartData((PriorTrial(0, 5, {"x": 5}, COMPLETED, [9.0, 9.0]),), ([0.8, 0.6],)))
    sweep.handle(Started(0.0, 1))
    sweep.handle(Suggested(1.0, 0, {"x": 0}))
    sweep.handle(Began(1.0, 0, 1))
    assert sweep.best is None  # neither the earlier run's trial nor what this one had there
    assert sweep.history[0].value == pytest.approx(0.7)
    sweep.handle(Reported(2.0, 0, 1, 1, 3, 0.2))
    assert sweep.best == Best(0, 0.2, 3)
    assert sweep.history[0].value == pytest.approx(0.4)


def test_the_best_of_an_earlier_run_is_told_by_the_objective_of_the_new_one() -> None:
    old = sweep_of("best", CURVES)
    new = replace(old.config.metric, value="last")
    options: dict[str, Any] = {"run": "r", "uri": "", "state": COMPLETED, "learns": False, "going_on": ()}
    parent, prior_trials = prior_trials_of(0, old, old.config.sampling.space, metric=new, **options)
    assert (parent.best, parent.best_trial) == (0.6, 1)
    learned = WarmStartData(tuple(replace(one, learned=True) for one in prior_trials))
    assert [seen.value for seen in learned.seen(True, "last")] == [0.3, 0.6, None, 0.6]
    assert [seen.value for seen in learned.seen(True)] == [0.9, 0.6, 0.8, 0.6]


@pytest.mark.parametrize("algorithm", ["gp", "tpe"])
def test_a_sampler_that_learns_learns_the_objective(algorithm: str) -> None:
    """Every trial peaks alike and then falls, the less the nearer to 0.2: only the last value tells where to look."""
    sampling = BayesianParameterSampling({"x": uniform(0, 1)}, algorithm=algorithm, initial_points=8)
    config = function_config((0,))
    config = replace(config, sampling=sampling, metric=replace(config.metric, value="last"))
    config = replace(config, limits=replace(config.limits, max_total_runs=40, max_concurrent_runs=1))
    sweep, sampler = Sweep(config), sampler_of(config)
    sweep.handle(Started(0.0, 1))
    tried = []
    for number in range(25):
        suggestion = sampler.ask(number, sweep.history)
        assert suggestion is not None
        sweep.handle(Suggested(1.0, number, suggestion.params))
        sweep.handle(Began(1.0, number, 1))
        x = suggestion.params["x"]
        tried.append(x)
        for k, value in enumerate((0.5, 1.0, 1.0 - abs(x - 0.2)), 1):
            sweep.handle(Reported(2.0, number, 1, k, k, value))
        sweep.handle(Ended(3.0, number, 1, 0))
    assert sum(abs(x - 0.2) < 0.15 for x in tried[10:]) >= 8, tried
    assert sweep.best is not None
    assert abs(sweep.trials[sweep.best.trial].params["x"] - 0.2) < 0.1


def test_the_end_of_a_curve_that_broke_off_is_told_by_the_objective() -> None:
    """Smaller is better: completed curves fall to 1 at their third interval and end two higher."""
    curves = [[9.0 + n, 1.0 + n, 3.0 + n] for n in range(5)]
    ending = CurveExtrapolation(curves, Objective.of("last", False)).estimate([9.0, 2.0])
    assert ending is not None
    assert ending.value == pytest.approx(4.0)
    best = CurveExtrapolation(curves).estimate([9.0, 2.0])
    assert best is not None
    assert best.value == pytest.approx(2.0)
    mean = CurveExtrapolation(curves, Objective.of("mean_last_2", False)).estimate([9.0, 2.0])
    assert mean is not None
    assert mean.value == pytest.approx(5.5 + (2.0 - 5.0))
    worst = CurveExtrapolation(curves, Objective.of("max", False)).estimate([9.0, 2.0])
    assert worst is not None
    assert worst.value == pytest.approx(9.0)
    assert CurveExtrapolation(curves, Objective.of("last", False)).estimate([9.0, NAN]) is None


def test_samplers_are_told_what_the_value_is() -> None:
    seen = sweep_of("mean_last_2", CURVES).history
    assert [one.objective for one in seen] == ["mean_last_2"] * 4
    assert [one.value for one in seen] == [pytest.approx(0.6), pytest.approx(0.6), None, pytest.approx(0.55)]
    assert TrialRecord(0, {}).objective == "best"
