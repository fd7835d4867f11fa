"""What follows when an attempt has ended, and when nothing of a run is left to do; ``Sweep`` folds the answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from raydrive.core.byte_amounts import amount_text
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.out_of_memory.recognition import HOST
from raydrive.core.records import (
    CANCELED,
    COMPLETED,
    FAILED,
    INFEASIBLE,
    PAUSED,
    Close,
    Ended,
    Finish,
    Launch,
    Lost,
    Stop,
)
from raydrive.core.sweep.missing_metric import missing_text
from raydrive.core.sweep.packed_params import plain_params
from raydrive.core.sweep.state import State, Trial, backoff_s, losses_text


def after_end(fact: Ended, trial: Trial, intervals: int, limits: Limits, config: RunConfig) -> Launch | Close:
    """Returns whether a trial whose process is gone starts again or has ended.

    Args:
        fact: The end of its attempt.
        trial: The trial, with that end folded.
        intervals: How many it has.
        limits: The run's.
        config: The run's configuration.
    """
    if trial.stop_by:
        return Close(fact.trial, CANCELED, trial.why_with(trial.why))
    if fact.exit_code == 0 and intervals:
        return Close(fact.trial, COMPLETED, trial.why_with(end_text(intervals, trial.start, trial.details)))
    if fact.exit_code == 0:
        return Close(fact.trial, FAILED, trial.why_with(missing_text(config.metric.name, trial.logged)))
    if trial.oom:
        return after_oom(fact.error, trial, config)
    if trial.failures - trial.forgiven[0] < limits.max_attempts:
        return launch(trial)
    return Close(fact.trial, FAILED, trial.why_with(failure_text(fact, trial)))


def after_oom(words: str, trial: Trial, config: RunConfig) -> Launch | Close:
    """Returns whether a trial that has run out of memory starts again with more, or is infeasible.

    Args:
        words: Why its attempt has ended.
        trial: The trial, with that end folded.
        config: The run's configuration, which has a rule for it.
    """
    reserved = config.trial.resources.memory if trial.memory is None else trial.memory
    rule = config.rules.on_oom
    memory = None if rule is None else rule.next_memory(trial.oom, reserved, trial.ooms)
    if memory is not None:
        return launch(trial, memory=memory)
    last = words.strip().splitlines()[-1] if words.strip() else "out of memory"
    again = f" with {amount_text(reserved)} in attempt {trial.attempt}" if reserved and trial.oom == HOST else ""
    return Close(trial.number, FAILED, trial.why_with(f"infeasible{again}: {last}"), outcome=INFEASIBLE)


def after_loss(fact: Lost, trial: Trial, limits: Limits, config: RunConfig) -> Launch | Close:
    """Returns whether a trial that was lost starts again or has ended; arguments as those of ``after_end``."""
    if trial.stop_by:  # a run that is ending has stopped all its open trials
        return Close(fact.trial, CANCELED, trial.why)
    if trial.oom:
        return after_oom(fact.why, trial, config)
    if limits.max_losses is not None and trial.losses - trial.forgiven[1] > limits.max_losses:
        return Close(fact.trial, FAILED, f"{losses_text(trial)}; max_losses is {limits.max_losses}")
    not_before = trial.launched_at + backoff_s(trial.losses_without_progress)
    return launch(trial, not_before if not_before > fact.at else None)


def launch(
    trial: Trial, not_before: float | None = None, memory: float | None = None, *, fresh: bool = False, why: str = ""
) -> Launch:
    """Returns the decision to start the next attempt of a trial, at a time or at once.

    Args:
        trial: The trial.
        not_before: When, in seconds since the epoch; None = at once.
        memory: Bytes of memory that it reserves; None = as many as before.
        fresh: Whether it begins at the start, even where it has a checkpoint.
        why: Why it continues, where it was paused.
    """
    memory = trial.memory if memory is None else memory
    number, attempt, params = trial.number, trial.attempt + 1, plain_params(trial.params)
    if fresh:
        return Launch(number, attempt, params, None, 0, not_before, memory=memory, why=why)
    interval = trial.checkpoint_interval if trial.checkpoint else 0
    recorded, first, last = trial.steps or (None, None, None)
    known = (not_before, recorded, first, last)
    source = trial.checkpoint_of
    return Launch(number, attempt, params, trial.checkpoint, interval, *known, memory, why, source)


def with_last_value(decision: Launch, curves: Curves) -> Launch:
    """Returns a launch with the last value of its trial, where the checkpoint may hold all that is to be trained."""
    whole = decision.interval == curves.length(decision.trial)
    if decision.resume_from is None or decision.source is not None or not decision.interval or not whole:
        return decision
    value = curves.last(decision.trial)
    return replace(decision, last_value=value) if value is not None and math.isfinite(value) else decision


def cancel(trial: Trial, why: str) -> Stop | Close:
    """Returns what ends a trial for a user, whether it runs or is paused."""
    if trial.state == PAUSED:
        return Close(trial.number, CANCELED, why, by="user")
    return Stop(trial.number, trial.attempt, why, "user")


def finish(state: State, limits: Limits) -> Iterator[Finish]:
    """Yields the end of a run without open trials, unless another trial is to come."""
    if state.ending:
        yield Finish(state.ending.state, state.ending.why)
    elif state.exhausted or len(state.trials) >= limits.max_total_runs:
        counts, total = state.counts, len(state.trials)
        if total and counts.failed == total:
            yield Finish(FAILED, f"all {total} trials failed; the last: {state.trials[-1].why}")
        elif state.exhausted and total < limits.max_total_runs:
            yield Finish(COMPLETED, f"the search space is exhausted after {total} configurations")
        else:
            yield Finish(COMPLETED, f"max_total_runs of {limits.max_total_runs} reached")


def end_text(intervals: int, start: int, details: Mapping[str, object]) -> str:
    """Returns why a trial is completed.

    Args:
        intervals: How many it has.
        start: How many of them it brought from an earlier run.
        details: Of its suggestion: which trial of which run that was.
    """
    count = f"{intervals} interval{'s' * (intervals != 1)}"
    if not start:
        return f"ended by itself after {count}"
    earlier = f"{details.get('run')}_{details.get('trial')}"
    if intervals == start:
        return f"ended by itself and logged nothing after the {count} of {earlier}"
    return f"ended by itself after {count}, {start} of them in {earlier}"


def failure_text(fact: Ended, trial: Trial) -> str:
    """Returns why an attempt failed, in one sentence."""
    code = fact.exit_code
    if code is None:
        head = "could not be started"
    elif code < 0:
        head = f"killed by signal {-code}"
    else:
        head = f"exit code {code}"
    again = f" (attempt {trial.attempt})" if trial.attempt > 1 else ""
    last = fact.error.strip().splitlines()[-1] if fact.error.strip() else ""
    return f"{head}{again}: {last}" if last else f"{head}{again}"
