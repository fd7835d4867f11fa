"""What a run tells its user elsewhere: at its end, at new bests, and when its driver is interrupted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.json_values import encoded
from raydrive.core.notices.rules import BEST, FAILED, FINISHED, INTERRUPTED, Notify
from raydrive.core.records import FAILED as FAILED_STATE
from raydrive.core.records import Decision, Finish
from raydrive.core.sweep.packed_params import plain_params
from raydrive.core.sweep.state import Best
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.summary import summarize

BEST_EVERY_S = 60.0
"""Least seconds between two notices of a new best; the latest one is sent."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell."""

    event: str
    """``finished``, ``failed``, ``best`` or ``interrupted``."""
    text: str
    """All of it in a line."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The run as JSON values."""

    def to_json(self) -> dict[str, Any]:
        """Returns what a webhook gets; chat services show ``text``."""
        return {"text": self.text, "event": self.event, **self.data}


class NoticeMaker:
    """Finds out what is to be reported of a run that continues.

    Args:
        rule: Of what.
        run_id: Name of the run.
        sweep: The run as it stands: what is known of it now is not told again.
    """

    def __init__(self, rule: Notify, run_id: str, sweep: Sweep) -> None:
        self._on = rule.on
        self._run_id = run_id
        self._sweep = sweep
        self._told: Best | None = sweep.best
        self._told_at: float | None = None

    def after(self, decisions: Iterable[Decision], now: float) -> list[Notice]:
        """Returns what is to be reported after some decisions; mostly nothing.

        Args:
            decisions: What was decided and recorded since the last call.
            now: Seconds since the epoch.
        """
        found = []
        for decision in decisions:
            if isinstance(decision, Finish):
                event = FAILED if decision.state == FAILED_STATE else FINISHED
                found += [self._notice(event, now)] if event in self._on else []
        if BEST in self._on and not found and self._is_due(now):
            self._told, self._told_at = self._sweep.best, now
            found.append(self._notice(BEST, now))
        return found

    def follow(self, sweep: Sweep) -> None:
        """Takes the run as it stands now, after an edit: by its configuration other events may be told."""
        rule = sweep.config.rules.notify
        self._sweep, self._on = sweep, () if rule is None else rule.on

    def interrupted(self, why: str, now: float) -> list[Notice]:
        """Returns what is to be reported when the driver ends and the run does not."""
        return [self._notice(INTERRUPTED, now, why)] if INTERRUPTED in self._on else []

    def _is_due(self, now: float) -> bool:
        best, told = self._sweep.best, self._told
        if best is None or (told is not None and (best.trial, best.value) == (told.trial, told.value)):
            return False
        return self._told_at is None or now - self._told_at >= BEST_EVERY_S

    def _notice(self, event: str, now: float, why: str = "") -> Notice:
        sweep, summary = self._sweep, summarize(self._sweep, now)
        best, metric = summary.best, sweep.config.metric
        state = "Interrupted" if event == INTERRUPTED else summary.state
        why = why or summary.why
        value = "" if best is None else f"{metric.label} {best.value:.6g} (trial {best.trial})"
        name = f"{sweep.config.experiment} {self._run_id}"
        text = f"{name}: new best {value}" if event == BEST else f"{name}: {state}: {why}".rstrip(": ")
        if event != BEST:
            text += f"; best {value}" if value else "; no trial has a value"
        params = {} if best is None else dict(plain_params(sweep.trials[best.trial].params))
        data = {
            "run": self._run_id,
            "experiment": sweep.config.experiment,
            "state": state,
            "why": why,
            "metric": metric.name,
            "goal": metric.goal.value,
            "best": None if best is None else best.value,
            "best_trial": None if best is None else best.trial,
            "best_params": encoded(params),
            "trials_ended": summary.done,
            "max_total_trials": summary.max_total_runs,
            "elapsed_s": round(summary.elapsed_s, 1),
        }
        return Notice(event, text, data)
