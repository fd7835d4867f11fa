"""The Parzen estimator: its densities are densities, and it finds what is good."""

from __future__ import annotations

import numpy as np
import pytest

from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.bayesian.tpe import Density
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import Space, choice, quniform, uniform


def rows_of(features: FeatureEncoder, count: int, seed: int = 0) -> np.ndarray:
    return features.tidy(np.random.default_rng(seed).random((count, len(features.columns))))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_density_integrates_to_one(count: int) -> None:
    features = FeatureEncoder(Space({"x": uniform(0, 1), "k": choice("a", "b", "c")}))
    density = Density(features, rows_of(features, count))
    grid = np.array([[(i + 0.5) / 500, (j + 0.5) / 3] for i in range(500) for j in range(3)])
    assert np.mean(np.exp(density.log(grid))) == pytest.approx(1.0, abs=1e-3)


def test_draws_follow_the_density() -> None:
    features = FeatureEncoder(Space({"x": uniform(0, 1), "k": choice("a", "b", "c")}))
    density = Density(features, np.array([[0.2, 1 / 6], [0.25, 1 / 6], [0.9, 0.5]]))
    drawn = features.tidy(density.draw(np.random.default_rng(0), 40_000))
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    grid = np.array([[(i + 0.5) / 500, 1 / 6] for i in range(500)])
    share = np.exp(density.log(grid)).reshape(10, 50).mean(axis=1) / 30
    found = np.histogram(drawn[drawn[:, 1] < 1 / 3, 0], bins=10, range=(0, 1))[0] / len(drawn)
    np.testing.assert_allclose(found, share, atol=0.01)


def test_inactive_dimensions_do_not_count() -> None:
    features = FeatureEncoder(Space({"m": choice({"t": 1, "x": uniform(0, 1)}, {"t": 2})}))
    rows = features.tidy(np.array([[0.25, 0.3], [0.75, 0.3]]))
    assert np.isnan(rows[1, 1])
    assert np.all(np.isfinite(Density(features, rows).log(rows)))


def test_it_beats_random_search() -> None:
    space = {"x": uniform(0, 1), "n": quniform(0, 20, 1), "k": choice("a", "b", "c", "d")}

    def loss(p: dict) -> float:
        return (p["x"] - 0.3) ** 2 + ((p["n"] - 14) / 20) ** 2 + (p["k"] != "c")

    best = []
    for seed in range(5):
        sampler = BayesianParameterSampling(space, algorithm="tpe").build(seed, False)
        history: list[TrialRecord] = []
        for number in range(60):
            suggestion = sampler.ask(number, history)
            assert suggestion is not None
            history.append(TrialRecord(number, suggestion.params, loss(dict(suggestion.params)), "Completed"))
        best.append(min(seen.value for seen in history if seen.value is not None))
    rng, whole = np.random.default_rng(0), Space(space)
    random = [min(loss(dict(whole.sample(rng))) for _ in range(60)) for _ in range(20)]
    assert np.mean(best) < 0.5 * np.mean(random)
