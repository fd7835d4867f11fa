"""NePS: its Bayesian optimisation, the optimizer that it takes by itself for spaces without fidelity and priors.

It takes no seed: the generators that it draws from are seeded, so a cell is reproduced only where it uses no others.
"""

from __future__ import annotations

import logging
import random
import warnings
from typing import Any

import neps
import numpy as np
import torch
from _steps import Dim, steps, value

PACKAGE = "neural-pipeline-search"


def _parameter(dim: Dim) -> Any:
    count = steps(dim)
    if dim["type"] == "choice":
        return neps.HPOCategorical(list(dim["choices"]))
    if count is not None:
        return neps.HPOInteger(0, count)
    kind = neps.HPOInteger if dim["type"] == "int" else neps.HPOFloat
    return kind(dim["low"], dim["high"], log=bool(dim["log"]))


class Peer:
    """As ask and tell."""

    def __init__(self, space: list[Dim], seed: int, workers: int, trials: int) -> None:
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self._space = space
        made = neps.SearchSpace({dim["name"]: _parameter(dim) for dim in space})
        self._neps = neps.AskAndTell(neps.algorithms.bayesian_optimization(made))

    def ask(self) -> tuple[Any, dict[str, Any]]:
        """Returns a handle and a configuration."""
        trial = self._neps.ask()
        return trial, {dim["name"]: value(dim, trial.config[dim["name"]]) for dim in self._space}

    def tell(self, handle: Any, value: float) -> None:
        """Takes the outcome of a configuration."""
        self._neps.tell(handle, value)
