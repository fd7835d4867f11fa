from __future__ import annotations

import numpy as np
import pytest

from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.kernel import Layout
from raydrive.core.search.fidelity.curve_data import (
    HELD,
    OVER,
    Curve,
    curve_points,
    for_fit,
    level,
    seen_intervals,
    steady_curves,
)
from raydrive.core.space.search_space import parse_space, uniform

FEATURES = FeatureEncoder(parse_space({"x": uniform(0, 1)}))
LAYOUT = Layout(FEATURES.owner)


def curves(lengths: list[int]) -> list[Curve]:
    """Curves that fall from 1, the first ones fastest."""
    return [
        Curve(k, np.array([k / len(lengths)]), (1.0 + k) / np.arange(1.0, n + 1.0), HELD) for k, n in enumerate(lengths)
    ]


def test_a_model_sees_the_last_interval_the_first_and_some_between() -> None:
    assert seen_intervals(0) == []
    assert seen_intervals(1) == [1]
    assert seen_intervals(2) == [1, 2]
    assert seen_intervals(50) == [1, 2, 3, 5, 7, 12, 19, 31, 50]
    assert len(seen_intervals(100_000)) < 30


def test_values_of_curves_become_standardised_points() -> None:
    data, scale, places = curve_points(curves([4, 0, 2]), FEATURES, LAYOUT, 4, 100)
    assert places == [0, 2], "a curve without a value is none"
    assert list(data.curve) == [0, 0, 0, 1, 1]
    assert data.time == pytest.approx([0.25, 0.5, 1.0, 0.25, 0.5])
    assert data.values == pytest.approx(scale(np.array([1.0, 0.5, 0.25, 3.0, 1.5])))


def test_what_is_not_finite_counts_as_the_worst() -> None:
    bad = Curve(2, np.array([0.9]), np.array([np.nan, np.inf]), OVER)
    data, _, _ = curve_points([*curves([3, 3]), bad], FEATURES, LAYOUT, 4, 100)
    assert np.isfinite(data.values).all()
    assert data.values[data.curve == 2].min() >= data.values.max() - 1e-12


def test_of_many_points_the_best_curves_keep_theirs() -> None:
    many = curves([30] * 40)
    data, _, _ = curve_points(many, FEATURES, LAYOUT, 30, 120)
    points = np.bincount(data.curve)
    assert len(points) == 40
    assert len(data.values) <= 120
    assert points[0] > points[-1] >= 1


def test_a_fit_sees_the_best_curves_and_some_from_everywhere() -> None:
    many = curves([30] * 40)
    chosen = for_fit(many, 12)
    assert len(chosen) == 12
    numbers = [curve.trial for curve in chosen]
    assert numbers[:4] == [0, 1, 2, 3]
    assert numbers[-1] > 30
    assert for_fit(many[:5], 12)[4].trial == 4


def test_what_a_fit_sees_changes_in_steps() -> None:
    lengths = [len(steady_curves(curves([n]))[0].values) for n in (1, 2, 5, 6, 8, 40, 49, 50)]
    assert lengths == [1, 2, 5, 5, 7, 37, 49, 49]
    assert [len(steady_curves(curves([3] * n))) for n in (1, 9, 10, 99, 100, 105)] == [1, 9, 9, 91, 91, 102]
    assert steady_curves(curves([0, 3]))[0].trial == 1, "a curve without a value is none"
    assert [level(count) for count in (1, 20, 1000)] == [1, 20, 904]


def test_a_fit_to_some_of_the_curves_is_on_the_scale_of_all() -> None:
    many = curves([30] * 40)
    some = for_fit(many, 6)
    _, of_all, _ = curve_points(many, FEATURES, LAYOUT, 30, 400)
    _, of_some, _ = curve_points(some, FEATURES, LAYOUT, 30, 400, many)
    assert of_some == of_all != curve_points(some, FEATURES, LAYOUT, 30, 400)[1]
