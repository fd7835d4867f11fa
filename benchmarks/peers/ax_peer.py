"""Ax: its default generation strategy (``method="fast"``)."""

from __future__ import annotations

import logging
from typing import Any

from _steps import Dim, steps, value
from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

PACKAGE = "ax-platform"


def _parameter(dim: Dim) -> Any:
    count = steps(dim)
    if dim["type"] == "choice":
        kind = "str" if all(isinstance(option, str) for option in dim["choices"]) else "float"
        return ChoiceParameterConfig(
            name=dim["name"], values=list(dim["choices"]), parameter_type=kind, is_ordered=False
        )
    if count is not None:
        return RangeParameterConfig(name=dim["name"], parameter_type="int", bounds=(0, count))
    return RangeParameterConfig(
        name=dim["name"],
        parameter_type=dim["type"],
        bounds=(dim["low"], dim["high"]),
        scaling="log" if dim["log"] else "linear",
    )


class Peer:
    """As ask and tell."""

    method = "fast"

    def __init__(self, space: list[Dim], seed: int, workers: int, trials: int) -> None:
        logging.disable(logging.WARNING)
        self._space, self._client = space, Client(random_seed=seed)
        self._client.configure_experiment(parameters=[_parameter(dim) for dim in space])
        self._client.configure_optimization(objective="-value")
        self._client.configure_generation_strategy(
            method=self.method, initialization_random_seed=seed, allow_exceeding_initialization_budget=True
        )

    def ask(self) -> tuple[Any, dict[str, Any]] | None:
        """Returns a handle and a configuration, None when there is none left."""
        found = self._client.get_next_trials(max_trials=1)
        for index, params in found.items():
            return index, {dim["name"]: value(dim, params[dim["name"]]) for dim in self._space}
        return None

    def tell(self, handle: Any, value: float) -> None:
        """Takes the outcome of a configuration."""
        self._client.complete_trial(handle, raw_data={"value": value})
