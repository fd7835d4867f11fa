"""What a stopped trial's curve would have become."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raydrive.core.search.bayesian.curve_extrapolation import CurveExtrapolation


def falling(level: float, length: int) -> list[float]:
    return [level + 1.0 / k for k in range(1, length + 1)]


def test_an_early_stop_is_worth_what_its_curve_would_have_become() -> None:
    endings = CurveExtrapolation([falling(level, 20) for level in (0.0, 0.1, 0.2, 0.3)])
    ending = endings.estimate(falling(0.5, 4))
    assert ending is not None
    assert ending.value == pytest.approx(0.5 + 1 / 20)
    assert 0 < ending.noise < 0.1


def test_a_flat_curve_stays_where_it_is() -> None:
    ending = CurveExtrapolation([falling(level, 20) for level in (0.0, 0.1, 0.2)]).estimate([3.0, 3.0, 3.0, 3.0])
    assert ending is not None
    assert (ending.value, ending.noise) == (3.0, 0.0)


def test_no_estimate_gains_more_than_any_completed_trial() -> None:
    endings = CurveExtrapolation([falling(level, 20) for level in (0.0, 0.1, 0.2)])
    ending = endings.estimate([9.0, 5.0, 3.0, 1.0])
    assert ending is not None
    assert ending.value == pytest.approx(1.0 - (1 / 4 - 1 / 20))


def test_without_comparison_the_last_value_stands() -> None:
    for completed in ([], [falling(0.0, 3)]):
        ending = CurveExtrapolation(completed).estimate([0.9, 0.8, 0.7])
        assert ending is not None
        assert ending.value == 0.7
    assert CurveExtrapolation([]).estimate([math.nan]) is None
    assert CurveExtrapolation([]).estimate([]) is None


def test_estimated_ends_are_nearer_than_last_values() -> None:
    """Power laws of different speeds, noisy, broken off where median stopping would; not a curve helped to write it."""
    rng = np.random.default_rng(0)
    k = np.arange(1, 41)
    ends = 0.1 + 0.4 * rng.random(60)
    speeds = 0.3 + 0.8 * rng.random(60)
    curves = ends[:, None] + (1 - ends[:, None]) * k ** -speeds[:, None] + 0.003 * rng.standard_normal((60, 40))
    stopped = curves[:, 4] > np.median(curves[:, 4])
    endings = CurveExtrapolation([list(curve) for curve in curves[~stopped]])
    off_end, off_last, noise = [], [], []
    for curve in curves[stopped]:
        ending = endings.estimate(list(curve[:5]))
        assert ending is not None
        off_end.append(ending.value - curve.min())
        off_last.append(curve[:5].min() - curve.min())
        noise.append(ending.noise)
    assert np.mean(np.abs(off_end)) < 0.6 * np.mean(off_last)
    assert np.mean(np.abs(off_end) < 2 * np.array(noise)) > 0.7  # and the noise says how sure they are


def test_curves_may_hold_anything() -> None:
    odd = [[math.nan, 2.0, 1.0], [3.0, math.inf, 1.0], [math.nan] * 3, [2.0, 1.5, math.nan], [2.5, 2.0, 1.0]]
    for curve in ([2.4, 2.2], [math.inf, 2.2], [math.nan, 2.0]):
        ending = CurveExtrapolation(odd).estimate(curve)
        assert ending is not None
        assert math.isfinite(ending.value)
        assert math.isfinite(ending.noise)
