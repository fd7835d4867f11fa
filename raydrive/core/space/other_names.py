"""Expressions in the words of other tools (Optuna, Ray Tune, W&B, NNI): what to write instead.

The names are those of ``optuna.trial.Trial.suggest_int`` and ``suggest_float``, of ``ray.tune.lograndint`` and its
siblings, of ``distribution:`` in sweeps of W&B, and of ``_type`` in search spaces of NNI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raydrive.core.errors import show
from raydrive.core.numbers import is_number
from raydrive.core.space.shown import yaml_text

_BOUNDS = (("min_value", "max_value"), ("low", "high"), ("lower", "upper"), ("min", "max"))
_LONGEST = 40
"""Characters of a text that is repeated as it is."""
_LOG_WHOLE = {"lograndint", "logint", "intlog", "loguniformint", "intloguniform", "qlograndint", "logintuniform"}
_LOG = {"loguniformvalues", "qloguniformvalues", "logfloat", "floatlog", "reciprocal", "invloguniform"}
_WHOLE = {"int", "integer", "intuniform", "uniformint", "qrandint", "suggestint"}
_REAL = {"float", "double", "real", "uniformfloat", "suggestfloat", "realuniform"}
_OPTIONS = {"categorical", "gridsearch", "sample", "options", "list", "category", "suggestcategorical"}


def in_our_words(raw: Mapping[Any, Any]) -> str:
    """Returns the expression that a mapping of another tool means, as one writes it; empty where that is not known.

    Args:
        raw: The mapping, its kind under ``type`` or ``distribution``.

    >>> in_our_words({"type": "int", "low": 8, "high": 128, "log": True})
    '{type: log_int, min_value: 8, max_value: 128}'
    """
    name = raw.get("type", raw.get("distribution", raw.get("_type")))
    if not isinstance(name, str):
        return ""
    folded = "".join(letter for letter in name.casefold() if letter.isalnum())
    log = _written(raw.get("log")).casefold() == "true" or _written(raw.get("scale")).casefold() == "log"
    values = raw.get("values", raw.get("categories", raw.get("choices", raw.get("options"))))
    if folded in _OPTIONS:
        shown = ", ".join(map(_written, values)) if isinstance(values, list | tuple) and len(values) <= 10 else "..."
        return f"{{type: choice, values: [{shown}]}}"
    if folded in _LOG_WHOLE or (log and (folded in _WHOLE or folded in {"randint", "intrange"})):
        kind = "log_int"
    elif folded in _LOG or (log and (folded in _REAL or folded == "uniform")):
        kind = "log_range"
    elif folded in _WHOLE:
        kind = "int_range"
    elif folded in _REAL:
        kind = "uniform"
    else:
        return ""
    bounds = ((_written(raw[a]), _written(raw[b])) for a, b in _BOUNDS if a in raw and b in raw)
    low, high = next(bounds, ("...", "..."))
    return f"{{type: {kind}, min_value: {low}, max_value: {high}}}"


def _written(value: Any) -> str:
    """A value as YAML has it, shortened as errors shorten values."""
    if isinstance(value, str):
        short = 0 < len(value) <= _LONGEST
    else:
        short = value is None or isinstance(value, bool) or is_number(value)
    return yaml_text(value) if short else show(value)
