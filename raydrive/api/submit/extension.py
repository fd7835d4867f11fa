"""Whether a recorded run can continue, and with which limits; where it cannot, the command that would let it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raydrive.core.errors import ConfigError, Problem, RunOverError
from raydrive.core.sweep.sweep import Sweep

MORE = 20
"""Number of trials that an example command adds."""


def changed_limits(sweep: Sweep, limits: Mapping[str, Any], more: int | None) -> dict[str, Any]:
    """Returns the fields of ``Limits`` that a resume changes.

    Args:
        sweep: The run as its journal has it.
        limits: New values, by field.
        more: Number of trials that are added to the limit of trials; None = none.

    Raises:
        ConfigError: If both a new limit of trials and a number to add are given, or that number is below 1.
    """
    changed = dict(limits)
    if more is None:
        return changed
    total = changed.get("max_total_runs")
    if total is not None:
        allowed = "one of the two: --more adds trials to the limit, --max-total-trials sets a new limit"
        raise ConfigError(Problem("more, max_total_trials", f"{more} and {total}", allowed))
    if more < 1:
        raise ConfigError(Problem("more", str(more), "a whole number of 1 or more: how many trials to add"))
    changed["max_total_runs"] = sweep.limits.max_total_runs + more
    return changed


def check_extension(run_id: str, sweep: Sweep, changed: Mapping[str, Any]) -> None:
    """Refuses to resume a run that has ended and remains ended with these limits.

    Args:
        run_id: Name of the run.
        sweep: The run as its journal has it.
        changed: Fields of ``Limits`` that change.

    Raises:
        RunOverError: If nothing would be left to do; the message has the command that adds trials.
    """
    over, trials = sweep.finished, len(sweep.trials)
    if over is None:
        return
    if sweep.exhausted:
        raise RunOverError(
            f"run {run_id} has ended ({over.state}): it has tried all {trials} configurations of its search space. "
            "For more trials, submit a sweep with a larger search space."
        )
    rule = sweep.ending.rule if sweep.ending else ""
    if rule.startswith("budget") or rule == "cost":
        raise RunOverError(
            f"run {run_id} has ended ({over.state}): {over.why}. It would end again at once. Raise the limit first: "
            f"raydrive edit {run_id} --set raydrive.finish_when.{rule}{'.limit' if rule == 'cost' else ''}=..."
        )
    total = changed.get("max_total_runs", sweep.limits.max_total_runs)
    if changed and total > trials:
        return
    command = f"raydrive resume {run_id}"
    if "max_total_runs" in changed and trials:
        raise RunOverError(
            f"run {run_id} has ended ({over.state}) and already has {_trials(trials)}: a limit of {total} leaves none "
            f"to run. To run {MORE} more trials: {command} --more {MORE}"
        )
    if trials >= total:
        why = f"all of its {_trials(total)} have ended. To run {MORE} more trials"
        raise RunOverError(f"run {run_id} has ended ({over.state}): {why}: {command} --more {MORE}")
    why = f"{over.why.rstrip('.')}, when {trials} of its {_trials(total)} had started"
    raise RunOverError(
        f"run {run_id} has ended ({over.state}): {why}. {_rest(sweep, total - trials)}: {command} "
        f"{_option(sweep, total)}"
    )


def _rest(sweep: Sweep, left: int) -> str:
    limit_s = _time_limit_s(sweep)
    time = f", in another {limit_s:g} s" if limit_s else ""
    return f"To run the other {left}{time}" if left > 1 else f"To run the last one{time}"


def _option(sweep: Sweep, total: int) -> str:
    limit_s = _time_limit_s(sweep)
    return f"--timeout {2 * limit_s:g}" if limit_s else f"--max-total-trials {total}"


def _time_limit_s(sweep: Sweep) -> float:
    """The time limit that has ended a run, in seconds; 0 where none has."""
    over = sweep.finished
    by_time = over is not None and over.why.startswith("max_duration")
    return sweep.limits.max_duration_s or 0.0 if by_time else 0.0


def _trials(count: int) -> str:
    return f"{count} trial{'s' * (count != 1)}"
