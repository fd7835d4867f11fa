"""The Gaussian process against scikit-learn's, and its gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from raydrive.core.search.bayesian import gaussian_process
from raydrive.core.search.bayesian.acquisition import Effort, LogEI, candidates, log_h, maximise
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.bayesian.kernel import Layout
from raydrive.core.space.search_space import Space, choice, randint, uniform

SHAPES = [(1, 1), (5, 1), (30, 3), (80, 10)]


def example(n: int, d: int, seed: int = 0) -> tuple[gaussian_process.Data, np.ndarray]:
    rng = np.random.default_rng((seed, n, d))
    x = rng.random((n, d))
    y = np.sin(4 * x[:, 0]) + x.sum(1) + 0.1 * rng.standard_normal(n)
    layout = Layout(np.arange(d), np.arange(0, d, 2))
    bends = rng.normal(0.0, 0.4, 2 * len(layout.warped))
    theta = np.concatenate([rng.normal(0.5, 0.7, d), bends, [-0.5, 0.3, np.log(0.02)]])
    return gaussian_process.Data(x, layout, y - y.mean(), np.zeros(n)), theta


def warped(data: gaussian_process.Data, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Points as scikit-learn's kernel, which bends nothing, has to be given them."""
    out, m = x.copy(), len(data.layout.warped)
    d = data.layout.dimensions
    for j, a, b in zip(data.layout.warped, np.exp(theta[d : d + m]), np.exp(theta[d + m : d + 2 * m]), strict=True):
        out[:, j] = 1 - (1 - x[:, j] ** a) ** b
    return out


def reference(data: gaussian_process.Data, theta: np.ndarray) -> GaussianProcessRegressor:
    d = data.layout.dimensions
    lengths = np.exp(-0.5 * theta[:d])
    kernel = ConstantKernel(np.exp(theta[-2]), "fixed") * Matern(lengths, "fixed", nu=2.5)
    for j in range(d):
        alone = np.where(np.arange(d) == j, lengths, 1e9)
        kernel += ConstantKernel(np.exp(theta[-3]) / d, "fixed") * Matern(alone, "fixed", nu=2.5)
    noise = np.exp(theta[-1]) + data.extra
    model = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None)
    return model.fit(warped(data, theta, data.features), data.values)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_posterior_is_scikit_learns(n: int, d: int) -> None:
    data, theta = example(n, d)
    points = np.random.default_rng(1).random((40, d))
    mean, deviation = gaussian_process.Posterior(data, theta).predict(points)
    expected_mean, expected_deviation = reference(data, theta).predict(warped(data, theta, points), return_std=True)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-6)
    np.testing.assert_allclose(deviation, expected_deviation, atol=1e-6)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_joint_posterior_is_scikit_learns(n: int, d: int) -> None:
    data, theta = example(n, d)
    points = np.random.default_rng(1).random((7, d))
    mean, covariance = gaussian_process.Posterior(data, theta).joint(points)
    expected_mean, expected = reference(data, theta).predict(warped(data, theta, points), return_cov=True)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-6)
    np.testing.assert_allclose(covariance, expected, atol=1e-6)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_marginal_likelihood_is_scikit_learns(n: int, d: int) -> None:
    data, theta = example(n, d)
    assert gaussian_process.log_likelihood(theta, data)[0] == pytest.approx(
        reference(data, theta).log_marginal_likelihood_value_, abs=1e-6
    )


def test_noise_of_single_observations_is_scikit_learns() -> None:
    data, theta = example(20, 2)
    data = gaussian_process.Data(data.features, data.layout, data.values, np.linspace(0, 2, 20))
    points = np.random.default_rng(1).random((9, 2))
    mean, _ = gaussian_process.Posterior(data, theta).predict(points)
    np.testing.assert_allclose(mean, reference(data, theta).predict(warped(data, theta, points)), atol=1e-6)
    assert gaussian_process.log_likelihood(theta, data)[0] == pytest.approx(
        reference(data, theta).log_marginal_likelihood_value_, abs=1e-6
    )


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_gradient_of_the_likelihood(n: int, d: int) -> None:
    data, theta = example(n, d)
    expected = approx_fprime(theta, lambda t: gaussian_process.log_likelihood(t, data)[0], 1e-6)
    np.testing.assert_allclose(gaussian_process.log_likelihood(theta, data)[1], expected, atol=1e-3, rtol=1e-4)


def test_gradient_where_a_dimension_owns_several_columns() -> None:
    data, _ = example(25, 4)
    layout = Layout(np.array([0, 1, 1, 2]), np.array([0, 3]))
    data = gaussian_process.Data(data.features, layout, data.values, data.extra)
    theta = np.array([0.4, -0.3, 1.0, 0.2, -0.3, 0.1, 0.4, -0.6, 0.1, -3.0])
    expected = approx_fprime(theta, lambda t: gaussian_process.log_likelihood(t, data)[0], 1e-6)
    np.testing.assert_allclose(gaussian_process.log_likelihood(theta, data)[1], expected, atol=1e-3, rtol=1e-4)


def test_gradient_of_the_prior() -> None:
    layout, prior = Layout(np.arange(2), np.array([1])), gaussian_process.Prior()
    theta = np.array([0.5, -2.0, 0.2, -0.4, 0.7, 0.3, -4.0])
    expected = approx_fprime(theta, lambda t: prior.log_density(t, layout)[0], 1e-7)
    np.testing.assert_allclose(prior.log_density(theta, layout)[1], expected, atol=1e-4)


@pytest.mark.parametrize("fantasies", [1, 4])
@pytest.mark.parametrize("members", [1, 3])
def test_gradient_of_expected_improvement(fantasies: int, members: int) -> None:
    data, theta = example(30, 3)
    rng = np.random.default_rng(2)
    values = data.values[:, None] + np.vstack([np.zeros((27, fantasies)), rng.normal(0, 0.3, (3, fantasies))])
    parts = [(gaussian_process.Posterior(data, theta + 0.2 * k), values, values.min(0)) for k in range(members)]
    score = LogEI(tuple(parts))
    points = rng.random((6, 3))
    value, gradient = score.with_gradient(points)
    np.testing.assert_allclose(value, score(points), atol=1e-9)
    for x, slope in zip(points, gradient, strict=True):
        expected = approx_fprime(x, lambda p: score(p[None, :])[0], 1e-7)
        np.testing.assert_allclose(slope, expected, rtol=2e-3, atol=1e-3)


def test_the_maximum_over_a_mixed_space_is_found() -> None:
    """Against every option and level with a fine grid on the continuum, which no search of this effort could afford."""
    space = Space({"k": choice("a", "b", "c"), "n": randint(9), "x": uniform(0, 1)})
    features, rng = FeatureEncoder(space), np.random.default_rng(4)
    rows = features.tidy(rng.random((25, 3)))
    x = features.features(rows)
    values = np.sin(7 * rows[:, 2]) + (rows[:, 1] - 0.6) ** 2 + 0.5 * (rows[:, 0] > 0.5)
    values = (values - values.mean()) / values.std()
    layout = Layout(features.owner)
    data = gaussian_process.Data(x, layout, values, np.zeros(25))
    process = gaussian_process.Posterior(
        data, gaussian_process.fit(data, [gaussian_process.start(layout)], gaussian_process.Prior())[0]
    )
    score = LogEI(((process, values[:, None], np.array([values.min()])),))
    grid = np.array(
        [[(k + 0.5) / 3, (n + 0.5) / 9, u] for k in range(3) for n in range(9) for u in np.linspace(0, 1, 801)]
    )
    best = score(features.features(features.tidy(grid))).max()
    pool = candidates(features, rows[np.argsort(values)[:8]], rng, Effort())
    found, scores = maximise(features, score, pool, lambda some: np.ones(len(some), bool), rng, Effort())
    assert scores[0] >= best - 1e-4
    assert np.array_equal(features.tidy(found[:1]), found[:1])  # an option, a level: nothing between


def test_log_expected_improvement_is_exact_far_into_the_tail() -> None:
    # h(z) = phi(z) + z Phi(z), by mpmath at 60 digits
    exact = {
        3.0: 1.0987396653277077,
        0.0: -0.9189385332046728,
        -1.0: -2.4851210257126413,
        -5.0: -16.74430116266099,
        -40.0: -808.29856835662,
    }
    for z, expected in exact.items():
        assert log_h(np.array([z]))[0] == pytest.approx(expected, rel=1e-9)
    z = -np.geomspace(0.5, 1e7, 2000)
    values = log_h(z)
    assert np.all(np.isfinite(values))
    assert np.all(np.diff(values) < 0)


def test_a_fit_finds_the_dimension_that_matters() -> None:
    x = np.random.default_rng(0).random((40, 3))
    y = np.sin(9 * x[:, 1])
    data = gaussian_process.Data(x, Layout(np.arange(3)), (y - y.mean()) / y.std(), np.zeros(40))
    theta, loss = gaussian_process.fit(data, [gaussian_process.start(Layout(np.arange(3)))], gaussian_process.Prior())
    assert np.isfinite(loss)
    assert theta[1] > max(theta[0], theta[2]) + 2.0
    assert np.exp(theta[-1]) < 0.01


def test_repeated_points_and_equal_values_are_no_trouble() -> None:
    x = np.repeat(np.random.default_rng(0).random((1, 2)), 12, axis=0)
    data = gaussian_process.Data(x, Layout(np.arange(2)), np.zeros(12), np.zeros(12))
    theta, _ = gaussian_process.fit(data, [gaussian_process.start(Layout(np.arange(2)))], gaussian_process.Prior())
    mean, deviation = gaussian_process.Posterior(data, theta).predict(np.random.default_rng(1).random((5, 2)))
    assert np.all(np.isfinite(mean))
    assert np.all(deviation > 0)


def test_further_points_are_what_a_new_process_would_know() -> None:
    data, theta = example(12, 2)
    extra = np.random.default_rng(4).random((3, 2))
    wider = gaussian_process.Posterior(data, theta).with_points(extra, np.array([0.1, 0.2, 0.3]))
    whole = gaussian_process.Data(
        np.vstack([data.features, extra]), data.layout, np.append(data.values, [0.1, 0.2, 0.3]), np.zeros(15)
    )
    points = np.random.default_rng(5).random((4, 2))
    np.testing.assert_allclose(wider.predict(points), gaussian_process.Posterior(whole, theta).predict(points))


def test_members_lie_around_the_mode_and_within_bounds() -> None:
    data, _ = example(30, 3)
    theta, _ = gaussian_process.fit(data, [gaussian_process.start(data.layout)], gaussian_process.Prior())
    drawn = gaussian_process.spread(
        gaussian_process.Posterior(data, theta), gaussian_process.Prior(), 5, np.random.default_rng(0)
    )
    assert len(drawn) == 5
    low, high = np.array(gaussian_process.bounds(data.layout)).T
    assert all(np.all((low <= t) & (t <= high)) for t in drawn)
    assert gaussian_process.spread(
        gaussian_process.Posterior(data, theta), gaussian_process.Prior(), 1, np.random.default_rng(0)
    ) == [theta]
