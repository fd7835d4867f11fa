"""Many entries of a journal at once, the reports among them as columns; ``bulk_replay.py`` folds them.

Loads no numpy, as a reader of a journal's lines needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from raydrive.core.records import Decision, Entry, Fact

Array = Any
"""A numpy array."""


@dataclass(frozen=True, slots=True)
class Other:
    """Part of a block that is not in its columns."""

    after: int
    """How many of the block's reports stand before it."""
    fact: Fact | None
    """None: the decisions are those of the report just before."""
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Entries that follow each other in a journal, n of them reports."""

    at: Array
    """Of the reports, in the order of the journal, as all that follow: shape ``(n,)``, floats."""
    trial: Array
    attempt: Array
    seq: Array
    interval: Array
    value: Array
    """The primary metric; NaN where there is none."""
    logged: Callable[[int], Sequence[str]]
    """Names of the other metrics of the i-th report."""
    others: Sequence[Other] = ()
    """Everything that is not a report, and the decisions that came of reports, in order."""
    entries: int = 0
    """How many entries the block stands for."""
    step: Array | None = None
    """Of the reports, floats; NaN where there is none. None: no report has one."""


Piece = Entry | Block
"""What a journal's reader gives: one entry, or many."""
