"""Numbers in steps, for peers that have none: they are given the number of steps, a whole number."""

from __future__ import annotations

from typing import Any

Dim = dict[str, Any]


def steps(dim: Dim) -> int | None:
    """Returns how many steps a dimension of floats has above its lowest value; None where it has no steps."""
    if dim["type"] != "float" or not dim["q"]:
        return None
    return round((dim["high"] - dim["low"]) / dim["q"])


def value(dim: Dim, given: Any) -> Any:
    """Returns what a task takes for what a peer gave: a step becomes its value, numpy's scalars become Python's."""
    if steps(dim) is not None:
        return min(dim["low"] + int(given) * dim["q"], dim["high"])
    if dim["type"] == "int":
        return round(given)
    return float(given) if dim["type"] == "float" else dim["choices"][dim["choices"].index(given)]
