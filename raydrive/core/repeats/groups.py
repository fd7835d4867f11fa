"""Trials of the same configuration, and the statistics of each group."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.json_values import encoded
from raydrive.core.records import COMPLETED, TERMINAL


@dataclass(slots=True)
class Group:
    """The trials of one configuration."""

    trials: list[int] = field(default_factory=list)
    """Their numbers, ascending."""
    values: list[float] = field(default_factory=list)
    """Objective values of those that completed with a finite one, in the same order."""
    running: int = 0
    """Trials that are not over."""
    unsound: int = 0
    """Trials that have ended and did not complete with a finite value: failed ones, and those that a policy stopped."""

    @property
    def mean(self) -> float:
        """The mean of the values; NaN without any."""
        return math.fsum(self.values) / len(self.values) if self.values else math.nan

    @property
    def squares(self) -> float:
        """Sum of the squared distances of the values to their mean."""
        mean = self.mean
        return math.fsum((value - mean) ** 2 for value in self.values)

    def take(self, trial: int, value: float | None, state: str) -> None:
        """Takes one of its trials."""
        self.trials.append(trial)
        if state not in TERMINAL:
            self.running += 1
        elif state == COMPLETED and value is not None and math.isfinite(value):
            self.values.append(value)
        else:
            self.unsound += 1


@dataclass(frozen=True, slots=True)
class Noise:
    """How much values of the same configuration differ: the deviation within groups, all groups together."""

    deviation: float
    """Square root of the pooled variance; NaN where no configuration has two values."""
    freedom: int
    """Degrees of freedom: values less configurations that have some."""

    @classmethod
    def of(cls, groups: Sequence[Group]) -> Noise:
        """Returns it for groups."""
        freedom = sum(len(group.values) - 1 for group in groups if group.values)
        if not freedom:
            return cls(math.nan, 0)
        return cls(math.sqrt(math.fsum(group.squares for group in groups) / freedom), freedom)

    def error(self, count: int) -> float | None:
        """Returns the standard error of a mean of this many values; None where nothing is known."""
        return self.deviation / math.sqrt(count) if self.freedom and count else None


def key_of(params: Mapping[str, Any], parameter: str) -> str:
    """Returns what is the same for trials of one configuration.

    Args:
        params: Of a trial.
        parameter: The one by which repeats differ.
    """
    return json.dumps(encoded({name: params[name] for name in params if name != parameter}), sort_keys=True)
