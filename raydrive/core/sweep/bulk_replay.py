"""Folding many entries at once, so that a long run resumes in seconds.

Folding a block gives the state that folding its entries one after the other gives, to the last bit. It does not keep
their order: all reports that an attempt makes within the block are folded where its first value stands. Nothing that a
fold reads can tell the difference:

- what is folded of an attempt reads its own trial's curve and numbers, and is before the attempt's first report or
  after its last one: ``Sweep.accepts`` takes a report of an open trial's current attempt only;
- of other trials a fold reads only whether their curves have begun, which is why it is the first value that counts;
- the clock is read where a driver takes charge, and a trial that continues one of an earlier run brings a curve: there
  a block is cut in two;
- the best value and the edge (``curves.py``) are folded at the end, in the order of the journal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from raydrive.core.config.lineage import Lineage
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.errors import NonsenseError
from raydrive.core.lazy_numpy import np
from raydrive.core.records import Decision, Fact, Started, Suggested
from raydrive.core.sweep.report_block import Block, Other, Piece
from raydrive.core.sweep.state import Best, State, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
_Steps = tuple[int, float, float]
"""``Trial.steps``."""
NONSENSE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""Errors of a fold that is given the report of a trial that does not exist, and the like."""


@dataclass(slots=True)
class _Taken:
    """Rows of a window that went into curves, and those of them that were their curve's best so far."""

    rows: list[Ints] = field(default_factory=list)
    tops: list[Ints] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Folds:
    """How a sweep folds what is not a report."""

    apply: Callable[[Fact, tuple[Decision, ...]], None]
    """An entry."""
    decide: Callable[[Decision, float], None]
    """A decision, at a time."""
    lineage: Lineage

    def stand_alone(self, fact: Fact | None) -> bool:
        """Whether the place of a fact among the reports matters."""
        return isinstance(fact, Started) or (isinstance(fact, Suggested) and fact.trial < len(self.lineage.continued))

    def fold(self, other: Other, block: Block) -> None:
        """Folds an entry, or the decisions of the report before."""
        if other.fact is not None:
            self.apply(other.fact, other.decisions)
        else:
            for decision in other.decisions:
                self.decide(decision, float(block.at[other.after - 1]))


def why_nonsense(what: str, error: BaseException) -> str:
    """Returns what could not be folded, and why."""
    return f"{what:.300} ({type(error).__name__}: {error})"


def fold_pieces(pieces: Iterable[Piece], state: State, curves: Curves, folds: Folds) -> None:
    """Folds entries and blocks of them into a sweep's state.

    Args:
        pieces: What a journal holds.
        state: The sweep's; changed.
        curves: The sweep's; changed.
        folds: How the sweep folds what is not a report.

    Raises:
        NonsenseError: If an entry makes no sense after those before it.
    """
    for piece in pieces:
        try:
            if isinstance(piece, Block):
                _fold_block(piece, state, curves, folds)
            else:
                folds.apply(*piece)
        except NONSENSE as error:
            what = f"{piece.entries} entries at once" if isinstance(piece, Block) else repr(piece[0])
            nonsense = NonsenseError(why_nonsense(what, error))
            nonsense.entries = piece.entries if isinstance(piece, Block) else 1
            raise nonsense from error


def _fold_block(block: Block, state: State, curves: Curves, folds: Folds) -> None:
    start = 0
    others: list[Other] = []
    for other in block.others:
        if folds.stand_alone(other.fact):
            _fold_window(block, start, other.after, others, state, curves, folds)
            start, others = other.after, []
        others.append(other)
    _fold_window(block, start, len(block.at), others, state, curves, folds)


def _fold_window(
    block: Block,
    start: int,
    end: int,
    others: Sequence[Other],
    state: State,
    curves: Curves,
    folds: Folds,
) -> None:
    """Folds the reports ``start`` to ``end`` and what is between them."""
    taken = _Taken()
    waiting = iter(others)
    other = next(waiting, None)
    for first, rows in _groups(block, start, end):
        while other is not None and other.after <= first:
            folds.fold(other, block)
            other = next(waiting, None)
        _fold_attempt(block, rows, state, curves, taken)
    while other is not None:
        folds.fold(other, block)
        other = next(waiting, None)
    if end > start:
        state.reports += end - start
        state.clock.last_at = max(state.clock.last_at, float(block.at[start:end].max()))
    if taken.rows:
        if curves.by_best:
            _fold_best(block, np.sort(np.concatenate(taken.rows)), state, curves.maximize)
        tops = np.sort(np.concatenate(taken.tops))
        curves.add_incumbents(block.trial[tops], block.interval[tops], block.value[tops])


def _groups(block: Block, start: int, end: int) -> Iterator[tuple[int, Ints]]:
    """Yields the reports of each attempt, with the row at which they are to be folded, in order of that row."""
    if start == end:
        return
    trial, attempt = block.trial[start:end], block.attempt[start:end]
    order = np.lexsort((attempt, trial))  # stable: rows of an attempt stay in order
    changes = (np.diff(trial[order]) != 0) | (np.diff(attempt[order]) != 0)
    bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), end - start]
    begins = block.interval == 1
    found = []
    for left, right in pairwise(bounds):
        rows = order[left:right] + start
        found.append((int(rows[int(begins[rows].argmax())]), rows))  # where the curve may begin, else the first
    found.sort(key=lambda pair: pair[0])
    yield from found


def _fold_attempt(block: Block, rows: Ints, state: State, curves: Curves, taken: _Taken) -> None:
    """Folds reports of one attempt, as ``Sweep`` folds each of them."""
    number, last = int(block.trial[rows[0]]), rows[-1]
    trial = state.trials[number]
    trial.seq, trial.heard_at = int(block.seq[last]), float(block.at[last])
    rows_with_value = rows[block.interval[rows] > 0]
    length = curves.length(number)
    if not len(rows_with_value):
        if not length:
            for row in rows:
                trial.logs(block.logged(int(row)))
        return
    trial.logged = ()
    _fold_times(trial, block.at[rows_with_value])
    next_rows = _next_rows(rows_with_value, block.interval[rows_with_value], length)
    if len(next_rows):
        trial.steps = _steps(block, next_rows, trial.steps, first=length == trial.start)
        tops = curves.extend(number, block.value[next_rows])
        taken.rows.append(next_rows)
        taken.tops.append(next_rows[tops])


def _steps(block: Block, rows: Ints, before: _Steps | None, *, first: bool) -> _Steps | None:
    """The steps of a curve, as ``Trial.took`` has them after each of its next rows."""
    if block.step is None or (before is None and not first):
        return None
    steps = block.step[rows]
    _, begin, last = (0, float(steps[0]), -math.inf) if first or before is None else before
    grow = not np.isnan(steps).any() and (first or steps[0] > last) and bool((np.diff(steps) > 0).all())
    return (int(block.interval[rows[-1]]), begin, float(steps[-1])) if grow else None


def _fold_times(trial: Trial, at: NDArray[np.float64]) -> None:
    """Measures the times between reports as ``Sweep`` does for each, to the same bit."""
    if trial.valued_at is not None:
        at = np.concatenate(([trial.valued_at], at))
    trial.valued_at = float(at[-1])
    if len(at) < 2:
        return
    with np.errstate(over="ignore", invalid="ignore"):  # as plain floats do
        gaps = np.where(at[1:] > at[:-1], at[1:] - at[:-1], 0.0)
        trial.gaps += len(gaps)
        # One after the other, unlike a sum of numpy's.
        trial.gaps_s = float(np.add.accumulate(np.concatenate(([trial.gaps_s], gaps)))[-1])
        trial.gaps_s2 = float(np.add.accumulate(np.concatenate(([trial.gaps_s2], gaps * gaps)))[-1])


def _next_rows(rows: Ints, intervals: Ints, length: int) -> Ints:
    """The rows that carry a curve's next interval: a relaunched attempt repeats some, and they are passed over."""
    skipped = length + 1 - int(intervals[0])
    if skipped >= 0 and bool((np.diff(intervals) == 1).all()):
        return rows[skipped:]
    chosen = []
    for index, interval in enumerate(intervals.tolist()):
        if interval == length + 1:
            chosen.append(index)
            length += 1
    return rows[chosen]


def _fold_best(block: Block, rows: Ints, state: State, maximize: bool) -> None:
    values = block.value[rows]
    scores = np.where(np.isfinite(values), values if maximize else -values, -np.inf)
    at = int(scores.argmax())  # the first that achieved it
    if scores[at] == -np.inf:
        return
    value, best = float(values[at]), state.best
    if best is None or (value > best.value if maximize else value < best.value):
        state.best = Best(int(block.trial[rows[at]]), value, int(block.interval[rows[at]]))
