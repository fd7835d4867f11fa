"""Functional ANOVA of a function on the unit cube: the share of its variance that each input explains by itself.

The share of input i is Sobol's first-order index S_i = Var(E[f | x_i]) / Var f (Sobol', *Mathematics and Computers in
Simulation* 55, 2001). With two independent samples A and B of the cube and A_i, which is A with its column i taken from
B, it is estimated as

    S_i = mean(f(B) (f(A_i) - f(A))) / Var f                                                              (1)

    T_i = mean((f(A_i) - f(A))^2) / (2 Var f)                                                             (2)

T_i being the total effect, which counts every combination that i is in. These are rows (b) and (f) of table 2 in
Saltelli et al., *Variance based sensitivity analysis of model output* (Computer Physics Communications 181, 2010), on
the Sobol' sequence as they recommend; (2) is Jansen's. To take these shares of a Gaussian process's mean is the first
approach of Marrel et al., *Calculations of Sobol indices for the Gaussian process metamodel* (Reliability Engineering &
System Safety 94, 2009). The inputs are spread evenly whatever trials there are: a sampler that draws most trials from
one corner changes how well f is known, not what its shares are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from raydrive.core.arrays import Array

MOST_POINTS = 2048
"""Points of A, and of B."""
FEWEST_POINTS = 256
_AT_MOST = 24_000
"""Values of the function in total, as long as there are ``FEWEST_POINTS``."""
_EQUAL = 1e-13
"""Differences, in parts of the largest value, below which a function is a constant."""
_FENCE = 3.0
"""Quartile distances beyond the quartiles where a value is pulled in: Tukey's fence of what is far out."""


def variance_shares(function: Callable[[Array], Array], dimensions: int) -> tuple[Array, Array]:
    """Returns the share of each input in the variance by itself, and with all combinations that it is in.

    The first add up to 1 for a sum of functions of one input each, and to less by what only combinations explain.
    Values far outside the middle half of all are pulled in: one pole does not decide everything.

    Args:
        function: Values of shape ``(m,)`` at points of the unit cube, shape ``(m, d)``.
        dimensions: Number of inputs, d.

    Returns:
        Two arrays of shape ``(d,)``: S_i and T_i; all 0 where the function is constant.
    """
    from scipy.stats import qmc  # lazy: scipy, 0.3 s

    count = MOST_POINTS
    while count > FEWEST_POINTS and count * (dimensions + 2) > _AT_MOST:
        count //= 2
    points = qmc.Sobol(2 * dimensions, seed=0).random(count)
    a, b = points[:, :dimensions], points[:, dimensions:]
    raw_a, raw_b = function(a), function(b)
    largest = float(np.abs([raw_a, raw_b]).max()) or 1.0
    low, high = _fence(np.concatenate([raw_a, raw_b]) / largest)

    def scaled(values: Array) -> Array:
        # so that squares neither overflow nor vanish
        return np.asarray((np.clip(values / largest, low, high) - low) / (high - low))

    shares, totals = np.zeros(dimensions), np.zeros(dimensions)
    if high - low <= _EQUAL:
        return shares, totals
    at_a, at_b = scaled(raw_a), scaled(raw_b)
    both = np.concatenate([at_a, at_b])
    mean, variance = float(both.mean()), float(both.var())
    for i in range(dimensions):
        mixed = a.copy()
        mixed[:, i] = b[:, i]
        change = scaled(function(mixed)) - at_a
        # f minus its mean has the same shares, and a smaller error
        shares[i] = max(0.0, float(np.mean((at_b - mean) * change)) / variance)
        totals[i] = 0.5 * float(np.mean(change**2)) / variance
    return shares / max(1.0, float(shares.sum())), totals


def _fence(values: Array) -> tuple[float, float]:
    low, high = np.quantile(values, (0.25, 0.75))
    reach = _FENCE * (high - low)
    least, most = float(values.min()), float(values.max())
    return (max(least, low - reach), min(most, high + reach)) if reach > 0.0 else (least, most)
