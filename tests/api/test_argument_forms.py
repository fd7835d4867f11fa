"""What arguments of ``tune`` and ``HyperDriveConfig`` may be given as: objects, names, dicts; under either spelling."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import raydrive
from raydrive import (
    AutoPolicy,
    BanditPolicy,
    Experiment,
    HyperDriveConfig,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    RandomParameterSampling,
    Resources,
    ScriptRunConfig,
    SuccessiveHalvingPolicy,
    TruncationSelectionPolicy,
    Workspace,
    uniform,
)
from raydrive.core.errors import ConfigError
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.grid_search import GridParameterSampling

SPACE: dict[str, Any] = {"x": uniform(0, 1)}


def train(params: dict[str, Any]) -> None:
    """Logs nothing: it is never called here."""


def made(**options: Any) -> HyperDriveConfig:
    given = {"metric": "score", "goal": "maximize", "total_trials": 4, "run_config": train, "space": SPACE}
    given |= {"sampling": "random"}
    return HyperDriveConfig(**{**given, **options})  # type: ignore[arg-type]


def problems_of(**options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        made(**options)
    return caught.value.lines()


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ("median_stopping", MedianStoppingPolicy()),
        ("MedianStopping", MedianStoppingPolicy()),
        ("MedianStoppingPolicy", MedianStoppingPolicy()),
        ({"type": "bandit", "slack_factor": 0.1, "delay_evaluation": 5}, BanditPolicy(1, 0.1, None, 5)),
        ({"type": "truncation_selection", "truncation_percentage": 20}, TruncationSelectionPolicy(20)),
        ("auto", AutoPolicy()),
        ({"type": "auto"}, AutoPolicy()),
        ({"type": "successive_halving", "max_intervals": 48}, SuccessiveHalvingPolicy(max_intervals=48)),
        (BanditPolicy(slack_amount=0.2), BanditPolicy(slack_amount=0.2)),
        ("none", NoTerminationPolicy()),
        (None, NoTerminationPolicy()),
    ],
    ids=str,
)
def test_a_policy_is_an_object_a_name_or_a_dict(given: Any, policy: Any) -> None:
    assert made(policy=given).config.policy == policy
    assert made(early_termination=given).config.policy == policy


@pytest.mark.parametrize(
    ("given", "sampling"),
    [
        ("random", RandomParameterSampling(SPACE)),
        ("sobol", RandomParameterSampling(SPACE, rule="sobol")),
        ("bayesian", BayesianParameterSampling(SPACE)),
        ("tpe", BayesianParameterSampling(SPACE, algorithm="tpe")),
        ("BayesianParameterSampling", BayesianParameterSampling(SPACE)),
        (
            {"type": "bayesian", "initial_points": 3, "points_to_evaluate": [{"x": 0.5}]},
            BayesianParameterSampling(SPACE, initial_points=3, points_to_evaluate=[{"x": 0.5}]),
        ),
        ({"type": "random", "rule": "sobol", "seed": 3}, RandomParameterSampling(SPACE, rule="sobol", seed=3)),
    ],
    ids=str,
)
def test_a_sampling_is_an_object_a_name_or_a_dict(given: Any, sampling: Any) -> None:
    assert made(sampling=given).config.sampling == sampling
    assert made(sampling=sampling, space=None).config.sampling == sampling
    if isinstance(given, dict):
        assert made(sampling={**given, "search_space": SPACE}, space=None).config.sampling == sampling


def test_a_grid_by_name() -> None:
    space = {"x": raydrive.choice(1, 2)}
    assert made(sampling="grid", space=space).config.sampling == GridParameterSampling(space)


def test_a_sampling_of_an_installed_package_by_name() -> None:
    found = made(sampling={"type": "optuna", "sampler": "RandomSampler", "seed": 5}).config.sampling
    assert (found.name, found.seed, found.to_json()["sampler"]) == ("optuna", 5, "RandomSampler")


@pytest.mark.parametrize(
    ("given", "resources"),
    [
        ({"cpus": 2}, Resources(cpus=2)),
        ({"cpus": 0.5, "gpus": 0.25, "memory": "4GB"}, Resources(cpus=0.5, gpus=0.25, memory=4e9)),
        ({"memory": 512, "custom": {"tpu": 1}}, Resources(memory=512, custom={"tpu": 1})),
        ({}, Resources()),
        (None, Resources()),
        (Resources(gpus=1), Resources(gpus=1)),
    ],
    ids=str,
)
def test_resources_are_an_object_or_a_dict(given: Any, resources: Resources) -> None:
    assert made(resources=given).config.trial.resources == resources


@pytest.mark.parametrize("total", ["max_total_runs", "max_total_trials", "total_runs", "total_trials"])
@pytest.mark.parametrize(
    "abreast", ["max_concurrent_runs", "max_concurrent_trials", "concurrent_runs", "concurrent_trials"]
)
def test_runs_and_trials_are_the_same(total: str, abreast: str) -> None:
    given: dict[str, Any] = {total: 7, abreast: 3}
    made_ = HyperDriveConfig(RandomParameterSampling(SPACE), "score", "maximize", run_config=train, **given)
    assert (made_.config.limits.max_total_runs, made_.config.limits.max_concurrent_runs) == (7, 3)


def test_a_script_takes_the_words_of_a_sweep_file(tmp_path: Any) -> None:
    (tmp_path / "train.py").touch()
    script = ScriptRunConfig(code=tmp_path, script="train.py", trial_timeout=60)  # type: ignore[call-arg]
    assert (script.source_directory, script.max_run_duration_seconds) == (tmp_path, 60)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"policy": "median_stoping"},
            "policy.type: found 'median_stoping'; allowed: bandit, median_stopping, truncation_selection, "
            "successive_halving, auto, none, or module:Class, a class of yours. "
            "Did you mean 'median_stopping'?",
        ),
        (
            {"policy": {"type": "bandit", "slack_factor": 0.1, "delay_evalution": 5}},
            "policy.delay_evalution: found an unknown key; allowed: type, evaluation_interval, slack_factor, "
            "slack_amount, delay_evaluation. Did you mean 'delay_evaluation'?",
        ),
        (
            {"sampling": "bayesan"},
            "sampling: found 'bayesan'; allowed: random, sobol, grid, bayesian, tpe, or module:Class, a class "
            "of yours. Did you mean 'bayesian'?",
        ),
        (
            {"sampling": {"type": "bayesian", "inital_points": 3}},
            "sampling.inital_points: found an unknown key; allowed: type, seed, points_to_evaluate, algorithm, "
            "initial_points, fidelity, max_intervals, min_intervals. Did you mean 'initial_points'?",
        ),
        (
            {"sampling": {"type": "random", "initial_points": 3}},
            "sampling.initial_points: found 3; allowed: no initial_points: random has none. Remove it, or write "
            "type: bayesian.",
        ),
        (
            {"resources": {"cpu": 2}},
            "resources.cpu: found an unknown key; allowed: cpus, gpus, memory, custom, gpu_memory, share, "
            "accelerator_type, nodes, processes_per_node, strategy. "
            "Did you mean 'cpus'?",
        ),
        (
            {"resources": {"tpu": 2}},
            "resources.tpu: found an unknown key; allowed: cpus, gpus, memory, custom, gpu_memory, share, "
            "accelerator_type, nodes, processes_per_node, strategy. "
            "A custom resource belongs under custom: {'custom': {'tpu': 1}}.",
        ),
        (
            {"resources": {"memory": "much"}},
            "resources.memory: found 'much'; allowed: bytes, or an amount such as 4GB or 512MiB",
        ),
        ({"total_trials": 0}, "total_trials: found 0; allowed: a whole number of 1 or more"),
        (
            {"max_total_runs": 4},
            "max_total_runs: found 4, and total_trials too; allowed: one of the two: they are the same",
        ),
        (
            {"space": None},
            "sampling: found 'random' and no search space; allowed: a name (random, sobol, grid, bayesian, tpe) or a "
            "mapping, with one search space. Add space={'lr': uniform(0.001, 0.1)}.",
        ),
        (
            {"sampling": RandomParameterSampling(SPACE)},
            "space: found a search space; allowed: none: the sampling has its own search space. Remove it.",
        ),
    ],
    ids=str,
)
def test_a_wrong_one_is_told_what_is_allowed(options: dict[str, Any], told: str) -> None:
    assert problems_of(**options) == [told]


def test_a_misspelt_argument_is_told_the_nearest() -> None:
    (line,) = problems_of(max_totl_trials=4)
    assert line.startswith("max_totl_trials: found an unknown argument; allowed: hyperparameter_sampling, ")
    assert line.endswith("Did you mean 'max_total_trials'?")
    with pytest.raises(ConfigError, match=r"polcy: found an unknown argument; .* Did you mean 'policy'\?"):
        raydrive.tune(train, SPACE, metric="score", polcy="bandit")
    with pytest.raises(ConfigError, match=r"storge: .* Did you mean 'storage'\?"):
        raydrive.tune(train, SPACE, metric="score", storge="/x")
    with pytest.raises(ConfigError, match=r"scrpt: .* Did you mean 'script'\?"):
        ScriptRunConfig(scrpt="train.py")  # type: ignore[call-arg]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    lines = problems_of(policy="bandid", resources={"cpu": 1}, sampling="rndom")
    assert [line.partition(":")[0] for line in lines] == ["sampling", "policy.type", "resources.cpu"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("sweep.yml", "raydrive submit sweep.yml"),
        ({"metric": "x"}, "HyperDriveConfig(**config)"),
        (train, "run_config="),
    ],
    ids=["a file", "a dict", "a function"],
)
def test_what_can_be_submitted(given: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Experiment(Workspace("/nowhere"), "e").submit(given)
    assert told in str(caught.value)
    assert "allowed: a HyperDriveConfig" in str(caught.value)


TUNED = """
import sys
import raydrive

def square(params):
    raydrive.Run.get_context().log("loss", params["x"] ** 2)

run = raydrive.tune(
    square, {"x": raydrive.uniform(0, 1)}, primary_metric="loss", goal="minimize",
    max_total_trials=3, concurrent_trials=2,
    sampling="tpe", policy="median_stopping", resources={"cpus": 1}, storage=sys.argv[1], show_output=False,
)
print(len(run.sweep.trials), run.config.policy, run.config.trial.resources.cpus)
"""


@pytest.mark.ray
def test_tune_takes_names_dicts_and_both_spellings(tmp_path: Any) -> None:
    """In a process of its own: this one may have started Ray before."""
    program = [sys.executable, "-c", TUNED, str(tmp_path)]
    done = subprocess.run(program, text=True, capture_output=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == f"3 {MedianStoppingPolicy()} 1"
