"""JSON values: copies with containers of their own, and dataclasses as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def copied(value: Any) -> Any:
    """Returns a value with containers of its own, tuples kept, so that the original cannot be changed through it."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    if isinstance(value, tuple):
        return tuple([copied(item) for item in value])
    return value


def json_of(value: Any) -> Any:
    """Returns dataclasses as objects and tuples as lists, at any depth; other values stay the same objects."""
    if hasattr(value, "__dataclass_fields__"):
        return {spec.name: json_of(getattr(value, spec.name)) for spec in fields(value)}
    if isinstance(value, Mapping):
        return {key: json_of(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [json_of(item) for item in value]
    return value
