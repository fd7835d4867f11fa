"""Hyperparameters of a process that its data make most probable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize

from raydrive.core.arrays import Array

Density = Callable[[Array], tuple[float, Array]]
"""Log of a density at hyperparameters, and its gradient."""


def map_estimate(
    likelihood: Density, prior: Density, starts: Sequence[Array], bounds: tuple[Array, Array], iterations: int
) -> tuple[Array, float]:
    """Returns the best hyperparameters found from any of the starts, and minus their log posterior density.

    Args:
        likelihood: Raises ``FloatingPointError`` where it cannot be computed.
        prior: Added to it.
        starts: At least one; clipped into the bounds.
        bounds: Lower and upper, of each hyperparameter.
        iterations: Of L-BFGS-B (Byrd et al. 1995), at most, for each start.
    """
    low, high = bounds

    def loss(theta: Array) -> tuple[float, Array]:
        belief, slope = prior(theta)
        try:
            fitness, gradient = likelihood(theta)
        except FloatingPointError:
            return 1e25, np.zeros_like(theta)
        return -fitness - belief, -gradient - slope

    best, best_loss = np.clip(starts[0], low, high), math.inf
    for first in starts:
        found = minimize(
            loss,
            np.clip(first, low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)),
            options={"maxiter": iterations, "ftol": 1e-6, "gtol": 1e-3},
        )
        if found.fun < best_loss:
            best, best_loss = found.x, float(found.fun)
    return best, best_loss
