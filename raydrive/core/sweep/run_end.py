"""Whether a rule of ``finish_when`` ends the run; ``Sweep`` folds the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from raydrive.core.config.resource_dict import amounts_of
from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.finish.budgets import lines_of
from raydrive.core.finish.progress import GAINS, Progress, due_s, improves, reaches
from raydrive.core.out_of_memory.recognition import HOST, kind_of
from raydrive.core.records import COMPLETED, Ended, EndRun, Estimated, Fact, Lost, Reported, Ticked
from raydrive.core.sweep.state import State, Trial
from raydrive.core.user_facts import Edited

if TYPE_CHECKING:
    from raydrive.core.finish.rules import FinishWhen

WORDS = {"budget.gpu_hours": "GPU hours", "budget.cpu_hours": "CPU hours", "cost": "cost"}
"""What is counted, by rule."""


def fold_training(state: State, config: RunConfig, seconds: float) -> None:
    """Counts the training of an attempt that has ended."""
    state.progress.train(seconds, amounts_of(config.trial.resources))


def fold_closing(state: State, config: RunConfig, curves: Curves, trial: int) -> None:
    """Counts a trial that has just been closed."""
    rules = config.rules.finish_when
    rule = None if rules is None else rules.no_improvement
    state.progress.close(curves.objective(trial), rule, config.metric.maximize)


def fold_oom(fact: Ended | Lost, trial: Trial, config: RunConfig) -> None:
    """Notes whether an attempt has ended for lack of memory, where the run has a rule for that."""
    if config.rules.on_oom is None or (isinstance(fact, Ended) and fact.exit_code == 0):
        trial.oom = ""
        return
    trial.oom = kind_of(fact.why if isinstance(fact, Lost) else fact.error)
    trial.ooms += trial.oom == HOST


def ends_by_report(fact: Reported, state: State, config: RunConfig, curves: Curves) -> tuple[EndRun, ...]:
    """Returns whether a report that brought a new interval reaches the target.

    Only of best values, which stand: where the last value counts, or a mean, a trial has reached it when it has ended.
    """
    rules = config.rules.finish_when
    if rules is None or rules.target is None or state.ending or not curves.by_best:
        return ()
    value = curves.objective(fact.trial)
    if value is None or not reaches(value, rules.target, config.metric.maximize):
        return ()
    return (_target(fact.trial, value, rules.target, config),)


def ends_by(fact: Fact, state: State, config: RunConfig, curves: Curves) -> Iterator[EndRun]:
    """Yields the decision that ends the run, where a fact and what was folded of it meets a rule.

    Args:
        fact: What has happened; its decisions about trials are folded, too.
        state: The sweep's.
        config: The run's configuration.
        curves: The sweep's.
    """
    rules = config.rules.finish_when
    if rules is None or state.ending or state.finished or not state.epoch:
        return
    if isinstance(fact, Estimated):
        yield from _by_gain(state, rules)
    elif isinstance(fact, Ticked):
        yield from _by_budget(fact.at, state, config)
    elif isinstance(fact, Ended | Lost) and not state.trials[fact.trial].open:
        yield from _by_value(fact.trial, state, config, curves, rules)
    elif isinstance(fact, Edited) and "finish_when" in fact.patch.get("rules", {}):
        yield from _by_edit(state, config, curves, rules)


def budget_due_at(state: State, config: RunConfig) -> float | None:
    """Returns when the first budget is used up if all that trains now continues; None without one."""
    rules = config.rules.finish_when
    if rules is None or (rules.budget is None and rules.cost is None):
        return None
    at, amounts = state.clock.last_at, amounts_of(config.trial.resources)
    hours = hours_of(state.open.values(), state.progress, config, at)
    running = sum(trial.began_at is not None for trial in state.open.values())
    rate = {name: amount * running for name, amount in amounts.items()}
    due = due_s(lines_of(rules, amounts), hours, rate)
    return None if due is None else at + due


def hours_of(open_trials: Iterable[Trial], progress: Progress, config: RunConfig, at: float) -> dict[str, float]:
    """Returns amounts times hours that a run's trials have used until ``at``, by the amount's name."""
    running = [max(0.0, at - trial.began_at) for trial in open_trials if trial.began_at is not None]
    return progress.with_running(running, amounts_of(config.trial.resources))


def _by_value(trial: int, state: State, config: RunConfig, curves: Curves, rules: FinishWhen) -> Iterator[EndRun]:
    """Target and lack of improvement, when a trial has ended."""
    value = curves.objective(trial)
    if rules.target is not None and value is not None and reaches(value, rules.target, config.metric.maximize):
        yield _target(trial, value, rules.target, config)
    elif value is not None:
        yield from _by_no_improvement(state, config, curves, rules)


def _by_edit(state: State, config: RunConfig, curves: Curves, rules: FinishWhen) -> Iterator[EndRun]:
    """Rules that hold already where a user has just given them; budgets wait for the next tick."""
    if rules.target is not None:
        for trial in state.trials:
            value = curves.objective(trial.number) if curves.by_best or not trial.open else None
            if value is not None and reaches(value, rules.target, config.metric.maximize):
                yield _target(trial.number, value, rules.target, config)
                return
    ends = [*_by_no_improvement(state, config, curves, rules), *_by_gain(state, rules)]
    yield from ends[:1]


def _by_no_improvement(state: State, config: RunConfig, curves: Curves, rules: FinishWhen) -> Iterator[EndRun]:
    rule, progress, maximize = rules.no_improvement, state.progress, config.metric.maximize
    if rule is None or progress.since < rule.trials:
        return
    for number in state.open:  # one that is better already ends with an improvement, unless it gets worse again
        found = curves.objective(number)
        if found is not None and improves(found, progress.reference, rule.tolerance, maximize):
            return
    more = f" by more than {rule.tolerance:g}" if rule.tolerance else ""
    why = (
        f"no improvement: {progress.since} trials have ended since {config.metric.label} was {progress.reference:g}, "
        f"and none was better{more}"
    )
    numbers = {"trials": progress.since, "reference": progress.reference, "tolerance": rule.tolerance}
    yield EndRun(COMPLETED, why, "no_improvement", numbers)


def _target(trial: int, value: float, target: float, config: RunConfig) -> EndRun:
    why = f"target reached: {config.metric.label} of trial {trial} is {value:g}, the target is {target:g}"
    return EndRun(COMPLETED, why, "target", {"trial": trial, "value": value, "target": target})


def _by_gain(state: State, rules: FinishWhen) -> Iterator[EndRun]:
    limit, gain = rules.expected_gain_below, state.progress.gain
    if limit is None or gain is None or gain >= limit:
        return
    bounds = f"the last {GAINS} bounds of the model"
    why = f"expected gain below {limit:g}: by {bounds} no other configuration is better by more than {gain:.3g}"
    yield EndRun(COMPLETED, why, "expected_gain_below", {"gain": gain, "limit": limit})


def _by_budget(at: float, state: State, config: RunConfig) -> Iterator[EndRun]:
    rules, amounts = config.rules.finish_when, amounts_of(config.trial.resources)
    lines = lines_of(rules, amounts)
    if not lines:
        return
    hours = hours_of(state.open.values(), state.progress, config, at)
    for line in lines:
        spent = line.spent(hours)
        if spent >= line.limit * (1.0 - 1e-12):  # at the moment that was computed for it, rounding aside
            what = WORDS[line.rule]
            why = f"budget used up: {spent:.6g} of {line.limit:g} {what}"
            why = f"cost limit reached: {spent:.6g} of {line.limit:g}" if line.rule == "cost" else why
            yield EndRun(COMPLETED, why, line.rule, {"spent": spent, "limit": line.limit})
            return
