"""Bayesian sampling: the contract, what it accepts and refuses, and what it does with data nobody wishes for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from raydrive.core.errors import ConfigError
from raydrive.core.records import CANCELED, COMPLETED, FAILED, RUNNING
from raydrive.core.search.bayesian import gaussian_process
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.bayesian.tpe import Density
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import Space, choice, loguniform, normal, qlognormal, randint, uniform
from raydrive.testing.samplers import ParameterSpace, SamplerContract

ALGORITHMS = ["gp", "tpe"]


class TestGpContract(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return BayesianParameterSampling(parameter_space, seed=seed)


class TestTpeContract(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> SamplingSpec:
        return BayesianParameterSampling(parameter_space, seed=seed, algorithm="tpe")


def played(
    space: ParameterSpace, value: Callable[[dict], float | None], trials: int, **options: object
) -> list[TrialRecord]:
    """Trials one after the other; None = failed."""
    sampler = BayesianParameterSampling(space, **options).build(0, True)  # type: ignore[arg-type]
    history: list[TrialRecord] = []
    for number in range(trials):
        suggestion = sampler.ask(number, history)
        if suggestion is None:
            break
        y = value(dict(suggestion.params))
        history.append(TrialRecord(number, suggestion.params, y, FAILED if y is None else COMPLETED))
    return history


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "value",
    [
        lambda p: 1.0,
        lambda p: math.nan,
        lambda p: None,
        lambda p: math.inf if p["x"] > 0.5 else -math.inf,
        lambda p: 1e300 if p["x"] > 0.5 else -1e300,
        lambda p: 1e-300 * p["x"],
        lambda p: p["x"] if p["x"] > 0.3 else math.nan,
    ],
    ids=["equal", "nan", "failed", "infinite", "huge", "tiny", "some nan"],
)
def test_no_outcome_stops_it(algorithm: str, value: Callable[[dict], float | None]) -> None:
    space = {"x": uniform(0, 1), "k": choice("a", "b")}
    history = played(space, value, 25, algorithm=algorithm, initial_points=4)
    assert len(history) == 25
    assert len({Space(space).key(seen.params) for seen in history}) == 25


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "space",
    [
        {"x": uniform(0, 1)},
        {"a": choice("p", "q", "r"), "b": choice(True, False), "c": choice([[1], [2], None])},
        {"only": choice("one")},
        {"n": randint(10**9), "m": qlognormal(0, 1, 0.01), "g": normal(0, 1)},
        {"deep": choice({"in": choice({"x": uniform(0, 1)}, {"y": randint(3), "z": loguniform(-3, 0)})}, "flat")},
        {"many": choice([f"option {i}" for i in range(400)]), "x": uniform(0, 1)},
    ],
    ids=["one dimension", "only choices", "one value", "long lists", "deep", "400 options"],
)
def test_every_kind_of_space(algorithm: str, space: ParameterSpace) -> None:
    rng = np.random.default_rng(0)
    history = played(space, lambda p: float(rng.random()), 30, algorithm=algorithm, initial_points=3)
    whole = Space(space)
    assert all(whole.contains(seen.params) for seen in history)
    assert len({whole.key(seen.params) for seen in history}) == len(history) == min(30, whole.size or 30)


def test_failed_regions_are_left() -> None:
    history = played({"x": uniform(0, 1)}, lambda p: None if p["x"] < 0.7 else -((p["x"] - 0.8) ** 2), 30)
    assert sum(seen.state == FAILED for seen in history[15:]) <= 4
    assert min(abs(seen.params["x"] - 0.8) for seen in history) < 0.01


@pytest.mark.parametrize("maximize", [True, False])
def test_both_goals_reach_their_optimum(maximize: bool) -> None:
    sampler = BayesianParameterSampling({"x": uniform(-3, 3), "y": uniform(-3, 3)}).build(1, maximize)
    history: list[TrialRecord] = []
    for number in range(30):
        suggestion = sampler.ask(number, history)
        assert suggestion is not None
        away = (suggestion.params["x"] - 1) ** 2 + (suggestion.params["y"] + 2) ** 2
        history.append(TrialRecord(number, suggestion.params, -away if maximize else away, COMPLETED))
    assert min(abs(seen.value or 0.0) for seen in history) < 0.01


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sixteen_at_once_are_different(algorithm: str) -> None:
    sampler = BayesianParameterSampling({"x": uniform(0, 1), "y": uniform(0, 1)}, algorithm=algorithm).build(0, False)
    rng = np.random.default_rng(0)
    history = []
    for number in range(12):
        x, y = (float(v) for v in rng.random(2))
        history.append(TrialRecord(number, {"x": x, "y": y}, (x - 0.4) ** 2 + (y - 0.6) ** 2, COMPLETED))
    for number in range(12, 28):
        suggestion = sampler.ask(number, history)
        assert suggestion is not None
        history.append(TrialRecord(number, suggestion.params, None, RUNNING))
    points = np.array([[seen.params["x"], seen.params["y"]] for seen in history[12:]])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(16)
    assert np.median(apart.min(axis=1)) > 0.02


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_start_is_a_scrambled_sobol_sequence(algorithm: str) -> None:
    """Of the first eight points each eighth of each dimension gets one; another seed scrambles otherwise."""
    space = {f"x{j}": uniform(0, 1) for j in range(5)}
    starts = []
    for seed in (0, 1):
        sampler = BayesianParameterSampling(space, algorithm=algorithm).build(seed, False)
        suggestions = [
            sampler.ask(number, [TrialRecord(n, {}, None, RUNNING) for n in range(number)]) for number in range(8)
        ]
        starts.append(np.array([[*suggestion.params.values()] for suggestion in suggestions if suggestion]))
    for points in starts:
        assert np.array_equal(np.sort(np.floor(8 * points), axis=0), np.repeat(np.arange(8)[:, None], 5, axis=1))
    assert not np.allclose(*starts)


def test_given_points_come_first_and_once() -> None:
    points = [{"x": 0.25, "k": "b"}, {"x": 0.5, "k": "a"}, {"x": 0.25, "k": "b"}]
    space = {"x": uniform(0, 1), "k": choice("a", "b")}
    history = played(space, lambda p: p["x"], 10, points_to_evaluate=points)
    assert [dict(seen.params) for seen in history[:2]] == points[:2]
    assert dict(history[2].params) != points[0]


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        BayesianParameterSampling(
            {"x": uniform(0, 1), "lr": loguniform(-3, 0)},
            algorithm="gpp",
            initial_points=0,
            points_to_evaluate=[{"x": 2.0, "rate": 1}, 5],  # type: ignore[list-item]
        )
    places = {problem.where for problem in caught.value.problems}
    assert places == {
        "algorithm", "initial_points", "points_to_evaluate[0].x", "points_to_evaluate[0].lr",
        "points_to_evaluate[0].rate", "points_to_evaluate[1]",
    }  # fmt: skip


def test_earlier_runs_replace_the_initial_points() -> None:
    sampling = BayesianParameterSampling({"x": uniform(0, 1)})
    before = [TrialRecord(-n - 1, {"x": n / 12}, (n / 12 - 0.3) ** 2, COMPLETED) for n in range(12)]
    foreign = TrialRecord(-50, {"other": 1}, 0.0, COMPLETED)
    first = sampling.build(0, False, [*before, foreign]).ask(0, [])
    assert first is not None
    assert first.origin == "model"
    assert abs(first.params["x"] - 0.3) < 0.15
    cold = sampling.build(0, False).ask(0, [])
    assert cold is not None
    assert cold.origin == "initial"


def test_a_proposal_says_what_is_expected_of_it() -> None:
    space = {"x": uniform(0, 1), "y": uniform(0, 1)}
    sampler = BayesianParameterSampling(space).build(0, True)
    history = played(space, lambda p: 5.0 - 4.0 * (p["x"] - 0.5) ** 2, 20)
    suggestion = sampler.ask(20, history)
    assert suggestion is not None
    assert suggestion.details["predicted_mean"] == pytest.approx(5.0, abs=0.2)
    assert 0 <= suggestion.details["predicted_deviation"] < 0.5
    assert math.isfinite(suggestion.details["log_expected_improvement"])


def many(count: int) -> tuple[Space, list[TrialRecord]]:
    """Trials of a bowl in ten dimensions."""
    space = Space({f"x{j}": uniform(0, 1) for j in range(10)})
    units = np.random.default_rng(0).random((count, 10))
    return space, [
        TrialRecord(n, space.at(u), float(np.sum((u - 0.4) ** 2)), COMPLETED, [1.0, 0.5]) for n, u in enumerate(units)
    ]


def test_ten_thousand_trials_cost_no_more_than_some_hundred_with_gp(monkeypatch: pytest.MonkeyPatch) -> None:
    # operations are counted, as seconds say more about the machine
    likelihoods, processes = [], []
    fit, whole = gaussian_process.log_likelihood, gaussian_process.Posterior.__init__

    def counted(theta: np.ndarray, data: gaussian_process.Data) -> tuple[float, np.ndarray]:
        likelihoods.append(len(data.values))
        return fit(theta, data)

    def made(self: gaussian_process.Posterior, data: gaussian_process.Data, theta: np.ndarray) -> None:
        processes.append(len(data.values))
        whole(self, data, theta)

    monkeypatch.setattr(gaussian_process, "log_likelihood", counted)
    monkeypatch.setattr(gaussian_process.Posterior, "__init__", made)
    space, history = many(10_000)
    sampler = BayesianParameterSampling(space).build(0, False)
    suggestion = sampler.ask(10_000, history)
    assert suggestion is not None
    assert suggestion.origin == "model"
    assert max(likelihoods) <= 200
    assert max(processes) <= 240
    assert len(likelihoods) < 1000  # from a cold start: some 14 levels of 30 iterations at most
    likelihoods.clear()
    assert sampler.ask(10_001, [*history, replace(history[0], number=10_000)]) is not None
    assert likelihoods == []


def test_a_fresh_sampler_fits_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    fit = gaussian_process.fit

    def counted(data: gaussian_process.Data, starts: list[np.ndarray], *more: Any) -> tuple[np.ndarray, float]:
        counts.append(len(data.values))
        return fit(data, starts, *more)

    monkeypatch.setattr(gaussian_process, "fit", counted)
    space, history = many(101)
    sampler = BayesianParameterSampling(space).build(0, False)
    assert sampler.ask(100, history) is not None
    assert counts == [8, 12, 16, 24, 32, 48, 64, 96]
    assert sampler.ask(101, history) is not None
    assert len(counts) == 8


def test_ten_thousand_trials_cost_no_more_than_some_hundred_with_tpe(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    whole = Density.__init__

    def made(self: Density, features: FeatureEncoder, rows: np.ndarray) -> None:
        sizes.append(len(rows))
        whole(self, features, rows)

    monkeypatch.setattr(Density, "__init__", made)
    space, history = many(10_000)
    suggestion = BayesianParameterSampling(space, algorithm="tpe").build(0, False).ask(10_000, history)
    assert suggestion is not None
    assert suggestion.origin == "model"
    assert sizes == [25, 1000]


def falling(level: float, length: int) -> list[float]:
    return [level + 1.0 / k for k in range(1, length + 1)]


def test_stopped_trials_teach() -> None:
    """All trials near the optimum are stopped early: their values must still draw the sampler there."""
    sampler = BayesianParameterSampling({"x": uniform(0, 1)}).build(0, False)
    history = []
    for n, x in enumerate(np.linspace(0.02, 0.98, 16)):
        curve = falling(float((x - 0.7) ** 2), 20)
        stopped = abs(x - 0.7) < 0.2
        curve = curve[:4] if stopped else curve
        state = CANCELED if stopped else COMPLETED
        history.append(TrialRecord(n, {"x": float(x)}, curve[-1], state, curve, stopped))
    suggestion = sampler.ask(16, history)
    assert suggestion is not None
    assert abs(suggestion.params["x"] - 0.7) < 0.15
