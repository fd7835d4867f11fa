"""How the members of a population stand when one of them has logged so many intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from raydrive.core.early_stopping.curves import Curves


class Standing(NamedTuple):
    """Where a member stands among all."""

    interval: int
    value: float
    """Its newest value."""
    rank: int
    """1 for the best."""
    count: int
    """Members compared."""
    worst: int
    """So many of them are the worst, and so many the best."""
    better: tuple[int, ...]
    """Those of the best whose value is finite and better than its own, best first."""

    @property
    def is_worst(self) -> bool:
        """Whether it is one of the worst."""
        return self.rank > self.count - self.worst


def standing(trial: int, interval: int, members: Iterable[int], curves: Curves, quantile: float) -> Standing:
    """Returns where a member stands by its newest value, and those of the others, at or before an interval.

    Of equal ones the member itself comes last but is never worse than they are; values that are no finite number are
    the worst there can be.

    Args:
        trial: The member.
        interval: At least 1; the member has so many.
        members: All trials to compare with, the member included or not; those without a value are left out.
        curves: The run's.
        quantile: Share of the members that is the worst, and the best, above 0 and 0.5 at most.
    """
    values = {one: _newest(one, interval, curves) for one in {*members, trial} if curves.length(one)}
    own, scores = values[trial], _scores(values, curves.maximize)
    order = sorted(values, key=lambda one: (-scores[one], one == trial, one))
    # As many as Ray Tune takes, so that a population of two or three has a worst and a best one, too.
    worst = min(math.ceil(len(order) * quantile), len(order) // 2)
    better = [one for one in order[:worst] if scores[one] > max(scores[trial], -math.inf)]
    return Standing(interval, own, order.index(trial) + 1, len(order), worst, tuple(better))


def _newest(trial: int, interval: int, curves: Curves) -> float:
    values = curves.values(trial)
    return float(values[min(interval, len(values)) - 1])


def _scores(values: Mapping[int, float], maximize: bool) -> dict[int, float]:
    return {
        one: (value if maximize else -value) if math.isfinite(value) else -math.inf for one, value in values.items()
    }
