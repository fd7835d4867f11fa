"""Progress of a run towards the rules that end it: folded from its facts, and evaluated by pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from raydrive.core.finish.budgets import HOUR_S, Amounts, Line
from raydrive.core.finish.rules import NoImprovement

GAINS = 5
"""Bounds in a row that must be small: a model may be too certain for a while."""


@dataclass(slots=True)
class Progress:
    """What the rules of a run are judged by; changed by its ``Sweep`` alone."""

    hours: dict[str, float] = field(default_factory=dict)
    """Amounts times hours of attempts that have ended, by the amount's name."""
    trained_s: float = 0.0
    """Seconds of training of attempts that have ended."""
    reference: float | None = None
    """Value of the last improvement: what the next one is measured against. None until a trial has ended with one."""
    since: int = 0
    """Trials with a value that have ended after it."""
    gains: tuple[float, ...] = ()
    """The latest bounds of what any further configuration could gain, in units of the metric, at most ``GAINS``."""
    gain_at: int = 0
    """Number of trials when the last of them was estimated."""

    @property
    def gain(self) -> float | None:
        """The largest of the last ``GAINS`` bounds; None where there are fewer."""
        return max(self.gains) if len(self.gains) == GAINS else None

    def estimate(self, gain: float, trials: int) -> None:
        """A model has bounded what can be gained, after this many trials."""
        self.gains, self.gain_at = (*self.gains, gain)[-GAINS:], trials

    def train(self, seconds: float, amounts: Amounts) -> None:
        """An attempt has ended that trained for this long."""
        self.trained_s += seconds
        for name, amount in amounts.items():
            if amount:
                self.hours[name] = self.hours.get(name, 0.0) + amount * seconds / HOUR_S

    def close(self, value: float | None, rule: NoImprovement | None, maximize: bool) -> None:
        """A trial has ended.

        Args:
            value: Its objective value; None = it has none, and does not count.
            rule: The run's.
            maximize: Whether larger values are better.
        """
        if value is None or not math.isfinite(value):
            return
        if improves(value, self.reference, 0.0 if rule is None else rule.tolerance, maximize):
            self.reference, self.since = value, 0
        else:
            self.since += 1

    def with_running(self, running_s: Iterable[float], amounts: Amounts) -> dict[str, float]:
        """Returns ``hours`` with those of attempts under way.

        Args:
            running_s: Seconds that each of them has trained.
            amounts: What one of them reserves.
        """
        total = sum(running_s) / HOUR_S
        return {name: self.hours.get(name, 0.0) + amounts.get(name, 0.0) * total for name in {**self.hours, **amounts}}


def improves(value: float, reference: float | None, tolerance: float, maximize: bool) -> bool:
    """Whether a value is better than another one by more than a tolerance; the first value always is."""
    if reference is None:
        return True
    return value > reference + tolerance if maximize else value < reference - tolerance


def reaches(value: float | None, target: float, maximize: bool) -> bool:
    """Whether a value is as good as a target; NaN and None are not."""
    return value is not None and (value >= target if maximize else value <= target)


def due_s(lines: Iterable[Line], hours: Amounts, rate: Amounts) -> float | None:
    """Returns in how many seconds the first budget is used up; None where that does not come closer.

    Args:
        lines: The budgets.
        hours: What is used now, by name.
        rate: Amounts of all trials that are running, together.
    """
    found = []
    for line in lines:
        per_hour = line.spent(rate)
        if per_hour > 0.0:
            found.append(max(0.0, (line.limit - line.spent(hours)) / per_hour * HOUR_S))
    return min(found, default=None)
