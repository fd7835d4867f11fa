"""TOML with places, as a tree of ``Node`` like YAML's, within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from raydrive.core.argument_checks import unusable
from raydrive.core.errors import ConfigError, Problem
from raydrive.settings.packaged_toml import toml_library
from raydrive.settings.tree import Node

MOST_LEVELS = 20
"""Levels of nesting of a settings file; its keys need three."""
MOST_DIGITS = 1_000
"""Digits of a whole number."""
MOST_CHARACTERS = 4_000_000
"""Characters of a settings file."""
_ALLOWED = 'TOML, as in storage = "runs"'


def parse_toml(text: str, name: str) -> Node:
    """Returns the tree of a TOML file.

    Args:
        text: The file.
        name: What to call it in places.

    Raises:
        ConfigError: If the text is not TOML, or goes beyond a bound.
    """
    raw = _toml_values(text, name)
    places = dict(_toml_places(text, name))

    def build(value: Any, where: str, above: str) -> Node:
        place = places.get(where, above)
        if isinstance(value, dict):
            value = {key: build(item, f"{where}.{key}".lstrip("."), place) for key, item in value.items()}
        elif isinstance(value, list):
            value = [build(item, f"{where}[{index}]", place) for index, item in enumerate(value)]
        return Node(value, place, place, str(value) if isinstance(value, int | float) else None)

    return build(raw, "", f"{name}:1:1")


def _toml_places(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Keys and tables by line; tomllib keeps no places. Keys of inline tables have that of the table."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\[\]]+?)\s*\]+", line)
        key = re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line)
        column = len(line) - len(line.lstrip()) + 1
        if header:
            table = header[1].replace('"', "").replace("'", "")
            yield table, f"{name}:{number}:{column}"
        elif key:
            bare = key[1].replace('"', "").replace("'", "")
            yield f"{table}.{bare}".lstrip("."), f"{name}:{number}:{column}"


def _toml_values(text: str, name: str) -> dict[str, Any]:
    """Returns what a TOML file holds; a ``ConfigError`` where it is not TOML, or goes beyond a bound."""
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(Problem(name, f"{len(text):,} characters", f"at most {MOST_CHARACTERS:,}", place=name))
    tomllib = toml_library()
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
        found = f"a number of more than {MOST_DIGITS:,} digits, or a time that does not exist"
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
