from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.config.run_config import FORMAT_WITH_OBJECTIVE, FORMAT_WITH_RULES, Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.early_stopping.halving_policy import SuccessiveHalvingPolicy
from raydrive.core.early_stopping.policies import BanditPolicy, NoTerminationPolicy, TruncationSelectionPolicy
from raydrive.core.errors import ConfigError, show
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import choice, loguniform, uniform


def config_of(**fields: Any) -> RunConfig:
    limits = fields.pop("limits", {})
    values: dict[str, Any] = {
        "experiment": "digits",
        "metric": Metric(name="accuracy", goal=PrimaryMetricGoal.MAXIMIZE),
        "sampling": RandomParameterSampling({"lr": loguniform(-9, -2), "depth": choice(1, 2)}),
        "limits": Limits(**{"max_total_runs": 20, "max_concurrent_runs": 4, **limits}),
        "trial": TrialSpec(kind="script", script="train.py"),
        "seed": 0,
    }
    return RunConfig(**{**values, **fields})


FULL = config_of(
    policy=BanditPolicy(slack_factor=0.1, evaluation_interval=2, delay_evaluation=5),
    limits={"max_duration_s": None, "trial_timeout_s": 60, "max_attempts": 3, "first_failures": 0},
    trial=TrialSpec(
        kind="command",
        command="python train.py --lr ${{search_space.lr}}",
        arguments=("--epochs", "20"),
        code_sha256="ab" * 32,
        inputs={"data": "/data"},
        outputs={"model": "model"},
        environment_variables={"OMP_NUM_THREADS": "1"},
        python="/usr/bin/python3",
        preload=("sklearn", "numpy"),
        resources=Resources(cpus=0.5, gpus=0.25, memory=1e9, custom={"tpu": 1}, accelerator_type="A100"),
        grace_s=0,
        reuse_actors=False,
        resume_argument=True,
    ),
    seed=2**63,
    display_name="First try",
    tags={"team": "ü"},
    versions={"ray": "2.60"},
)


@pytest.mark.parametrize(
    "config",
    [
        config_of(),
        FULL,
        config_of(sampling=GridParameterSampling({"a": choice(1, "b", {"type": choice(1.5, 2)})})),
        config_of(sampling=RandomParameterSampling({"a": uniform(0, 1)}, rule="sobol", seed=3)),
        config_of(policy=TruncationSelectionPolicy(20)),
        config_of(sampling=GridParameterSampling({"a": choice((1, 2), {"x": [(3,)]})})),
        config_of(metric=Metric(name="loss/ü", goal=PrimaryMetricGoal.MINIMIZE)),
        config_of(metric=Metric(name="loss", goal=PrimaryMetricGoal.MINIMIZE, value="mean_last_5")),
    ],
)
def test_json_gives_back_an_equal_configuration(config: RunConfig) -> None:
    text = json.dumps(config.to_json(), allow_nan=False)
    again = RunConfig.from_json(json.loads(text))
    assert again == config
    assert json.dumps(again.to_json()) == text


def test_unknown_formats_are_refused() -> None:
    raw = config_of().to_json()
    for format_ in (FORMAT_WITH_RULES + 1, None, "1"):
        with pytest.raises(ConfigError, match=r"format: found .*Use the raydrive that wrote the run"):
            RunConfig.from_json({**raw, "format": format_})


def test_an_objective_that_an_older_raydrive_would_misread_has_a_format_of_its_own() -> None:
    metric = Metric(name="loss", goal=PrimaryMetricGoal.MINIMIZE, value="last")
    assert config_of(metric=metric).to_json()["format"] == FORMAT_WITH_OBJECTIVE
    raw = config_of().to_json()
    assert "value" not in raw["metric"]
    assert RunConfig.from_json(raw).metric.value == "best"  # as every run that was recorded before


@pytest.mark.parametrize("value", ["", "Best", "median", "mean_last_0", "mean_last_", "mean_last_1e3", None, 5, []])
def test_what_is_no_objective_value_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"primary_metric_value: found .*allowed: best, last, min, max, or mean_"):
        config_of(metric=Metric(name="loss", goal=PrimaryMetricGoal.MINIMIZE, value=value))


def test_a_configuration_is_frozen() -> None:
    config = config_of()
    with pytest.raises(FrozenInstanceError):
        config.seed = 1  # type: ignore[misc]
    assert replace(config, seed=1).seed == 1


def test_the_default_is_no_early_termination_and_a_week() -> None:
    config = config_of()
    assert config.policy == NoTerminationPolicy()
    limits = config.limits
    assert (limits.max_duration_s, limits.trial_timeout_s, limits.max_attempts) == (604_800.0, None, 1)


BAD_COUNTS = (0, -1, 1.0, 1.5, True, None, "3", math.nan)
BAD_SECONDS = (0, -1.0, math.nan, math.inf, True, "60", 10**400)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("max_total_runs", "max_concurrent_runs", "max_attempts") for value in BAD_COUNTS),
        *(("first_failures", value) for value in BAD_COUNTS[1:]),
        *((name, value) for name in ("max_duration_s", "trial_timeout_s") for value in BAD_SECONDS),
    ],
)
def test_limits_are_checked(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(limits={name: value})
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == (name, show(value))
    assert problem.allowed.startswith(("a whole number of", "a number of seconds above 0"))


@pytest.mark.parametrize(
    ("where", "fields"),
    [
        ("primary_metric_name", {"metric": Metric(name="", goal=PrimaryMetricGoal.MAXIMIZE)}),
        ("primary_metric_name", {"metric": Metric(name=3, goal=PrimaryMetricGoal.MAXIMIZE)}),  # type: ignore[arg-type]
        *(("experiment", {"experiment": name}) for name in ("", ".", "..", ".git", "a/b", "a\\b", "a\0b")),
        *(("seed", {"seed": seed}) for seed in (-1, 1.0, True, None, "0")),
        ("reuse_processes", {"trial": TrialSpec(kind="script", reuse_processes=True)}),
        ("reuse_processes", {"trial": TrialSpec(kind="function", reuse_processes=True, reuse_actors=False)}),
        *(("grace_s", {"trial": TrialSpec(kind="script", grace_s=s)}) for s in (-1, math.nan, math.inf, 10**400)),
    ],
)
def test_names_and_numbers_are_checked(where: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(**fields)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_all_problems_are_found_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(limits={"max_total_runs": 0, "max_duration_s": -1}, experiment="", seed=-1)
    wheres = [problem.where for problem in caught.value.problems]
    assert wheres == ["max_total_runs", "max_duration_s", "experiment", "seed"]
    assert str(caught.value).count("\n") == 3


@pytest.mark.parametrize(
    ("fields", "wheres"),
    [
        ({"cpus": -1}, ["resources.cpus"]),
        ({"cpus": "2"}, ["resources.cpus"]),
        ({"gpus": 1.5}, ["resources.gpus"]),
        ({"cpus": 2.5}, ["resources.cpus"]),
        ({"gpus": math.nan, "memory": -5}, ["resources.gpus", "resources.memory"]),
        ({"gpus": math.inf}, ["resources.gpus"]),
        ({"cpus": True}, ["resources.cpus"]),
        ({"cpus": 10**400}, ["resources.cpus"]),
        ({"custom": {"tpu": -1, "npu": "x"}}, ["resources.custom.tpu", "resources.custom.npu"]),
    ],
)
def test_resources_are_checked(fields: dict[str, Any], wheres: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Resources(**fields)
    assert [problem.where for problem in caught.value.problems] == wheres


@pytest.mark.parametrize("make", [lambda: Resources(cpus=0), lambda: Resources(gpus=0.25), lambda: Resources(gpus=8)])
def test_resources_that_ray_can_give(make: Callable[[], Resources]) -> None:
    assert isinstance(make(), Resources)


@pytest.mark.parametrize("text", ["maximize", "MAXIMIZE", " Maximize "])
def test_goals_in_any_case(text: str) -> None:
    assert PrimaryMetricGoal.from_str(text) is PrimaryMetricGoal.MAXIMIZE


def test_goals_that_are_none() -> None:
    with pytest.raises(ConfigError, match=r"primary_metric_goal: found 'minimise'; .* Did you mean 'minimize'\?"):
        PrimaryMetricGoal.from_str("minimise")
    with pytest.raises(ConfigError):
        PrimaryMetricGoal.from_str(None)  # type: ignore[arg-type]


def test_the_goal_says_what_is_better() -> None:
    assert Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE).maximize
    assert not Metric(name="m", goal=PrimaryMetricGoal.MINIMIZE).maximize


seconds = st.none() | st.floats(min_value=1e-9, allow_infinity=False)


@given(st.tuples(st.integers(1), st.integers(1), seconds, seconds, st.integers(1), st.integers(0)))
def test_any_sensible_limits_are_taken_and_come_back(values: tuple[Any, ...]) -> None:
    names = ("max_total_runs", "max_concurrent_runs", "max_duration_s", "trial_timeout_s", "max_attempts")
    config = config_of(limits=dict(zip((*names, "first_failures"), values, strict=True)))
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_space_with_tuples_is_of_a_format_that_older_versions_refuse() -> None:
    tuples = config_of(sampling=GridParameterSampling({"n": choice((1, 1), {"deep": [(1, 2)]})}))
    raw = json.loads(json.dumps(tuples.to_json()))
    assert raw["format"] == FORMAT_WITH_OBJECTIVE
    assert RunConfig.from_json(raw).sampling.space.grid_at(0) == {"n": (1, 1)}
    assert RunConfig.from_json(raw).sampling.space.grid_at(1) == {"n": {"deep": [(1, 2)]}}
    assert config_of(sampling=GridParameterSampling({"n": choice([[1, 1], [1, 2]])})).to_json()["format"] == 1


def test_points_to_evaluate_have_the_tuples_of_the_space() -> None:
    sampling = BayesianParameterSampling({"n": choice((1, 1), (1, 2))}, points_to_evaluate=[{"n": [1, 2]}])
    again = RunConfig.from_json(json.loads(json.dumps(config_of(sampling=sampling).to_json()))).sampling
    assert again == sampling
    first = again.build(0, True).ask(0, [])
    assert first is not None
    assert first.params == {"n": (1, 2)}


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"TABLE": "x" * 131_066}, "TABLE: found 131,072 bytes with its name"),
        ({"T": "ü" * 70_000}, "T: found 140,002 bytes with its name"),
    ],
)
def test_a_variable_that_no_program_can_be_started_with_is_refused(variables: dict[str, str], found: str) -> None:
    trial = TrialSpec(kind="command", command="true", environment_variables={"A": "1", **variables})
    with pytest.raises(ConfigError, match=rf"environment_variables\.{found}; allowed: at most 131,071. .*a file"):
        config_of(trial=trial)
    config_of(trial=replace(trial, environment_variables={"TABLE": "x" * 131_065}))


def test_variables_that_are_too_much_together_are_refused() -> None:
    trial = TrialSpec(kind="command", command="true", environment_variables={f"V{i}": "x" * 100_000 for i in range(17)})
    with pytest.raises(ConfigError, match=r"environment_variables: found 1,700,0\d\d bytes in all"):
        config_of(trial=trial)


def test_who_trains_on_is_chosen_by_one_of_two() -> None:
    space = {"x": uniform(0, 1)}
    sampling = BayesianParameterSampling(space, fidelity="intervals", max_intervals=9)
    policy = SuccessiveHalvingPolicy(mode="promote")
    with pytest.raises(ConfigError, match=r"policy: found SuccessiveHalvingPolicy.*Remove the policy, or fidelity"):
        config_of(sampling=sampling, policy=policy)
    assert config_of(sampling=BayesianParameterSampling(space), policy=policy).policy == policy
    assert config_of(sampling=sampling).to_json()["format"] > config_of().to_json()["format"]
