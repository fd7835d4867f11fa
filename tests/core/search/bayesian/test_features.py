"""Configurations as points with distances."""

from __future__ import annotations

import numpy as np
import pytest

from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.space.search_space import Space, choice, uniform


def test_distances_between_options_and_inactive_values() -> None:
    space = Space(
        {"k": choice("a", "b", "c"), "n": choice(1, 10, 100), "m": choice({"t": 1, "x": uniform(0, 1)}, {"t": 2})}
    )
    features = FeatureEncoder(space)

    def row(k: str, n: int, m: dict[str, float]) -> np.ndarray:
        return features.features(features.tidy(features.row({"k": k, "n": n, "m": m})[None, :]))[0]

    base = row("a", 1, {"t": 1, "x": 0.2})
    assert np.sum((base - row("b", 1, {"t": 1, "x": 0.2})) ** 2) == pytest.approx(1.0)
    assert np.sum((base - row("a", 10, {"t": 1, "x": 0.2})) ** 2) == pytest.approx(0.25)
    inactive = row("a", 1, {"t": 2})
    other = row("a", 1, {"t": 1, "x": 0.9})
    assert np.sum((base - inactive) ** 2) == pytest.approx(np.sum((other - inactive) ** 2))
