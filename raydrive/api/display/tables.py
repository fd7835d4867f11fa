"""Runs as pyarrow tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from raydrive.core.numbers import as_float
from raydrive.core.records import Reported
from raydrive.core.views.portable_values import MOST_WHOLE, NO_SURROGATES, Names, as_text, json_text

LONGEST_NAME = 10_000
"""Characters of a column's name."""
_FIXED = {
    "trial": pa.int64(),
    "state": pa.string(),
    "best": pa.float64(),
    "last": pa.float64(),
    "intervals": pa.int64(),
    "seconds": pa.float64(),
    "why": pa.string(),
    "attempt": pa.int64(),
    "node": pa.string(),
    "gpus": pa.string(),
    "nodes": pa.list_(pa.string()),
    "notes": pa.list_(pa.string()),
}


def trials_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Returns one row per trial.

    Args:
        rows: As ``HyperDriveRun.rows`` gives them. A parameter whose values are of several types becomes text.
    """
    names = list(dict.fromkeys([*_FIXED, *(name for row in rows for name in row)]))
    params = [name for name in names if name not in _FIXED]
    order = ["trial", "state", *params, *[name for name in _FIXED if name not in ("trial", "state")]]
    shown = Names(NO_SURROGATES, LONGEST_NAME, known=order)
    return pa.table({shown.of(name): _column([row.get(name) for row in rows], _FIXED.get(name)) for name in order})


def _column(values: list[Any], kind: pa.DataType | None) -> pa.Array:
    if kind == pa.float64():
        return pa.array([None if value is None else as_float(value) for value in values], kind)
    if kind is not None:
        return pa.array([as_text(value) if isinstance(value, str) else value for value in values], kind)
    types = {type(value) for value in values if value is not None}
    if types <= {int, float} and len(types) == 2:
        return pa.array([None if value is None else as_float(value) for value in values], pa.float64())
    if len(types) <= 1 and not types & {dict, list, tuple, str} and not (types == {int} and _is_large(values)):
        return pa.array(values)
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _is_large(values: Iterable[int | None]) -> bool:
    """Whether a whole number is among them that has no place in 64 bits."""
    return any(value is not None and not -MOST_WHOLE <= value <= MOST_WHOLE for value in values)


def _text(value: Any) -> str:
    return as_text(value) if isinstance(value, str) else json_text(value)


def metrics_table(reports: Iterable[Reported], primary: str) -> pa.Table:
    """Returns one row per logged value.

    Args:
        reports: The reports, in order.
        primary: Name of the primary metric.
    """
    columns: dict[str, list[Any]] = {
        name: [] for name in ("trial", "attempt", "interval", "step", "time", "name", "value", "text")
    }
    for fact in reports:
        logged = dict(fact.metrics)
        if fact.interval:
            logged = {primary: fact.value, **logged}
        for name, value in logged.items():
            number = as_float(value) if isinstance(value, int | float) else None
            text = None if number is not None else _text(value)
            step = None if fact.step is None else as_float(fact.step)
            row = (
                fact.trial,
                fact.attempt,
                fact.interval or None,
                step,
                as_float(fact.at),
                as_text(name),
                number,
                text,
            )
            for column, item in zip(columns.values(), row, strict=True):
                column.append(item)
    kinds = (pa.int64(), pa.int64(), pa.int64(), pa.float64(), pa.float64(), pa.string(), pa.float64(), pa.string())
    return pa.table({name: pa.array(values, kind) for (name, values), kind in zip(columns.items(), kinds, strict=True)})
