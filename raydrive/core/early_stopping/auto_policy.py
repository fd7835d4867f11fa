"""A policy without settings: stops trials whose end, by those that have finished, can hardly be the best.

What is compared, at interval k, for a trial that logs it: the n trials that came to their end by themselves, have more
than k intervals, and at least half as many as the longest of them (the last ``MOST`` of them). With

    y_j   where trial j ended (its objective value)                     0 = the best known value, 1 = their median
    x_j   its best over intervals 1..k                                  0 = the best of them, 1 = their median
    g_j   what it gained in the second half of these, in units of x

all larger is worse, and beyond 1 counted as 1 + log, ends are predicted by a regression,

    y = a + b x + c g + s e                                                                             (1)

fitted by least squares with a weak prior on b and c (one observation's worth), e being of Student's t distribution with
n - 3 degrees of freedom. With P(x, g) the probability that an end is better than the best known one, the trial stops
where

    P(x, g) < SHARE * mean_j P(x_j, g_j)                                                                (2)

its chance is less than a twentieth of an average trial's. So if (1) is right, at most a twentieth of all improvements
is among the trials that are stopped, however many these are: where early values tell nothing about ends, all chances
are alike and nothing is stopped; where few trials have finished, the tails are heavy, and little is.

That selection by earlier values leaves (1) as it is, and that those stopped later are missing makes ends look better
than they are, is why it may learn from what it has let live.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.verdict import Verdict, auto_why
from raydrive.core.lazy_numpy import np

if TYPE_CHECKING:
    from raydrive.core.arrays import Array

SHARE = 0.05
"""Of an average trial's chance to become the best, below which a trial stops."""
FEWEST = 5
"""Finished trials without which nothing is stopped."""
MOST = 200
"""Finished trials compared with, the latest ones; more would not change what they tell."""
SIXTEENTH = 16
"""No trial is looked at before such a part of the longest finished training."""
GROWTH = 1.15
"""From one interval at which trials are looked at to the next one: between them little is news."""
_FARTHEST = 10**9
_LEAST = 0.01
"""Standard deviation of ends around their prediction, at least, in units of y."""
_MOST_GAIN = 3.0


@dataclass(frozen=True, slots=True)
class AutoPolicy:
    """Stops a trial that, by those that have finished, has next to no chance to become the best; has no settings.

    Nothing is stopped before 5 trials have come to their end by themselves. Trials are looked at from a sixteenth of
    the longest of these trainings on, at intervals that grow by 15 %. The formulas are at the head of the module and
    in docs/policies.md.
    """

    TYPE: ClassVar[str] = "auto"

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        """Compares the trial's chance to become the best with that of an average one; see ``Policy.judge``."""
        lengths = {number: curves.length(number) for number in curves.finished}
        longest = max(lengths.values(), default=0)
        if not _looked_at(interval, longest):
            return None
        others = [n for n, length in lengths.items() if length > interval and 2 * length >= longest][-MOST:]
        if len(others) < FEWEST:
            return Verdict(
                False, f"auto: at interval {interval}, {len(others)} of at least {FEWEST} trials have finished"
            )
        best, holder = _best_known(curves)
        if best is None or holder == trial:
            has = "it has the best value of all" if holder == trial else "no trial has a finite value"
            return Verdict(False, f"auto: {has} at interval {interval}")
        return _verdict(trial, interval, curves, others, best)

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "auto"}``."""
        return {"type": self.TYPE}


def _looked_at(interval: int, longest: int) -> bool:
    """Whether an interval is one of those that begin at a sixteenth of the longest training and grow by 15 %."""
    at = max(1, -(-longest // SIXTEENTH))
    while at < interval < longest:
        at = max(at + 1, round(at * GROWTH))
    return at == interval < longest


def _best_known(curves: Curves) -> tuple[float | None, int | None]:
    """The best end known, and whose it is. A best value stays; any other objective value may get worse again."""
    if curves.by_best:
        found = curves.incumbent(_FARTHEST)
        return (None, None) if found is None else found
    ends = [(end, number) for number in curves.finished if (end := curves.overall(number)) is not None]
    return max(ends, key=lambda one: one[0] if curves.maximize else -one[0], default=(None, None))


def _verdict(trial: int, k: int, curves: Curves, others: Sequence[int], best: float) -> Verdict:
    sign, everyone = (-1.0 if curves.maximize else 1.0), (*others, trial)
    bests = [curves.best_until(number, k) for number in everyone]
    own = bests[-1]
    if own is None:
        stop = None not in bests[:-1]
        had = "all" if stop else "not all"
        return Verdict(stop, f"auto: no finite value up to interval {k}; {had} {len(others)} finished trials had one")
    now = _losses(bests, sign)
    then = _losses([curves.best_until(number, max(1, k // 2)) for number in everyone], sign, float(now.max()))
    ends = _losses([curves.overall(number) for number in others], sign, sign * best)
    unit, unit_y = float(np.median(now[:-1]) - now.min()), float(np.median(ends) - sign * best)
    if not (math.isfinite(unit) and math.isfinite(unit_y) and unit > 0.0 and unit_y > 0.0):
        return Verdict(False, f"auto: {len(others)} finished trials do not differ at interval {k}")
    x = _softened((now - now.min()) / unit)
    gain = np.clip((then - now) / unit, 0.0, _MOST_GAIN)
    y = _softened((ends - sign * best) / unit_y)
    chances, mean, deviation = _chances(np.column_stack([x, gain]), y)
    usual = math.fsum(chances[:-1]) / len(others)
    stop = chances[-1] < SHARE * usual
    end, above, below = (best + sign * unit_y * _hardened(mean + d) for d in (0.0, deviation, -deviation))
    odds = (chances[-1], usual, SHARE)
    return Verdict(stop, partial(auto_why, own, k, best, len(others), odds, (end, abs(above - below) / 2.0), stop))


def _losses(values: Sequence[float | None], sign: float, worst: float | None = None) -> Array:
    """Returns values so that smaller is better; those that are missing count as the worst of the others."""
    known = [sign * value for value in values if value is not None]
    bad = max([*known, *([] if worst is None else [worst])])
    return np.array([bad if value is None else sign * value for value in values])


def _chances(features: Array, y: Array) -> tuple[list[float], float, float]:
    """Fits (1) and returns the chance of y below 0 of each trial, and mean and deviation of the last one's end.

    Args:
        features: Of the finished trials and, in the last row, of the trial that is judged; shape ``(n + 1, 2)``.
        y: Ends of the finished ones, shape ``(n,)``.
    """
    n, p = len(y), features.shape[1]
    spread = features[:n].std(axis=0)
    f = (features - features[:n].mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    inverse = np.linalg.inv(f[:n].T @ f[:n] + np.eye(p))
    mean = y.mean() + f @ (inverse @ (f[:n].T @ (y - y.mean())))
    left = y - mean[:n]
    freedom = n - 1 - p
    deviation = np.sqrt(
        max(float(left @ left) / freedom, _LEAST**2) * (1.0 + 1.0 / n + np.einsum("ij,jk,ik->i", f, inverse, f))
    )
    chances = [_below(-m / d, freedom) for m, d in zip(mean.tolist(), deviation.tolist(), strict=True)]
    return chances, float(mean[-1]), float(deviation[-1])


def _below(t: float, freedom: int) -> float:
    """Student's distribution at t, by Wallace's normal approximation (Ann. Math. Statist. 30, 1959, p. 1124)."""
    z = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return 0.5 * math.erfc(-math.copysign(z, t) / math.sqrt(2.0))


def _softened(z: Array) -> Array:
    """Returns z up to 1, the median; 1 + log z beyond: how bad a bad trial is tells little."""
    return np.where(z > 1.0, 1.0 + np.log(np.maximum(z, 1.0)), z)


def _hardened(z: float) -> float:
    """The inverse of ``_softened``."""
    return z if z <= 1.0 else math.exp(min(z - 1.0, 50.0))
