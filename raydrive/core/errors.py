"""Everything raydrive raises on purpose.

RaydriveError                 exit code 1
├── ConfigError               exit code 2: bad input; carries every problem found, not the first
├── StorageError              exit code 5: a file that cannot be read or written
│   ├── RunNotFoundError      exit code 2: no such run, or an ambiguous prefix
│   ├── RefusedFileError      what is there is not read: a link that leaves the run's folder, a FIFO, a device
│   └── JournalError          the journal of a run cannot be written or read on
│       └── DamagedJournalError   it is damaged; says where, and how many entries can be read
│           └── NonsenseError         an entry makes no sense after those before it
├── ClusterError              exit code 5: Ray cannot be reached, or could never satisfy a request
├── RunOverError              exit code 2: a run has ended, and with these limits a resume has nothing to do
├── StaleEpochError           a replaced driver sent a call; a newer one owns the run
├── UnknownEventError         a trial actor sent an event that this release does not know
├── UserCodeError             a policy or sampling class of the user's raised; names it and the line in its file
└── TrialError                a question about a trial that has no answer (no best trial, no such file)
"""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_FOUND, LONGEST_ADVICE = 400, 1_500
"""Characters that an error shows of what was found, and of what is allowed; of more, the beginning and the length."""
LONGEST_MESSAGE = 6_000
"""Characters that the command line shows of any other message."""
HIDDEN = "(not shown)"
"""Stands for a value that may be confidential, wherever it would be displayed."""
_SECRET = re.compile(
    r"environment_variables\.\S*(?:KEY|TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|AUTH|PWD|PAT\b|SAS|CONNECTION_?STRING)",
    re.IGNORECASE,
)
MOST_PROBLEMS = 100
"""Problems that an error shows; of more it shows these and how many there are."""
MOST_DIGITS = 1_000
"""Digits of a whole number that is still shown: Python refuses to print very long ones."""


class _Shortener(reprlib.Repr):
    """``repr`` that is quick for large values and answers for every value."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = 120
        self.maxother = self.maxlong = 60

    def repr_int(self, value: int, level: int) -> str:
        """A whole number; one that Python would not print by its length."""
        digits = int(value.bit_length() * 0.30103) + 1
        return f"a number of {digits:,} digits" if digits > MOST_DIGITS else super().repr_int(value, level)

    def repr_str(self, value: str, level: int) -> str:
        """A text; a subclass's own ``__repr__`` is the user's code and may do anything."""
        return super().repr_str(str.__str__(value), level)


def show(value: object) -> str:
    """Returns a value as an error message quotes it: its repr, cut where it gets long."""
    try:
        return _Shortener().repr(value)
    except Exception:  # the value's own code: __repr__, __iter__, __len__
        return f"an object of type {type(value).__name__}, whose repr() fails"


def _part(text: str, longest: int) -> str:
    """A part of a problem in one line, shortened: control characters of a name must not reach a terminal."""
    text = brief(text, longest)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def brief(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Returns a text for people, cut where it gets long: its beginning and its length."""
    return text if len(text) <= longest else f"{text[: longest // 2]}... ({len(text):,} characters)"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with the user's input."""

    where: str
    """Path of the offending key (``search_space.lr.min_value``), or the name of the argument."""
    found: str
    """What is there, as the user wrote it."""
    allowed: str
    """What is allowed there."""
    fix: str = ""
    """What to do about it; empty if ``allowed`` already shows it."""
    place: str = ""
    """``file:line:column`` when the input came from a file; filled in by the code that knows the file."""

    def shown(self) -> Problem:
        """Returns the problem as it is displayed: shortened, in one line, a confidential value left out."""
        found = HIDDEN if _SECRET.search(self.where) and self.found != "nothing" else self.found
        where, found, place = (_part(text, LONGEST_FOUND) for text in (self.where, found, self.place))
        allowed, fix = (_part(text, LONGEST_ADVICE) for text in (self.allowed, self.fix))
        return Problem(where, found, allowed, fix, place)

    def __str__(self) -> str:
        one = self.shown()
        head = f"{one.place}: {one.where}" if one.place else one.where
        text = f"{head}: found {one.found}; allowed: {one.allowed}"
        return f"{text}. {one.fix}" if one.fix else text


class RaydriveError(Exception):
    """Base of every error raised by raydrive; shown to a command-line user without a traceback."""

    exit_code = 1


class ConfigError(RaydriveError, ValueError):
    """The configuration cannot be used; ``problems`` lists everything wrong with it."""

    exit_code = 2

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(self.lines()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)

    def lines(self) -> list[str]:
        """Returns a line for each problem; of very many, the first ones and how many more there are."""
        shown = [str(problem) for problem in self.problems[:MOST_PROBLEMS]]
        more = len(self.problems) - len(shown)
        return [*shown, f"and {more:,} more"] if more else shown


class StorageError(RaydriveError):
    """A file or folder of a run cannot be read or written; of a name that is too long the message has a part."""

    exit_code = 5

    def __init__(self, *args: object) -> None:
        super().__init__(*(brief(one) if isinstance(one, str) else one for one in args))


class RunNotFoundError(StorageError):
    """No run has the given name, or the name is ambiguous."""

    exit_code = 2


class JournalError(StorageError):
    """The journal of a run cannot be written or read on: another driver has it, or it is damaged."""


class DamagedJournalError(JournalError):
    """The journal of a run is damaged; the message names the segment and what can still be read."""

    readable = 0
    """Number of entries before the damage."""


class NonsenseError(DamagedJournalError):
    """An entry can be parsed, but makes no sense after those before it."""

    entries = 1
    """Number of entries that were being folded."""


class RefusedFileError(StorageError):
    """What is in the place of a file is not opened: a link that leads out of the folder, a FIFO, a device."""


class ClusterError(RaydriveError):
    """Ray cannot be reached, or no node of the cluster could ever satisfy a request."""

    exit_code = 5


class RunOverError(RaydriveError, ValueError):
    """A run has ended, and its limits leave nothing to do; the message has the command that extends it."""

    exit_code = 2


class StaleEpochError(RaydriveError):
    """A replaced driver sent a call: a newer one has taken over the run."""


class UnknownEventError(RaydriveError):
    """A trial actor sent an event that this release does not know; the message names its kind."""


class UserCodeError(RaydriveError):
    """A policy or sampling class of the user's failed; the message names the class, and the line in its file."""


class TrialError(RaydriveError):
    """A question about a trial that has no answer, such as the best of a run without results."""


_LONGEST_WORD, _MOST_KNOWN = 200, 2_000
"""Comparing costs the product of the lengths; a longer word is not a misspelling."""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Returns ``"Did you mean 'x'?"`` for ``nearest(word, known)``, an empty text where there is none.

    Args:
        word: What the user wrote.
        known: What would have been accepted.
    """
    near = nearest(word, known)
    return f"Did you mean {near!r}?" if near else ""


def nearest(word: str, known: Sequence[str]) -> str:
    """Returns the nearest of ``known``, or the only one that begins so; an empty text where none is near.

    Args:
        word: What the user wrote.
        known: What would have been accepted.
    """
    if len(word) > _LONGEST_WORD:
        return ""
    folded = {name.casefold(): name for name in known[:_MOST_KNOWN]}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    if not near and len(word) > 1:
        begun = [name for name in folded if name.startswith(word.casefold())]
        near = begun if len(begun) == 1 else []
    return folded[near[0]] if near else ""


def unknown_keys(given: Iterable[object], known: Sequence[str], where: str) -> list[Problem]:
    """Returns a problem for each key that is not known.

    Args:
        given: The keys.
        known: Those that are.
        where: Path of the mapping.
    """
    return [
        Problem(f"{where}.{key}", "an unknown key", ", ".join(known), did_you_mean(str(key), known))
        for key in given
        if key not in known
    ]


def known_values(
    given: object, known: Sequence[str], where: str, allowed: str, problems: list[Problem]
) -> dict[str, Any]:
    """Returns what a mapping has under known keys, without None.

    Args:
        given: What was written.
        known: The keys.
        where: Its path.
        allowed: What is allowed in place of something that is not a mapping.
        problems: Takes what is wrong.
    """
    if not isinstance(given, Mapping):
        problems.append(Problem(where, show(given), allowed))
        return {}
    problems += unknown_keys(given, known, where)
    return {key: value for key, value in given.items() if key in known and value is not None}
