"""Vizier: ``VizierGPUCBPEBandit``, the algorithm that the service takes by default."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import jax
from _steps import Dim, steps, value
from vizier import algorithms, pyvizier
from vizier._src.algorithms.designers.gp_ucb_pe import VizierGPUCBPEBandit  # the package designers needs cvxpy

PACKAGE = "google-vizier"
jax.config.update("jax_enable_x64", True)


def _add(root: Any, dim: Dim) -> None:
    scale = pyvizier.ScaleType.LOG if dim["log"] else pyvizier.ScaleType.LINEAR
    count = steps(dim)
    if dim["type"] == "choice":
        root.add_categorical_param(dim["name"], [str(option) for option in dim["choices"]])
    elif count is not None:
        root.add_int_param(dim["name"], 0, count)
    elif dim["type"] == "int":
        root.add_int_param(dim["name"], dim["low"], dim["high"], scale_type=scale)
    else:
        root.add_float_param(dim["name"], float(dim["low"]), float(dim["high"]), scale_type=scale)


class Peer:
    """As ask and tell."""

    def __init__(self, space: list[Dim], seed: int, workers: int, trials: int) -> None:
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        problem = pyvizier.ProblemStatement()
        for dim in space:
            _add(problem.search_space.root, dim)
        problem.metric_information.append(
            pyvizier.MetricInformation("value", goal=pyvizier.ObjectiveMetricGoal.MINIMIZE)
        )
        self._space, self._count = space, 0
        self._open: dict[int, Any] = {}
        self._done: list[Any] = []
        self._designer = VizierGPUCBPEBandit(problem, rng=jax.random.PRNGKey(seed))

    def ask(self) -> tuple[Any, dict[str, Any]] | None:
        """Returns a handle and a configuration, None when there is none left."""
        # What has ended since the last time, and all that is open: the service gives its designers the same.
        self._designer.update(
            algorithms.CompletedTrials(self._done), algorithms.ActiveTrials(list(self._open.values()))
        )
        self._done = []
        found = self._designer.suggest(count=1)
        if not found:
            return None
        self._count += 1
        trial = found[0].to_trial(self._count)
        self._open[self._count] = trial
        return self._count, {dim["name"]: self._value(dim, trial) for dim in self._space}

    def _value(self, dim: Dim, trial: Any) -> Any:
        given = trial.parameters.get_value(dim["name"])
        if dim["type"] == "choice":
            return next(option for option in dim["choices"] if str(option) == given)
        return value(dim, given)

    def tell(self, handle: Any, value: float) -> None:
        """Takes the outcome of a configuration."""
        trial = self._open.pop(handle)
        trial.complete(pyvizier.Measurement({"value": value}))
        self._done.append(trial)
