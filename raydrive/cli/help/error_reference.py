"""The reference of errors and reasons: an id for each message, what it means, and what to do."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from raydrive.core import errors
from raydrive.settings.packaged_toml import read_packaged


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """What is known of a kind of message."""

    id: str
    error: str
    """Name of the class; empty for a reason."""
    pattern: str
    """Regular expression that the message contains; empty = any message of the class."""
    text: str
    remedy: str


@functools.cache
def error_entries() -> tuple[ErrorEntry, ...]:
    """Returns all entries, in the order in which they are compared."""
    raw: dict[str, dict[str, str]] = read_packaged(__file__, "errors.toml")
    return tuple(
        ErrorEntry(name, one.get("error", ""), one.get("pattern", ""), one["text"], one["remedy"])
        for name, one in raw.items()
    )


def entry_of(error: BaseException) -> ErrorEntry:
    """Returns the entry of an error: that of its class, or of the nearest class above it.

    Args:
        error: What was raised.
    """
    for kind in type(error).__mro__:
        for entry in error_entries():
            known = entry.error == kind.__name__ and (kind is Exception or hasattr(errors, kind.__name__))
            if known and (not entry.pattern or re.search(entry.pattern, str(error))):
                return entry
    return next(entry for entry in error_entries() if entry.id == "bug")


def entry_named(name: str) -> ErrorEntry | None:
    """Returns the entry of an id; None where there is none.

    Args:
        name: The id, in any case.
    """
    return next((entry for entry in error_entries() if entry.id == name.strip().casefold()), None)
