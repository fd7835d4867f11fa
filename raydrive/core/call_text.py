"""How objects are shown: as the call that makes them, on one line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from raydrive.core.numbers import is_number

MOST = 12
"""Arguments and entries of a mapping that are shown; of more, their number."""


def call_text(name: str, given: Iterable[str], options: Mapping[str, str]) -> str:
    """Returns ``name(given, ..., option=value, ...)``.

    Args:
        name: What is called.
        given: Texts of the arguments without a name; of very many the first are shown, and how many more there are.
        options: Texts of those with one.
    """
    texts = _cut(list(given)) + [f"{key}={text}" for key, text in options.items()]
    return f"{name}({', '.join(texts)})"


def mapping_text(values: Mapping[str, Any]) -> str:
    """Returns a mapping as Python writes it; of a long one the beginning and how many more there are."""
    return f"{{{', '.join(_cut([f'{key!r}: {value!r}' for key, value in values.items()]))}}}"


def _cut(texts: list[str]) -> list[str]:
    return texts if len(texts) <= MOST else [*texts[:MOST], f"... {len(texts) - MOST} more"]


def told(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, str]:
    """Returns those of the values that say something, as texts: neither empty nor the default of their argument.

    Args:
        function: Whose arguments they are.
        values: Values by argument.
    """
    defaults = {name: one.default for name, one in inspect.signature(function).parameters.items()}
    empty: tuple[Any, ...] = (None, (), [], {})
    return {
        name: repr(value)
        for name, value in values.items()
        if not any(_same(value, other) for other in (*empty, defaults.get(name)))
    }


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; True is not 1, and 60.0 is 60."""
    numbers = is_number(one) and is_number(other)
    return one is other or ((numbers or type(one) is type(other)) and bool(one == other))
