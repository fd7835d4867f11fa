"""Finds metrics in a script's output, as ``printed`` describes them.

A value that is shown again is not a new one. Of a line that is overwritten (a progress bar) the last state counts that
says something, and where it has a step, the last state of each step. The lines in which Keras repeats its bar are one
such line. Of several processes that print (torchrun, MPI), those above rank 0 do not count, and a line that is
repeated word for word with the epoch that it names counts once.
"""

from __future__ import annotations

import ast
import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.config.stdout_metrics import NUMBER, PrintedMetrics, not_a_number
from raydrive.core.reports.bounded_regex import LINE_S, MOST_LINES, Pattern, TooLong
from raydrive.core.reports.terminal_lines import COLOURS, Screen

MAX_LINE = 10_000
"""Characters of a line that are looked at: a pattern must not spend seconds on a dump of a tensor."""
_OURS = "raydrive: "
_STEP = "step"
_RANK = re.compile(r"\[(?:(?:rank|default)(\d+)\]:|(\d+)\]<std(?:out|err)>:|\d+,(\d+)\]<std(?:out|err)>:) ?")
"""What torchrun, horovodrun and mpirun put before the lines of a process."""
_BAR = re.compile(r"\s*(\d+)/(\d+|Unknown)\s+[━\[]")
"""A progress bar of Keras: ``12/32 ━━━━━━━━━━━━━━━━━━━━ 1s 3ms/step - loss: 0.5``, ``12/32 [====>....] - ETA: 1s``."""
_EPOCH_LINE = re.compile(r"\s*Epoch \d+(?:/\d+)?\s*\Z")
_EPOCH = re.compile(r"(?i)\b(?:epochs?|ep|steps?|iter(?:ation)?s?|rounds?)\b[\s:=#\[('\"]*\d")
_NAMED_EPOCH = re.compile(r"(?i)\bepochs?\b[\s:=#\[(]*(\d+)")
_PERCENT = re.compile(r"(\d+)%\|")
"""How far a bar of tqdm is."""
_RECENT = 64
_LOSSES = ("skipped", "slow", "given up")

Message = dict[str, Any]


@dataclass(slots=True)
class _Bar:
    """A progress bar whose states stand in lines of their own."""

    at: int
    of: str
    messages: list[Message]
    said: set[str] = field(default_factory=set)
    """Metrics that were handed on already, though it may come again with more."""

    @property
    def whole(self) -> bool:
        return str(self.at) == self.of


class PrintedReader:
    """Finds metrics in what arrives of a script's output, in pieces of any size.

    Args:
        spec: How they are found.
        primary: Name of the primary metric, for patterns that name none.
    """

    def __init__(self, spec: PrintedMetrics, primary: str) -> None:
        self._patterns = [Pattern(pattern) for pattern in spec.patterns]
        self._json = spec.json_lines
        self._primary = primary
        self._screen = Screen(MAX_LINE * 4)
        self._rows: dict[int, list[Message]] = {}
        """What the rows say now that are not final."""
        self._texts: dict[int, str] = {}
        self._bar: _Bar | None = None
        self._epochs = False
        """Whether Keras names its epochs: then what is between two of those lines is one bar."""
        self._recent: deque[str] = deque(maxlen=_RECENT)
        self._notices: dict[str, str] = {}
        """What the user should know, by what it is about."""
        self._told: set[str] = set()
        self._lines = 0
        """Texts that were searched."""
        self._matched = dict.fromkeys(spec.patterns, 0)
        """How many of them each pattern was found in."""
        self._near: dict[str, str] = {}
        """What was nearly a value of the primary metric: the kind of the mistake, and a sentence."""

    def feed(self, data: bytes, *, last: bool = False) -> list[Message]:
        """Returns what the lines that are now complete log, as messages of the wire.

        Args:
            data: What has arrived.
            last: Whether nothing more will: a line without an end is one, too.
        """
        out: list[Message] = []
        for row, text, final in self._screen.feed(data, last=last):
            if text:
                out += self._state(row, text)
            if final:
                out += self._settle(self._rows.pop(row, []), self._texts.pop(row, ""))
        if last and self._bar is not None:
            out += self._bar.messages
            self._bar = None
        return out

    def notices(self) -> list[tuple[str, bool]]:
        """Returns what the trial's log should say, each once, and whether something is lost by it."""
        new = [(text, kind.startswith(_LOSSES)) for kind, text in self._notices.items() if kind not in self._told]
        self._told.update(self._notices)
        return new

    def skipped(self) -> None:
        """Notes that a part of the output could not be looked at."""
        self._notices["skipped"] = (
            "output came faster than it could be searched for metrics, and part of it was skipped; "
            "print less, or log the metrics"
        )
        self._screen = Screen(MAX_LINE * 4)
        self._rows.clear()
        self._texts.clear()

    def nearly(self) -> str:
        """Why the primary metric may not have been found, for a trial that ended without it; may be empty."""
        if not self._near and (not self._lines or all(self._matched.values())):
            return ""
        counts = [
            f"the pattern {pattern!r} matched {count} of {self._lines} line{'s' * (self._lines != 1)}"
            for pattern, count in self._matched.items()
        ]
        return "; ".join([*counts, *self._near.values()])

    # ------------------------------------------------------------------ rows

    def _state(self, row: int, raw: bytes) -> list[Message]:
        """A text that is in a row now; returns what it ends: the last state of a step before."""
        text = COLOURS.sub("", raw.decode("utf-8", "replace"))[:MAX_LINE]
        new = self._line(text)
        before, self._texts[row] = self._texts.get(row, ""), text
        old = self._rows.get(row, [])
        if old and _begins_anew(before, text):
            self._rows[row] = [] if new == old else new  # what it has not yet said again
            return old
        if not new:
            return []
        self._rows[row] = new
        self._move_here(row, new)
        return self._ends(old, new)

    def _move_here(self, row: int, new: list[Message]) -> None:
        """A step that another row has shown before has moved: nested bars do when one of them has ended."""
        shown = {(message["s"], *message["m"]) for message in new if "s" in message}
        if shown:
            for other, messages in self._rows.items():
                if other != row:
                    messages[:] = [one for one in messages if (one.get("s"), *one["m"]) not in shown]

    def _ends(self, old: list[Message], new: list[Message]) -> list[Message]:
        """Those of a state's messages that the next one does not say again: it is at another step."""
        if old and old != new and all("s" not in message for message in new):
            self._notices["redrawn"] = (
                "a line that is overwritten, as a progress bar does, counts once, with its last values; with a group "
                "(?P<step>...) in the pattern it counts once for each step"
            )
        steps = {message.get("s") for message in new}
        return [message for message in old if "s" in message and None not in steps and message["s"] not in steps]

    def _settle(self, messages: list[Message], text: str) -> list[Message]:
        """A line that stays; returns what is logged now."""
        match = _BAR.match(text)
        bar = self._bar
        if match is None:
            self._epochs = self._epochs or _EPOCH_LINE.match(text) is not None
            return (self._after_bar(bar, text) if bar else []) + self._once(messages, text)
        at, of = int(match[1]), match[2]
        if bar is None or bar.of != of or at < bar.at:
            self._bar = _Bar(at, of, messages)
            return bar.messages if bar else []
        bar.at = at
        if bar.said:
            messages = [_without(message, bar.said) for message in messages]
            messages = [message for message in messages if message["m"]]
        ended = self._ends(bar.messages, messages) if messages else []
        bar.messages = messages or bar.messages
        return ended

    def _after_bar(self, bar: _Bar, text: str) -> list[Message]:
        """What a bar says when another line follows it, if it has come to its end."""
        if not text.strip() or not (bar.whole or bar.of == "Unknown" or _EPOCH_LINE.match(text)):
            return []
        messages, bar.messages = bar.messages, []
        bar.said.update(name for message in messages for name in message["m"])
        epoch = _EPOCH_LINE.match(text) is not None
        if epoch or (bar.of in ("1", "Unknown") and not self._epochs):  # as long as the bar before, and another one
            self._bar = None
        return messages

    def _once(self, messages: list[Message], text: str) -> list[Message]:
        """What a line logs; nothing when it has come before, with its epoch."""
        if not messages or any("s" in message for message in messages) or not _EPOCH.search(text):
            return messages
        if text in self._recent:
            self._notices["again"] = (
                f"a line was repeated word for word and counts once: {text.strip()[:200]!r} (do several processes "
                "print?)"
            )
            return []
        self._recent.append(text)
        return messages

    # ------------------------------------------------------------------ one line

    def _line(self, line: str) -> list[Message]:
        if line.startswith(_OURS):
            return []
        prefix = _RANK.match(line) if line.startswith("[") else None
        if prefix is not None:
            line = line[prefix.end() :]
        messages: list[Message] = []
        self._lines += bool(line.strip())
        if self._json and line.strip().startswith("{"):
            _put(messages, *self._of_json(line))
        for pattern in self._patterns:
            if not pattern.given_up:
                matches = self._matches(pattern, line)
                self._matched[pattern.text] += bool(matches)
                for match in matches:
                    _put(messages, *self._of_match(pattern, match))
        if messages and prefix is not None and (rank := int(next(filter(None, prefix.groups())))):
            self._notices["rank"] = (
                f"a line of rank {rank} with metrics is ignored, since only those of rank 0 count; it is only in the "
                f"log: {line.strip()[:200]!r}"
            )
            return []
        if not any(self._primary in message["m"] for message in messages) and self._primary in line:
            self._note_near(line)
        return messages

    def _matches(self, pattern: Pattern, line: str) -> list[Any]:
        try:
            return pattern.matches(line)
        except TooLong:
            self._notices[f"slow {pattern.text}"] = (
                f"the pattern {pattern.text!r} takes more than {LINE_S:g} s for some lines, and those are skipped; "
                "write it without nested repetitions such as (a+)+"
            )
            if pattern.given_up:
                self._notices[f"given up {pattern.text}"] = (
                    f"the pattern {pattern.text!r} took too long for {MOST_LINES} lines, and is no longer searched for"
                )
            return []

    def _of_match(self, pattern: Pattern, match: Any) -> tuple[dict[str, Any], Any]:
        groups = {name: text for name, text in match.groupdict().items() if text is not None}
        step = _value(groups.pop(_STEP)) if _STEP in groups else None
        if "name" in groups and "value" in groups:
            groups = {groups["name"].strip(): groups["value"]}
        elif not groups:
            named = pattern.compiled.groupindex.values()
            texts = [text for index, text in enumerate(match.groups(), 1) if index not in named]
            groups = {self._primary: texts[0]} if texts and texts[0] is not None else {}
        metrics = {name: _value(text) for name, text in groups.items() if name}
        if isinstance(metrics.get(self._primary), str):
            self._near["text"] = not_a_number(metrics[self._primary], f"the pattern {pattern.text!r} captured")
        return metrics, step

    # ------------------------------------------------------------------ what is nearly right

    def _of_json(self, line: str) -> tuple[dict[str, Any], Any]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            if _is_python(line):
                self._near["python"] = (
                    f"a line is a dict as Python prints it, and not JSON: {line.strip()[:200]}; "
                    "print json.dumps(...) of it, or find the metric with a pattern"
                )
            return {}, None
        numbers = {
            str(name): value
            for name, value in found.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        if self._primary not in numbers and self._primary in found:
            self._near["text"] = not_a_number(found[self._primary], "a JSON line has")
        return numbers, numbers.pop(_STEP, None)

    def _note_near(self, line: str) -> None:
        """A line names the primary metric and does not log it."""
        shown = line.strip()[:200]
        if NUMBER.search(line) is None or (self._near and "line" not in self._near):
            return
        if self._patterns:
            self._near["line"] = f"no pattern found {self._primary!r} in a line that names it: {shown!r}"
        elif not line.lstrip().startswith("{"):
            begin = "has a JSON object after other text" if "{" in line else "is not a JSON object"
            self._near["line"] = f"a line that names {self._primary!r} {begin}and is therefore not read: {shown!r}"
        else:
            self._near["line"] = f"a JSON line names {self._primary!r}, but not as a key with a number: {shown!r}"


def _begins_anew(before: str, text: str) -> bool:
    """Whether a row is that of another bar now, or of another epoch."""
    was, now = _PERCENT.search(before), _PERCENT.search(text)
    if was and now and int(now[1]) < int(was[1]):
        return True
    was, now = _NAMED_EPOCH.search(before), _NAMED_EPOCH.search(text)
    return bool(was and now and was[1] != now[1])


def _is_python(line: str) -> bool:
    try:
        return len(line) < MAX_LINE and isinstance(ast.literal_eval(line.strip()), dict)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False


def _without(message: Message, names: set[str]) -> Message:
    return {**message, "m": {name: value for name, value in message["m"].items() if name not in names}}


def _put(messages: list[Message], metrics: dict[str, Any], step: Any) -> None:
    """Adds metrics to the last message of a line, or to a new one where a name comes again."""
    if not metrics:
        return
    if not messages or set(metrics) & set(messages[-1]["m"]):
        messages.append({"m": {}})
    messages[-1]["m"].update(metrics)
    if isinstance(step, int | float):
        messages[-1]["s"] = step


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()
