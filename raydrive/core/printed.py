"""Metrics of scripts that only print: found in what they print, by patterns or as JSON lines.

A pattern is a regular expression that is searched for in each line. Each named group is a metric of that name:
``val_acc=(?P<accuracy>[0-9.eE+-]+)``. Groups called ``name`` and ``value`` are a metric that names itself, a group
called ``step`` is the step, and a pattern whose only group has no name gives the primary metric. A JSON line is an
object; each of its numbers is a metric, and ``step`` the step. What one line says is logged together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show

MAX_LINE = 10_000
"""Characters of a line that are looked at: a pattern must not spend seconds on a dump of a tensor."""
_OURS = "raydrive: "
_STEP = "step"
_EXAMPLE = "such as 'val_acc=(?P<accuracy>[0-9.eE+-]+)'"


def pattern_problem(pattern: object) -> tuple[str, str] | None:
    """Returns what is allowed and how to mend it, when something is no usable pattern; None when it is one.

    Args:
        pattern: What was given.
    """
    if not isinstance(pattern, str) or not pattern:
        return f"a regular expression, {_EXAMPLE}", ""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        at = "" if error.pos is None else f" (character {error.pos + 1})"
        return f"a regular expression, {_EXAMPLE}", f"It is none: {error.msg}{at}."
    named = set(compiled.groupindex) - {_STEP}
    if {"name", "value"} & named and not {"name", "value"} <= named:
        return "both of the groups 'name' and 'value', or other names", "They belong together."
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

    def __post_init__(self) -> None:
        problems = []
        for index, pattern in enumerate(self.patterns):
            wrong = pattern_problem(pattern)
            if wrong is not None:
                where = "metrics.pattern" if len(self.patterns) == 1 else f"metrics.pattern[{index}]"
                problems.append(Problem(where, show(pattern), *wrong))
        if not self.patterns and not self.json_lines:
            problems.append(Problem("metrics", "neither pattern nor format", f"pattern: {_EXAMPLE}, or format: json"))
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
            raise ConfigError(Problem("metrics", show(given), "a pattern, or {'pattern': ...}, or {'format': 'json'}"))
        known = ("source", "pattern", "format")
        problems = [
            Problem(f"metrics.{key}", "an unknown key", ", ".join(known), did_you_mean(str(key), known))
            for key in given
            if key not in known
        ]
        if given.get("source", "stdout") != "stdout":
            problems.append(Problem("metrics.source", show(given["source"]), "stdout"))
        if given.get("format", "json") != "json":
            problems.append(Problem("metrics.format", show(given["format"]), "json"))
        if problems:
            raise ConfigError(problems)
        pattern = given.get("pattern", ())
        patterns = tuple(pattern) if isinstance(pattern, list | tuple) else (pattern,)
        return cls(patterns, "format" in given)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> PrintedMetrics:
        """Returns what ``config.json`` holds."""
        return cls(tuple(raw["patterns"]), raw["json_lines"])


class PrintedReader:
    """Finds metrics in what arrives of a script's output, in pieces of any size.

    Args:
        spec: How they are found.
        primary: Name of the primary metric, for patterns that name none.
    """

    def __init__(self, spec: PrintedMetrics, primary: str) -> None:
        self._patterns = [re.compile(pattern) for pattern in spec.patterns]
        self._json = spec.json_lines
        self._primary = primary
        self._rest = b""

    def feed(self, data: bytes, *, last: bool = False) -> list[dict[str, Any]]:
        """Returns what the lines that are now complete log, as messages of the wire.

        Args:
            data: What has arrived.
            last: Whether nothing more will: a line without an end is one, too.
        """
        # A progress bar overwrites its line by carriage returns: each state of it is a line.
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if last:
            lines, self._rest = [*lines, self._rest], b""
        elif len(self._rest) > MAX_LINE * 4:
            self._rest = self._rest[: MAX_LINE * 4]
        return [message for line in lines if line for message in self._line(line)]

    def _line(self, raw: bytes) -> list[dict[str, Any]]:
        line = raw[: MAX_LINE * 4].decode("utf-8", "replace")[:MAX_LINE]
        if line.startswith(_OURS):
            return []
        messages: list[dict[str, Any]] = []
        if self._json and line.strip().startswith("{"):
            _put(messages, *_of_json(line))
        for pattern in self._patterns:
            for match in pattern.finditer(line):
                _put(messages, *self._of_match(match))
        return messages

    def _of_match(self, match: re.Match[str]) -> tuple[dict[str, Any], Any]:
        groups = {name: text for name, text in match.groupdict().items() if text is not None}
        step = _value(groups.pop(_STEP)) if _STEP in groups else None
        if "name" in groups and "value" in groups:
            groups = {groups["name"].strip(): groups["value"]}
        elif not groups:
            texts = [text for index, text in enumerate(match.groups(), 1) if index not in match.re.groupindex.values()]
            groups = {self._primary: texts[0]} if texts and texts[0] is not None else {}
        return {name: _value(text) for name, text in groups.items() if name}, step


def _put(messages: list[dict[str, Any]], metrics: dict[str, Any], step: Any) -> None:
    """Adds metrics to the last message of a line, or to a new one where a name comes again."""
    if not metrics:
        return
    if not messages or set(metrics) & set(messages[-1]["m"]):
        messages.append({"m": {}})
    messages[-1]["m"].update(metrics)
    if isinstance(step, int | float):
        messages[-1]["s"] = step


def _of_json(line: str) -> tuple[dict[str, Any], Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}, None
    numbers = {
        str(name): value
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return numbers, numbers.pop(_STEP, None)


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()
