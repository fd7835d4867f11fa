"""Optuna's AutoSampler, from the hub, or from a copy of its registry (github.com/optuna/optunahub-registry).

``OPTUNAHUB_REGISTRY`` names the folder ``package`` of such a copy, for machines that do not reach the hub.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import optuna
import optunahub
from _steps import Dim

PACKAGE = "optuna"


def _module() -> Any:
    copy = os.environ.get("OPTUNAHUB_REGISTRY")
    if copy:
        return optunahub.load_local_module("samplers/auto_sampler", registry_root=copy)
    return optunahub.load_module("samplers/auto_sampler")


class Peer:
    """As ask and tell."""

    def __init__(self, space: list[Dim], seed: int, workers: int, trials: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self._space = space
        self._study = optuna.create_study(sampler=_module().AutoSampler(seed=seed))

    def ask(self) -> tuple[Any, dict[str, Any]]:
        """Returns a handle and a configuration."""
        trial = self._study.ask()
        return trial, {dim["name"]: self._suggest(trial, dim) for dim in self._space}

    def _suggest(self, trial: Any, dim: Dim) -> Any:
        name = dim["name"]
        if dim["type"] == "choice":
            return trial.suggest_categorical(name, dim["choices"])
        if dim["type"] == "int":
            return trial.suggest_int(name, dim["low"], dim["high"], log=bool(dim["log"]))
        return trial.suggest_float(name, dim["low"], dim["high"], log=bool(dim["log"]), step=dim["q"])

    def tell(self, handle: Any, value: float) -> None:
        """Takes the outcome of a configuration."""
        self._study.tell(handle, value)
