"""Metrics of scripts that only print: found in their output by patterns or as JSON lines.

A pattern is a regular expression that is searched for in each line. Each named group is a metric of that name:
``val_acc=(?P<accuracy>[0-9.eE+-]+)``. Groups called ``name`` and ``value`` are a metric that names itself, a group
called ``step`` is the step, and a pattern whose only group has no name gives the primary metric. A JSON line is an
object; each of its numbers is a metric, and ``step`` the step. What one line says is logged together. With
``format: auto`` the primary metric is found by its name.
How lines are read: ``printed_reader``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import ConfigError, Problem, show, unknown_keys

FORMATS = ("json", "auto")
"""What ``metrics.format`` may be."""
FOUND = ("format: auto reads", "metric_from_stdout reads")
"""Beginnings of the notice that has the pattern which was found: for a sweep file, and for Python."""
_STEP = "step"
NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
"""A number within a text."""
_EXAMPLE = "such as 'val_acc=(?P<accuracy>[0-9.eE+-]+)'"


def pattern_problem(pattern: object) -> tuple[str, str] | None:
    """Returns what is allowed and how to correct it, when something is not a usable pattern; None when it is one.

    Args:
        pattern: What was given.
    """
    if not isinstance(pattern, str) or not pattern:
        return f"a regular expression, {_EXAMPLE}", ""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        at = "" if error.pos is None else f" (character {error.pos + 1})"
        return f"a regular expression, {_EXAMPLE}", f"Invalid: {error.msg}{at}."
    named = set(compiled.groupindex) - {_STEP}
    if {"name", "value"} & named and not {"name", "value"} <= named:
        return "both of the groups 'name' and 'value', or other names", "The two groups are used together."
    if not named and compiled.groups - ("step" in compiled.groupindex) != 1:
        fix = f"It has {compiled.groups or 'no'} groups; name the one that holds the value, {_EXAMPLE}."
        return "a pattern with named groups, or with one group for the primary metric", fix
    if compiled.match(""):
        return "a pattern that does not match an empty line", ""
    return None


@dataclass(frozen=True, slots=True)
class PrintedMetrics:
    """How metrics are found in what a script prints."""

    patterns: tuple[str, ...] = ()
    """Regular expressions; see the head of this module."""
    json_lines: bool = False
    """Whether lines that are a JSON object are metrics."""
    find: bool = False
    """Whether the primary metric is looked for by its name, without a pattern."""

    def __post_init__(self) -> None:
        problems = []
        for index, pattern in enumerate(self.patterns):
            wrong = pattern_problem(pattern)
            if wrong is not None:
                where = "metrics.pattern" if len(self.patterns) == 1 else f"metrics.pattern[{index}]"
                problems.append(Problem(where, show(pattern), *wrong))
        if not self.patterns and not self.json_lines and not self.find:
            allowed = f"pattern: {_EXAMPLE}, or format: json, or format: auto"
            problems.append(Problem("metrics", "neither pattern nor format", allowed))
        if self.find and (self.patterns or self.json_lines):
            problems.append(Problem("metrics", "a pattern with format: auto", "one of the two: auto finds the pattern"))
        if problems:
            raise ConfigError(problems)

    @classmethod
    def of(cls, given: object) -> PrintedMetrics:
        """Returns what a user wrote in Python: a pattern, several, or a mapping with the keys of a sweep file.

        Raises:
            ConfigError: If it is none of these; the error lists all that is wrong.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, str):
            return cls((given,))
        if isinstance(given, list | tuple):
            return cls(tuple(given))
        if not isinstance(given, Mapping):
            raise ConfigError(
                Problem("metrics", show(given), "a pattern, {'pattern': ...}, or {'format': 'json' or 'auto'}")
            )
        known = ("source", "pattern", "format")
        problems = unknown_keys(given, known, "metrics")
        if given.get("source", "stdout") != "stdout":
            problems.append(Problem("metrics.source", show(given["source"]), "stdout"))
        if given.get("format", "json") not in FORMATS:
            problems.append(Problem("metrics.format", show(given["format"]), ", ".join(FORMATS)))
        if problems:
            raise ConfigError(problems)
        pattern = given.get("pattern", ())
        patterns = tuple(pattern) if isinstance(pattern, list | tuple) else (pattern,)
        return cls(patterns, given.get("format") == "json", given.get("format") == "auto")

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> PrintedMetrics:
        """Returns what ``config.json`` holds."""
        return cls(tuple(raw["patterns"]), raw["json_lines"], raw.get("find", False))


def not_a_number(value: object, what: str) -> str:
    """Returns a sentence about what should have been a number.

    Args:
        value: What came instead.
        what: How the sentence begins.
    """
    shown = repr(value)
    text = f"{what} {shown if len(shown) <= 200 else shown[:197] + '...'}, which is not a number"
    near = NUMBER.search(value) if isinstance(value, str) else None
    if near is None:
        return text
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+,\d+", value.strip()):
        return f"{text}; write {value.strip().replace(',', '.')} with a decimal point"
    return f"{text}; {near[0]} in it would be valid"
