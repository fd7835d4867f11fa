"""What follows when an attempt is over, and when nothing of a run is left to do; ``Sweep`` folds the answers."""

from __future__ import annotations

from collections.abc import Iterator

from raydrive.core.config.run_config import Limits
from raydrive.core.config.trial_spec import Metric
from raydrive.core.records import CANCELED, COMPLETED, FAILED, Close, Ended, Finish, Launch, Lost
from raydrive.core.sweep.missing_metric import missing_text
from raydrive.core.sweep.state import State, Trial, backoff_s, end_text, failure_text, losses_text


def after_end(fact: Ended, trial: Trial, intervals: int, limits: Limits, metric: Metric) -> Launch | Close:
    """Returns whether a trial whose process is gone starts again or is over.

    Args:
        fact: The end of its attempt.
        trial: The trial, with that end folded.
        intervals: How many it has.
        limits: The run's.
        metric: What the run optimises.
    """
    if trial.stop_by:
        return Close(fact.trial, CANCELED, trial.why_with(trial.why))
    if fact.exit_code == 0 and intervals:
        return Close(fact.trial, COMPLETED, trial.why_with(end_text(intervals, trial.start, trial.details)))
    if fact.exit_code == 0:
        return Close(fact.trial, FAILED, trial.why_with(missing_text(metric.name, trial.logged)))
    if trial.failures < limits.max_attempts:
        return launch(trial)
    return Close(fact.trial, FAILED, trial.why_with(failure_text(fact, trial)))


def after_loss(fact: Lost, trial: Trial, limits: Limits) -> Launch | Close:
    """Returns whether a trial that was lost starts again or is over; arguments as those of ``after_end``."""
    if trial.stop_by:  # a run that is ending has stopped all its open trials
        return Close(fact.trial, CANCELED, trial.why)
    if limits.max_losses is not None and trial.losses > limits.max_losses:
        return Close(fact.trial, FAILED, f"{losses_text(trial)}; max_losses is {limits.max_losses}")
    not_before = trial.launched_at + backoff_s(trial.losses_without_progress)
    return launch(trial, not_before if not_before > fact.at else None)


def launch(trial: Trial, not_before: float | None = None, why: str = "") -> Launch:
    """Returns the decision to start the next attempt of a trial, at a time or at once, and why where it was paused."""
    interval = trial.checkpoint_interval if trial.checkpoint else 0
    recorded, first, last = trial.steps or (None, None, None)
    number, attempt, params = trial.number, trial.attempt + 1, trial.params
    return Launch(number, attempt, params, trial.checkpoint, interval, not_before, recorded, first, last, why)


def finish(state: State, limits: Limits) -> Iterator[Finish]:
    """Yields the end of a run without open trials, unless another trial is to come."""
    if state.ending:
        yield Finish(state.ending.state, state.ending.why)
    elif state.exhausted or len(state.trials) >= limits.max_total_runs:
        counts, total = state.counts, len(state.trials)
        if total and counts.failed == total:
            yield Finish(FAILED, f"all {total} trials failed; the last: {state.trials[-1].why}")
        elif state.exhausted:
            yield Finish(COMPLETED, f"the search space is exhausted after {total} configurations")
        else:
            yield Finish(COMPLETED, f"max_total_runs of {limits.max_total_runs} reached")
