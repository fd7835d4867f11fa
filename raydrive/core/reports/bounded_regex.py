"""Users' patterns, searched for with a bound on time.

They are written for Python's ``re``, which cannot be interrupted: a pattern such as ``(a|aa)+$`` takes years on one
line. ``regex`` searches the same way and gives up in time. What the two read differently is written here so that both
mean what ``re`` does.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any

LINE_S = 0.05
"""Seconds that one pattern may spend on one line, which ordinary ones spend on a thousand."""
MOST_LINES = 100
"""Lines that may take a pattern too long; then it is no longer searched for."""
_QUANTIFIER = re.compile(r"\{(?:\d+(?:,\d*)?|,\d*)\}")
_NAMED_CHARACTER = re.compile(r"\\N\{[^}]*\}")
_SET_OPENS = re.compile(r"\[\^?\]?")

Matches = Callable[[str], Iterable[Any]]


class TooLong(Exception):
    """A pattern has taken too long for a line."""


class Pattern:
    """A user's pattern.

    Args:
        text: For ``re``, by which it has been checked.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what later versions of re may read otherwise
            self.compiled = re.compile(text)
        self._find = _bounded(text) or self.compiled.finditer
        self._passed_over = 0

    @property
    def given_up(self) -> bool:
        """Whether it has taken too long too often."""
        return self._passed_over >= MOST_LINES

    def matches(self, line: str) -> list[Any]:
        """Returns its matches in a line, as ``re.finditer`` gives them.

        Raises:
            TooLong: If it takes longer than ``LINE_S``.
        """
        try:
            return list(self._find(line))
        except TimeoutError:
            self._passed_over += 1
            raise TooLong from None


def _bounded(text: str) -> Matches | None:
    """The search in ``regex``; None for a pattern that it refuses."""
    import regex  # lazy: regex, 0.009 s; 10 ms, for runs that need it

    try:
        compiled = regex.compile(as_re_reads(text), regex.VERSION0)
    except regex.error:
        return None
    return lambda line: compiled.finditer(line, timeout=LINE_S, concurrent=True)


def as_re_reads(text: str) -> str:
    r"""Returns a pattern for ``regex`` that means what ``text`` means for ``re``.

    A brace that begins no number of repetitions is itself (for ``regex`` it may begin a fuzzy match), and so is a
    bracket inside brackets (there it may begin a POSIX class).

    >>> as_re_reads("{'loss': [[:x]{2}"), as_re_reads("a{e<=1}")
    ("\\{'loss': [\\[:x]{2}", 'a\\{e<=1}')
    """
    out, index, inside = [], 0, False
    while index < len(text):
        char = text[index]
        if char == "\\":
            name = _NAMED_CHARACTER.match(text, index)
            piece = name[0] if name else text[index : index + 2]
        elif inside:
            inside = char != "]"
            piece = "\\[" if char == "[" else char
        elif char == "[":
            inside = True
            opening = _SET_OPENS.match(text, index)
            piece = opening[0] if opening else char
        elif char == "{":
            quantifier = _QUANTIFIER.match(text, index)
            piece = quantifier[0] if quantifier else "\\{"
        else:
            piece = char
        out.append(piece)
        index += 1 if piece in ("\\[", "\\{") and char != "\\" else len(piece)
    return "".join(out)
