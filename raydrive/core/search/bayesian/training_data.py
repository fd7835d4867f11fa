"""Training data of a model from the trials so far: rows, values to minimise, their noise, and pending trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raydrive.core.arrays import Array
from raydrive.core.errors import ConfigError
from raydrive.core.objective import Objective
from raydrive.core.records import CANCELED, COMPLETED, FAILED, PAUSED, TERMINAL, Params
from raydrive.core.search.bayesian.curve_extrapolation import CurveExtrapolation
from raydrive.core.search.bayesian.features import FeatureEncoder
from raydrive.core.search.trial_record import TrialRecord


@dataclass(frozen=True)
class TrainingData:
    """Trials as arrays; smaller values are better."""

    rows: Array
    """Shape ``(n, d)``: tidy rows of ``FeatureEncoder``."""
    values: Array
    """Shape ``(n,)``; NaN = a bad trial without a usable number."""
    noise: Array
    """Shape ``(n,)``: deviation of values estimated from a part of a curve, standard error of means, else 0."""
    open_rows: Array
    """Shape ``(m, d)``: trials whose final value is still to come."""
    means: NDArray[np.bool_]
    """Shape ``(n,)``: which values are means of several trials, whose noise is their standard error."""

    @property
    def settled(self) -> NDArray[np.bool_]:
        """Which values are final ones, shape ``(n,)``."""
        return np.asarray(np.isfinite(self.values) & ((self.noise == 0.0) | self.means))

    def taken(self, which: Any) -> TrainingData:
        """Returns some of the observations, with all that is open.

        Args:
            which: Their indices, or a slice.
        """
        return replace(
            self,
            rows=self.rows[which],
            values=self.values[which],
            noise=self.noise[which],
            means=self.means[which],
        )


class TrainingDataReader:
    """Turns histories into arrays. Rows are kept between calls; nothing else is.

    Args:
        features: The space.
        maximize: Whether larger metrics are better.
        before: Trials of earlier runs; those that do not fit the space are left out.
    """

    def __init__(self, features: FeatureEncoder, maximize: bool, before: Sequence[TrialRecord] = ()) -> None:
        self._features = features
        self._sign = -1.0 if maximize else 1.0
        self._known: dict[int, tuple[Params, Array | None]] = {}
        self._before = [seen for seen in before if self._fits(seen.params)]

    @property
    def inherited(self) -> int:
        """Number of trials of earlier runs with a value."""
        return sum(1 for seen in self._before if seen.value is not None)

    def _fits(self, params: Params) -> bool:
        try:
            self._features.row(params)
        except ConfigError:
            return False
        return True

    def read(self, history: Sequence[TrialRecord]) -> TrainingData:
        """Returns what these trials, and those of earlier runs, teach."""
        seen = [*self._before, *history]
        curves = [self._turned(s.curve) for s in seen if s.state == COMPLETED and len(s.curve) > 1]
        # Turned so that smaller is better, as the curves are; what counts of them is the same for all trials of a run.
        objective = Objective.of(seen[-1].objective, self._sign < 0) if seen else None
        endings = CurveExtrapolation(curves, None if objective is None else replace(objective, maximize=False))
        rows: list[Array] = []
        values: list[float] = []
        noise: list[float] = []
        open_rows: list[Array] = []
        means: list[bool] = []
        for place, trial in enumerate(seen):
            row = None if trial.outside else self._row(place, trial.params)
            if row is None:
                continue
            if trial.state not in TERMINAL and trial.state != PAUSED:  # which may never continue
                open_rows.append(row)
            taught = self._value(trial, endings)
            if taught is not None:
                rows.append(row)
                values.append(taught[0])
                noise.append(taught[1])
                means.append(trial.noise is not None and trial.state == COMPLETED)
        open_, known = self._tidy(open_rows), np.array(means, dtype=bool)
        return TrainingData(self._tidy(rows), np.array(values), np.array(noise), open_, known)

    def _value(self, trial: TrialRecord, endings: CurveExtrapolation) -> tuple[float, float] | None:
        """Value and noise of a trial; None when it teaches nothing."""
        if trial.state == FAILED:
            return math.nan, 0.0
        if trial.value is None:
            # a completed trial without a number did log: NaN, or infinities only
            return (math.nan, 0.0) if trial.state == COMPLETED or len(trial.curve) else None
        value = self._sign * trial.value
        if trial.state == COMPLETED or not math.isfinite(value):
            return (value if math.isfinite(value) else math.nan), trial.noise or 0.0
        if trial.state != CANCELED and not len(trial.curve):
            return None
        ending = endings.estimate(self._turned(trial.curve))
        return (value, 0.0) if ending is None else (ending.value, ending.noise)

    def _turned(self, curve: Sequence[float]) -> Sequence[float]:
        return curve if self._sign > 0 else [-value for value in curve]

    def _row(self, place: int, params: Params) -> Array | None:
        known = self._known.get(place)
        if known is not None and known[0] == params:
            return known[1]
        try:
            row: Array | None = self._features.row(params)
        except ConfigError:  # resumed from a run with another space
            row = None
        self._known[place] = (params, row)
        return row

    def _tidy(self, rows: list[Array]) -> Array:
        return self._features.tidy(np.array(rows).reshape(len(rows), len(self._features.columns)))
