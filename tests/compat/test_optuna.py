"""Optuna's samplers under raydrive's protocol."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

pytest.importorskip("optuna", reason="an extra: pip install 'raydrive[optuna]'")

import optuna

from raydrive.compat.optuna import OptunaParameterSampling, OptunaSampler
from raydrive.core.errors import ConfigError
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import choice, loguniform, quniform, randint, uniform
from raydrive.testing.samplers import ParameterSpace, SamplerContract


class TestTpe(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return OptunaParameterSampling(parameter_space, seed=seed, options={"n_startup_trials": 4})


class TestRandom(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return OptunaParameterSampling(parameter_space, seed=seed, sampler="RandomSampler")


class TestCmaEs(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return OptunaParameterSampling(parameter_space, seed=seed, sampler="CmaEsSampler", options={"popsize": 4})


class TestCmaEsWithMargin(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        options = {"popsize": 4, "with_margin": True}
        return OptunaParameterSampling(parameter_space, seed=seed, sampler="CmaEsSampler", options=options)


class TestNsga2(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        options = {"population_size": 4}
        return OptunaParameterSampling(parameter_space, seed=seed, sampler="NSGAIISampler", options=options)


class TestNsga3(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        options = {"population_size": 4}
        return OptunaParameterSampling(parameter_space, seed=seed, sampler="NSGAIIISampler", options=options)


class TestQmc(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return OptunaParameterSampling(parameter_space, seed=seed, sampler="QMCSampler", options={"scramble": True})


class TestGrid(SamplerContract):
    endless = None

    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return OptunaParameterSampling(parameter_space, seed=seed, sampler="GridSampler")


class TestBruteForce(SamplerContract):
    endless = None

    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return OptunaParameterSampling(parameter_space, seed=seed, sampler="BruteForceSampler")


def test_it_learns() -> None:
    space = {"lr": loguniform(-9, -2), "units": quniform(8, 64, 8), "kind": choice("a", "b")}
    sampler = OptunaParameterSampling(space).build(0, True)
    history: list[TrialRecord] = []
    for number in range(40):
        suggestion = sampler.ask(number, history)
        assert suggestion is not None
        value = -abs(suggestion.params["units"] - 40) / 8 - (suggestion.params["kind"] == "a")
        history.append(TrialRecord(number, suggestion.params, value, "Completed"))
    early = sum(seen.value or 0 for seen in history[:10]) / 10
    late = sum(seen.value or 0 for seen in history[-10:]) / 10
    assert late > early + 0.5


@pytest.mark.parametrize(
    ("sampler", "options", "words"),
    [
        ("TPESampeler", {}, "TPESampler"),
        ("PartialFixedSampler", {}, "wrapper around another one.*fix a parameter in the space"),
        ("BaseGASampler", {}, "one of BruteForceSampler, CmaEsSampler"),
        ("TPESampler", {"candidates": 3}, "arguments of TPESampler"),
        ("GridSampler", {"search_space": {"x": [1]}}, "the grid is that of the search space"),
        ("GridSampler", {}, "x: found infinitely many values.*quniform"),
        ("BruteForceSampler", {}, "x: found infinitely many values.*quniform"),
    ],
)
def test_what_cannot_be_used_is_said_by_name(sampler: str, options: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        OptunaParameterSampling({"x": uniform(0, 1)}, sampler=sampler, options=options)


@pytest.mark.parametrize(("sampler", "package"), [("CmaEsSampler", "cmaes"), ("GPSampler", "torch")])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, sampler: str, package: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(ConfigError, match=f"{package}.*pip install {package}"):
        OptunaParameterSampling({"x": uniform(0, 1)}, sampler=sampler)


def test_a_grid_too_large_to_list_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"1,000,000.*at most 100,000"):
        OptunaParameterSampling({name: randint(100) for name in "abc"}, sampler="GridSampler")


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("CmaEsSampler", {"popsize": 5}),
        ("NSGAIISampler", {"population_size": 5}),
        ("NSGAIIISampler", {"population_size": 5}),
        ("QMCSampler", {"scramble": True}),
        ("TPESampler", {"n_startup_trials": 5}),
    ],
)
def test_one_after_the_other_it_proposes_what_optuna_does(sampler: str, options: dict[str, Any]) -> None:
    """Replaying the history leaves a sampler where a study that it saw grow would have left it."""

    def value(x: float, y: float) -> float:
        return (x - 0.3) ** 2 + (y - 0.8) ** 2

    ours = OptunaParameterSampling({"x": uniform(0, 1), "y": uniform(0, 1)}, sampler=sampler, options=options)
    asked = ours.build(3, maximize=False)
    assert isinstance(asked, OptunaSampler)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
    history: list[TrialRecord] = []
    tried: list[dict[str, float]] = []
    for number in range(24):
        suggestion = asked.ask(number, history)
        assert suggestion is not None
        study.sampler = asked._seeded(number)
        trial = study.ask()
        while (point := {name: trial.suggest_float(name, 0, 1) for name in ("x", "y")}) in tried:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)  # ours tries no configuration twice
            trial = study.ask()
        tried.append(point)
        assert suggestion.params == pytest.approx(point, abs=1e-9), number
        study.tell(trial, value(**point))
        history.append(TrialRecord(number, suggestion.params, value(**suggestion.params), "Completed"))


@pytest.mark.parametrize("sampler", ["CmaEsSampler", "NSGAIISampler", "QMCSampler"])
def test_what_is_in_flight_is_not_proposed_again(sampler: str) -> None:
    """Nor does the order in which results come leave a trace: the same history gives the same answer."""
    sampling = OptunaParameterSampling({"x": uniform(0, 1), "y": uniform(0, 1)}, sampler=sampler)
    one, history = sampling.build(0, maximize=False), list[TrialRecord]()
    for number in range(24):
        suggestion = one.ask(number, history)
        assert suggestion is not None
        history.append(TrialRecord(number, suggestion.params, None, "Running"))
        if number >= 4:  # the one before the oldest ends first
            done = number - 3 if number % 2 == 0 else number - 5
            params = history[done].params
            history[done] = TrialRecord(done, params, abs(params["x"] - 0.5) + params["y"], "Completed")
    assert len({tuple(seen.params.values()) for seen in history}) == len(history)
    assert sampling.build(0, maximize=False).ask(24, history) == one.ask(24, history)


def test_configurations_of_another_space_are_passed_over() -> None:
    sampler = OptunaParameterSampling({"kind": choice("a", "b"), "x": uniform(0, 1)}).build(0, True)
    history = [TrialRecord(0, {"kind": "gone", "x": 0.5}, 1.0, "Completed"), TrialRecord(1, {"y": 1}, 1.0, "Completed")]
    suggestion = sampler.ask(2, history)
    assert suggestion is not None
    assert suggestion.params["kind"] in ("a", "b")
