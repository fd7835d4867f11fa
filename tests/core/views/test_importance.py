"""Importance of hyperparameters: known shares, Optuna's numbers, and runs that make it hard."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest

from raydrive import RandomParameterSampling, choice, loguniform, quniform, uniform
from raydrive.core.records import Params
from raydrive.core.space.search_space import Space
from raydrive.core.views.importance import importance

Function = Callable[[Params], float]


def tried(
    space: dict[str, Any], function: Function, count: int, seed: int = 0
) -> tuple[Space, list[Params], list[float]]:
    sampled = RandomParameterSampling(space).space
    rng = np.random.default_rng(seed)
    configurations = [sampled.sample(rng) for _ in range(count)]
    return sampled, configurations, [function(one) for one in configurations]


def shares(space: dict[str, Any], function: Function, count: int = 300) -> tuple[dict[str, float], float]:
    sampled, configurations, values = tried(space, function, count)
    found, explained = importance(np.array([sampled.unit(one) for one in configurations]), np.array(values))
    return dict(zip((one.name for one in sampled.dimensions), found, strict=True)), explained


FLAT = {"x": uniform(0, 1), "y": uniform(0, 1), "z": uniform(0, 1)}


def test_shares_are_those_of_the_variance() -> None:
    found, explained = shares(FLAT, lambda p: 3 * p["x"] + p["y"])
    assert found == pytest.approx({"x": 0.9, "y": 0.1, "z": 0.0}, abs=0.03)
    assert sum(found.values()) == pytest.approx(1.0)
    assert explained > 0.95


def test_a_logarithmic_scale_and_options_count_evenly() -> None:
    space = {"lr": loguniform(math.log(1e-5), math.log(1e-1)), "kind": choice("a", "b")}
    found, _ = shares(space, lambda p: math.log10(p["lr"]) + (p["kind"] == "b"))
    lr, kind = 16 / 12, 1 / 4  # the variances
    assert found == pytest.approx({"lr": lr / (lr + kind), "kind": kind / (lr + kind)}, abs=0.02)


SUITE: list[tuple[str, dict[str, Any], Function, float]] = [
    ("linear", FLAT, lambda p: 3 * p["x"] + p["y"], 0.03),
    (
        "branin",
        {"x": uniform(-5, 10), "y": uniform(0, 15)},
        lambda p: (
            (p["y"] - 5.1 / (4 * math.pi**2) * p["x"] ** 2 + 5 / math.pi * p["x"] - 6) ** 2
            + 10 * (1 - 1 / (8 * math.pi)) * math.cos(p["x"])
            + 10
        ),
        0.05,
    ),
    (
        "network",
        {
            "lr": loguniform(math.log(1e-5), math.log(1e-1)),
            "layers": quniform(1, 8, 1),
            "kind": choice("a", "b", "c", "d"),
        },
        lambda p: (
            -((math.log10(p["lr"]) + 3) ** 2)
            - 0.1 * (p["layers"] - 4) ** 2
            + {"a": 0, "b": 1, "c": 0, "d": 2}[p["kind"]]
        ),
        0.1,  # Optuna splits options one by one, which gives them somewhat more
    ),
]


def study_of(space: Space, configurations: list[Params], values: list[float]) -> optuna.Study:
    """The same trials in Optuna."""
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    for dimension in space.dimensions:
        raw = dimension.expression.to_json()
        if raw["type"] == "choice":
            distributions[dimension.name] = optuna.distributions.CategoricalDistribution(raw["values"])
        elif raw["type"] == "quniform":
            distributions[dimension.name] = optuna.distributions.FloatDistribution(1, 8, step=1)
        else:
            log = raw["type"] == "loguniform"
            ends = (dimension.expression.quantile(0.0), dimension.expression.quantile(1.0))
            distributions[dimension.name] = optuna.distributions.FloatDistribution(*ends, log=log)
    study = optuna.create_study(direction="maximize")
    for params, value in zip(configurations, values, strict=True):
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=value))
    return study


@pytest.mark.parametrize(("space", "function", "apart"), [one[1:] for one in SUITE], ids=[one[0] for one in SUITE])
def test_the_numbers_are_those_of_optunas_fanova(space: dict[str, Any], function: Function, apart: float) -> None:
    sampled, configurations, values = tried(space, function, 400)
    found, _ = shares(space, function, 400)
    study = study_of(sampled, configurations, values)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    optunas = optuna.importance.get_param_importances(study, evaluator=evaluator)
    assert found == pytest.approx(optunas, abs=apart)


def test_ped_anova_names_the_same_one_first() -> None:
    _, space, function, _ = SUITE[0]
    found, _ = shares(space, function)
    study = study_of(*tried(space, function, 300))
    optunas = optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
    assert max(found, key=found.__getitem__) == next(iter(optunas)) == "x"


def test_a_diverged_trial_does_not_decide_everything() -> None:
    sampled, configurations, values = tried(FLAT, lambda p: 3 * p["x"] + p["y"], 100)
    values[17] = -1e9
    found, _ = importance(np.array([sampled.unit(one) for one in configurations]), np.array(values))
    assert found == pytest.approx([0.9, 0.1, 0.0], abs=0.07)


def test_what_has_no_effect_explains_nothing() -> None:
    rng = np.random.default_rng(5)
    _, explained = shares(FLAT, lambda p: float(rng.normal()))
    assert explained < 0.1


def test_a_hyperparameter_of_one_option_counts_where_it_is_active() -> None:
    space = {
        "model": choice({"name": "linear"}, {"name": "tree", "depth": uniform(0, 1)}),
        "x": uniform(0, 1),
    }
    sampled = RandomParameterSampling(space).space
    deep = next(index for index, one in enumerate(sampled.dimensions) if one.parent is not None)
    rng = np.random.default_rng(0)
    configurations = [sampled.sample(rng) for _ in range(300)]
    values = [4 * one["model"].get("depth", 0.5) + one["x"] for one in configurations]
    found, _ = importance(np.array([sampled.unit(one) for one in configurations]), np.array(values))
    assert sum(found) == pytest.approx(1.0)
    assert found[deep] == max(found)
    never = np.array([sampled.unit(one) for one in configurations if "depth" not in one["model"]])
    found, _ = importance(never, np.array([one["x"] for one in configurations if "depth" not in one["model"]]))
    assert found[deep] == 0.0
    assert sum(found) == pytest.approx(1.0)
