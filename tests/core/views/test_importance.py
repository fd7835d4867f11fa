"""Importance of hyperparameters: known shares under three kinds of sampling, Optuna's numbers, what is not known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest

from raydrive import BayesianParameterSampling, RandomParameterSampling, choice, loguniform, quniform, uniform
from raydrive.core.records import CANCELED, COMPLETED, FAILED, Params
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import Space
from raydrive.core.views.importance import importance, known_enough
from raydrive.core.views.surrogate import Surrogate
from raydrive.core.views.variance_shares import variance_shares

Function = Callable[[Params], float]
Trials = tuple[Space, list[TrialRecord]]


def random_trials(space: dict[str, Any], function: Function, count: int, seed: int = 0) -> Trials:
    sampled = RandomParameterSampling(space).space
    rng = np.random.default_rng(seed)
    drawn = [sampled.sample(rng) for _ in range(count)]
    return sampled, [TrialRecord(n, params, function(params), COMPLETED) for n, params in enumerate(drawn)]


def bayesian_trials(space: dict[str, Any], function: Function, count: int, seed: int = 0) -> Trials:
    sampling = BayesianParameterSampling(space)
    sampler = sampling.build(seed, True)
    history: list[TrialRecord] = []
    for number in range(count):
        suggestion = sampler.ask(number, history)
        assert suggestion is not None
        history.append(TrialRecord(number, suggestion.params, function(suggestion.params), COMPLETED))
    return sampling.space, history


def stopped_trials(space: dict[str, Any], function: Function, count: int, seed: int = 0) -> Trials:
    """Random trials whose curves rise to their value; median stopping at the fourth of ten intervals."""
    sampled, finished = random_trials(space, function, count, seed)
    history: list[TrialRecord] = []
    for trial in finished:
        assert trial.value is not None
        curve = [trial.value * (1 - math.exp(-k / 2)) for k in range(1, 11)]
        stopped = len(history) > 5 and curve[3] < np.median([other.curve[3] for other in history])
        kept = curve[:4] if stopped else curve
        state = CANCELED if stopped else COMPLETED
        history.append(TrialRecord(trial.number, trial.params, kept[-1], state, kept, stopped=stopped))
    return sampled, history


WAYS = [random_trials, bayesian_trials, stopped_trials]
SEEDS = range(3)


def judged(space: Space, trials: list[TrialRecord]) -> tuple[dict[str, float], dict[str, float], float]:
    """Shares, shares with combinations, R^2."""
    shares, totals, explained = importance(space, Surrogate(space, trials, True))
    names = [one.name for one in space.dimensions]
    return dict(zip(names, shares, strict=True)), dict(zip(names, totals, strict=True)), explained


FLAT = {"x": uniform(0, 1), "y": uniform(0, 1), "z": uniform(0, 1)}
LR = loguniform(math.log(1e-5), math.log(1e-1))


def at(p: Params) -> float:
    """Position of the learning rate in [-1, 1]."""
    return (math.log10(p["lr"]) + 3) / 2


def variance(f: Callable[[float], float]) -> float:
    """Of a function of a number that is even in [0, 1]."""
    return float(np.var([f(float(x)) for x in (np.arange(10_000) + 0.5) / 10_000]))


def wave(x: float) -> float:
    return math.sin(5 * x)


KNOWN: list[tuple[str, dict[str, Any], Function, dict[str, float]]] = [
    ("linear", FLAT, lambda p: 3 * p["x"] + p["y"], {"x": 9, "y": 1, "z": 0}),
    ("waves", FLAT, lambda p: 3 + 2 * wave(p["x"]) + wave(p["y"]), {"x": 4, "y": 1, "z": 0}),
    (
        "logarithmic, with options",
        {"lr": LR, "kind": choice("a", "b")},
        lambda p: 1 - at(p) ** 2 + 0.5 * (p["kind"] == "b"),
        {"lr": variance(lambda x: (2 * x - 1) ** 2), "kind": 0.25 * 0.25},
    ),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", WAYS, ids=["random", "bayesian", "stopped"])
@pytest.mark.parametrize(("space", "function", "parts"), [one[1:] for one in KNOWN], ids=[one[0] for one in KNOWN])
def test_shares_are_those_of_the_function_however_trials_were_drawn(
    space: dict[str, Any], function: Function, parts: dict[str, float], way: Callable[..., Trials], seed: int
) -> None:
    found, _, explained = judged(*way(space, function, 50, seed))
    assert found == pytest.approx({name: part / sum(parts.values()) for name, part in parts.items()}, abs=0.08)
    assert explained > 0.8


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("way", WAYS, ids=["random", "bayesian", "stopped"])
def test_a_cluster_around_the_best_does_not_make_the_other_one_important(way: Callable[..., Trials], seed: int) -> None:
    # lr moves the metric by 0.8, dropout by 0.05
    def accuracy(p: Params) -> float:
        return 0.1 + 0.8 / (1 + math.exp(-8 * (at(p) + 0.3))) - 0.05 * p["dropout"] / 0.5

    found, _, _ = judged(*way({"lr": LR, "dropout": uniform(0, 0.5)}, accuracy, 60, seed))
    assert found["lr"] > 0.95
    assert found["dropout"] < 0.02


def noisy(deviation: float, seed: int) -> Function:
    rng = np.random.default_rng(seed)
    return lambda p: 3 * p["x"] + p["y"] + float(rng.normal(0, deviation))


@pytest.mark.parametrize("way", WAYS[:2], ids=["random", "bayesian"])
def test_noise_does_not_hide_the_order(way: Callable[..., Trials]) -> None:
    shares = []
    for seed in range(5):
        found, _, explained = judged(*way(FLAT, noisy(0.3, seed), 80, seed))
        assert found["x"] > 2 * found["y"]
        assert found["z"] < 0.1
        assert 0.5 < explained < 0.97
        shares.append(found["x"])
    assert np.median(shares) == pytest.approx(0.9, abs=0.08)


def test_what_only_a_combination_explains_is_in_nobodys_share() -> None:
    found, totals, _ = judged(*random_trials(FLAT, lambda p: (2 * p["x"] - 1) * (2 * p["y"] - 1), 60))
    assert found == pytest.approx({"x": 0.0, "y": 0.0, "z": 0.0}, abs=0.03)
    assert totals == pytest.approx({"x": 1.0, "y": 1.0, "z": 0.0}, abs=0.03)


def test_the_estimate_is_that_of_ishigami() -> None:
    """Its shares in closed form: Ishigami and Homma (1990), with a = 7 and b = 0.1."""

    def ishigami(points: np.ndarray) -> np.ndarray:
        x = math.pi * (2 * points - 1)
        return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])

    shares, totals = variance_shares(ishigami, 3)
    assert shares == pytest.approx([0.3139, 0.4424, 0.0], abs=0.01)
    assert totals == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.01)


@pytest.mark.parametrize("ends", [(1.0, 1.0 + 1e-9), (-1e300, 1e300), (0.0, 1e-300)])
def test_the_size_of_values_does_not_matter(ends: tuple[float, float]) -> None:
    low, high = ends
    shares, _ = variance_shares(lambda points: low + (high - low) * (0.75 * points[:, 0] + 0.25 * points[:, 1]), 2)
    assert shares == pytest.approx([0.9, 0.1], abs=0.01)


def test_of_a_function_that_is_constant_there_are_no_shares() -> None:
    shares, totals = variance_shares(lambda points: np.full(len(points), 0.1) * (1 + 1e-16), 2)
    assert [*shares, *totals] == [0.0] * 4


def network(p: Params) -> float:
    kinds = {"a": 0, "b": 1, "c": 0, "d": 2}
    return -((math.log10(p["lr"]) + 3) ** 2) - 0.1 * (p["layers"] - 4) ** 2 + kinds[p["kind"]]


def branin(p: Params) -> float:
    x, y = p["x"], p["y"]
    bowl = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return -(bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


SUITE: list[tuple[str, dict[str, Any], Function, float]] = [
    ("linear", FLAT, lambda p: 3 * p["x"] + p["y"], 0.05),
    ("branin", {"x": uniform(-5, 10), "y": uniform(0, 15)}, branin, 0.1),
    # Optuna splits options one by one, which gives them somewhat more.
    ("network", {"lr": LR, "layers": quniform(1, 8, 1), "kind": choice("a", "b", "c", "d")}, network, 0.1),
]


def study_of(space: Space, trials: list[TrialRecord]) -> optuna.Study:
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
    for trial in trials:
        study.add_trial(optuna.create_trial(params=dict(trial.params), distributions=distributions, value=trial.value))
    return study


@pytest.mark.parametrize(("space", "function", "apart"), [one[1:] for one in SUITE], ids=[one[0] for one in SUITE])
def test_on_random_trials_the_numbers_are_near_optunas(space: dict[str, Any], function: Function, apart: float) -> None:
    sampled, trials = random_trials(space, function, 200)
    found, _, _ = judged(sampled, trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    optunas = optuna.importance.get_param_importances(study_of(sampled, trials), evaluator=evaluator)
    # Optuna's add up to 1 without what only combinations explain.
    whole = sum(found.values())
    assert {name: share / whole for name, share in found.items()} == pytest.approx(optunas, abs=apart)


def test_a_diverged_trial_does_not_decide_everything() -> None:
    sampled, trials = random_trials(FLAT, lambda p: 3 * p["x"] + p["y"], 100)
    trials[17] = TrialRecord(17, trials[17].params, -1e9, COMPLETED)
    found, _, _ = judged(sampled, trials)
    assert found == pytest.approx({"x": 0.9, "y": 0.1, "z": 0.0}, abs=0.1)


def test_trials_that_fail_by_chance_do_not_change_the_order() -> None:
    sampled, trials = random_trials(FLAT, lambda p: 3 * p["x"] + p["y"], 60)
    for n in (11, 29, 47):
        trials[n] = TrialRecord(n, trials[n].params, None, FAILED)
    trials[5] = TrialRecord(5, trials[5].params, None, COMPLETED, (math.nan, math.nan))
    found, _, _ = judged(sampled, trials)
    assert found["x"] > 0.6 > found["y"] + found["z"]


@pytest.mark.parametrize("count", [8, 20, 60])
def test_of_noise_nothing_is_known(count: int) -> None:
    rng = np.random.default_rng(5)
    known = [
        known_enough(judged(*random_trials(FLAT, lambda p: float(rng.normal()), count, seed))[2], count)
        for seed in range(10)
    ]
    assert sum(known) <= 1


def test_of_a_clear_effect_enough_is_known_with_few_trials() -> None:
    known = [known_enough(judged(*random_trials(FLAT, lambda p: 3 * p["x"] + p["y"], 10, n))[2], 10) for n in range(10)]
    assert sum(known) >= 8


def test_a_constant_has_no_share() -> None:
    found, _, _ = judged(*random_trials({**FLAT, "w": choice(3)}, lambda p: 3 * p["x"] + p["y"], 40))
    assert found == pytest.approx({"x": 0.9, "y": 0.1, "z": 0.0, "w": 0.0}, abs=0.03)


def test_a_conditional_hyperparameter_counts_as_often_as_it_is_active() -> None:
    space = {"model": choice({"name": "linear"}, {"name": "tree", "depth": uniform(0, 1)}), "x": uniform(0, 1)}
    sampled, trials = random_trials(space, lambda p: 4 * p["model"].get("depth", 0.5) + p["x"], 150)
    shares, totals, _ = importance(sampled, Surrogate(sampled, trials, True))
    deep = next(index for index, one in enumerate(sampled.dimensions) if one.parent is not None)
    flat = next(index for index, one in enumerate(sampled.dimensions) if one.name.endswith("x"))
    # Variance: 16/12 in half of all configurations, and 1/12. By itself depth moves the mean half as far.
    whole = 0.5 * 16 / 12 + 1 / 12
    assert shares[deep] == pytest.approx(0.25 * 16 / 12 / whole, abs=0.05)
    assert totals[deep] == pytest.approx(0.5 * 16 / 12 / whole, abs=0.05)
    assert shares[flat] == pytest.approx(1 / 12 / whole, abs=0.05)
