"""What a sweep tells of itself at a glance: its end, its counts and its times."""

from __future__ import annotations

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.finish.progress import Progress
from raydrive.core.records import CANCELED, COMPLETED, FAILED, Finish
from raydrive.core.sweep.missing_metric import any_logged
from raydrive.core.sweep.state import RunEnding, State
from raydrive.core.sweep.steering_state import Steering


class SweepView:
    """The part of ``Sweep`` that only reads its state."""

    curves: Curves
    """The learning curves."""
    steering: Steering
    """What users did to the run."""
    _state: State

    @property
    def ending(self) -> RunEnding | None:
        """Set once the run is to end and only waits for its open trials."""
        return self._state.ending

    @property
    def finished(self) -> Finish | None:
        """Set once the run is over."""
        return self._state.finished

    @property
    def progress(self) -> Progress:
        """How far the run is by the rules that end it; not to be changed."""
        return self._state.progress

    @property
    def exhausted(self) -> bool:
        """True when the sampler has no further configuration."""
        return self._state.exhausted

    @property
    def epoch(self) -> int:
        """The driver in charge, counted from 1."""
        return self._state.epoch

    @property
    def reports(self) -> int:
        """How many reports were recorded."""
        return self._state.reports

    @property
    def started_at(self) -> float | None:
        """When the first driver took charge, seconds since the epoch."""
        return self._state.clock.first_at

    @property
    def last_at(self) -> float:
        """Time of the last fact, seconds since the epoch."""
        return self._state.clock.last_at

    @property
    def count(self) -> dict[str, int]:
        """Closed trials by state."""
        counts = self._state.counts
        return {COMPLETED: counts.completed, CANCELED: counts.canceled, FAILED: counts.failed}

    @property
    def without_metric(self) -> int:
        """Closed trials that ended without ever logging the primary metric."""
        return self._state.counts.without_metric

    @property
    def metric_missing(self) -> bool:
        """True when nothing logged the primary metric though some trial ended well."""
        return self._state.counts.ended_without_metric > 0 and not any_logged(self._state, self.curves)

    def elapsed_s(self, at: float) -> float:
        """Returns the seconds the run has been worked on until ``at``."""
        return self._state.clock.elapsed_s(at)
