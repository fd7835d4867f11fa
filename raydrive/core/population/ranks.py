"""The rank of a member among its population after a number of intervals.

Members do not reach an interval at the same time, and values mostly grow with training: two of them are compared at the
newest interval that both have, up to the one in question. Of each other member that gives the *gap*, how much better
its value is than the member's own was there; the member's own gap is 0, and ranks are those of the gaps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from raydrive.core.early_stopping.curves import Curves


class Standing(NamedTuple):
    """Where a member stands."""

    interval: int
    value: float
    """Its value there."""
    rank: int
    """1 for the best."""
    compared: int
    """Members compared, itself included."""
    worst: int
    """Number of the worst of them, and of the best."""
    better: tuple[int, ...]
    """Those of the best that are better than it is, best first."""

    @property
    def is_worst(self) -> bool:
        """Whether it is one of the worst."""
        return self.rank > self.compared - self.worst


def standing(
    trial: int, interval: int, others: Iterable[int], curves: Curves, *, every: int, quantile: float
) -> Standing:
    """Returns where a member stands.

    Values that are no finite number are the worst there can be. Of equal members the one that is judged is the last.

    Args:
        trial: The member.
        interval: At least 1; the member has this many.
        others: The trials to compare with.
        curves: The run's.
        every: Members that are this many intervals behind, or more, are not compared.
        quantile: Share of the members that is the worst, and the best, above 0 and 0.5 at most.
    """
    gaps = {one: _gap(trial, one, interval, curves) for one in others if curves.length(one) > max(0, interval - every)}
    order = sorted(gaps, key=lambda one: (-gaps[one], -_score(_at(one, interval, curves), curves.maximize), one))
    # As many as in Ray Tune, so that a population of two or three has a worst and a best one, too.
    compared = len(order) + 1
    worst = min(math.ceil(compared * quantile), compared // 2)
    rank = 1 + sum(gap >= 0.0 for gap in gaps.values())
    better = tuple(one for one in order[:worst] if gaps[one] > 0.0)
    return Standing(interval, _at(trial, interval, curves), rank, compared, worst, better)


def _gap(trial: int, other: int, interval: int, curves: Curves) -> float:
    common = min(interval, curves.length(other))
    theirs, own = (_score(_at(one, common, curves), curves.maximize) for one in (other, trial))
    if not math.isfinite(_at(trial, interval, curves)):
        own = -math.inf  # whatever it was before
    return 0.0 if theirs == own else theirs - own


def _at(trial: int, interval: int, curves: Curves) -> float:
    values = curves.values(trial)
    return float(values[min(interval, len(values)) - 1])


def _score(value: float, maximize: bool) -> float:
    return (value if maximize else -value) if math.isfinite(value) else -math.inf
