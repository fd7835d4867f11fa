"""SMAC3: ``HyperparameterOptimizationFacade``, a random forest, as its documentation advises for hyperparameters."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

from _steps import Dim, steps, value
from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer
from smac import HyperparameterOptimizationFacade, Scenario
from smac.runhistory.dataclasses import TrialValue

PACKAGE = "smac"


def _parameter(dim: Dim) -> Any:
    count = steps(dim)
    if dim["type"] == "choice":
        return Categorical(dim["name"], dim["choices"])
    if count is not None:
        return Integer(dim["name"], (0, count))
    kind = Integer if dim["type"] == "int" else Float
    return kind(dim["name"], (dim["low"], dim["high"]), log=bool(dim["log"]))


class Peer:
    """As ask and tell."""

    def __init__(self, space: list[Dim], seed: int, workers: int, trials: int) -> None:
        logging.disable(logging.WARNING)
        self._space, self._folder = space, tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        configurations = ConfigurationSpace(seed=seed)
        configurations.add([_parameter(dim) for dim in space])
        scenario = Scenario(
            configurations, n_trials=trials, deterministic=True, seed=seed, output_directory=self._folder.name
        )
        self._smac = HyperparameterOptimizationFacade(scenario, lambda config, seed=0: 0.0, overwrite=True)

    def ask(self) -> tuple[Any, dict[str, Any]] | None:
        """Returns a handle and a configuration, None when there is none left."""
        try:
            info = self._smac.ask()
        except StopIteration:
            return None
        return info, {dim["name"]: value(dim, info.config[dim["name"]]) for dim in self._space}

    def tell(self, handle: Any, value: float) -> None:
        """Takes the outcome of a configuration; writing the history to the disk is left out."""
        self._smac.tell(handle, TrialValue(cost=value, time=1.0), save=False)
