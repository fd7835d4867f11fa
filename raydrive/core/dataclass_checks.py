"""Compares with annotations what comes from a file: dataclasses of ours, and arguments of users' classes."""

from __future__ import annotations

import enum
import functools
import inspect
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from raydrive.core.errors import Problem, show
from raydrive.core.numbers import is_number

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


# --- arguments of users' classes -------------------------------------------------------------------------------------

_KINDS: dict[Any, str] = {**_NAMES, list: "a list", tuple: "a list", dict: "a mapping"}


def wrong_arguments(kind: type, arguments: Mapping[str, Any], where: str) -> list[Problem]:
    """Returns the arguments whose annotation is of another type; what has none, or an unusual one, is passed over.

    Args:
        kind: The class.
        arguments: The arguments of its constructor, as a file has them.
        where: Path of the object, for errors.
    """
    try:
        hints = get_type_hints(kind.__init__)  # type: ignore[misc]
        parameters = inspect.signature(kind).parameters
    except Exception:  # annotations are the user's code: names that only a type checker knows
        return []
    problems = []
    for name, value in arguments.items():
        one, hint = parameters.get(name), hints.get(name)
        if one is None or hint is None or (value is None and one.default is None) or _may_fit(value, hint):
            continue
        problems.append(Problem(f"{where}.{name}", show(value), _kind_words(hint)))
    return problems


def _may_fit(value: Any, hint: Any) -> bool:
    """Whether a value may be meant by an annotation; where that is not known, it may."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _may_fit(value, inside[0])
    if origin in (Union, types.UnionType):
        return any(_may_fit(value, one) for one in inside)
    if origin is Literal:
        return value in inside
    wanted = origin or hint
    if wanted is bool:
        return isinstance(value, bool)
    if wanted is int:
        return is_number(value) and value == int(value)
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is str:
        return isinstance(value, str)
    if wanted is type(None):
        return value is None
    if wanted in (list, tuple):
        items = inside[:1] if wanted is list or inside[1:] == (...,) else ()
        return isinstance(value, list | tuple) and all(_may_fit(item, one) for item in value for one in items)
    return isinstance(value, Mapping) if wanted is dict else True


def _kind_words(hint: Any) -> str:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind_words(inside[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_kind_words, inside)))
    if origin is Literal:
        return " or ".join(map(show, inside))
    if origin in (list, tuple) and inside:
        return f"a list, each item {_kind_words(inside[0])}"
    return _KINDS.get(origin or hint, f"what {getattr(hint, '__name__', hint)} stands for")
