"""The return value of a training function that does not log: recorded as its last report, with a note.

A number counts as the primary metric, a dict names its metrics itself; the last value once more is not a new one. What
a generator yields is reported as it comes, and a coroutine is run. Anything else cannot be recorded, and a line in the
trial's log says so.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

from raydrive import context, context_values, wire

_LONGEST = 80
"""Characters of a value that a notice shows."""


def take(result: Any, metric: str) -> None:
    """Records what a training function has returned.

    Args:
        result: What it returned; a generator or a coroutine is run first.
        metric: Name of the primary metric; empty = a number has no name.
    """
    if isinstance(result, types.CoroutineType):
        import asyncio  # lazy: asyncio, 0.02 s; few need it

        result = asyncio.run(result)
    if isinstance(result, types.GeneratorType):
        result = _exhaust(result, metric)
    if result is not None:
        _record(result, metric, yielded=False)


def _exhaust(steps: Any, metric: str) -> Any:
    """Reports what a generator yields; returns what it returns."""
    while True:
        try:
            value = next(steps)
        except StopIteration as end:
            return end.value
        if value is not None:
            _record(value, metric, yielded=True)


def _record(result: Any, metric: str, *, yielded: bool) -> None:
    logged = context.current().metrics.get(metric, [])
    does = "yields" if yielded else "returned"
    if isinstance(result, Mapping):
        values, left_out = _numbers(result)
        if not yielded and logged and metric in values and values[metric] == logged[-1]:
            del values[metric]  # the last value once more is not a new interval
        rest = f"; ignored, being neither numbers nor strings: {', '.join(left_out)}" if left_out else ""
        if values:
            names = ", ".join(values)
            last = "" if yielded else " as its last report"
            missing = "" if logged or not metric or metric in values else f"; {metric!r} is not among them"
            text = f"the function {does} values and they are recorded{last}: {names}{missing}{rest}"
            _send(values, text, returned=not yielded)
        elif rest:
            _note(f"the function {does} a dict without anything to record{rest}", durable=not logged)
        return
    value = _number(result)
    if value is None or not metric:
        out = f"return {{{metric!r}: value}}, or log it" if metric else "log the values to record"
        what = f"the function {does} {_shown(result)}: neither a number nor a dict of them, and not recorded; {out}"
        _note(what, durable=not logged)
    elif yielded:
        _send({metric: value}, f"the function yields numbers: each is recorded as {metric!r}")
    elif not logged:
        text = f"the function returned {value:.6g}: it is recorded as {metric!r}, its only value"
        _send({metric: value}, text, returned=True)
    elif value != logged[-1]:
        count = f"{len(logged)} value{'s' if len(logged) > 1 else ''}"
        _send(
            {metric: value},
            f"the function returned {value:.6g} after {count} of {metric!r}: it is recorded as the last",
        )


def _number(value: Any) -> float | None:
    """A number, numpy's and one-element tensors included; None for anything else, True and False too."""
    try:
        found = context_values.scalar(value, "", "")
    except Exception:  # what is in a tensor is asked of a device
        return None
    boolean = isinstance(value, bool) or "bool" in type(value).__name__
    return None if isinstance(found, str) or boolean else found


def _numbers(result: Mapping[Any, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of a dict can be recorded, and the names and kinds of the rest."""
    values: dict[str, Any] = {}
    left_out = []
    for key, value in result.items():
        name = str(key)
        try:
            context_values.check_name(name)
            values[name] = context_values.scalar(value, "", "")
        except Exception:
            left_out.append(f"{name[:_LONGEST]} ({type(value).__name__})")
    return values, left_out


def _shown(value: Any) -> str:
    kind = type(value).__name__
    return f"{value!r:.{_LONGEST}}" if isinstance(value, bool | str) else f"an object of type {kind}"


def send_returned(values: Mapping[str, Any]) -> None:
    """Records what a function has returned that logged nothing itself: its last value once more is no interval.

    Args:
        values: By name.
    """
    _log(values, returned=True)


def _log(values: Mapping[str, Any], *, returned: bool) -> None:
    this = context.current()
    for name, value in values.items():
        this.metrics.setdefault(name, []).append(value)
    if this.client is not None:
        this.client.send(wire.metrics_message(values, rank=this.rank, returned=returned))


def _send(values: Mapping[str, Any], text: str, *, returned: bool = False) -> None:
    _log(values, returned=returned)
    if returned and context.Run.get_context().attempt > 1:
        return  # whether it is a new value is known where earlier attempts are
    _note(f"{text}. Run.get_context().log(NAME, VALUE) records values while training runs", durable=True)


def _note(text: str, *, durable: bool) -> None:
    this = context.current()
    if text in this.noted:
        return
    this.noted.append(text)
    print(f"raydrive: {text}", flush=True)
    if durable and this.client is not None:
        this.client.send(wire.note_message(text))
