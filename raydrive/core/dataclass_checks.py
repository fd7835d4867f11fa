"""Whether dataclasses that were built from a file hold what their annotations promise."""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from raydrive.core.errors import Problem

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


def wrong_types(value: Any, where: str = "") -> list[Problem]:
    """Returns what is of another type than its annotation, in a dataclass and those in it.

    Args:
        value: A dataclass instance; annotations that name protocols are passed over.
        where: Path of the value, for the problems.
    """
    problems: list[Problem] = []
    kind: Any = type(value)
    for name, hint in _hints(kind).items():
        found, place = getattr(value, name), f"{where}.{name}" if where else name
        if not _fits(found, hint):
            problems.append(Problem(place, f"{found!r:.80}", _words(hint)))
        elif is_dataclass(found):
            problems += wrong_types(found, place)
        elif isinstance(found, tuple):
            for index, item in enumerate(found):
                problems += wrong_types(item, f"{place}.{index}") if is_dataclass(item) else []
    return problems


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {spec.name: hints[spec.name] for spec in fields(kind)}


def _fits(value: Any, hint: Any) -> bool:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, inside[0]) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        pairs = value.items() if isinstance(value, Mapping) else ((None, None),)
        return all(_fits(key, inside[0]) and _fits(item, inside[1]) for key, item in pairs)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint in (int, str, bool, type(None)):
        return type(value) is hint
    known = origin is None and isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, enum.Enum))
    return isinstance(value, hint) if known else True


def _words(hint: Any) -> str:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_words, inside))
    if origin is tuple:
        return f"a list with items of {_words(inside[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"an object, each value {_words(inside[1])}"
    return _NAMES.get(hint, "an object")
