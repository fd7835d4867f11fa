"""What cannot be an option of a choice, and what to write instead.

An option is recorded as JSON and may reach a script as text: what would become something else on that way is refused.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

_BY_NAME = "Choose among names and look the object up in the training code: {'name': object}[params['x']]."


def is_series(value: Any) -> bool:
    """Whether this, given to ``choice`` alone, stands for what is in it: ``choice(models.keys())``."""
    return isinstance(value, KeysView | ValuesView | ItemsView | Iterator) and not hasattr(value, "__fspath__")


def way_out(value: Any) -> str:
    """Returns what to write instead of a value that cannot be an option; empty where that is unknown."""
    if is_series(value):
        return "Write list(...)."
    if isinstance(value, set | frozenset):
        return "A set has no fixed order: write sorted(...)."
    if isinstance(value, range):
        return "Write tuple(range(...)) or list(range(...))."
    if isinstance(value, tuple):
        return "A named tuple would lose its field names: write a dict, or tuple(...)."
    if isinstance(value, bytes | bytearray | memoryview):
        return "Write text, and encode it in the training code: params['x'].encode()."
    if isinstance(value, enum.Enum):
        kind = type(value).__name__
        return f"Write its name, {value.name!r}, and look it up in the training code: {kind}[params['x']]."
    if hasattr(value, "tolist") and hasattr(value, "shape"):
        return "Write .tolist(), and make the array in the training code: numpy.asarray(params['x'])."
    if hasattr(value, "__fspath__"):
        return "Write str(...), and make the path in the training code: Path(params['x'])."
    if hasattr(value, "isoformat"):
        return "Write .isoformat(), and read it in the training code: fromisoformat(params['x'])."
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"Write dataclasses.asdict(...), and {type(value).__name__}(**params['x']) in the training code."
    if isinstance(value, complex):
        return "Write it as two numbers, [real, imaginary]."
    if hasattr(value, "__float__"):  # Decimal, Fraction
        return "Write float(...), or text if every digit counts."
    return _BY_NAME
