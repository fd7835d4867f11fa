"""Edits of a run in the words of a sweep file, and configurations for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.errors import ConfigError, StorageError
from raydrive.core.space.search_space import choice, parse_space, uniform
from raydrive.core.sweep.edits import edited
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.user_requests.edit_checks import planned_edit
from raydrive.sweepfile.edits.patches import edit_of_file, patch_of_settings
from raydrive.sweepfile.edits.points import points_of_file, values_of_settings
from raydrive.sweepfile.loader import load_sweep

SWEEP = """
trial: {command: "python train.py --lr ${{search_space.lr}} --units ${{search_space.units}}"}
search_space:
  lr: {type: uniform, min_value: 0, max_value: 1}
  units: {type: choice, values: [8, 16]}
objective: {goal: maximize, primary_metric: score}
early_termination: {type: bandit, slack_factor: 0.1, delay_evaluation: 5}
limits: {max_total_trials: 10, max_concurrent_trials: 2}
raydrive: {seed: 3}
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yml"
    path.write_text(SWEEP)
    (tmp_path / "train.py").write_text("")
    return path


@pytest.fixture
def config(sweep: Path) -> RunConfig:
    return load_sweep(sweep).submission.config


@pytest.mark.parametrize(
    ("settings", "patch"),
    [
        (["limits.max_concurrent_trials=16"], {"limits": {"max_concurrent_runs": 16}}),
        (["limits.max_total_runs=16"], {"limits": {"max_total_runs": 16}}),
        (["limits.timeout=60", "limits.trial_timeout=9"], {"limits": {"max_duration_s": 60.0, "trial_timeout_s": 9.0}}),
        (["raydrive.max_attempts=3"], {"limits": {"max_attempts": 3}}),
        (["raydrive.keep_checkpoints=3"], {"trial": {"keep_checkpoints": 3}}),
        (["limits.max_total_trials=10"], {}),
    ],
)
def test_single_fields_become_a_patch_of_these_fields(
    config: RunConfig, settings: list[str], patch: dict[str, Any]
) -> None:
    assert patch_of_settings(config, settings) == patch


def test_an_edited_policy_keeps_its_other_settings_and_another_type_does_not(config: RunConfig) -> None:
    same = edited(config, patch_of_settings(config, ["early_termination.slack_factor=0.2"]))
    assert same.policy == BanditPolicy(slack_factor=0.2, delay_evaluation=5)
    other = patch_of_settings(config, ["early_termination.type=median_stopping"])["policy"]
    assert other == {"type": "median_stopping", "evaluation_interval": 1, "delay_evaluation": 0}
    assert patch_of_settings(config, ["early_termination=null"])["policy"] == {"type": "none"}


def test_a_space_gets_values_and_parameters_and_loses_them(config: RunConfig) -> None:
    wider = edited(config, patch_of_settings(config, ["search_space.units.values=[8, 16, 64]"]))
    assert wider.sampling.space == parse_space({"lr": uniform(0, 1), "units": choice(8, 16, 64)})
    settings = ["search_space.lr=null", "search_space.depth={type: choice, values: [1, 2]}"]
    other = edited(config, patch_of_settings(config, settings))
    assert list(other.sampling.space.expressions) == ["units", "depth"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("objective.goal=minimize", "--set objective.goal: objective.goal: found 'minimize'; allowed: no change while"),
        ("objective.primary_metric=loss", "its trials were ranked and stopped by the metric, goal and value"),
        ("trial.command=x", "its trials would not be comparable: those before ran other code"),
        ("inputs.data.path=x", "those before read other data"),
        ("raydrive.seed=9", "what it draws next follows from its seed"),
        ("raydrive.warm_start=x", "what earlier runs brought was copied into it before its first trial"),
        ("experiment_name=x", "its folder is named by it"),
        ("raydrive.python=x", "allowed: a change of limits, early_termination"),
        ("nonsense=x", "allowed: a change of limits, early_termination"),
        ("limits.max_totl_trials=9", "Did you mean 'limits.max_total_trials'?"),
        ("raydrive.max_atempts=2", "Did you mean 'raydrive.max_attempts'?"),
        ("limits.max_total_trials=0", "limits.max_total_trials: found 0; allowed: a whole number of 1 or more"),
        ("early_termination.slack_factor=-1", "found -1; allowed: a finite number of 0 (no slack) or more"),
        ("early_termination.type=bandti", "Did you mean 'bandit'?"),
        ("sampling_algorithm.type=grid", "search_space.lr: found uniform; allowed: choice, randint"),
        ("search_space.unit.values=[1]", "found no parameter 'unit'; allowed: lr, units. Did you mean 'units'?"),
        ("raydrive.resources.cpus=-1", "raydrive.resources.cpus: found -1"),
        ("raydrive.finish_when.target=high", "raydrive.finish_when.target: found 'high'"),
        ("raydrive.on_oom.memory=much", "raydrive.on_oom.memory: found 'much'"),
        (
            "raydrive.notify.webhook=https://a.b/secret",
            "found another one; allowed: no change while a run is",
        ),
        ("raydrive.population.every=3", "its members have trained, and were exchanged"),
        ("raydrive.track.mlflow=x", "its trackers were told of it from its first trial on"),
        ("raydrive.points=[]", "raydrive add RUN has configurations tried next."),
    ],
)
def test_each_refusal_has_its_words(config: RunConfig, setting: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        patch_of_settings(config, [setting])
    assert words in str(caught.value)


def test_bounds_of_logarithmic_expressions_are_given_as_a_whole(config: RunConfig) -> None:
    space = {"lr": {"type": "log_range", "min_value": 0.001, "max_value": 0.3}}
    logarithmic = edited(config, {"sampling": {"type": "random", "space": parse_space(space).to_json()}})
    with pytest.raises(ConfigError, match="is recorded with logarithms as its bounds"):
        patch_of_settings(logarithmic, ["search_space.lr.max_value=0.1"])
    whole = patch_of_settings(logarithmic, ["search_space.lr={type: log_range, min_value: 0.001, max_value: 0.1}"])
    assert whole["sampling"]["space"]["lr"]["max_value"] == pytest.approx(-2.302585093)


def test_a_changed_file_tells_what_differs_and_what_cannot(sweep: Path, config: RunConfig) -> None:
    assert edit_of_file(config, sweep).patch == {}
    sweep.write_text(
        SWEEP.replace("max_concurrent_trials: 2", "max_concurrent_trials: 4")
        .replace("[8, 16]", "[8, 16, 32]")
        .replace("slack_factor: 0.1", "slack_factor: 0.3")
    )
    found = edit_of_file(config, sweep)
    assert found.refused == ()
    assert found.patch.keys() == {"limits", "policy", "sampling"}
    assert found.patch["limits"] == {"max_concurrent_runs": 4}
    sweep.write_text(SWEEP.replace("goal: maximize", "goal: minimize").replace("train.py --lr", "train.py -v --lr"))
    refused = [problem.where for problem in edit_of_file(config, sweep).refused]
    assert refused == ["objective.goal", "trial.command"]


RULED = SWEEP.replace(
    "{seed: 3}",
    "{seed: 3, finish_when: {target: 0.9}, repeats: {max: 3}, notify: {command: 'mail ada'}}",
).replace("--lr", "--seed ${{search_space.seed}} --lr")


def test_rules_of_a_run_change_key_by_key_and_as_a_whole(sweep: Path) -> None:
    sweep.write_text(RULED)
    config = load_sweep(sweep).submission.config
    settings = [
        "raydrive.finish_when.no_improvement=7",
        "raydrive.repeats.max=5",
        "raydrive.notify.on=[best]",
        "raydrive.on_oom={}",
    ]
    assert patch_of_settings(config, settings)["rules"] == {
        "finish_when": {"target": 0.9, "no_improvement": {"trials": 7, "tolerance": 0.0}},
        "repeats": {"max": 5, "parameter": "seed", "race": True},
        "notify": {"on": ["best"]},
        "on_oom": edited(config, {"rules": {"on_oom": {}}}).rules.to_json()["on_oom"],
    }
    assert patch_of_settings(config, ["raydrive.finish_when=null"]) == {"rules": {"finish_when": None}}
    assert patch_of_settings(config, ["raydrive.max_attempts=3"]) == {"limits": {"max_attempts": 3}}
    with pytest.raises(ConfigError, match="found nothing"):
        planned_edit(Sweep(config), {"patch": patch_of_settings(config, ["raydrive.repeats=null"])}, 0.0)


def test_a_file_with_other_rules_tells_which_cannot_change(sweep: Path) -> None:
    sweep.write_text(RULED)
    config = load_sweep(sweep).submission.config
    sweep.write_text(RULED.replace("target: 0.9", "target: 0.95").replace("max: 3", "max: 4, race: false"))
    found = edit_of_file(config, sweep)
    assert found.refused == ()
    assert found.patch["rules"] == {
        "finish_when": {"target": 0.95},
        "repeats": {"max": 4, "parameter": "seed", "race": False},
    }
    other = RULED.replace("mail ada", "mail eve").replace("max: 3", "max: 3, parameter: fold")
    sweep.write_text(other.replace("search_space.seed", "search_space.fold"))
    refused = edit_of_file(config, sweep)
    assert [problem.where for problem in refused.refused] == [
        "raydrive.repeats.parameter",
        "raydrive.notify.command",
        "trial.command",
    ]
    assert "rules" not in refused.patch
    assert "eve" not in str(ConfigError(refused.refused))


def test_points_are_read_from_settings_yaml_and_csv(tmp_path: Path) -> None:
    space = parse_space({"lr": uniform(0, 1), "units": choice(8, 16), "act": choice("relu", "tanh", True)})
    assert values_of_settings(["lr=0.5", "search_space.units=8", "act=relu"], space) == {
        "lr": 0.5,
        "units": 8,
        "act": "relu",
    }
    with pytest.raises(ConfigError, match=r"found 'unit'; allowed: a parameter.*Did you mean 'units'"):
        values_of_settings(["unit=3"], space)
    with pytest.raises(ConfigError, match="lr twice"):
        values_of_settings(["lr=3", "lr=4"], space)
    (tmp_path / "points.csv").write_text("units,lr,act,score\n8,0.25,relu,1\n16,1e-1,True,2\n")
    found = points_of_file(tmp_path / "points.csv", space)
    assert [one["params"] for one in found] == [
        {"lr": 0.25, "units": 8, "act": "relu"},
        {"lr": 0.1, "units": 16, "act": True},
    ]
    (tmp_path / "points.yml").write_text("- {lr: 0.5, units: 8, act: tanh}\n")
    assert points_of_file(tmp_path / "points.yml", space)[0]["params"]["act"] == "tanh"
    (tmp_path / "bad.csv").write_text("units,act\n8,relu\n")
    with pytest.raises(ConfigError, match="lr: found no such column"):
        points_of_file(tmp_path / "bad.csv", space)
    (tmp_path / "worse.csv").write_text("lr,units,act\n7,9,relu\n")
    with pytest.raises(ConfigError) as caught:
        points_of_file(tmp_path / "worse.csv", space)
    assert len(caught.value.problems) == 2
    (tmp_path / "bad.yml").write_text("lr: [1, 2")
    with pytest.raises(ConfigError):
        points_of_file(tmp_path / "bad.yml", space)
    with pytest.raises(StorageError, match="cannot read"):
        points_of_file(tmp_path / "none.csv", space)


@pytest.mark.parametrize(
    "more",
    ["raydrive: {seed: 3, points: [{lr: 0.5, units: 8}]}", "sampling_algorithm: {points: [{lr: 0.5, units: 8}]}"],
)
def test_a_sweep_file_gives_points_for_every_sampling(sweep: Path, more: str) -> None:
    sweep.write_text(SWEEP.replace("raydrive: {seed: 3}", more))
    config = load_sweep(sweep).submission.config
    assert config.rules.points is not None
    assert config.rules.points.points == ({"lr": 0.5, "units": 8},)
    assert RunConfig.from_json(config.to_json()).rules == config.rules
    # What is edited later need not fit them: they are in line since the run began.
    assert edited(config, {"limits": {"max_total_runs": 1}}).rules.points is None


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ("3", "raydrive.points: found 3; allowed: a list of configurations"),
        ("[3]", "raydrive.points[0]: found 3; allowed: values by parameter"),
        ("[{lr: 0.5}]", "raydrive.points[0].units: found nothing; allowed: a value of this parameter"),
        ("[{lr: 7, units: 8}]", "raydrive.points[0].lr: found 7; allowed: a number from 0 to 1"),
        ("none.csv", "raydrive.points: found 'none.csv'; allowed: a CSV or YAML file"),
    ],
)
def test_points_that_cannot_be_used_are_refused(sweep: Path, points: str, words: str) -> None:
    sweep.write_text(SWEEP.replace("raydrive: {seed: 3}", f"raydrive: {{points: {points}}}"))
    with pytest.raises(ConfigError) as caught:
        load_sweep(sweep)
    assert words in str(caught.value)


def test_more_points_than_trials_are_refused(config: RunConfig) -> None:
    from raydrive.core.config.given_points import given_points_of

    points = given_points_of([{"lr": 0.5, "units": 8}] * 11)
    with pytest.raises(ConfigError, match="points: found 11 configurations; allowed: at most 10"):
        replace(config, rules=replace(config.rules, points=points))
