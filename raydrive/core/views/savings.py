"""What early termination saved: how long the trials that a policy stopped would have trained on.

How a stopped trial would have gone on is unknown, so this is an estimate with a bound. It is made of times between
reports, for what a trial spends before its first one (imports, data) is not a pace. For a trial stopped after L
intervals:

    rest   = mean of N - L, for a length N > L from the Kaplan-Meier distribution of the lengths of all trials (one that
             was stopped is not a shorter than it is); 0 when no completed trial is longer
    pace   = w own + (1 - w) usual,  w = t / (t + s)
    saved  = rest * pace

``usual`` is the mean pace of the completed trials, none of them taken for more than 3 times their median, and t their
relative variance. (Of fewer than three completed trials it is no more than the mean of all trials.) ``own`` is the
trial's own pace and s the relative variance of it: the squared coefficient of variation over the number of times it was
measured. One report alone measures nothing (w = 0), ten even ones decide (w near 1): shrinkage, as in empirical Bayes.

A trial whose pace is mostly others' (w < 1/2) saves no more than the longest completed trial trained between its first
and last report, less what it did itself; and none saves more than the time limit of a trial leaves.

The bound is a 90 % interval of a log-normal total. It holds the errors of each trial's length and pace, those that
trials share, and 15 % for what times between reports do not tell, such as epochs that grow longer or other load.
``tests/runtime/test_saving_bound.py`` compares it with the truth.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raydrive.core.records import COMPLETED

if TYPE_CHECKING:
    from raydrive.core.sweep.state import Trial
    from raydrive.core.sweep.sweep import Sweep

Z_90 = 1.645
"""Half width of a 90 % interval of a normal distribution, in standard deviations."""
SHARED = 0.15
"""Relative deviation that all paces of a run share beside what was measured."""
SELECTED = 0.5
"""Trials that were stopped are no random sample: their mean may be off by this many deviations between trials."""
PRIOR_WEIGHT, PRIOR_DEVIATION = 1.0, 0.5
"""Number of trials that the belief counts as, that paces differ by this deviation of their logarithms."""
UNKNOWN_VARIATION = 0.5
"""Coefficient of variation of times between reports, where no trial has two of them."""
LENGTH_DEVIATION = 0.2
"""Relative deviation of lengths that one completed trial leaves open."""
FEW = 3
"""Where fewer trials have completed, the usual pace is no more than that of all trials."""
OUTLYING = 3.0
"""No pace counts as more than this many times the median: a laptop may have slept."""
LEAST_PACE_S, MOST_PACE_S = 1e-6, 1e9
NOT_COMPLETED = "no trial has completed"
NOT_TIMED = "no completed trial has logged the metric twice in one attempt"


@dataclass(frozen=True, slots=True)
class Span:
    """An estimate of seconds, with a bound."""

    seconds: float
    low_s: float
    high_s: float
    """The truth is between ``low_s`` and this in nine of ten cases."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What early termination saved, against the same trials trained as long as the completed ones."""

    stopped: int
    """Trials the policy stopped."""
    intervals: int | None
    """About this many intervals were not trained; None when nothing tells."""
    span: Span | None
    """Training time not spent; None when nothing tells."""
    share: float
    """Part of all intervals that was saved, 0 to 1."""
    why: str = ""
    """Why there is no figure, where there is none."""

    @property
    def seconds(self) -> float | None:
        """Seconds of training not spent, None when nothing tells."""
        return None if self.span is None else self.span.seconds


@dataclass(frozen=True, slots=True)
class _Rest:
    """What one stopped trial had before it."""

    intervals: float
    seconds: float
    variance: float
    """Relative, of its own errors."""
    borrowed: float
    """Part of its pace that is others', 0 to 1."""
    length_error: float
    """Relative deviation that trials of its length share."""
    most_s: float
    """What the time limit of a trial leaves; infinite without one."""


_NO_REST = _Rest(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Forecast:
    """How long the trials that a run's policy stopped would have gone on.

    Args:
        sweep: The run.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.why = ""
        """Why there is no figure; empty when there is one."""
        self._rests: dict[int, _Rest] = {}
        self._pace_error = 0.0
        stopped = [trial for trial in sweep.trials if trial.stop_by == "policy" and not trial.open]
        self.stopped = len(stopped)
        """Trials the policy stopped."""
        if stopped:
            self._foresee(sweep, stopped)

    def _foresee(self, sweep: Sweep, stopped: Sequence[Trial]) -> None:
        completed = [trial for trial in sweep.trials if trial.state == COMPLETED]
        if not completed:
            self.why = NOT_COMPLETED
            return
        others = [trial for trial in sweep.trials if trial.state != COMPLETED]
        length_of = sweep.curves.length
        lengths = _Lengths((length_of(one.number) for one in completed), (length_of(one.number) for one in others))
        paces = _Paces(completed, others)
        self._pace_error = paces.shared_error
        longest_s = max(trial.gaps_s for trial in completed)
        for trial in stopped:
            rest, deviation, count = lengths.beyond(length_of(trial.number))
            if not rest:
                self._rests[trial.number] = _NO_REST
                continue
            found = paces.of(trial)
            if found is None:
                self.why, found = NOT_TIMED, (0.0, 0.0, 0.0)
            pace_s, variance, weight = found
            limit_s = sweep.limits.trial_timeout_s
            most_s = math.inf if limit_s is None else max(0.0, limit_s - trial.trained_s * (trial.attempt == 1))
            seconds = min(rest * pace_s, most_s, math.inf if weight >= 0.5 else max(0.0, longest_s - trial.gaps_s))
            variance += paces.variation / max(1.0, rest) + (deviation / rest) ** 2
            shared = deviation / rest * math.sqrt(1.0 / count + SELECTED**2)
            self._rests[trial.number] = _Rest(rest, seconds, variance, 1.0 - weight, shared, most_s)

    @property
    def intervals(self) -> float | None:
        """Intervals that were not trained, about; None when nothing tells."""
        return self.intervals_of() if self.why != NOT_COMPLETED else None

    def intervals_of(self, numbers: Container[int] | None = None) -> float:
        """Returns how many intervals stopped trials would have trained on together; 0 where nothing tells.

        Args:
            numbers: Of these trials only; None = all.
        """
        return sum(rest.intervals for number, rest in self._rests.items() if numbers is None or number in numbers)

    def of(self, numbers: Container[int] | None = None) -> Span | None:
        """Returns for how long stopped trials would have trained on together, None when nothing tells.

        Args:
            numbers: Of these trials only; None = all.
        """
        if self.why:
            return None
        rests = [rest for number, rest in self._rests.items() if numbers is None or number in numbers]
        total = _sum(rest.seconds for rest in rests)
        if not total:
            return Span(0.0, 0.0, 0.0)
        own = _sum(rest.seconds * rest.seconds * rest.variance for rest in rests)
        median = self._pace_error * _sum(rest.seconds * rest.borrowed for rest in rests)
        length = _sum(rest.seconds * rest.length_error for rest in rests)
        deviation = math.sqrt(own + median**2 + length**2 + (SHARED * total) ** 2) / total
        factor = math.exp(Z_90 * min(deviation, 1.0))
        return Span(total, total / factor, min(total * factor, _sum(rest.most_s for rest in rests)))


class _Lengths:
    """How many intervals trials have, by the Kaplan-Meier estimate: one that was cut short is known to be no shorter.

    Args:
        completed: Of the trials that ended by themselves; at least one.
        others: Of those that were stopped, failed or still train.
    """

    def __init__(self, completed: Iterable[int], others: Iterable[int]) -> None:
        counts = Counter(completed)
        self._ends = sorted(counts)
        lengths = sorted([*counts.elements(), *others])
        left = 1.0
        self._masses: list[float] = []
        for end in self._ends:
            at_risk = len(lengths) - bisect_left(lengths, end)
            ending = left if end == self._ends[-1] else left * counts[end] / at_risk
            self._masses.append(ending)
            left -= ending
        self._counts = [counts[end] for end in self._ends]
        self._known: dict[int, tuple[float, float, int]] = {}

    def beyond(self, length: int) -> tuple[float, float, int]:
        """Returns mean and deviation of what longer trials have beyond a length, and how many of them completed."""
        found = self._known.get(length)
        if found is None:
            found = self._known[length] = self._beyond(length)
        return found

    def _beyond(self, length: int) -> tuple[float, float, int]:
        start = bisect_right(self._ends, length)
        ends, masses, count = self._ends[start:], self._masses[start:], sum(self._counts[start:])
        if not ends:
            return 0.0, 0.0, 0
        whole = _sum(masses)
        rest = _sum(mass * (end - length) for end, mass in zip(ends, masses, strict=True)) / whole
        spread = _sum(mass * (end - length - rest) ** 2 for end, mass in zip(ends, masses, strict=True)) / whole
        return rest, math.sqrt(spread + (LENGTH_DEVIATION * rest) ** 2 / count), count


class _Paces:
    """Seconds between two reports of a trial: what is usual in a run, and what of a trial's own is to be believed."""

    def __init__(self, completed: Sequence[Trial], others: Sequence[Trial]) -> None:
        paces = [_pace_s(trial) for trial in completed if trial.gaps]
        pool = [*paces, *(_pace_s(trial) for trial in others if trial.gaps > 1)] if len(paces) < FEW else paces
        self._usual_s = min(_usual_s(paces), _usual_s(pool)) if paces else None
        median = statistics.median(paces) if paces else 1.0
        spread = _sum(math.log(one / median) ** 2 for one in paces)
        degrees = PRIOR_WEIGHT + max(0, len(paces) - 1)
        self._variance = (PRIOR_WEIGHT * PRIOR_DEVIATION**2 + spread) / degrees
        self.shared_error = math.sqrt(self._variance * (1.0 / max(1, len(paces)) + SELECTED**2))
        squares = _sum(_variation(trial) * trial.gaps for trial in (*completed, *others))
        freedom = sum(max(0, trial.gaps - 1) for trial in (*completed, *others))
        self.variation = squares / freedom if freedom else UNKNOWN_VARIATION**2
        """Squared coefficient of variation of times between reports."""

    def of(self, trial: Trial) -> tuple[float, float, float] | None:
        """Returns a trial's pace in seconds, its relative variance and the weight of what it measured itself."""
        if not trial.gaps:
            return None if self._usual_s is None else (self._usual_s, self._variance, 0.0)
        own_s = _pace_s(trial)
        error = max(self.variation, _variation(trial)) / trial.gaps
        if self._usual_s is None:
            return own_s, error, 1.0
        weight = self._variance / (self._variance + error)
        return weight * own_s + (1.0 - weight) * self._usual_s, weight * error, weight


def _pace_s(trial: Trial) -> float:
    return min(max(LEAST_PACE_S, trial.gaps_s / trial.gaps), MOST_PACE_S)


def _usual_s(paces: Sequence[float]) -> float:
    """The mean of paces, with those that are far above the median counted as less."""
    most_s = OUTLYING * statistics.median(paces)
    return statistics.fmean(min(one, most_s) for one in paces)


def _variation(trial: Trial) -> float:
    """Squared coefficient of variation of a trial's times between reports; 0 with fewer than two."""
    mean_s = trial.gaps_s / trial.gaps if trial.gaps > 1 else 0.0
    square = mean_s * mean_s
    found = trial.gaps_s2 / trial.gaps / square - 1.0 if square else 0.0
    return found if 0.0 < found < math.inf else 0.0  # times may be any numbers


def saving(sweep: Sweep) -> Saving:
    """Returns what a run's policy saved so far."""
    forecast = Forecast(sweep)
    if not forecast.stopped:
        return Saving(0, 0, Span(0.0, 0.0, 0.0), 0.0)
    left = forecast.intervals
    if left is None:
        return Saving(forecast.stopped, None, None, 0.0, forecast.why)
    share = share_saved(left, intervals_trained(sweep))
    return Saving(forecast.stopped, round(left), forecast.of(), share, forecast.why)


def intervals_trained(sweep: Sweep) -> int:
    """Returns how many intervals the trials of a run trained, without those of earlier runs."""
    return sum(sweep.curves.length(trial.number) - trial.start for trial in sweep.trials)


def share_saved(saved: float, trained: float) -> float:
    """Returns which part of all intervals was saved, 0 to 1.

    Args:
        saved: Intervals that were not trained.
        trained: Intervals that were.
    """
    return saved / (saved + trained) if saved > 0 else 0.0


def _sum(numbers: Iterable[float]) -> float:
    """The exact sum; infinite where that is beyond a float."""
    try:
        return math.fsum(numbers)
    except OverflowError:
        return math.inf
