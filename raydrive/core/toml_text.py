"""TOML as plain values, within bounds: for ``raydrive.toml`` and site files, whoever reads them."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from typing import Any

from raydrive.core.argument_checks import unusable
from raydrive.core.errors import ConfigError, Problem

MOST_LEVELS = 20
"""Levels of nesting of a settings file; its keys need three."""
MOST_DIGITS = 1_000
"""Digits of a whole number."""
MOST_CHARACTERS = 4_000_000
"""Characters of a settings file."""
_ALLOWED = 'TOML, as in storage = "runs"'


def toml_values(text: str, name: str) -> dict[str, Any]:
    """Returns what a TOML file holds.

    Args:
        text: The file.
        name: What to call it in places.

    Raises:
        ConfigError: If the text is no TOML, or goes beyond a bound.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(Problem(name, f"{len(text):,} characters", f"at most {MOST_CHARACTERS:,}", place=name))
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        raw: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+), column (\d+)", str(error))
        place = f"{name}:{at[1]}:{at[2]}" if at else name
        found = re.sub(r" \(at .*\)$", "", str(error))
        raise ConfigError(Problem("TOML", found, _ALLOWED, place=place)) from None
    except RecursionError:
        raise ConfigError(_too_deep(name)) from None
    except (ValueError, OverflowError):  # Python's own bound, for a decimal number; times out of range
        found = f"a number of more than {MOST_DIGITS:,} digits, or a time that there is not"
        raise ConfigError(Problem("TOML", found, _ALLOWED, place=name)) from None
    problems = list(_problems(raw, name))
    if problems:
        raise ConfigError(problems)
    return raw


def _too_deep(name: str) -> Problem:
    return Problem("TOML", "values nested too deeply", f"at most {MOST_LEVELS} levels", place=name)


def _problems(raw: dict[str, Any], name: str) -> Iterator[Problem]:
    """What goes beyond a bound; without recursion, for the nesting is what is looked at."""
    left: list[tuple[str, Any, int]] = [("", raw, 0)]
    while left:
        where, value, depth = left.pop()
        if depth > MOST_LEVELS:
            yield _too_deep(name)
            return
        if isinstance(value, dict):
            for key in value:
                if wrong := unusable(key):
                    yield Problem(where or "TOML", f"a key with {wrong}", "text that a file can hold", place=name)
            left += [(f"{where}.{key}".lstrip("."), item, depth + 1) for key, item in value.items()]
        elif isinstance(value, list):
            left += [(f"{where}[{index}]", item, depth + 1) for index, item in enumerate(value)]
        elif isinstance(value, str) and (wrong := unusable(value)):
            yield Problem(where, wrong, "text that a file name and a command line can hold", place=name)
        elif isinstance(value, int) and value.bit_length() > MOST_DIGITS * 3.33:
            yield Problem(where, "a very long number", f"at most {MOST_DIGITS:,} digits", place=name)
