"""Whatever the Python API can say, a sweep file can say too: the two are compared argument by argument."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raydrive import (
    AutoPolicy,
    BanditPolicy,
    GridParameterSampling,
    HyperDriveConfig,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    RandomParameterSampling,
    Resources,
    ScriptRunConfig,
    TruncationSelectionPolicy,
    Workspace,
    uniform,
)
from raydrive.api.tune import tune
from raydrive.core.early_stopping.policies import policy_keys
from raydrive.core.errors import ConfigError
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.sampling_names import OPTIONS
from raydrive.settings.keys import ResourceKeys
from raydrive.settings.problems import keys_of, model_in
from raydrive.sweepfile.loader import load_sweep
from raydrive.sweepfile.schema import SamplingKeys, SweepKeys

SWEEP = """
trial: {command: "echo ${{search_space.x}}"}
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: score}
limits: {max_total_trials: 10}
"""
SAME = "the same name below raydrive:"
IN_YAML: dict[Callable[..., Any], dict[str, str]] = {
    HyperDriveConfig: {
        "hyperparameter_sampling": "sampling_algorithm",
        "primary_metric_name": "objective.primary_metric",
        "primary_metric_goal": "objective.goal",
        "primary_metric_value": "objective.value",
        "max_total_runs": "limits.max_total_trials",
        "max_concurrent_runs": "limits.max_concurrent_trials",
        "max_duration_minutes": "limits.timeout",
        "policy": "early_termination",
        "run_config": "trial",
        "space": "search_space",
        "tags": "tags",
        "resume_from": "raydrive.warm_start",
        "distribution": "distribution",
        **dict.fromkeys(
            ("resources", "seed", "grace_s", "reuse_actors", "max_attempts", "max_losses", "first_failures"), SAME
        ),
        **dict.fromkeys(
            (
                "storage_patience_s",
                "log_limit",
                "keep_checkpoints",
                "resume_argument",
                "resume_child_runs",
                "ray_in_trials",
            ),
            SAME,
        ),
        **dict.fromkeys(
            (
                "preload",
                "keep",
                "strict",
                "finish_when",
                "on_oom",
                "notify",
                "repeats",
                "track",
                "points",
                "population",
            ),
            SAME,
        ),
        "metric_from_stdout": "raydrive.metrics",
    },
    ScriptRunConfig: {
        "source_directory": "trial.code",
        "script": "trial.command",
        "arguments": "trial.command",
        "command": "trial.command",
        "max_run_duration_seconds": "limits.trial_timeout",
        **dict.fromkeys(("environment_variables", "python", "allow_pip_install", "preload", "metrics"), SAME),
        **dict.fromkeys(("environments", "environment_file"), SAME),
        **dict.fromkeys(("secrets", "keep", "flags", "flatten", "style", "unused_ok"), SAME),
    },
    tune: {
        "train": "trial",
        "space": "search_space",
        "metric": "objective.primary_metric",
        "goal": "objective.goal",
        "value": "objective.value",
        "sampling": "sampling_algorithm",
        "policy": "early_termination",
        "max_total_runs": "limits.max_total_trials",
        "max_concurrent_runs": "limits.max_concurrent_trials",
        "max_duration_minutes": "limits.timeout",
        "experiment": "experiment_name",
        **dict.fromkeys(("resources", "seed", "storage", "address"), SAME),
    },
    Workspace: dict.fromkeys(("storage", "address", "plain_ray"), SAME),
}
"""Where a sweep file has each argument."""
PYTHON_ONLY = {
    (HyperDriveConfig, "reuse_processes"): "calls a function again in its process; a sweep file trains by a command",
    (tune, "show_output"): "what the calling process prints",
}
"""Arguments that no sweep file needs, and why."""


def arguments_of(target: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(target).parameters.values()
    return [one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD]


def every_argument() -> list[tuple[Callable[..., Any], str]]:
    return [(target, name) for target in IN_YAML for name in arguments_of(target)]


@pytest.mark.parametrize(("target", "name"), every_argument(), ids=lambda value: getattr(value, "__name__", value))
def test_each_argument_has_a_key(target: Callable[..., Any], name: str) -> None:
    if (target, name) in PYTHON_ONLY:
        assert name not in IN_YAML[target]
        return
    place = IN_YAML[target].get(name)
    assert place is not None, f"{target.__name__}({name}=...) has no key in a sweep file"
    key = f"raydrive.{name}" if place is SAME else place
    model: Any = SweepKeys
    for part in key.split("."):
        assert part in keys_of(model), f"{key}: a sweep file has no {part}"
        model = model_in(model.model_fields[part].annotation)


def test_no_entry_is_of_an_argument_that_is_gone() -> None:
    for target, places in IN_YAML.items():
        assert sorted(places.keys() - set(arguments_of(target))) == []


@pytest.mark.parametrize("kind", [RandomParameterSampling, GridParameterSampling, BayesianParameterSampling])
def test_each_option_of_a_sampling_has_a_key(kind: type[SamplingSpec]) -> None:
    options = [name for name in arguments_of(kind) if name not in ("parameter_space", "properties")]
    assert set(OPTIONS[kind.name]) == set(options)
    assert set(options) <= set(keys_of(SamplingKeys))


@pytest.mark.parametrize(
    "kind", [AutoPolicy, BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy, NoTerminationPolicy]
)
def test_each_setting_of_a_policy_has_a_key(kind: Any) -> None:
    assert policy_keys()[kind.TYPE][0] == tuple(spec.name for spec in dataclasses.fields(kind))


def test_each_resource_has_a_key() -> None:
    assert keys_of(ResourceKeys) == [spec.name for spec in dataclasses.fields(Resources)]


@pytest.mark.parametrize(
    ("written", "sampling"),
    [
        ("tpe", BayesianParameterSampling({"x": uniform(0, 1)}, algorithm="tpe")),
        ("{type: bayesian, algorithm: tpe}", BayesianParameterSampling({"x": uniform(0, 1)}, algorithm="tpe")),
        (
            "{type: TPE, initial_points: '3'}",
            BayesianParameterSampling({"x": uniform(0, 1)}, algorithm="tpe", initial_points=3),
        ),
        (
            "{type: bayesian, initial_points: 2, points_to_evaluate: [{x: 0.25}, {x: 0.5}]}",
            BayesianParameterSampling(
                {"x": uniform(0, 1)}, initial_points=2, points_to_evaluate=[{"x": 0.25}, {"x": 0.5}]
            ),
        ),
        (
            "{type: bayesian, fidelity: intervals, max_intervals: '50', min_intervals: 2}",
            BayesianParameterSampling({"x": uniform(0, 1)}, fidelity="intervals", max_intervals=50, min_intervals=2),
        ),
        ("sobol", RandomParameterSampling({"x": uniform(0, 1)}, rule="sobol")),
    ],
)
def test_what_a_sampling_is_told_in_a_file(written: str, sampling: SamplingSpec) -> None:
    text = f"{SWEEP}sampling_algorithm: {written}\n"
    assert load_sweep("sweep.yml", text=text).submission.config.sampling == sampling
    by_flag = load_sweep("sweep.yml", text=SWEEP, overrides=[f"sampling_algorithm={written}"])
    assert by_flag.submission.config.sampling == sampling


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            "{type: bayesian, points_to_evaluate: [{x: 0.5}, {y: 2}]}",
            [
                "sweep.yml:6:22: sampling_algorithm.points_to_evaluate[1].x: found nothing; allowed: a value of this "
                "parameter",
            ],
        ),
        (
            "{type: bayesian, algorithm: tpa}",
            ["sweep.yml:6:50: sampling_algorithm.algorithm: found 'tpa'; allowed: gp or tpe. Did you mean 'tpe'?"],
        ),
        (
            "{type: bayesian, initial_points: 0}",
            ["sampling_algorithm.initial_points: found 0; allowed: a whole number of 1 or more, or None"],
        ),
        (
            "{type: random, algorithm: tpe}",
            [
                "sampling_algorithm.algorithm: found 'tpe'; allowed: no algorithm: random has none. Remove it, or "
                "write type: bayesian.",
            ],
        ),
    ],
)
def test_a_wrong_option_has_its_place(written: str, told: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sweep("sweep.yml", text=f"{SWEEP}sampling_algorithm: {written}\n")
    for line in told:
        assert any(line.rpartition("sampling_algorithm")[2] in found for found in caught.value.lines())
    assert all(found.startswith("sweep.yml:6:") for found in caught.value.lines())


@pytest.mark.parametrize("key", ["max_total_runs", "total_runs", "total_trials", "max_total_trials"])
def test_runs_and_trials_are_the_same_in_a_file(key: str, tmp_path: Path) -> None:
    text = SWEEP.replace("max_total_trials", key)
    assert load_sweep("sweep.yml", text=text).submission.config.limits.max_total_runs == 10
    changed = load_sweep("sweep.yml", text=SWEEP, overrides=[f"limits.{key}=3", "limits.concurrent_runs=2"])
    limits = changed.submission.config.limits
    assert (limits.max_total_runs, limits.max_concurrent_runs) == (3, 2)


def test_a_limit_under_two_names_is_refused() -> None:
    text = SWEEP.replace("{max_total_trials: 10}", "{max_total_trials: 10, total_runs: 5}")
    with pytest.raises(ConfigError) as caught:
        load_sweep("sweep.yml", text=text)
    (line,) = caught.value.lines()
    assert line.startswith("sweep.yml:5:32: limits.total_runs: found 5; allowed: each limit once. ")
    assert "It is the same as max_total_trials" in line
