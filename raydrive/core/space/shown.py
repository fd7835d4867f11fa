"""Parameter expressions for people: which values one has, and the line of a sweep file that makes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from raydrive.core.errors import ConfigError, brief
from raydrive.core.space.distributions import LogUniform
from raydrive.core.space.expressions import Choice, Expression, RandInt
from raydrive.core.space.plain_bounds import exponents

LONGEST = 300
"""Characters of a text of values; of a longer one the beginning and the length."""
_DIGITS = 12
"""Significant digits of a bound that was written as a value and recorded as its exponent."""


def plain_bounds(made: LogUniform) -> tuple[float, float] | None:
    """Returns the bounds themselves of a loguniform that ``log_range`` makes; None where they are exponents.

    Args:
        made: The expression, which holds exponents.
    """
    low, high = (_nearest(math.exp(exponent)) for exponent in (made.min_value, made.max_value))
    try:
        same = exponents("log_range", low, high) == (made.min_value, made.max_value)
    except (ConfigError, OverflowError):
        return None
    return (low, high) if same else None


def in_a_sweep_file(value: Any) -> Any:
    """Returns an expression, or a value that holds some, as the mapping that stands for it in a sweep file."""
    if isinstance(value, LogUniform) and (bounds := plain_bounds(value)) is not None:
        return {"type": "log_range", "min_value": bounds[0], "max_value": bounds[1]}
    if isinstance(value, Choice):
        return {"type": "choice", "values": [in_a_sweep_file(option) for option in value.values]}
    if isinstance(value, Expression):
        return value.to_json()
    if isinstance(value, Mapping):
        return {name: in_a_sweep_file(item) for name, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def as_call(expression: Expression) -> str:
    """Returns the Python call that makes an expression, ``log_range`` where its bounds are values."""
    bounds = plain_bounds(expression) if isinstance(expression, LogUniform) else None
    return f"log_range{bounds}" if bounds else repr(expression)


def yaml_text(value: Any) -> str:
    """Returns a value in YAML's short form, on one line: ``{type: uniform, min_value: 0, max_value: 1}``."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_word(name)}: {yaml_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(yaml_text, value))}]"
    return _word(value) if isinstance(value, str) else json.dumps(value, default=str)


def allowed_text(expression: Expression) -> str:
    """Returns which values an expression has: ``a whole number from 4 to 64``."""
    if isinstance(expression, Choice):
        options = ", ".join(yaml_text(in_a_sweep_file(option)) for option in expression.values)
        return brief(f"one of {options}", LONGEST)
    if isinstance(expression, RandInt):
        return f"a whole number from 0 to {expression.upper - 1}"
    if expression.kind in ("int_range", "log_int"):
        return f"a whole number from {expression.min_value} to {expression.max_value}"  # type: ignore[attr-defined]
    low, high = expression.quantile(0.0), expression.quantile(1.0)
    step = getattr(expression, "q", None)
    steps = "" if step is None else f", in steps of {step:g}"
    if hasattr(expression, "sigma"):
        return f"a number{steps}"
    if isinstance(expression, LogUniform):
        low, high = plain_bounds(expression) or (low, high)
    return f"a number from {_nearest(low):.6g} to {_nearest(high):.6g}{steps}"


def _nearest(number: float) -> float:
    """A number without what computing an exponent and its value added: 0.1 instead of 0.10000000000000002."""
    return float(f"{number:.{_DIGITS}g}")


def _word(value: Any) -> str:
    """A text as YAML needs it: without quotes where it is read as that text."""
    text = str(value)
    plain = text.replace("_", "a").replace("-", "a").replace(".", "a").isalnum() and text[0].isalpha()
    return text if plain and text.casefold() not in _NOT_PLAIN else json.dumps(text, ensure_ascii=False)


_NOT_PLAIN = {"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"}
"""Words that YAML reads as something else than a text."""
