"""What a tracker has to know of the trial: its hyperparameters, and where numbers go."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Mapping, Sequence  # noqa: UP035  (Python 3.8)

from raydrive import context, wire

ASKED = "RAYDRIVE_TRACKER_PARAMETERS"
"""What a converted sweep tells of its hyperparameters, as JSON: ``names``, where each one stands in the tracker's own
configuration, as a list of keys by its name in the search space; ``constants``, pairs of such a list and a value; and
``nested``, hyperparameters whose option is a mapping that has its own hyperparameters: those of NNI.
"""


def parameters() -> dict[str, Any]:
    """Returns the hyperparameters of the trial, after the values that are in its command as ``--name=value``."""
    found: dict[str, Any] = {}
    for word in sys.argv[1:]:
        name, equals, text = word.partition("=")
        if equals and name.lstrip("-"):
            found[name.lstrip("-")] = _value(text)
    run = context.Run.get_context()
    given = {} if run.offline else {name.lstrip("-"): value for name, value in run.params.items()}
    about = json.loads(os.environ.get(ASKED) or "{}")
    if not about:
        return {**found, **given}
    for keys, value in about.get("constants", ()):
        _put(found, keys, value)
    nested, names = about.get("nested", ()), about.get("names", {})
    for name, value in given.items():
        _put(found, names.get(name, [name]), _option(value) if name in nested else value)
    return found


def _put(found: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Puts a value where a list of keys leads."""
    for key in keys[:-1]:
        inner = found.get(key)
        found[key] = found = inner if isinstance(inner, dict) else {}
    found[keys[-1]] = value


def _option(value: Any) -> Any:
    """``{"_name": "conv", "size": 3}`` of ``{"conv": {"size": 3}}``, at any depth."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    name, inner = next(iter(value.items()))
    return {"_name": name, **{key: _option(each) for key, each in inner.items()}}


def log(values: Mapping[str, Any], step: float | None = None, prefix: str = "", final: bool = False) -> None:
    """Logs what of some values is a number, at any depth, under names with dots.

    Args:
        values: Values by name.
        step: Where in training this is; None = not said.
        prefix: Put before the names.
        final: Whether it is the result of a script that has logged nothing: perhaps it went on from its last epoch, and
            its last value once more is no interval.
    """
    run, client = context.Run.get_context(), context.current().client
    for name, value in values.items():
        if isinstance(value, Mapping):
            log(value, step, f"{prefix}{name}.", final)
            continue
        number = _number(value)
        if number is not None and final and client is not None:
            client.send(wire.metrics_message({f"{prefix}{name}": number}, rank=context.current().rank, returned=True))
        elif number is not None and not run.offline:
            run.log(f"{prefix}{name}", number, step=step)


def _number(value: Any) -> float | None:
    if isinstance(value, (str, bytes)) or value is None:
        return None
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except Exception:  # an image, a table, an array: its own code answers
        return None


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None, "null": None}.get(text.lower(), text)
