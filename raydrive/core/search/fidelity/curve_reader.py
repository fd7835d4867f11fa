"""From trials to learning curves of which smaller is better and that end where the trial's value counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.errors import ConfigError
from raydrive.core.objective import BEST, Objective
from raydrive.core.records import FAILED, PAUSED, TERMINAL, Params
from raydrive.core.search.bayesian.curve_extrapolation import best_so_far, value_so_far
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.fidelity.curve_data import HELD, OVER, RUNS, Curve
from raydrive.core.search.trial_record import TrialRecord


class CurveReader:
    """Turns histories into curves; rows are kept between calls.

    Args:
        features: The space.
        maximize: Whether larger metrics are better.
        longest: Intervals of a whole training.
        spread: Tells whether the trial of a number is one of the even spread.
        before: Trials of earlier runs; those that do not fit the space are left out.
    """

    def __init__(
        self,
        features: FeatureEncoder,
        maximize: bool,
        longest: int,
        spread: Callable[[int], bool],
        before: Sequence[TrialRecord] = (),
    ) -> None:
        self._features = features
        self._sign = -1.0 if maximize else 1.0
        self._longest = longest
        self._spread = spread
        self._rows: dict[int, tuple[Params, Array | None]] = {}
        self._curves: dict[int, tuple[tuple[object, ...], Curve | None]] = {}
        self._objective: tuple[str, Objective | None] = ("", None)
        self._before = [
            curve for i, seen in enumerate(before) if (curve := self._curve(-1 - i, replace(seen, state=_over(seen))))
        ]

    def read(self, history: Sequence[TrialRecord]) -> list[Curve]:
        """Returns the curves of trials of earlier runs, whose numbers are negative, and of these."""
        found = (self._kept(i, seen) for i, seen in enumerate(history))
        return [*self._before, *(curve for curve in found if curve is not None)]

    def _kept(self, number: int, trial: TrialRecord) -> Curve | None:
        """The trial's curve, read again only where it has changed."""
        last = trial.curve[-1] if len(trial.curve) else None
        key = (trial.state, len(trial.curve), last, trial.until, trial.value, trial.objective, trial.params)
        known = self._curves.get(number)
        if known is None or known[0] != key:
            known = self._curves[number] = key, self._curve(number, trial)
        return known[1]

    def _curve(self, number: int, trial: TrialRecord) -> Curve | None:
        known = self._rows.get(number)
        if known is None or known[0] != trial.params:
            try:
                known = trial.params, self._features.row(trial.params)
            except ConfigError:  # of a run with another space
                known = trial.params, None
            self._rows[number] = known
        if known[1] is None:
            return None
        values = self._values(trial)
        if trial.state == PAUSED and len(values):
            return Curve(number, known[1], values, HELD, typical=self._spread(number))
        if trial.state in TERMINAL:
            return Curve(number, known[1], values, OVER, typical=self._spread(number)) if len(values) else None
        until = max(trial.until or self._longest, len(values) + 1)
        return Curve(number, known[1], values, RUNS, until, self._spread(number))

    def _values(self, trial: TrialRecord) -> Array:
        values = self._sign * np.asarray(trial.curve, dtype=float)
        if not len(values) and trial.value is not None and trial.state in TERMINAL:
            values = np.full(self._longest, self._sign * trial.value)  # of an earlier run that kept no curve
        if trial.objective != self._objective[0]:
            objective = Objective.of(trial.objective, self._sign < 0)
            self._objective = trial.objective, replace(objective, maximize=False)
        objective_ = self._objective[1]
        if objective_ is None or objective_.kind == BEST:
            values = best_so_far(values.tolist())
        else:
            values = value_so_far(values, objective_)
        if trial.state == FAILED:
            return np.append(values, np.inf)
        return values


def _over(trial: TrialRecord) -> str:
    return trial.state if trial.state in TERMINAL else "Canceled"
