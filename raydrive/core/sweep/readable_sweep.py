"""What can be read of a sweep; ``Sweep`` changes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.finish.progress import Progress
from raydrive.core.population.lineage import Lineage
from raydrive.core.population.schedule import Change, Stretch
from raydrive.core.records import CANCELED, COMPLETED, FAILED, Finish, Params
from raydrive.core.sweep.missing_metric import any_logged
from raydrive.core.sweep.packed_params import plain_params
from raydrive.core.sweep.population.members import Members
from raydrive.core.sweep.run_end import budget_due_at
from raydrive.core.sweep.state import Best, History, RunEnding, State, Trial
from raydrive.core.sweep.user_changes import Given, Steering


class ReadableSweep:
    """The readable part of ``Sweep``."""

    config: RunConfig
    limits: Limits
    """Those in force: a resume may change them."""
    curves: Curves
    history: History
    """The trials as samplers see them."""
    given: RunConfig
    """The configuration that the run was submitted with; ``config`` is what its edits made of it."""
    runnable: Callable[[RunConfig], RunConfig]
    """Gives an edited configuration the user's classes that it names; only a driver loads them."""
    outgrown: bool
    """Whether more is asked of trials that have ended than was kept: the journal has to be folded again, not lean."""
    steering: Steering
    """What users did to the run."""
    _state: State
    _keeps_best: bool
    _members: Members | None = None

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials; number n is at index n."""
        return self._state.trials

    @property
    def open_trials(self) -> tuple[Trial, ...]:
        """Trials that are queued or running, by number."""
        return tuple(sorted(self._state.open.values(), key=_number))

    @property
    def paused_trials(self) -> tuple[Trial, ...]:
        """Trials that are paused, by number."""
        return tuple(sorted(self._state.paused.values(), key=_number))

    @property
    def paused_count(self) -> int:
        """How many trials are paused."""
        return len(self._state.paused)

    @property
    def best(self) -> Best | None:
        """The trial with the best objective value; of equal best points the one that was logged first.

        Where the objective is not a best point: of equal values that of the lowest trial number. It may get worse then.
        """
        if not self._keeps_best:
            self._state.lead(self.curves.leader())
        return self._state.best

    @property
    def ending(self) -> RunEnding | None:
        """Set once the run is to end and only waits for its open trials."""
        return self._state.ending

    @property
    def finished(self) -> Finish | None:
        """Set once the run has ended."""
        return self._state.finished

    @property
    def progress(self) -> Progress:
        """How far the run is by the rules that end it; not to be changed."""
        return self._state.progress

    @property
    def changes(self) -> Mapping[int, Sequence[Change]]:
        """Changes of hyperparameters in training, by trial, oldest first; empty without a population."""
        return self._members.lineage.changes if self._members is not None else {}

    def began_with(self, trial: int) -> Params:
        """Returns the hyperparameters that a trial began with."""
        lineage = self._members.lineage if self._members is not None else Lineage()
        return lineage.first.get(trial) or plain_params(self._state.trials[trial].params)

    def trained_with(self, trial: int, interval: int | None = None) -> list[Stretch]:
        """Returns what a trial was trained with up to an interval, trials whose training it took over followed back.

        Args:
            trial: An existing trial.
            interval: As its curve counts them; None = all that it has.
        """
        upto = self.curves.length(trial) if interval is None else interval
        lineage = self._members.lineage if self._members is not None else Lineage()
        return lineage.of(trial, upto, lambda one: plain_params(self._state.trials[one].params))

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

    @property
    def free_slots(self) -> int:
        """How many further configurations could be launched now."""
        if self._state.exhausted and not self.steering.given:
            return 0
        return max(0, min(self._room, self.limits.max_total_runs - len(self._state.trials)))

    @property
    def next_given(self) -> Given | None:
        """The configuration that a user gave and that comes next; None where the sampler is to be asked."""
        given = self.steering.given
        return given[0] if given and len(self._state.trials) >= len(self.config.lineage.continued) else None

    @property
    def may_continue(self) -> bool:
        """Whether the sampler, where it is one that chooses, could have a paused trial continue now."""
        state = self._state
        return bool(state.paused and self._chooses and not state.exhausted and self._room > 0)

    @property
    def _chooses(self) -> bool:
        """Whether the sampler says which paused trials continue."""
        return bool(getattr(self.config.sampling, "continues", False))

    @property
    def _room(self) -> int:
        """How many attempts could be launched now; below 0 where a resume has lowered the limit."""
        state = self._state
        if state.ending or state.finished or self.steering.paused or not state.epoch:
            return 0
        return self.limits.max_concurrent_runs - len(state.open)

    @property
    def _may_begin(self) -> bool:
        """Whether new trials can come, now or later."""
        state = self._state
        more = not state.exhausted or bool(self.steering.given)
        return more and not state.ending and len(state.trials) < self.limits.max_total_runs

    @property
    def due_at(self) -> float | None:
        """The earliest time at which a ``Ticked`` will have consequences; None when time alone changes nothing."""
        state, limits = self._state, self.limits
        if state.ending or state.finished or not state.epoch:
            return None
        due = [] if limits.max_duration_s is None else [state.clock.due_at(limits.max_duration_s)]
        if limits.trial_timeout_s is not None:
            begun = [t.began_at for t in state.open.values() if t.began_at is not None and not t.stop_by]
            due.extend(began_at + limits.trial_timeout_s for began_at in begun)
        if (budget_due := budget_due_at(state, self.config)) is not None:
            due.append(budget_due)
        return min(due, default=None)


def _number(trial: Trial) -> int:
    return trial.number
