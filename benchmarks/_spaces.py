"""Spaces of benchmark tasks as raydrive writes them."""

from __future__ import annotations

import math
from typing import Any

from raydrive.core.space.search_space import choice, loguniform, qloguniform, quniform, uniform


def expression(dim: dict[str, Any]) -> Any:
    """Returns a dimension of a task as raydrive writes it; whole numbers and steps get equal shares."""
    if dim["type"] == "choice":
        return choice(dim["choices"])
    low, high, q = dim["low"], dim["high"], dim["q"]
    if dim["type"] == "int":
        if dim["log"]:
            return qloguniform(math.log(low - 0.5), math.log(high + 0.5), 1)
        return quniform(low - 0.5, high + 0.5, 1)
    if q:
        return quniform(low - q / 2, high + q / 2, q)
    return loguniform(math.log(low), math.log(high)) if dim["log"] else uniform(low, high)
