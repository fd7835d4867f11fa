"""What the hyperparameters of a run are to a chart: numbers, numbers on a log axis, ordered steps or categories."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydrive.core.space.expressions import Choice
from raydrive.core.space.search_space import Space
from raydrive.core.views.portable_values import json_text, whole_text

MOST_STEPS = 12
"""A numeric choice of this many values or fewer is drawn as equal steps, so that 16, 32, 64, 128 do not crowd."""
MOST_CATEGORIES = 200


@dataclass(frozen=True, slots=True)
class AxisSpec:
    """One hyperparameter, or one key of a nested one (``model.depth``)."""

    name: str
    kind: str
    """``number``, ``steps`` (numbers at equal distance) or ``category``."""
    log: bool = False
    """Whether its values spread over orders of magnitude, as drawn."""
    values: tuple[Any, ...] = ()
    """Of steps and categories: all values, in order."""

    def to_json(self) -> dict[str, Any]:
        """Returns the column for the page."""
        return {"name": self.name, "kind": self.kind, "log": self.log, "values": list(self.values)}


def flat(params: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Returns hyperparameters with nested ones as ``outer.inner``, lists as JSON text, dashes in front removed."""
    out: dict[str, Any] = {}
    for raw, value in params.items():
        name = f"{above}.{raw}" if above else str(raw).lstrip("-") or str(raw)
        if isinstance(value, Mapping) and value:
            out.update(flat(value, name))
        elif isinstance(value, list | tuple | Mapping):
            out[name] = json_text(value)
        elif isinstance(value, float) and not math.isfinite(value):
            out[name] = str(value)
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
            out[name] = whole_text(value)  # JavaScript would round it
        else:
            out[name] = value
    return out


def axes_of(space: Space, rows: Sequence[Mapping[str, Any]]) -> list[AxisSpec]:
    """Returns the columns of a run's hyperparameters.

    Args:
        space: The search space; the order of its parameters is kept.
        rows: The flat hyperparameters of all trials so far.
    """
    expressions = {str(name).lstrip("-"): one for name, one in space.expressions.items()}
    seen: dict[str, set[Any]] = {name: set() for name in expressions if not rows}
    for row in rows:
        for name, value in row.items():
            seen.setdefault(name, set()).add(value)
    order = {name: index for index, name in enumerate(expressions)}
    names = sorted(seen, key=lambda name: order.get(name.split(".")[0], len(order)))
    return [_column(name, expressions.get(name), seen[name]) for name in names]


def _column(name: str, expression: Any, seen: set[Any]) -> AxisSpec:
    values = {value for value in seen if value is not None}
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not numeric:
        return AxisSpec(name, "category", values=_categories(expression, values))
    options = _options(expression)
    discrete = isinstance(expression, Choice) or (expression is None and len(values) <= MOST_STEPS)
    known = {*values, *(option for option in options if isinstance(option, int | float))}
    if discrete and len(known) <= MOST_STEPS:
        return AxisSpec(name, "steps", values=tuple(sorted(known)))
    return AxisSpec(name, "number", log=_is_log(expression) and all(value > 0 for value in values))


def _options(expression: Any) -> Iterable[Any]:
    found = expression.options() if expression is not None else None
    return found if found is not None and len(found) <= MOST_CATEGORIES else ()


def _is_log(expression: Any) -> bool:
    return expression is not None and "log" in str(expression.to_json().get("type", ""))


def _categories(expression: Any, values: set[Any]) -> tuple[Any, ...]:
    """The values in the order of the choice; those it does not list follow, sorted as text."""
    listed = [flat({"x": option}).get("x") for option in _options(expression)]
    listed = [option for option in listed if option is not None]
    rest = sorted(values - set(listed), key=str)
    return tuple(dict.fromkeys([*listed, *rest]))[:MOST_CATEGORIES]
