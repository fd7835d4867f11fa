"""The bound of what any other configuration gains: its gradient, and how often the truth is within it."""

from __future__ import annotations

import math

import numpy as np

from raydrive.core.records import COMPLETED
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.gaussian_process import Data, Posterior, start
from raydrive.core.search.bayesian.gp_sampler import GpSampler
from raydrive.core.search.bayesian.kernel import Layout
from raydrive.core.search.bayesian.regret_bound import LowerBound, beta
from raydrive.core.search.trial_record import GAIN, TrialRecord
from raydrive.core.space.search_space import Space, parse_space, uniform


def two() -> Space:
    return parse_space({"x": uniform(0, 1), "y": uniform(0, 1)})


def test_the_gradient_is_the_slope() -> None:
    features, rng = FeatureEncoder(two()), np.random.default_rng(0)
    layout = Layout(features.owner, features.numbers)
    points = rng.random((9, 2))
    data = Data(points, layout, np.sin(5 * points[:, 0]) + points[:, 1], np.zeros(9))
    bound = LowerBound(Posterior(data, start(layout)), 1.7)
    at = rng.random((5, 2))
    values, slopes = bound.with_gradient(at)
    assert np.allclose(values, bound(at))
    for j in range(2):
        step = np.zeros(2)
        step[j] = 1e-5
        assert np.allclose((bound(at + step) - bound(at - step)) / 2e-5, slopes[:, j], rtol=1e-4, atol=1e-6)


def test_the_width_grows_with_what_is_known() -> None:
    assert math.isclose(beta(2, 10), 2.0 * math.log(2 * 100 * math.pi**2 / 0.6))
    assert beta(2, 100) > beta(2, 10)


def test_the_truth_is_within_the_bound() -> None:
    """Random smooth functions: the best one found is rarely farther from the optimum than was promised."""
    kept = told = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        centre, width = rng.random(2), 0.5 + rng.random()

        def value(params: dict[str, float], centre: np.ndarray = centre, width: float = width) -> float:
            x = np.array([params["x"], params["y"]])
            return float(np.sum(((x - centre) / width) ** 2) + 0.2 * np.sin(6 * x[0]))

        grid = min(value({"x": x, "y": y}) for x in np.linspace(0, 1, 81) for y in np.linspace(0, 1, 81))
        sampler = GpSampler(two(), seed, False)
        sampler.bounds_gain = True
        history: list[TrialRecord] = []
        for number in range(16):
            found = sampler.ask(number, history)
            assert found is not None
            if GAIN in found.details:
                told += 1
                assert found.details[GAIN] >= 0.0
                kept += min(one.value for one in history if one.value is not None) - grid <= found.details[GAIN] + 1e-9
            result = value(dict(found.params))
            history.append(TrialRecord(number, found.params, result, COMPLETED, (result,)))
    assert told == 12 * 6
    assert kept / told >= 0.85  # of functions that the process describes badly at first


def test_nothing_is_bounded_unless_it_is_asked_for() -> None:
    sampler = GpSampler(two(), 0, False)
    history = [TrialRecord(n, {"x": n / 12, "y": 0.5}, float(n), COMPLETED, (float(n),)) for n in range(12)]
    found = sampler.ask(12, history)
    assert found is not None
    assert GAIN not in found.details
