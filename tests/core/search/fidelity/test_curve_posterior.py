from __future__ import annotations

import numpy as np
import pytest

from raydrive.core.search.bayesian.acquisition import log_h
from raydrive.core.search.bayesian.kernel import Layout
from raydrive.core.search.fidelity.curve_kernel import CurvePoints, fit, start
from raydrive.core.search.fidelity.curve_posterior import CurvePosterior, EndImprovement, Places


def slow_and_fast() -> tuple[CurvePoints, np.ndarray]:
    """Twenty curves that decay as exp(-t / tau) to an end; slow learners, x near 1, end lower. Two are cut off."""
    rng = np.random.default_rng(5)
    x = rng.random((20, 1))
    x[18:, 0] = 0.05, 0.95
    tau, end = 0.05 + 0.4 * x[:, 0], 0.5 - 0.4 * x[:, 0]
    curve, time = [], []
    for k in range(20):
        seen = [0.05, 0.1, 0.2, 0.4, 0.7, 1.0] if k < 18 else [0.05, 0.1, 0.2]
        curve += [k] * len(seen)
        time += seen
    i, t = np.array(curve, np.intp), np.array(time)
    values = end[i] + (1.0 - end[i]) * np.exp(-t / tau[i])
    return CurvePoints(x, Layout(np.array([0])), i, t, (values - values.mean()) / values.std()), end + (
        1.0 - end
    ) * np.exp(-1.0 / tau)


def test_slow_learners_are_predicted_from_slow_learners() -> None:
    data, _ = slow_and_fast()
    process = CurvePosterior(data, fit(data, [start(1)], 30))
    cut = np.array([18, 19], np.intp)
    mean, deviation = process.at(Places(data.features[cut], cut, np.ones(2)))
    last = [data.values[data.curve == k][-1] for k in cut]
    assert last[0] < last[1], "the fast learner is ahead when both are cut off"
    assert mean[1] < mean[0] - 2.0 * deviation.max(), "and the slow one is expected to end lower"


def test_points_of_the_data_are_known_and_new_curves_are_not() -> None:
    data, _ = slow_and_fast()
    process = CurvePosterior(data, fit(data, [start(1)], 30))
    own = Places(data.features[data.curve], data.curve, data.time)
    mean, deviation = process.at(own)
    assert mean == pytest.approx(data.values, abs=0.1)
    new = Places(np.array([[0.5]]), np.array([-1], np.intp), np.ones(1))
    assert process.at(new)[1][0] > deviation.max()


def test_mean_and_deviation_agree_with_the_joint_distribution() -> None:
    data, _ = slow_and_fast()
    process = CurvePosterior(data, start(1))
    places = Places(np.array([[0.2], [0.9], [0.9]]), np.array([3, -1, -1], np.intp), np.array([0.3, 0.5, 1.0]))
    mean, deviation = process.at(places)
    joint_mean, covariance = process.joint(places)
    assert mean == pytest.approx(joint_mean)
    assert deviation**2 == pytest.approx(np.diagonal(covariance))
    assert covariance[1, 2] > abs(covariance[0, 2]), "two points of one new curve belong together"


def test_further_points_are_as_if_they_had_been_there() -> None:
    data, _ = slow_and_fast()
    some = CurvePosterior(data, start(1)).with_points(
        np.array([[0.3]]), np.array([2, 20], np.intp), np.array([0.9, 0.1]), np.array([-1.0, 2.0])
    )
    order = np.argsort(np.append(data.curve, [2, 20]), kind="stable")
    whole = CurvePoints(
        np.vstack([data.features, [[0.3]]]),
        data.layout,
        np.append(data.curve, [2, 20])[order],
        np.append(data.time, [0.9, 0.1])[order],
        np.append(data.values, [-1.0, 2.0])[order],
    )
    places = Places(np.array([[0.6]]), np.array([-1], np.intp), np.ones(1))
    found, expected = some.at(places), CurvePosterior(whole, start(1)).at(places)
    assert np.array(found) == pytest.approx(np.array(expected))


def test_improvement_is_that_of_new_ends_and_its_gradient_is_right() -> None:
    data, _ = slow_and_fast()
    process = CurvePosterior(data, fit(data, [start(1)], 20))
    score, x = EndImprovement(process, -1.0), np.array([[0.2], [0.5], [0.97]])
    mean, deviation = process.at(Places(x, np.array([-1, -2, -3], np.intp), np.ones(3)))
    assert score(x) == pytest.approx(np.log(deviation) + log_h((-1.0 - mean) / deviation))
    values, gradient = score.with_gradient(x)
    assert values == pytest.approx(score(x))
    assert gradient[:, 0] == pytest.approx((score(x + 1e-6) - score(x - 1e-6)) / 2e-6, rel=1e-4, abs=1e-4)
