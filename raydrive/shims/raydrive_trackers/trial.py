"""What a tracker has to know of the trial: its hyperparameters, and where numbers go."""

from __future__ import annotations

import sys
from typing import Any, Mapping  # noqa: UP035  (Python 3.8)

from raydrive import context, wire


def parameters() -> dict[str, Any]:
    """Returns the hyperparameters of the trial, after the values that are in its command as ``--name=value``."""
    found: dict[str, Any] = {}
    for word in sys.argv[1:]:
        name, equals, text = word.partition("=")
        if equals and name.lstrip("-"):
            found[name.lstrip("-")] = _value(text)
    run = context.Run.get_context()
    return {**found, **({} if run.offline else {name.lstrip("-"): value for name, value in run.params.items()})}


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
