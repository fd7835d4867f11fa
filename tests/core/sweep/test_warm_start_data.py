"""What earlier runs bring: which trials fit, who compares and learns, and what stays out of the run's own results."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.config.lineage import Continued, Lineage, Parent
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
)
from raydrive.core.errors import JournalError
from raydrive.core.records import CANCELED, COMPLETED, FAILED, Began, Ended, Launch, Reported, Started, Stop, Suggested
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import choice, loguniform, parse_space, uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import (
    EMPTY,
    RESUMED,
    PriorTrial,
    WarmStartData,
    dump,
    load,
    misfit,
    sampler_of,
)
from raydrive.core.sweep.warm_start_filter import named, prior_trials_of
from raydrive.testing.sweep_invariants import check

LINE = RandomParameterSampling({"x": uniform(0, 1)})


def config(sampling: Any = LINE, policy: Any = None, **more: Any) -> RunConfig:
    return RunConfig(
        experiment="e",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=sampling,
        policy=policy or NoTerminationPolicy(),
        limits=Limits(max_total_runs=20, max_concurrent_runs=4, first_failures=0),
        trial=TrialSpec(kind="function"),
        seed=0,
        **more,
    )


def earlier(curves: Iterable[tuple[float, ...]], params: Any = None, codes: Any = None) -> Sweep:
    """A run whose trials logged these curves and ended."""
    sweep = Sweep(config())
    sweep.handle(Started(0.0, 1))
    for number, curve in enumerate(curves):
        given_ = params[number] if params else {"x": number / 10}
        sweep.handle(Suggested(1.0, number, given_))
        sweep.handle(Began(1.0, number, 1))
        for k, value in enumerate(curve, 1):
            sweep.handle(Reported(1.0 + k, number, 1, k, k, value))
        code = codes[number] if codes else 0
        if code is not None:
            sweep.handle(Ended(9.0, number, 1, code))
    return sweep


def brought(
    sweep: Sweep, sampling: Any = LINE, policy: Any = None, going_on: Any = ()
) -> tuple[RunConfig, WarmStartData]:
    parent, prior_trials = prior_trials_of(
        *(0, sweep, sampling.space),
        run="first",
        uri="",
        state="Completed",
        learns=sampling.learns,
        going_on=going_on,
    )
    return config(sampling, policy, lineage=Lineage(parents=(parent,))), WarmStartData(tuple(prior_trials))


# --- what fits -------------------------------------------------------------------------------------------------------


def test_what_fits_is_used_and_what_does_not_is_listed_with_its_reason() -> None:
    space = parse_space({"--lr": loguniform(-9, 0), "kind": choice("a", "b")})
    params = [
        {"lr": 0.1, "kind": "a"},
        {"--lr": 0.1, "kind": "b", "momentum": 0.9},
        {"lr": 5.0, "kind": "a"},
        {"lr": 0.1, "kind": "c"},
        {"lr": 0.1},
        {"lr": 0.1, "kind": "a"},
        {"lr": 0.1, "kind": "a"},
    ]
    codes = [0, 0, 0, 0, 0, 1, None]
    sweep = earlier([(1.0,)] * 6 + [()], params, codes)
    parent, prior_trials = prior_trials_of(
        0, sweep, space, run="r", uri="", state="Interrupted", learns=True, going_on=frozenset[int]()
    )
    assert [one.trial for one in prior_trials if one.learned] == [0, 1]
    assert [dict(one.params) for one in prior_trials[:2]] == [{"--lr": 0.1, "kind": "a"}, {"--lr": 0.1, "kind": "b"}]
    assert parent.left_out == {
        "lr outside loguniform(-9, 0)": 1,
        "kind outside choice('a', 'b')": 1,
        "no value of kind": 1,
        "failed": 1,
        "never logged the primary metric": 1,
    }
    assert parent.ignored == ("momentum",)
    assert (parent.trials, parent.compared, parent.learned) == (7, 6, 2)
    assert "the sampler learns from 2; 5 ignored" in parent.text
    assert "not in this search space: momentum" in parent.text


@given(st.lists(st.fixed_dictionaries({}, optional={"x": st.floats(-2, 2), "--x": st.none(), "y": st.booleans()})))
def test_every_trial_is_learned_from_or_listed(params: list[dict[str, Any]]) -> None:
    sampling = BayesianParameterSampling({"x": uniform(0, 1)})
    parent, prior_trials = prior_trials_of(
        *(0, earlier([(0.5, 0.7)] * len(params), params), sampling.space),
        run="r",
        uri="",
        state="Completed",
        learns=True,
        going_on=(),
    )
    assert parent.compared == parent.trials == len(params)
    learned = [one for one in prior_trials if one.learned]
    assert parent.learned == len(learned)
    assert parent.learned + sum(parent.left_out.values()) == len(params)
    assert all(sampling.space.contains(one.params) for one in learned)
    assert all(misfit(sampling.space, one.params) for one in prior_trials if not one.learned)


def test_names_are_those_of_the_new_space() -> None:
    space = parse_space({"--a": uniform(0, 1), "b": uniform(0, 1)})
    assert named(space, {"--b": 2, "c": 3, "a": 1}) == ({"--a": 1, "b": 2, "c": 3}, [], ["c"])
    assert named(space, {"b": 2}) == ({"b": 2}, ["--a"], [])


def test_a_trial_that_was_cut_off_by_the_end_of_its_run_counts_as_stopped() -> None:
    _, warm_start = brought(earlier([(0.5,)], codes=[None]))
    assert warm_start.prior_trials[0].state == CANCELED


# --- the file --------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.floats(width=64), max_size=5), max_size=4), st.booleans())
def test_the_file_gives_back_what_was_written(curves: list[list[float]], flag: bool) -> None:
    params = {"x": 0.5, "deep": {"a": [1, "ü"]}, "odd": math.inf}
    prior_trials = [PriorTrial(0, n, params, COMPLETED, curve, flag, not flag) for n, curve in enumerate(curves)]
    warm_start = WarmStartData(tuple(prior_trials), tuple(curves))
    again = load(dump(warm_start))
    assert [repr(replace(one, curve=list(one.curve))) for one in again.prior_trials] == [
        repr(one) for one in prior_trials
    ]
    assert repr([list(prefix) for prefix in again.resumed_prefixes]) == repr(curves)


def test_a_file_that_is_not_whole_is_an_error() -> None:
    data = dump(WarmStartData((PriorTrial(0, 0, {"x": 1}, COMPLETED, (1.0, 2.0)),), ((1.0,),)))
    cuts = [data[:-5], data[: data.rindex(b"\n", 0, -1) + 1], b"", b"[]\n", data.replace(b'"format":1', b'"format":9')]
    for cut in cuts:
        with pytest.raises(JournalError):
            load(cut)


def test_a_configuration_with_parents_is_read_back_and_says_that_it_is_new() -> None:
    made, _ = brought(earlier([(0.5,)]))
    one = Continued(run="r", experiment="e", trial=3, params={"x": 0.5}, source="outputs", interval=2)
    made = replace(made, lineage=replace(made.lineage, continued=(one,)))
    raw = json.loads(json.dumps(made.to_json()))
    assert RunConfig.from_json(raw) == made
    assert raw["format"] == 2
    assert config().to_json()["format"] == 1
    assert "lineage" not in config().to_json()


def test_a_heritage_belongs_to_its_configuration() -> None:
    made, warm_start = brought(earlier([(0.5,)]))
    with pytest.raises(ValueError, match="belong to another run"):
        Sweep(config(), warm_start)
    with pytest.raises(ValueError, match="belong to another run"):
        Sweep(replace(made, lineage=Lineage(continued=(Continued(run="r", experiment="e", trial=0, params={}),))))


# --- policies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (BanditPolicy(slack_amount=0.1), "set by trial 2 of first"),
        (MedianStoppingPolicy(), "running means of 5 trials"),
        (TruncationSelectionPolicy(20), "ranks 5 of 5"),
    ],
)
def test_policies_compare_with_earlier_curves_at_equal_intervals(policy: Any, why: str) -> None:
    sweep = Sweep(*brought(earlier([(0.5, 0.9), (0.6, 0.9), (0.7, 0.9), (0.6, 0.9)]), policy=policy))
    sweep.handle(Started(0.0, 1))
    sweep.handle(Suggested(1.0, 0, {"x": 0.5}))
    sweep.handle(Began(1.0, 0, 1))
    stop = sweep.handle(Reported(2.0, 0, 1, 1, 1, 0.3))[0]
    assert isinstance(stop, Stop)
    assert why in stop.why
    assert sweep.best is not None
    assert (sweep.best.trial, sweep.best.value) == (0, 0.3)  # the parent's 0.9 is not this run's
    assert len(sweep.trials) == 1
    check(sweep)


def test_a_best_of_exactly_zero_is_one() -> None:
    parent, _ = prior_trials_of(
        0, earlier([(-1.0, 0.0)]), LINE.space, run="r", uri="", state="Completed", learns=False, going_on=()
    )
    assert (parent.best, parent.best_trial) == (0.0, 0)


# --- samplers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["gp", "tpe"])
def test_a_model_begins_with_the_model(algorithm: str) -> None:
    sampling = BayesianParameterSampling({"x": uniform(0, 1)}, algorithm=algorithm)
    sweep = earlier([(1 - (n / 10 - 0.7) ** 2,) for n in range(10)])
    made, warm_start = brought(sweep, sampling)
    first = sampler_of(made, warm_start).ask(0, [])
    assert first is not None
    assert first.origin == "model"
    assert abs(first.params["x"] - 0.7) < 0.15
    cold = sampler_of(config(sampling)).ask(0, [])
    assert cold is not None
    assert cold.origin == "initial"


def test_a_model_is_not_misled_by_what_does_not_fit() -> None:
    sampling = BayesianParameterSampling({"x": uniform(0, 0.35)})
    made, warm_start = brought(earlier([(float(n),) for n in range(10)]), sampling)
    assert made.lineage.parents[0].learned == 4
    assert [seen.params["x"] for seen in warm_start.seen(True)] == [0.0, 0.1, 0.2, 0.3]


def test_a_trial_that_goes_on_outside_the_space_teaches_nothing() -> None:
    sampling = BayesianParameterSampling({"x": uniform(0, 1)}, initial_points=3)
    made, warm_start = brought(earlier([(-((n / 10 - 0.2) ** 2),) for n in range(10)]), sampling)
    one = Continued(run="first", experiment="e", trial=10, params={"x": 5.0}, source="outputs", interval=1)
    made = replace(made, lineage=replace(made.lineage, continued=(one,)))
    sampler = sampler_of(made, replace(warm_start, resumed_prefixes=((9.0,),)))
    history = [TrialRecord(0, {"x": 5.0}, 9.0, COMPLETED, (9.0,))]
    after = sampler.ask(1, history)
    assert after is not None
    assert abs(after.params["x"] - 0.2) < 0.15  # and not at the edge next to 5.0
    assert history[0].value == 9.0


@pytest.mark.parametrize("algorithm", ["gp", "tpe"])
def test_a_sampler_built_later_proposes_the_same(algorithm: str) -> None:
    sampling = BayesianParameterSampling({"x": uniform(0, 1)}, algorithm=algorithm)
    given_ = brought(earlier([(math.sin(n),) for n in range(10)]), sampling)
    sampler, history = sampler_of(*given_), list[TrialRecord]()
    for number in range(6):
        suggestion = sampler.ask(number, history)
        assert suggestion == sampler_of(*given_).ask(number, history)
        assert suggestion is not None
        history.append(TrialRecord(number, suggestion.params, math.cos(number), COMPLETED, (math.cos(number),)))


def test_random_sampling_draws_as_if_there_were_no_parents() -> None:
    made, warm_start = brought(earlier([(0.5,)] * 3))
    assert made.lineage.parents[0].learned is None
    assert "does not learn" in made.lineage.parents[0].text
    warm, cold = sampler_of(made, warm_start), sampler_of(config())
    assert [warm.ask(n, []) for n in range(5)] == [cold.ask(n, []) for n in range(5)]


# --- trials that go on -----------------------------------------------------------------------------------------------


def going_on(source: str = "checkpoint 4", prefix: tuple[float, ...] = (0.4, 0.8)) -> tuple[RunConfig, WarmStartData]:
    one = Continued(run="first", experiment="e", trial=3, params={"x": 0.25}, source=source, interval=len(prefix))
    return config(policy=BanditPolicy(slack_amount=0.2), lineage=Lineage(continued=(one,))), WarmStartData(
        (), (prefix,)
    )


def test_a_trial_goes_on_first_with_its_parameters_its_curve_and_its_checkpoint() -> None:
    made, warm_start = going_on()
    suggestion = sampler_of(made, warm_start).ask(0, [])
    assert suggestion is not None
    assert (suggestion.params, suggestion.origin) == ({"x": 0.25}, RESUMED)
    assert suggestion.details == {"run": "first", "trial": 3, "from": "checkpoint 4"}
    sweep = Sweep(made, warm_start)
    sweep.handle(Started(0.0, 1))
    assert sweep.handle(Suggested(1.0, 0, suggestion.params, RESUMED, suggestion.details)) == (
        Launch(0, 1, {"x": 0.25}, "1", 2, last_value=0.8),
    )
    assert sweep.best is None
    assert sweep.history[0] == TrialRecord(0, {"x": 0.25}, 0.8, "Queued", sweep.curves.values(0))
    sweep.handle(Began(1.0, 0, 1))
    # Its best over 1..3 is still 0.8; it is the run's best only for what it logs here.
    assert sweep.handle(Reported(2.0, 0, 1, 1, 3, 0.7)) == ()
    assert sweep.best is not None
    assert (sweep.best.value, sweep.best.interval) == (0.7, 3)
    sweep.handle(Suggested(3.0, 1, {"x": 0.5}))
    sweep.handle(Began(3.0, 1, 1))
    assert sweep.handle(Reported(4.0, 1, 1, 1, 1, 0.3)) == ()  # compared at interval 1, with 0.4
    [stop] = sweep.handle(Reported(5.0, 1, 1, 2, 2, 0.35))
    assert isinstance(stop, Stop)
    assert "set by trial 0" in stop.why
    [relaunch] = sweep.handle(replace_end(sweep, 0, None))
    assert relaunch == Launch(0, 2, {"x": 0.25}, "1", 2)
    check(sweep)


def replace_end(sweep: Sweep, trial: int, code: int | None) -> Any:
    from raydrive.core.records import Lost

    attempt = sweep.trials[trial].attempt
    return Lost(9.0, trial, attempt, "gone") if code is None else Ended(9.0, trial, attempt, code)


def test_one_that_adds_nothing_is_completed_and_no_best() -> None:
    sweep = Sweep(*going_on())
    sweep.handle(Started(0.0, 1))
    sweep.handle(Suggested(1.0, 0, {"x": 0.25}, RESUMED, {"run": "first", "trial": 3}))
    sweep.handle(Began(1.0, 0, 1))
    sweep.handle(replace_end(sweep, 0, 0))
    trial = sweep.trials[0]
    assert (trial.state, sweep.best) == (COMPLETED, None)
    assert trial.why == "ended by itself and logged nothing after the 2 intervals of first_3"
    check(sweep)


def test_one_without_a_checkpoint_begins_at_the_beginning() -> None:
    sweep = Sweep(*going_on("", ()))
    sweep.handle(Started(0.0, 1))
    assert sweep.handle(Suggested(1.0, 0, {"x": 0.25}, RESUMED)) == (Launch(0, 1, {"x": 0.25}),)
    sweep.handle(Began(1.0, 0, 1))
    sweep.handle(replace_end(sweep, 0, 0))
    assert sweep.trials[0].state == FAILED  # it never logged the metric, here or there


def test_a_trial_that_goes_on_is_no_ancestor_too() -> None:
    made, warm_start = brought(earlier([(0.5,), (0.6,)]), BayesianParameterSampling({"x": uniform(0, 1)}), going_on={1})
    assert [one.trial for one in warm_start.prior_trials] == [0]
    assert made.lineage.parents[0].left_out == {"continues as a trial of this run": 1}


def test_the_sampler_goes_on_where_those_that_go_on_end() -> None:
    grid = GridParameterSampling({"x": choice(1, 2, 3)})
    one = Continued(run="first", experiment="e", trial=0, params={"x": 2})
    made = config(grid, lineage=Lineage(continued=(one,)))
    sampler, history = sampler_of(made, EMPTY), list[TrialRecord]()
    while (suggestion := sampler.ask(len(history), history)) is not None:
        history.append(TrialRecord(len(history), suggestion.params))
    assert [seen.params["x"] for seen in history] == [2, 1, 3]
    assert sampler.cheap


def test_what_a_lineage_says() -> None:
    parent = Parent(run="a", experiment="e", trials=3, compared=2, learned=1, left_out={"failed": 2})
    bare = Continued(
        run="b", experiment="e", trial=1, params={}, note="checkpoint 2 is damaged; using the previous one"
    )
    lines = list(Lineage(parents=(parent,), continued=(bare,)).lines())
    assert lines[0].startswith("warm start from a: curves of 2 of its 3 trials are used in comparisons; the sampler")
    assert "from the beginning" in lines[1]
    assert lines[2] == "trial 0: checkpoint 2 is damaged; using the previous one"
