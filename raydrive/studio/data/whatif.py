"""What another policy would have done, on the curves this run recorded.

The run's own policy gives back the record itself: what it stopped, when, and what ``views/savings.py`` tells of it. For
another one the run is trained again on virtual time by the real judge and the simulated runner: same configurations in
the same order, same concurrency, each trial logging what it logged then, as long after its launch as then, and launched
as long after a slot was free as then. Until the policy decides otherwise, all trials log in the order of the record.

What cannot be known: how a trial that was stopped then would have gone on. Its record ends where it was stopped, and
here it ends there by itself; ``unknown`` counts the trials that another policy would have let continue beyond that.
Their further cost is estimated, with a bound, as in ``views/savings.py``, and told apart as ``beyond_s``; what they
would have reached is not guessed. Where nothing tells that cost (``no_estimate``), it is left out of every figure.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from raydrive.core.config.run_rules import NO_RULES
from raydrive.core.early_stopping.policies import NoTerminationPolicy, Policy, policy_from_json
from raydrive.core.early_stopping.policy_record import RecordedPolicy, policy_record
from raydrive.core.records import Params, Started
from raydrive.core.search.trial_record import Suggestion, TrialRecord
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.user_classes import is_own
from raydrive.core.views.savings import Forecast, Span, intervals_trained, share_saved
from raydrive.core.views.summary import seconds_of
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.runtime.simulated import SimulatedRunner
from raydrive.studio.data.policy_line import policy_text
from raydrive.studio.data.run_history import RunHistory

CHOICES: tuple[dict[str, Any], ...] = (
    {"type": "none"},
    {"type": "auto"},
    *({"type": "bandit", "slack_factor": f, "delay_evaluation": 5} for f in (0.1, 0.2)),
    {"type": "median_stopping", "delay_evaluation": 5},
    {"type": "truncation_selection", "truncation_percentage": 20, "delay_evaluation": 5},
    *({"type": "successive_halving", "mode": mode} for mode in ("promote", "stop")),
    *({"type": "bandit", "slack_factor": f, "delay_evaluation": 5} for f in (0.05, 0.5)),
    *({"type": "bandit", "slack_factor": f} for f in (0.05, 0.1, 0.2, 0.5)),
    *({"type": "median_stopping", "delay_evaluation": d} for d in (0, 10)),
    *({"type": "truncation_selection", "truncation_percentage": p, "delay_evaluation": 5} for p in (10, 50)),
)
"""What a report answers in advance, the most wanted first; a live studio and the command line answer any policy."""
MOST_REPORTS_IN_ADVANCE = 150_000
"""A run with more reports is not played again for a report (about 15 microseconds a report and choice)."""
MOST_REPORTS_FOR_ALL = 15_000
FEW = 9
TIE_S = 1e-6
"""Virtual seconds between two logs that were recorded at the same time, so that their order is kept."""


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
    """Trials whose record ends because they were stopped then, and which this policy would have let continue."""
    estimated: Span
    """Part of ``saved_s`` that is an estimate: of trials that were stopped then and that this policy stops too."""
    saved_s: float
    """Training time saved against no policy, in seconds."""
    saved_share: float
    """Part of all intervals that was saved, 0 to 1; as ``Saving.share``."""
    no_estimate: str = ""
    """Why nothing tells what the trials that were stopped then would have cost further; empty where something does."""

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
        names += " best_trial recorded_best recorded_best_trial lost_best unknown no_estimate saved_share"
        out: dict[str, Any] = {name: getattr(self, name) for name in names.split()}
        out["stopped"] = [list(item) for item in self.stopped]
        return out


class _Recorded:
    """A sampler that proposes what was proposed then."""

    cheap = True

    def __init__(self, params: Sequence[Params]) -> None:
        self._params = params

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        return Suggestion(self._params[number], "recorded") if number < len(self._params) else None


@dataclass(frozen=True, slots=True)
class Played:
    """A run trained again, or as it was."""

    sweep: Sweep
    stopped: tuple[tuple[int, int, str], ...]
    """Trial, interval and reason, by trial."""
    trained_s: float
    elapsed_s: float


def what_if(
    history: RunHistory,
    policy: Policy | dict[str, Any] | str,
    free: Played | None = None,
    ran: Policy | None = None,
) -> WhatIfResult:
    """Returns what a policy would have done on a run's recorded curves; for the run's own policy, what it did.

    A user's class may have changed since the run: an object of one judges again, with the same parameters, too.

    Args:
        history: The run; one that still continues is taken as far as it is.
        policy: A policy or its JSON form.
        free: What ``play`` gave without a policy; for asking several times.
        ran: The run's own policy where it was built from the run's code: it is answered with what it did.

    Raises:
        ConfigError: If the JSON form is wrong; all problems at once.
    """
    chosen = policy_from_json(policy, "policy") if isinstance(policy, dict | str) else policy
    record, own = _as_it_was(history), policy_record(chosen) == policy_record(history.config.policy)
    own = own and (chosen is ran or is_own(type(chosen)))
    free = free or play(history, NoTerminationPolicy())
    played = record if own else free if isinstance(chosen, NoTerminationPolicy) else play(history, chosen)
    best, then = played.sweep.best, history.sweep.best
    cut, left = ({number for number, _, _ in one.stopped} for one in (played, record))
    forecast = Forecast(history.sweep)
    beyond, estimated = (forecast.of(numbers) or Span(0.0, 0.0, 0.0) for numbers in (left - cut, left & cut))
    trained = intervals_trained(played.sweep) + forecast.intervals_of(left - cut)
    whole = intervals_trained(history.sweep) + forecast.intervals_of(left)
    saved = forecast.intervals_of(left) if own else whole - trained
    known_s = max(0.0, record.trained_s - played.trained_s)
    return WhatIfResult(
        policy=policy_record(chosen),
        text=policy_text(chosen),
        stopped=played.stopped,
        trained_s=played.trained_s + beyond.seconds,
        beyond_s=beyond.seconds,
        all_s=record.trained_s + beyond.seconds + estimated.seconds,
        elapsed_s=played.elapsed_s,
        all_elapsed_s=max(free.elapsed_s, played.elapsed_s),
        best=best.value if best else None,
        best_trial=best.trial if best else None,
        recorded_best=then.value if then else None,
        recorded_best_trial=then.trial if then else None,
        lost_best=then is not None and (best is None or best.value != then.value),
        unknown=len(left - cut),
        estimated=estimated,
        saved_s=known_s + estimated.seconds,
        saved_share=share_saved(saved, trained),
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


def outcomes(history: RunHistory, policies: Iterable[Policy], ran: Policy | None = None) -> list[WhatIfResult]:
    """Returns what several policies would have done; see ``what_if``."""
    free = play(history, NoTerminationPolicy())
    return [what_if(history, one, free, ran) for one in policies]


def _as_it_was(history: RunHistory) -> Played:
    """The record itself."""
    sweep, pasts = history.sweep, history.pasts
    stopped = []
    for trial in sweep.trials:
        if trial.stop_by == "policy" and not trial.open:
            cut = pasts[trial.number].cut
            stopped.append((trial.number, cut[0] if cut else sweep.curves.length(trial.number), trial.why))
    trained_s = sum(seconds_of(trial, trial.ended_at or sweep.last_at) or 0.0 for trial in sweep.trials)
    return Played(sweep, tuple(stopped), trained_s, sweep.elapsed_s(sweep.last_at))


def play(history: RunHistory, policy: Policy) -> Played:
    """Trains the run again on virtual time."""
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
    config = replace(history.config, policy=policy, limits=limits, rules=NO_RULES)
    sweep = Sweep(config, history.warm_start)
    waits = _waits(history)
    values = history.sweep.curves.values
    runner = SimulatedRunner(
        lambda number, _: zip(waits[number], values(number), strict=False),
        checkpoint_every=int(hasattr(policy, "promote")),  # as if each trial had saved one with each interval
    )
    loop = DecisionLoop(sweep, _Recorded([trial.params for trial in trials]), runner, None, lambda: runner.now)
    loop.take([Started(0.0, 1)])
    for fact in runner.facts(lambda: sweep.due_at):
        loop.take([fact])
    length = sweep.curves.length
    stopped = tuple((t.number, length(t.number), t.why) for t in sweep.trials if t.stop_by == "policy")
    trained_s = sum(_trained_s(history, trial.number, length(trial.number)) for trial in sweep.trials)
    return Played(sweep, stopped, trained_s, runner.now)


def _trained_s(history: RunHistory, number: int, length: int) -> float:
    """Seconds that a trial trained for its first intervals; all of them, if it has no more."""
    trial, past = history.sweep.trials[number], history.pasts[number]
    whole_s = seconds_of(trial, trial.ended_at or history.sweep.last_at) or 0.0
    if length >= len(past.times):
        return whole_s
    begins = sorted(one.began_at for one in past.tries if one.began_at is not None)
    before, trained_s = begins[0] if begins else None, 0.0
    for at in past.times[:length]:
        # A relaunched attempt began after the interval before: the time in between was not training.
        late = [begin for begin in begins if begin <= at]
        start = max(late[-1] if late else at, at if before is None else before)
        trained_s += max(0.0, at - start)
        before = at
    return min(trained_s, whole_s)


def _waits(history: RunHistory) -> list[list[float]]:
    """Virtual seconds before each log of each trial, the first one counted from when its slot was free.

    Times are of the work on the run: without those between an interruption and ``resume``.
    """
    trials = history.sweep.trials
    logs = sorted(
        (order, trial.number, at)
        for trial, past in zip(trials, history.pasts, strict=True)
        for order, at in list(zip(past.order, past.times, strict=True))[trial.start :]
    )
    times: list[list[float]] = [[] for _ in trials]
    before = -1.0
    for _, number, at in logs:
        before = max(_worked_s(history, at), before + TIE_S)
        times[number].append(before)
    waits: list[list[float]] = []
    ends: list[float] = []  # of the slots in use: when each is free
    for trial, own in zip(trials, times, strict=True):
        full = len(ends) >= history.sweep.limits.max_concurrent_runs
        free = heapq.heappop(ends) if full else 0.0
        heapq.heappush(ends, own[-1] if own else max(free, _worked_s(history, trial.created_at)))
        gaps = [max(0.0, at - start) for start, at in zip([free, *own], own, strict=False)]
        waits.append([0.0] * trial.start + gaps)
    return waits


def _worked_s(history: RunHistory, at: float) -> float:
    """Seconds worked on the run until a time."""
    began = [(start, worked) for _, start, worked in history.epochs if start <= at]
    return at - began[-1][0] + began[-1][1] if began else 0.0
