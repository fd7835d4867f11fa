"""How far a run is by each rule of ``finish_when``: used, left, and a forecast with its error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from raydrive.core.config.resource_dict import amounts_of
from raydrive.core.finish.budgets import HOUR_S, Amounts, Line, lines_of
from raydrive.core.finish.forecast import Outlook, rest_s
from raydrive.core.sweep.run_end import WORDS, hours_of
from raydrive.core.sweep.sweep import Sweep


@dataclass(frozen=True, slots=True)
class RuleState:
    """One rule, as it stands."""

    rule: str
    """``target``, ``no_improvement``, ``expected_gain_below``, ``budget.gpu_hours``, ``budget.cpu_hours``, ``cost``."""
    now: float | None
    """What it compares: the best value, trials without improvement, a bound, or what was spent. None = nothing yet."""
    limit: float
    left: float | None
    """Distance to the limit, in the same unit; 0 where it is reached."""
    text: str
    """All of it for people."""
    forecast: float | None = None
    """What will have been spent when all trials have ended, without the rule; None where nothing tells."""
    error: float | None = None
    """One standard deviation of the forecast."""

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
        return {
            "rule": self.rule,
            "now": self.now,
            "limit": self.limit,
            "left": self.left,
            "forecast": self.forecast,
            "forecast_error": self.error,
            "text": self.text,
        }


def rule_states(sweep: Sweep, now: float) -> list[RuleState]:
    """Returns how the rules of a run stand; none without rules.

    Args:
        sweep: The run.
        now: Seconds since the epoch; for a run that has ended, the time of its last fact counts.
    """
    rules = sweep.config.rules.finish_when
    if rules is None:
        return []
    found = []
    if rules.target is not None:
        found.append(_target(sweep, rules.target))
    if rules.no_improvement is not None:
        since, most = sweep.progress.since, rules.no_improvement.trials
        text = f"no improvement: {since} of {most} trial{'s' * (most != 1)}"
        found.append(RuleState("no_improvement", since, most, max(0, most - since), text))
    if rules.expected_gain_below is not None:
        found.append(_gain(sweep, rules.expected_gain_below))
    amounts = amounts_of(sweep.config.trial.resources)
    lines = lines_of(rules, amounts)
    if lines:
        at = sweep.last_at if sweep.finished else now
        hours, rest = hours_of(sweep.open_trials, sweep.progress, sweep.config, at), _rest(sweep, at)
        found += [_budget(line, hours, amounts, rest) for line in lines]
    return found


def _target(sweep: Sweep, target: float) -> RuleState:
    best, sign = sweep.best, 1.0 if sweep.config.metric.maximize else -1.0
    value = None if best is None else best.value
    left = None if value is None else max(0.0, sign * (target - value))
    told = "no value yet" if value is None else f"best {value:.6g}"
    return RuleState("target", value, target, left, f"target {target:g}: {told}")


def _gain(sweep: Sweep, limit: float) -> RuleState:
    gain = sweep.progress.gain
    if gain is None:
        return RuleState("expected_gain_below", None, limit, None, f"expected gain: not estimated yet, limit {limit:g}")
    text = f"expected gain: at most {gain:.3g} by the model after {sweep.progress.gain_at} trials, limit {limit:g}"
    return RuleState("expected_gain_below", gain, limit, max(0.0, gain - limit), text)


def _budget(line: Line, hours: Amounts, amounts: Amounts, rest: Outlook | None) -> RuleState:
    spent, per_s = line.spent(hours), line.spent(amounts) / HOUR_S
    left = max(0.0, line.limit - spent)
    text = f"{WORDS[line.rule]}: {_figure(spent)} of {line.limit:g}, {_figure(left)} left"
    if rest is None:
        return RuleState(line.rule, spent, line.limit, left, text)
    further = rest.scaled(per_s)
    whole = spent + further.value
    text += f"; forecast without this limit: {_figure(whole)} \N{PLUS-MINUS SIGN} {_figure(further.error)}"
    return RuleState(line.rule, spent, line.limit, left, text, whole, further.error)


def _rest(sweep: Sweep, at: float) -> Outlook | None:
    """Seconds that all trials will still train, if none of the rules ends the run."""
    if sweep.finished:
        return None
    durations = [trial.trained_s for trial in sweep.trials if not trial.open and trial.trained_s > 0.0]
    running = [
        trial.trained_s + (0.0 if trial.began_at is None else max(0.0, at - trial.began_at))
        for trial in sweep.open_trials
    ]
    most, size = sweep.limits.max_total_runs, sweep.config.sampling.space.size
    total = len(sweep.trials) if sweep.exhausted or sweep.ending else most if size is None else min(most, size)
    return rest_s(durations, running, max(0, total - len(sweep.trials)))


def _figure(value: float) -> str:
    """A number with three digits that count, and no more than are needed for whole ones."""
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}"
