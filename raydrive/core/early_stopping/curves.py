"""The learning curves of a run, kept so that a policy's question costs the same for 100 trials and for 10,000.

Notation, used in this file and in ``policies.py``:

    k          interval: the k-th time a trial logged the primary metric, from 1
    score      the metric with its sign turned so that larger is better: ``value`` when maximising, ``-value`` when
               minimising; ``-inf`` for NaN and for both infinities
    top(k)     largest score of a trial over its intervals 1..k
    mean(k)    mean score of a trial over its intervals 1..k
    edge(k)    largest score over the intervals 1..k of all trials
    column(k)  the sorted top(k), or mean(k), of every trial that has k intervals or more

Everything is about intervals 1..k, so a young trial is never measured against an old one's later values.

**Values that are no finite number** (NaN, inf, -inf, whichever way the metric is to go) are never a best, and count as
the worst there can be in every comparison. A mean over intervals with such a value is the worst possible too. A trial
with nothing else so far is worse than any that has a finite value, and equal to others like it.

Cost per report: O(log k) for the incumbents, and one binary search and one ``memmove`` in each column kept at its
interval; columns are kept where a policy asked for them, and nowhere else. Memory: 8 bytes a report for the values,
0.5 for marks, 8 for each column the report is in, and about 300 a trial.

Given what is asked of trials that have ended (``PolicyNeeds``), curves drop the values of a trial that is closed.
Columns that will be asked for are made before that, so that every answer stays the same.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from raydrive.core.early_stopping.comparisons import Rank, RunningMedian
from raydrive.core.early_stopping.incumbents import Incumbents
from raydrive.core.early_stopping.retention import ClosedCurve, PolicyNeeds
from raydrive.core.early_stopping.trial_curve import MARK, WORST, Curve, mean_until, top_until
from raydrive.core.early_stopping.verdict import trial_name
from raydrive.core.lazy_numpy import np
from raydrive.core.numbers import as_float
from raydrive.core.objective import BEST, Found, Objective, Results

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Curves:
    """All trials' values of the primary metric, by trial and interval.

    Trial numbers are any integers; negative ones are free for trials of earlier runs.

    Args:
        maximize: Whether larger values are better.
        needs: What is asked of trials that have ended; None = everything, so that their values are kept.
        objective: What of a curve is its trial's result; None = the best point.
    """

    __slots__ = (
        *("_bests", "_complete_to", "_curves", "_incumbents", "_means", "_names"),
        *("_needs", "_over", "_results", "_unsorted", "finished", "maximize"),
    )  # fmt: skip

    def __init__(self, maximize: bool, needs: PolicyNeeds | None = None, objective: Objective | None = None) -> None:
        self.maximize = maximize
        """True when larger values are better."""
        self.finished: list[int] = []
        """Trials that came to their end by themselves, in this order."""
        self._curves: dict[int, Curve] = {}
        self._needs = needs
        self._over: dict[int, ClosedCurve] = {}
        """Trials whose values were given up; none of them is among ``_curves``."""
        self._complete_to = 0
        """Length of the longest of them: all columns that are needed up to there exist."""
        self._incumbents = Incumbents()
        # Columns of tops and of means by interval, ascending scores.
        self._bests: dict[int, array[float]] = {}
        self._means: dict[int, array[float]] = {}
        self._unsorted: set[int] = set()
        """Intervals whose columns ``extend`` has appended to."""
        self._names: dict[int, str] = {}
        self._results = Results(objective, self._found) if objective is not None and objective.kind != BEST else None

    def begin(self, trial: int, values: Sequence[float], name: str = "") -> None:
        """Starts the curve of a trial with what was logged in an earlier run.

        The values take part in every comparison of policies. ``best`` and ``best_interval`` leave them out.

        Args:
            trial: A number that has no curve yet.
            values: From interval 1 on.
            name: What to call the trial in reasons; empty = by its number.
        """
        for interval, value in enumerate(values, 1):
            self.add(trial, interval, value)
        if values:
            self._curves[trial].start = len(values)
        if name:
            self._names[trial] = name

    def name(self, trial: int) -> str:
        """Returns what to call a trial in reasons: ``trial 3``."""
        return self._names.get(trial) or trial_name(trial)

    def add(self, trial: int, interval: int, value: float) -> bool:
        """Appends a value to a trial's curve.

        Args:
            trial: Number of the trial; a new one starts a curve.
            interval: From 1. Whatever is not the trial's next interval is ignored: a relaunched trial repeats some.
            value: The metric as logged; need not be finite.

        Returns:
            Whether the value was taken.
        """
        curve = self._curves.get(trial)
        if curve is None:
            if interval != 1 or trial in self._over:
                return False
            curve = self._curves[trial] = Curve()
        values = curve.values
        if interval != len(values) + 1:
            return False
        try:
            values.append(value)
        except OverflowError:
            value = as_float(value)
            values.append(value)
        score = self._score(value)
        curve.total += score
        if score > curve.top:
            curve.top = score
            curve.top_at = interval
            self._incumbents.add(interval, score, value, trial)
        if not interval % MARK:
            if curve.marks is None:
                curve.marks = array("d")
            curve.marks.extend((curve.top, curve.total))
        if interval in self._unsorted:
            self._sort(interval)
        if interval in self._bests:
            insort(self._bests[interval], curve.top)
        if interval in self._means:
            insort(self._means[interval], mean_until(curve, interval, self._score))
        if self._results is not None:
            self._results.touch(trial)
        return True

    def close(self, trial: int) -> None:
        """Closes a trial: its curve gives up the values, or else the room that was kept for growing."""
        curve = self._curves.get(trial)
        if curve is None:
            return
        if self._needs is None:
            curve.values = curve.values[:]
            curve.marks = curve.marks[:] if curve.marks is not None else None
            return
        length = len(curve.values)
        if length > self._complete_to:
            self._complete_columns(self._needs, length)
        top = curve.values[curve.top_at - 1] if curve.top_at else None
        best, best_at = (self.best(trial), self.best_interval(trial)) if curve.start else (top, curve.top_at or None)
        over = ClosedCurve(length, curve.values[-1], top, curve.top_at, best, best_at)
        if self._results is not None:
            over.found, over.overall = self._found(trial), self.overall(trial)
            self._results.forget(trial)
        self._over[trial] = over
        del self._curves[trial]

    @property
    def dropped(self) -> bool:
        """Whether values of trials that have ended were given up."""
        return bool(self._over)

    def shed(self, needs: PolicyNeeds | None, closed: Iterable[int]) -> None:
        """Keeps of trials that are closed only what is asked of them, from now on too.

        Args:
            needs: What is asked of them; None = everything.
            closed: Trials that are closed already and whose values are all here.
        """
        self._needs = needs
        for trial in closed if needs is not None else ():
            self.close(trial)

    def _complete_columns(self, needs: PolicyNeeds, length: int) -> None:
        """Makes the columns that will be asked for at intervals of a trial whose values go."""
        for k in needs.between(self._complete_to, length):
            if needs.means and k not in self._means:
                self._means[k] = self._column(k, means=True)
            if needs.bests and k not in self._bests:
                self._bests[k] = self._column(k, means=False)
        self._complete_to = length

    def extend(self, trial: int, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Appends a trial's next values at once, as ``add`` does one by one, without ``add_incumbents``.

        Args:
            trial: Number of the trial; a new one starts a curve.
            values: The values of its next intervals, shape ``(n,)``, n at least 1.

        Returns:
            Which of them were better than all of the trial's before, as indices.
        """
        curve = self._curves.get(trial)
        if curve is None:
            curve = self._curves[trial] = Curve()
        done, n = len(curve.values), len(values)
        curve.values.frombytes(values.tobytes())
        scores = np.where(np.isfinite(values), values if self.maximize else -values, WORST)
        with np.errstate(over="ignore", invalid="ignore"):  # as plain floats do
            totals = np.add.accumulate(np.concatenate(([curve.total], scores)))  # left to right, unlike a sum
        best = np.maximum.accumulate(np.concatenate(([curve.top], scores)))
        fresh = np.flatnonzero(scores > best[:-1])
        if done + n >= (done // MARK + 1) * MARK:
            if curve.marks is None:
                curve.marks = array("d")
            for interval in range((done // MARK + 1) * MARK, done + n + 1, MARK):
                before = int(np.searchsorted(fresh, interval - done))  # this many new tops until this interval
                top = float(scores[fresh[before - 1]]) if before else curve.top
                curve.marks.extend((top, float(totals[interval - done])))
        curve.total = float(totals[-1])
        if len(fresh):
            curve.top = float(scores[fresh[-1]])
            curve.top_at = done + int(fresh[-1]) + 1
        self._enter(done, best[1:], totals[1:])
        if self._results is not None:
            self._results.touch(trial)
        return fresh

    def _enter(self, done: int, tops: NDArray[np.float64], totals: NDArray[np.float64]) -> None:
        """Appends what a trial has at the intervals after ``done`` to the columns that are kept; sorted when asked."""
        if self._means:
            means = np.minimum(totals / np.arange(done + 1, done + 1 + len(totals)), tops)
            self._append(self._means, done, means)
        if self._bests:
            self._append(self._bests, done, tops)

    def _append(self, columns: dict[int, array[float]], done: int, entries: NDArray[np.float64]) -> None:
        for k, entry in enumerate(entries.tolist(), done + 1):
            column = columns.get(k)
            if column is not None:
                column.append(entry)
                self._unsorted.add(k)

    def _sort(self, k: int) -> None:
        self._unsorted.remove(k)
        for columns in (self._means, self._bests):
            if columns.get(k):
                np.frombuffer(columns[k]).sort()

    def add_incumbents(
        self, trials: NDArray[np.int64], intervals: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        """Puts finite values that ``extend`` took on the edge, in the order they were logged; all ``(n,)``."""
        self._incumbents.add_all(trials, intervals, values, values if self.maximize else -values)

    @property
    def trials(self) -> Collection[int]:
        """Trials with at least one value, in the order of their first ones; before them those without values left."""
        return (*self._over, *self._curves) if self._over else self._curves.keys()

    def length(self, trial: int) -> int:
        """Returns how many intervals a trial has; 0 for one that never logged the metric."""
        curve = self._curves.get(trial)
        if curve is not None:
            return len(curve.values)
        over = self._over.get(trial)
        return over.length if over is not None else 0

    def values_dropped(self, trial: int) -> bool:
        """Returns whether a trial has ended and its values are in the journal only."""
        return trial in self._over

    def values(self, trial: int) -> Sequence[float]:
        """Returns a trial's values as logged, interval 1 first.

        It is the live ``array('d')``, not a copy: it grows with the trial, and must not be changed.

        Raises:
            LookupError: If they were given up.
        """
        curve = self._curves.get(trial)
        if curve is None and trial in self._over:
            raise self._gone(trial)
        return curve.values if curve is not None else ()

    def last(self, trial: int) -> float | None:
        """Returns a trial's latest value, None without one."""
        if trial in self._over:
            return self._over[trial].last
        return self._curves[trial].values[-1] if trial in self._curves else None

    def best(self, trial: int) -> float | None:
        """Returns the best value a trial has logged in this run so far, None without a finite one."""
        if trial in self._over:
            return self._over[trial].best
        interval = self.best_interval(trial)
        return self._curves[trial].values[interval - 1] if interval is not None else None

    def best_interval(self, trial: int) -> int | None:
        """Returns the interval at which a trial first had its ``best``, None without one."""
        curve = self._curves.get(trial)
        if curve is None:
            return self._over[trial].best_at if trial in self._over else None
        if not curve.start:
            return curve.top_at or None
        own = [self._score(value) for value in curve.values[curve.start :]]
        top = max(own, default=WORST)
        return curve.start + own.index(top) + 1 if top > WORST else None

    def objective(self, trial: int) -> float | None:
        """Returns the objective value of what a trial has logged in this run so far, None without a finite one."""
        return self._found(trial)[0]

    def objective_interval(self, trial: int) -> int | None:
        """Returns the interval that a trial's ``objective`` belongs to, None without one."""
        return self._found(trial)[1]

    def _found(self, trial: int) -> Found:
        if self._results is None:
            return self.best(trial), self.best_interval(trial)
        if trial in self._over:
            return self._over[trial].found
        curve = self._curves.get(trial)
        return self._results.of(trial, curve.values, curve.start) if curve is not None else (None, None)

    def overall(self, trial: int) -> float | None:
        """Returns a trial's objective value, what it logged in an earlier run included; None without a finite one."""
        if self._results is None:
            return self.top(trial)
        if trial in self._over:
            return self._over[trial].overall
        curve = self._curves.get(trial)
        if curve is None or not curve.start:
            return self.objective(trial)
        return self._results.objective.find(curve.values)[0]

    @property
    def by_best(self) -> bool:
        """Whether the objective value is the best point, whose record is kept as values arrive."""
        return self._results is None

    def leader(self) -> tuple[int, float, int] | None:
        """Returns the trial of this run with the best objective value, that value and its interval, None without one.

        For an objective other than the best point.
        """
        return None if self._results is None else self._results.leader()

    def top(self, trial: int) -> float | None:
        """Returns a trial's best value, those logged in an earlier run included; None without a finite one."""
        if trial in self._over:
            return self._over[trial].top
        curve = self._curves.get(trial)
        return curve.values[curve.top_at - 1] if curve is not None and curve.top_at else None

    def best_until(self, trial: int, k: int) -> float | None:
        """Returns a trial's best value over its intervals 1..k (as far as it has them), None without a finite one.

        Raises:
            LookupError: If its best came later and its values were given up.
        """
        curve = self._curves.get(trial)
        if curve is None:
            over = self._over.get(trial)
            if over is not None and k < over.top_at:
                raise self._gone(trial)
            return over.top if over is not None else None
        if k >= curve.top_at:
            return curve.values[curve.top_at - 1] if curve.top_at else None
        top = top_until(curve, k, self._score)
        if top == WORST:
            return None
        return top if self.maximize else -top

    def incumbent(self, k: int) -> tuple[float, int] | None:
        """Returns the best value over the intervals 1..k of all trials, and the trial that had it first.

        Of equal values the one that was added first wins. None when there is no finite value in those intervals.
        """
        return self._incumbents.at(k)

    def median_of_means(self, k: int) -> RunningMedian | None:
        """Returns the median, over the trials with k intervals or more, of the mean of their values 1..k.

        None when no trial has k intervals.

        Raises:
            LookupError: If the policy did not say that it asks for this, and values were given up.
        """
        column = self._means.get(k)
        if column is None:
            column = self._means[k] = self._asked_column(k, means=True)
        if k in self._unsorted:
            self._sort(k)
        n = len(column)
        if not n:
            return None
        median = better = column[n // 2]
        if not n % 2:
            median = 0.5 * column[n // 2 - 1] + 0.5 * better  # halves first: the sum could overflow
        if not self.maximize:
            median, better = -median, -better
        return RunningMedian(median + 0.0, n, better + 0.0)  # never -0.0: which of equal zeros it is, is chance

    def rank(self, trial: int, k: int) -> Rank:
        """Returns where a trial's best over intervals 1..k is among all trials with k intervals or more.

        Raises:
            ValueError: If the trial has fewer than k intervals.
            LookupError: If its values were given up, or the policy did not say that it asks for this.
        """
        curve = self._curves.get(trial)
        if curve is None or len(curve.values) < k:
            if trial in self._over:
                raise self._gone(trial)
            raise ValueError(f"trial {trial} has {self.length(trial)} intervals, asked for its standing at {k}")
        column = self._bests.get(k)
        if column is None:
            column = self._bests[k] = self._asked_column(k, means=False)
        if k in self._unsorted:
            self._sort(k)
        top = top_until(curve, k, self._score)
        worse = bisect_left(column, top)
        return Rank(len(column), worse, bisect_right(column, top, worse) - worse)

    def top_of(self, k: int, place: int) -> float | None:
        """Returns the best over 1..k of the trial at a place, from 1; None: not finite. To be asked after ``rank``."""
        score = self._bests[k][-place]
        return None if score == WORST else score if self.maximize else -score

    def _score(self, value: float) -> float:
        if not math.isfinite(value):
            return WORST
        return value if self.maximize else -value

    def _gone(self, trial: int) -> LookupError:
        return LookupError(f"{self.name(trial)} has ended and its values are only in the journal: see PolicyNeeds")

    def _asked_column(self, k: int, means: bool) -> array[float]:
        if k <= self._complete_to:
            raise LookupError(f"a policy asks for interval {k}, which its needs() does not name: {self._needs}")
        return self._column(k, means)

    def _column(self, k: int, means: bool) -> array[float]:
        """Sorts what the trials have at interval k: once, when first asked; ``add`` keeps it up after that."""
        until, score = (mean_until if means else top_until), self._score
        return array("d", sorted(until(curve, k, score) for curve in self._curves.values() if len(curve.values) >= k))
