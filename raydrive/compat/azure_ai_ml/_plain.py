"""From objects of the SDK to what a sweep file holds."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class HasMapping(Protocol):
    """Something that a sweep file writes as a mapping."""

    def to_mapping(self) -> Any:
        """Returns it as a sweep file has it."""
        ...


def plain(value: Any) -> Any:
    """Returns a value as JSON can hold it; what is None is left out of mappings."""
    if isinstance(value, HasMapping):
        return value.to_mapping()
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return given(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if hasattr(value, "item") and hasattr(value, "dtype"):  # a number of numpy
        return value.item()
    return value


def given(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns the items of a mapping that are not None, as JSON can hold them."""
    return {str(key): plain(value) for key, value in values.items() if value is not None}


class OfType:
    """Something that a sweep file writes as a mapping with a type.

    Args:
        **parameters: Its other keys there.
    """

    type = ""

    def __init__(self, **parameters: Any) -> None:
        self.__dict__.update(parameters)

    def to_mapping(self) -> dict[str, Any]:
        """Returns it as a sweep file has it."""
        return {"type": self.type, **given(vars(self))}
