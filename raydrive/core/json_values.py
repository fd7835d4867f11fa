"""JSON values: copies with separate containers, dataclasses as JSON, and what JSON has no form for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Non-finite numbers are written as strings: NaN and Infinity are not JSON and other readers reject them."""
_MOST_BITS = 14_000
"""Bits of a whole number that Python turns into text: 4,300 digits."""
MARKS = frozenset({"$float", "$tuple", "$dict"})
"""Single keys of the objects that stand for what JSON does not know."""


def copied(value: Any) -> Any:
    """Returns a value with containers of its own, tuples kept, so that the original cannot be changed through it."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    if isinstance(value, tuple):
        return tuple([copied(item) for item in value])
    return value


def json_of(value: Any) -> Any:
    """Returns dataclasses as objects and tuples as lists, at any depth; other values stay the same objects."""
    if hasattr(value, "__dataclass_fields__"):
        return {spec.name: json_of(getattr(value, spec.name)) for spec in fields(value)}
    if isinstance(value, Mapping):
        return {key: json_of(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [json_of(item) for item in value]
    return value


def _encode_number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def encoded(value: Any) -> Any:
    """Returns a value for JSON, which has no NaN, no infinities and no tuples; ``decoded`` gives it back."""
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": _encode_number(value)}
    if isinstance(value, Mapping):
        out = {str(key): encoded(item) for key, item in value.items()}
        return {"$dict": out} if len(out) == 1 and not MARKS.isdisjoint(out) else out  # a user's, that looks like ours
    if isinstance(value, list):
        return [encoded(item) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [encoded(item) for item in value]}
    if value.__class__ is int and value.bit_length() > _MOST_BITS:
        return {"$float": "Infinity" if value > 0 else "-Infinity"}  # Python neither writes nor reads such numbers
    return value


def decoded(value: Any) -> Any:
    """Returns what ``encoded`` was given."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((mark, item),) = value.items()
            if mark == "$float" and isinstance(item, str) and item in _NON_FINITE:
                return _NON_FINITE[item]
            if mark == "$tuple" and isinstance(item, list):
                return tuple([decoded(one) for one in item])
            if mark == "$dict" and isinstance(item, dict):
                return {key: decoded(one) for key, one in item.items()}
        return {key: decoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value
