"""BoTorch: the loop of its documentation; the library has models and acquisitions, and no loop of its own.

``SingleTaskGP`` (``MixedSingleTaskGP`` where there are choices), ``qLogNoisyExpectedImprovement`` with the points in
flight as pending ones, ``optimize_acqf_mixed_alternating`` with 8 restarts of 512 points, the defaults otherwise; the
first max(5, d + 1) points are Sobol's. Numbers, also those on a logarithmic scale, are given between 0 and 1.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from _steps import Dim, steps
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import MixedSingleTaskGP, SingleTaskGP
from botorch.optim.optimize_mixed import optimize_acqf_mixed_alternating
from gpytorch.mlls import ExactMarginalLogLikelihood

PACKAGE = "botorch"


class Peer:
    """As ask and tell."""

    def __init__(self, space: list[Dim], seed: int, workers: int, trials: int) -> None:
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        self._space = space
        self._sobol = torch.quasirandom.SobolEngine(len(space), scramble=True, seed=seed)
        self._points: list[torch.Tensor] = []
        self._values: dict[int, float] = {}
        self._choices = {k: len(dim["choices"]) for k, dim in enumerate(space) if dim["type"] == "choice"}
        self._levels = {k: levels for k, dim in enumerate(space) if (levels := _levels(dim)) is not None}

    def ask(self) -> tuple[Any, dict[str, Any]]:
        """Returns a handle and a configuration."""
        few = len(self._points) < max(5, len(self._space) + 1) or len(self._values) < 2
        self._points.append(self._even() if few else self._model())
        params = {dim["name"]: _value(dim, float(x)) for dim, x in zip(self._space, self._points[-1], strict=True)}
        return len(self._points) - 1, params

    def _even(self) -> torch.Tensor:
        point = self._sobol.draw(1, dtype=torch.double)[0]
        for k, count in self._choices.items():
            point[k] = min(int(point[k] * count), count - 1)
        for k, levels in self._levels.items():
            point[k] = levels[min(int(point[k] * len(levels)), len(levels) - 1)]
        return point

    def _model(self) -> torch.Tensor:
        known = sorted(self._values)
        x = torch.stack([self._points[number] for number in known])
        y = -torch.tensor([[self._values[number]] for number in known], dtype=torch.double)
        model = MixedSingleTaskGP(x, y, cat_dims=list(self._choices)) if self._choices else SingleTaskGP(x, y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        open_points = [point for number, point in enumerate(self._points) if number not in self._values]
        acquisition = qLogNoisyExpectedImprovement(
            model, X_baseline=x, X_pending=torch.stack(open_points) if open_points else None, prune_baseline=True
        )
        upper = [float(self._choices.get(k, 2) - 1) for k in range(len(self._space))]
        found, _ = optimize_acqf_mixed_alternating(
            acquisition,
            torch.tensor([[0.0] * len(upper), upper], dtype=torch.double),
            discrete_dims=self._levels,
            cat_dims={k: list(map(float, range(count))) for k, count in self._choices.items()},
            num_restarts=8,
            raw_samples=512,
        )
        return found[0].detach()

    def tell(self, handle: Any, value: float) -> None:
        """Takes the outcome of a configuration."""
        self._values[handle] = value


def _levels(dim: Dim) -> list[float] | None:
    """Returns where the values of a dimension lie between 0 and 1; None where they lie everywhere, or are choices."""
    count = steps(dim)
    if count is not None:
        return [k / count for k in range(count + 1)]
    if dim["type"] != "int":
        return None
    numbers = range(dim["low"], dim["high"] + 1)
    if not dim["log"]:
        return [(n - dim["low"]) / (dim["high"] - dim["low"]) for n in numbers]
    low, high = math.log(dim["low"]), math.log(dim["high"])
    return [(math.log(n) - low) / (high - low) for n in numbers]


def _value(dim: Dim, x: float) -> Any:
    if dim["type"] == "choice":
        return dim["choices"][round(x)]
    low, high = dim["low"], dim["high"]
    found = low * (high / low) ** x if dim["log"] else low + x * (high - low)
    return round(found) if dim["type"] == "int" else float(found)
