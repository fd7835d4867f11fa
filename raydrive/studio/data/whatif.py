"""What another policy would have done, on the curves this run recorded.

The run is trained again on virtual time by the real judge and the simulated runner: same configurations in the same
order, same concurrency, each trial logging what it logged then, at the pace it had then. Only the policy is another.

What cannot be known: how a trial that was stopped then would have gone on. Its record ends where it was stopped, and
here it ends there by itself; ``unknown`` counts the trials that another policy would have let go on beyond that. Their
further cost is estimated, with a bound, as in ``views/savings.py``, and told apart as ``beyond_s``; what they would
have reached is not guessed. Where nothing tells that cost (``no_estimate``), it is left out of every figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from raydrive.core.early_stopping.policies import NoTerminationPolicy, Policy, policy_from_json
from raydrive.core.early_stopping.policy_record import RecordedPolicy, policy_record
from raydrive.core.records import Params, Started
from raydrive.core.search.trial_record import Suggestion, TrialRecord
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.savings import Forecast, Span
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.runtime.simulated import SimulatedRunner
from raydrive.studio.data.policy_line import policy_text
from raydrive.studio.data.run_history import RunHistory

CHOICES: tuple[dict[str, Any], ...] = (
    {"type": "none"},
    *({"type": "bandit", "slack_factor": f, "delay_evaluation": 5} for f in (0.1, 0.2)),
    {"type": "median_stopping", "delay_evaluation": 5},
    {"type": "truncation_selection", "truncation_percentage": 20, "delay_evaluation": 5},
    *({"type": "bandit", "slack_factor": f, "delay_evaluation": 5} for f in (0.05, 0.5)),
    *({"type": "bandit", "slack_factor": f} for f in (0.05, 0.1, 0.2, 0.5)),
    *({"type": "median_stopping", "delay_evaluation": d} for d in (0, 10)),
    *({"type": "truncation_selection", "truncation_percentage": p, "delay_evaluation": 5} for p in (10, 50)),
)
"""What a report answers in advance, the most wanted first; a live studio and the command line answer any policy."""
MOST_REPORTS_IN_ADVANCE = 150_000
"""A run with more reports is not played again for a report (about 15 microseconds a report and choice)."""
MOST_REPORTS_FOR_ALL = 15_000
FEW = 6


@dataclass(frozen=True, slots=True)
class WhatIfResult:
    """What came of a policy on a run's recorded curves."""

    policy: dict[str, Any]
    text: str
    stopped: tuple[tuple[int, int, str], ...]
    """Trial, interval and reason, by trial."""
    trained_s: float
    """Training time of all trials, in seconds, ``beyond_s`` included."""
    beyond_s: float
    """Part of it that is an estimate: training beyond the record of trials that were stopped then."""
    all_s: float
    """Training time without any policy, in seconds, with an estimate for the trials that were stopped then."""
    elapsed_s: float
    """Length of the run on the recorded curves, in seconds."""
    all_elapsed_s: float
    """The same without any policy."""
    best: float | None
    best_trial: int | None
    recorded_best: float | None
    recorded_best_trial: int | None
    lost_best: bool
    """Whether the best value of the record would not have been found."""
    unknown: int
    """Trials whose record ends because they were stopped then, and which this policy would have let go on."""
    estimated: Span
    """Part of ``saved_s`` that is an estimate: of trials that were stopped then and that this policy stops too."""
    no_estimate: str = ""
    """Why nothing tells what the trials that were stopped then would have cost further; empty where something does."""

    @property
    def saved_s(self) -> float:
        """Training time saved against no policy, in seconds."""
        return max(0.0, self.all_s - self.trained_s)

    @property
    def saved_low_s(self) -> float:
        """Lower bound of ``saved_s``."""
        return max(0.0, self.saved_s - self.estimated.seconds + self.estimated.low_s)

    @property
    def saved_high_s(self) -> float:
        """Upper bound of ``saved_s``."""
        return max(0.0, self.saved_s - self.estimated.seconds + self.estimated.high_s)

    def to_json(self) -> dict[str, Any]:
        """Returns the outcome as a JSON object."""
        names = "policy text trained_s beyond_s all_s saved_s saved_low_s saved_high_s elapsed_s all_elapsed_s best"
        names += " best_trial recorded_best recorded_best_trial lost_best unknown no_estimate"
        out: dict[str, Any] = {name: getattr(self, name) for name in names.split()}
        out["saved_share"] = self.saved_s / self.all_s if self.all_s else 0.0
        out["stopped"] = [list(item) for item in self.stopped]
        return out


class _Recorded:
    """A sampler that proposes what was proposed then."""

    cheap = True

    def __init__(self, params: Sequence[Params]) -> None:
        self._params = params

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        return Suggestion(self._params[number], "recorded") if number < len(self._params) else None


Played = tuple[Sweep, float, float]
"""A run trained again: its sweep, the seconds trained and the seconds it took."""


def what_if(history: RunHistory, policy: Policy | dict[str, Any] | str, free: Played | None = None) -> WhatIfResult:
    """Returns what a policy would have done on a run's recorded curves.

    Args:
        history: The run; one that still goes on is taken as far as it is.
        policy: A policy or its JSON form.
        free: What ``play`` gave without a policy; for asking several times.

    Raises:
        ConfigError: If the JSON form is wrong; all problems at once.
    """
    chosen = policy_from_json(policy, "policy") if isinstance(policy, dict | str) else policy
    free = free or play(history, NoTerminationPolicy())
    _, free_s, free_end = free
    played, trained, end = free if isinstance(chosen, NoTerminationPolicy) else play(history, chosen)
    best, recorded = played.best, history.sweep.best
    stopped = tuple(
        (trial.number, played.curves.length(trial.number), trial.why)
        for trial in played.trials
        if trial.stop_by == "policy"
    )
    cut = {number for number, _, _ in stopped}
    forecast = Forecast(history.sweep)
    left = {trial.number for trial in history.sweep.trials if trial.stop_by == "policy" and not trial.open}
    beyond, estimated = (forecast.of(numbers) or Span(0.0, 0.0, 0.0) for numbers in (left - cut, left & cut))
    return WhatIfResult(
        policy=policy_record(chosen),
        text=policy_text(chosen),
        stopped=stopped,
        trained_s=trained + beyond.seconds,
        beyond_s=beyond.seconds,
        all_s=free_s + beyond.seconds + estimated.seconds,
        elapsed_s=end,
        all_elapsed_s=free_end,
        best=best.value if best else None,
        best_trial=best.trial if best else None,
        recorded_best=recorded.value if recorded else None,
        recorded_best_trial=recorded.trial if recorded else None,
        lost_best=recorded is not None and (best is None or best.value != recorded.value),
        unknown=len(left - cut),
        estimated=estimated,
        no_estimate=forecast.why,
    )


def in_advance(history: RunHistory) -> list[dict[str, Any]]:
    """Returns the outcomes of ``CHOICES`` and of the run's own policy; nothing for a run too large to play so often."""
    if history.sweep.reports > MOST_REPORTS_IN_ADVANCE or not history.sweep.reports:
        return []
    few = None if history.sweep.reports <= MOST_REPORTS_FOR_ALL else FEW
    return [outcome.to_json() for outcome in outcomes(history, choices(history.config.policy)[:few])]


def choices(own: Policy) -> list[Policy]:
    """Returns a run's own policy, and those of ``CHOICES`` that are others.

    One that is there only as its record is left out: what it would do, only its code can tell.
    """
    if isinstance(own, RecordedPolicy):
        return [policy_from_json(one) for one in CHOICES]
    others = map(policy_from_json, CHOICES)
    return [own, *(one for one in others if policy_record(one) != policy_record(own))]


def outcomes(history: RunHistory, policies: Iterable[Policy]) -> list[WhatIfResult]:
    """Returns what several policies would have done; see ``what_if``."""
    free = play(history, NoTerminationPolicy())
    return [what_if(history, one, free) for one in policies]


def play(history: RunHistory, policy: Policy) -> Played:
    """Trains the run again on virtual time; returns its sweep, the seconds trained and the seconds it took."""
    trials = history.sweep.trials
    limits = replace(
        history.sweep.limits,
        max_total_runs=max(1, len(trials)),
        max_duration_s=None,
        trial_timeout_s=None,
        first_failures=0,
        strict=0,
        max_attempts=1,
    )
    sweep = Sweep(replace(history.config, policy=policy, limits=limits), history.warm_start)
    runner = SimulatedRunner(lambda number, params: _curve(history, number))
    loop = DecisionLoop(sweep, _Recorded([trial.params for trial in trials]), runner, None, lambda: runner.now)
    loop.take([Started(0.0, 1)])
    for fact in runner.facts(lambda: sweep.due_at):
        loop.take([fact])
    return sweep, sum(trial.trained_s for trial in sweep.trials), runner.now


def _curve(history: RunHistory, number: int) -> Iterator[tuple[float, float]]:
    """A trial as it was: seconds of training before each interval, and the value logged."""
    past = history.pasts[number]
    begins = sorted(one.began_at for one in past.tries if one.began_at is not None)
    before = begins[0] if begins else None
    for at, value in zip(past.times, history.sweep.curves.values(number), strict=False):
        # A relaunched attempt began after the interval before: the time in between was not training.
        late = [begin for begin in begins if begin <= at]
        start = max(late[-1] if late else at, at if before is None else before)
        yield max(0.0, at - start), value
        before = at
