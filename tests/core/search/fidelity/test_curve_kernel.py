from __future__ import annotations

import numpy as np
import pytest

from raydrive.core.search.bayesian.kernel import Layout
from raydrive.core.search.fidelity.curve_kernel import CurvePoints, Scales, fit, log_likelihood, log_prior, start

LAYOUT = Layout(np.array([0, 1, 2, 2, 2]))


def points(curves: int = 9, more: int = 20) -> CurvePoints:
    """Points at random, of a space with two numbers and a choice of three options."""
    rng = np.random.default_rng(3)
    curve = np.sort(np.concatenate([np.arange(curves), rng.integers(0, curves, more)]))
    n = len(curve)
    return CurvePoints(
        rng.random((curves, 5)), LAYOUT, curve.astype(np.intp), rng.uniform(0.02, 1.0, n), rng.standard_normal(n)
    )


def test_the_gradient_is_that_of_the_likelihood() -> None:
    data = points()
    theta = start(3) + 0.3 * np.random.default_rng(0).standard_normal(15)
    gradient = log_likelihood(theta, data)[1]
    steps = 1e-5 * np.eye(15)
    differences = [(log_likelihood(theta + e, data)[0] - log_likelihood(theta - e, data)[0]) / 2e-5 for e in steps]
    assert gradient == pytest.approx(differences, rel=1e-5, abs=1e-4)


def test_the_likelihood_is_that_of_the_normal_distribution() -> None:
    data, theta = points(4, 3), start(3)
    scales = Scales.of(theta)

    def matern(d: float) -> float:
        r = np.sqrt(5.0 * d)
        return float((1.0 + r + r * r / 3.0) * np.exp(-r))

    def k(a: int, b: int) -> float:
        i, j = data.curve[a], data.curve[b]
        x, y = data.features[i], data.features[j]
        apart = np.array([(x[0] - y[0]) ** 2, (x[1] - y[1]) ** 2, np.sum((x[2:] - y[2:]) ** 2)])
        s, t = data.time[a], data.time[b]
        decay = scales.b / (s + t + scales.b)
        out = scales.s * matern(scales.w @ apart) + scales.u / 3 * sum(matern(wd) for wd in scales.w * apart)
        out += (scales.p + scales.q * matern(scales.v @ apart)) * decay
        if i == j:
            out += scales.e + scales.f * decay + scales.g * np.sqrt(min(s, t) / max(s, t))
        return out + (scales.r if a == b else 0.0)

    n = len(data.values)
    c = np.array([[k(a, b) for b in range(n)] for a in range(n)])
    expected = -0.5 * data.values @ np.linalg.solve(c, data.values) - 0.5 * np.linalg.slogdet(c)[1]
    assert log_likelihood(theta, data)[0] == pytest.approx(expected - 0.5 * n * np.log(2 * np.pi))


def test_a_fit_is_better_than_where_it_began_and_finds_a_dimension_without_effect() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((24, 2))
    curve = np.repeat(np.arange(24), 3).astype(np.intp)
    time = np.tile([0.1, 0.4, 1.0], 24)
    values = np.sin(6.0 * x[curve, 0]) + 0.5 * np.exp(-5.0 * time)
    data = CurvePoints(x, Layout(np.array([0, 1])), curve, time, (values - values.mean()) / values.std())
    first = start(2)
    found = fit(data, [first], 30)

    def density(theta: np.ndarray) -> float:
        return log_likelihood(theta, data)[0] + log_prior(theta, 2)[0]

    assert density(found) > density(first) + 10.0
    lengths = Scales.of(found).w
    assert lengths[1] < lengths[0] / 10.0
