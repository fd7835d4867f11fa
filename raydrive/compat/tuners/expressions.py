"""Parameter expressions of a sweep file for what other tuners draw from, and values that no file can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from raydrive.core.numbers import is_number

MOST_STEPS = 1000
"""Values of a range with steps that are written one by one."""


def uniform(low: float, high: float) -> dict[str, Any]:
    """Returns the expression of a number between two bounds."""
    return {"type": "uniform", "min_value": float(low), "max_value": float(high)} if low < high else one_of([low])


def logarithmic(low: float, high: float) -> dict[str, Any]:
    """Returns the expression of a positive number between two bounds, on a logarithmic scale."""
    if low >= high:
        return one_of([low])
    return {"type": "loguniform", "min_value": math.log(low), "max_value": math.log(high)}


def whole(low: int, high: int, log: bool = False) -> dict[str, Any]:
    """Returns the expression of a whole number, both bounds included."""
    if low >= high:
        return one_of([int(low)])
    kind = "log_int" if log and low >= 1 else "int_range"
    return {"type": kind, "min_value": int(low), "max_value": int(high)}


def stepped(low: float, high: float, step: float) -> dict[str, Any]:
    """Returns the expression of the numbers from ``low`` to ``high``, ``step`` apart."""
    count = math.floor((high - low) / step + 1e-9) + 1
    integers = all(isinstance(each, int) for each in (low, high, step))
    multiple = abs(low / step - round(low / step)) < 1e-9
    if multiple and count > 2:
        top = low + (count - 1) * step
        return {"type": "quniform", "min_value": low, "max_value": top, "q": step}
    if count > MOST_STEPS:
        return whole(int(low), int(high)) if integers else uniform(low, high)
    values = [low + index * step for index in range(count)]
    return one_of(values if integers else [float(f"{value:.12g}") for value in values])


def one_of(values: Sequence[Any]) -> dict[str, Any]:
    """Returns the expression of a choice; objects that no file can hold are chosen by what they are called."""
    return {"type": "choice", "values": list(labels(values))}


def labels(values: Sequence[Any]) -> dict[Any, Any]:
    """Returns the values of a choice by what stands for them in a sweep file: themselves, where that can be."""
    plain = [_plain(value) for value in values]
    distinct = {(type(value), value) for value in plain} if all(map(_fits, plain)) else set()
    if distinct and len({value for _, value in distinct}) == len(distinct):  # True and 1 are one key
        return dict(zip(plain, values, strict=True))
    return {f"{index}: {_called(value)}": value for index, value in enumerate(values)}


def chosen(values: Sequence[Any], given: Any) -> Any:
    """Returns the value of a choice that a sweep file's value stands for; that itself where it is none of them."""
    for key, value in labels(values).items():
        if key == given and isinstance(key, bool) == isinstance(given, bool):
            return value
    return given


def unique_names(paths: Sequence[Sequence[Any]]) -> list[str]:
    """Returns names that a sweep file can have for the places of values in nested dicts: ``model_lr``."""
    names: list[str] = []
    for path in paths:
        name = re.sub(r"\W", "_", "_".join(str(part) for part in path)) or "value"
        name = name if not name[0].isdigit() else f"p_{name}"
        number = 2
        while name in names:
            name, number = f"{name.rstrip('0123456789')}{number}", number + 1
        names.append(name)
    return names


def number_between(values: Sequence[float]) -> dict[str, Any]:
    """Returns the expression of what was drawn from a function of the script's: between the smallest and largest."""
    low, high = min(values), max(values)
    return logarithmic(low, high) if low > 0 and high / low > 100 else uniform(low, high)


def _plain(value: Any) -> Any:
    """A number of numpy's as Python's."""
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value


def _fits(value: Any) -> bool:
    return value is None or isinstance(value, str | bool) or (is_number(value) and math.isfinite(value))


def _called(value: Any) -> str:
    name = getattr(value, "__name__", None)
    return str(name) if name else re.sub(r" at 0x[0-9a-f]+", "", repr(value))[:60]
