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


def _places(*options: object) -> list[float] | None:
    features = FeatureEncoder(Space({"k": choice(list(options)), "x": uniform(0, 1)}))
    if features.columns[0].unordered:
        return None
    rows = [features.row({"k": option, "x": 0.5}) for option in options]
    return [float(features.features(features.tidy(row[None, :]))[0, 0]) for row in rows]


def test_numbers_given_as_texts_are_ordered_like_numbers() -> None:
    assert _places("1e-2", "1e-4", "0.001") == [1.0, 0.0, 0.5] == _places(1e-2, 1e-4, 0.001)
    assert _places("16", "1e1", "1000") == [0.5, 0.0, 1.0]


@pytest.mark.parametrize(
    "options",
    [("1", "2", "auto"), ("1", "1.0", "2"), ("1", 2, "3"), ("nan", "1", "2"), ("1", "2"), ("r18", "r34", "r50")],
    ids=["a word", "equal", "mixed", "not finite", "two", "names"],
)
def test_other_texts_have_no_order(options: tuple[object, ...]) -> None:
    assert _places(*options) is None
