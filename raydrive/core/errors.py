"""Everything raydrive raises on purpose.

RaydriveError                 exit code 1
├── ConfigError               exit code 2: bad input; carries every problem found, not the first
├── StorageError              exit code 5: a file that cannot be read or written
│   ├── RunNotFoundError      exit code 2: no such run, or an ambiguous prefix
│   └── JournalError          the journal of a run cannot be written or read on
│       └── DamagedJournalError   it is damaged; says where, and how many entries can be read
│           └── NonsenseError         an entry makes no sense after those before it
├── ClusterError              exit code 5: Ray cannot be reached, or could never satisfy a request
├── StaleEpochError           a driver of the past spoke up; a newer one owns the run
└── TrialError                a question about a trial that has no answer (no best trial, no such file)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what the user gave us."""

    where: str
    """Path of the offending key (``search_space.lr.min_value``), or the name of the argument."""
    found: str
    """What stands there, as the user wrote it."""
    allowed: str
    """What may stand there."""
    fix: str = ""
    """What to do about it; empty when ``allowed`` already says it."""
    place: str = ""
    """``file:line:column`` when the input came from a file; filled in by whoever knows the file."""

    def __str__(self) -> str:
        head = f"{self.place}: {self.where}" if self.place else self.where
        text = f"{head}: found {self.found}; allowed: {self.allowed}"
        return f"{text}. {self.fix}" if self.fix else text


class RaydriveError(Exception):
    """Base of every error raised by raydrive; shown to a command-line user without a traceback."""

    exit_code = 1


class ConfigError(RaydriveError, ValueError):
    """The configuration cannot be used; ``problems`` lists everything wrong with it."""

    exit_code = 2

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StorageError(RaydriveError):
    """A file or folder of a run cannot be read or written."""

    exit_code = 5


class RunNotFoundError(StorageError):
    """No run has the given name, or several do."""

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


class ClusterError(RaydriveError):
    """Ray cannot be reached, or no node of the cluster could ever satisfy a request."""

    exit_code = 5


class StaleEpochError(RaydriveError):
    """A driver of the past spoke up: a newer one has taken over the run."""


class TrialError(RaydriveError):
    """A question about a trial that has no answer, such as the best of a run without results."""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Returns ``"Did you mean 'x'?"`` for the nearest of ``known``, or an empty string.

    Args:
        word: What the user wrote.
        known: What would have been accepted.
    """
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return f"Did you mean {folded[near[0]]!r}?" if near else ""
