"""HEBO. It takes no account of trials in flight other than by the draw from its front of candidates."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
from _steps import Dim, steps, value
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

PACKAGE = "HEBO"


def _parameter(dim: Dim) -> dict[str, Any]:
    count = steps(dim)
    if dim["type"] == "choice":
        return {"name": dim["name"], "type": "cat", "categories": list(dim["choices"])}
    if count is not None:
        return {"name": dim["name"], "type": "int", "lb": 0, "ub": count}
    kind = {("float", False): "num", ("float", True): "pow", ("int", False): "int", ("int", True): "pow_int"}
    return {
        "name": dim["name"],
        "type": kind[dim["type"], bool(dim["log"])],
        "lb": dim["low"],
        "ub": dim["high"],
        **({"base": 10} if dim["log"] else {}),
    }


class Peer:
    """As ask and tell."""

    def __init__(self, space: list[Dim], seed: int, workers: int, trials: int) -> None:
        import torch

        warnings.simplefilter("ignore")
        np.random.seed(seed)
        torch.manual_seed(seed)
        self._space = space
        self._hebo = HEBO(DesignSpace().parse([_parameter(dim) for dim in space]), scramble_seed=seed)

    def ask(self) -> tuple[Any, dict[str, Any]]:
        """Returns a handle and a configuration."""
        with contextlib.redirect_stdout(io.StringIO()):  # it prints each jitter that it adds
            frame = self._hebo.suggest(n_suggestions=1)
        row = frame.iloc[0]
        return frame, {dim["name"]: value(dim, row[dim["name"]]) for dim in self._space}

    def tell(self, handle: Any, value: float) -> None:
        """Takes the outcome of a configuration."""
        self._hebo.observe(handle, np.array([[value]]))
