"""The judge: facts in, decisions out.

``Sweep.handle(fact)`` is the only door. It folds the fact into the state, decides, and folds its own decisions;
nothing else changes a sweep. ``Sweep.apply`` folds an entry that was decided before, so that replaying a journal gives
the state the live sweep had, at every prefix, without asking a policy or a sampler again. There is no clock, file,
thread or Ray in here: time arrives as ``fact.at``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.retention import needs_of
from raydrive.core.records import (
    CANCELED,
    COMPLETED,
    FAILED,
    QUEUED,
    Began,
    Cancelled,
    Checkpointed,
    Close,
    Decision,
    Ended,
    Fact,
    Finish,
    Launch,
    Lost,
    Noted,
    Reported,
    Started,
    Stop,
    Suggested,
    Ticked,
)
from raydrive.core.sweep.bulk_replay import Folds, fold_pieces
from raydrive.core.sweep.missing_metric import BY_STRICT, any_logged, ends_run, stops
from raydrive.core.sweep.next_attempt import after_end, after_loss, finish, launch
from raydrive.core.sweep.report_block import Piece
from raydrive.core.sweep.state import (
    LOST_ON_KEPT,
    Best,
    History,
    RunEnding,
    State,
    Trial,
    details_of,
    duration_text,
)
from raydrive.core.sweep.warm_start_data import EMPTY, FIRST_CHECKPOINT, WarmStartData
from raydrive.core.user_classes import failure, is_own


class Sweep:
    """One run, as far as its facts tell.

    Args:
        config: The frozen configuration of the run.
        warm_start: What it got from earlier runs.
        lean: Whether to forget of trials that are over what neither policy nor sampler asks for: see ``retention.py``.

    Raises:
        ValueError: If the warm-start data belong to another configuration.
    """

    def __init__(self, config: RunConfig, warm_start: WarmStartData = EMPTY, *, lean: bool = False) -> None:
        needs = needs_of(config.policy, config.sampling) if lean else None
        self.config = config
        self.warm_start = warm_start
        self.limits = config.limits
        self.curves = Curves(config.metric.maximize, needs, config.metric.objective)
        self._keeps_best = self.curves.by_best
        warm_start.begin(config, self.curves)
        self._state = State(names=None if needs is None else {})
        self.history = History(self._state.trials, self.curves, config.metric.value)

    # ------------------------------------------------------------------ reading

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials; number n stands at index n."""
        return self._state.trials

    @property
    def open_trials(self) -> tuple[Trial, ...]:
        """Trials that are queued or running, by number."""
        return tuple(self._state.open.values())

    @property
    def best(self) -> Best | None:
        """The trial with the best objective value; of equal best points the one that was logged first.

        Where the objective is no best point: of equal values that of the lowest trial number. It may get worse then.
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
        """Set once the run is over."""
        return self._state.finished

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
        state = self._state
        if state.ending or state.finished or state.exhausted or not state.epoch:
            return 0
        free = self.limits.max_concurrent_runs - len(state.open)
        return max(0, min(free, self.limits.max_total_runs - len(state.trials)))

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
        return min(due, default=None)

    # ------------------------------------------------------------------ the door

    def accepts(self, fact: Fact) -> bool:
        """Whether a fact says something new; else it is to be dropped unrecorded.

        Reports are delivered at least once, and processes may outlive their attempts.
        """
        state = self._state
        if type(fact) is Reported:  # nearly every fact is one
            trial = state.open.get(fact.trial)
            return trial is not None and fact.attempt == trial.attempt and fact.seq > trial.seq
        match fact:
            case Started():
                return fact.epoch > state.epoch
            case Ticked():
                return state.epoch > 0 and not state.finished
            case Suggested():
                return fact.trial == len(state.trials) and self.free_slots > 0
            case Cancelled(trial=None):
                return not (state.finished or state.ending)
            case Cancelled():
                return fact.trial in state.open and not state.open[fact.trial].stop_by
        trial = state.open.get(fact.trial)
        if trial is None or fact.attempt != trial.attempt:
            return False
        match fact:  # of an attempt under way
            case Noted():
                return trial.accepts(fact)
            case Began():
                return trial.began_at is None
        return True

    def handle(self, fact: Fact) -> tuple[Decision, ...]:
        """Folds a fact and returns what is to be done about it; the decisions are folded too.

        Args:
            fact: Something that ``accepts`` agreed to.
        """
        if type(fact) is Reported:
            return self._judge_report(fact)
        self._fold_fact(fact)
        decisions: list[Decision] = []
        for decision in self._decide(fact):
            self._fold_decision(decision, fact.at)
            decisions.append(decision)
        return tuple(decisions)

    def apply(self, fact: Fact, decisions: Iterable[Decision]) -> None:
        """Folds an entry that was decided earlier."""
        self._fold_fact(fact)
        for decision in decisions:
            self._fold_decision(decision, fact.at)

    def follow(self, pieces: Iterable[Piece]) -> None:
        """Folds what a journal holds, entry by entry or many at a time."""
        fold_pieces(pieces, self._state, self.curves, Folds(self.apply, self._fold_decision, self.config.lineage))

    @classmethod
    def replay(
        cls, config: RunConfig, pieces: Iterable[Piece], warm_start: WarmStartData = EMPTY, *, lean: bool = False
    ) -> Sweep:
        """Returns the sweep whose journal is ``pieces``; the other arguments are those of the constructor."""
        sweep = cls(config, warm_start, lean=lean)
        sweep.follow(pieces)
        return sweep

    # ------------------------------------------------------------------ folding

    def _fold_fact(self, fact: Fact) -> None:
        state = self._state
        match fact:
            case Reported():
                self._fold_report(fact)
            case Suggested():
                if fact.params is None:
                    state.exhausted = True
                else:
                    trial = Trial(fact.trial, fact.params, fact.origin, details_of(fact.details), fact.at)
                    state.trials.append(trial)
                    state.open[trial.number] = trial
                    self._fold_continued(trial)
            case Began():
                state.trials[fact.trial].begin(fact)
            case Ended() | Lost():
                self._fold_end(fact)
            case Checkpointed():
                trial = state.trials[fact.trial]
                trial.checkpoint, trial.checkpoint_interval = fact.name, fact.interval
            case Noted():
                state.trials[fact.trial].note(fact)
            case Cancelled() if fact.trial is None:
                state.ending = RunEnding(CANCELED, fact.why)
            case Started():
                self._fold_start(fact)
            case Ticked():
                limit_s = self.limits.max_duration_s
                if limit_s is not None and not state.ending and fact.at >= state.clock.due_at(limit_s):
                    state.ending = RunEnding(COMPLETED, f"max_duration of {duration_text(limit_s)} reached")
        # A tick from which nothing follows is not recorded, so no tick may move the clock.
        if not isinstance(fact, Ticked):
            state.clock.last_at = max(state.clock.last_at, fact.at)

    def _fold_continued(self, trial: Trial) -> None:
        """A trial that goes on with one of an earlier run has its curve up to there, and a copy of its checkpoint."""
        continued = self.config.lineage.continued
        if trial.number < len(continued):
            prefix = self.warm_start.resumed_prefixes[trial.number]
            self.curves.begin(trial.number, prefix)
            trial.start = len(prefix)
            if continued[trial.number].source:
                trial.checkpoint, trial.checkpoint_interval = FIRST_CHECKPOINT, trial.start

    def _fold_start(self, fact: Started) -> None:
        state = self._state
        state.epoch = fact.epoch
        state.clock.start(fact.at)
        if fact.limits:
            self.limits = replace(self.limits, **fact.limits)
            # An extended run is open again: what ended it was the budget that has just grown.
            state.finished = state.ending = None

    def _fold_report(self, fact: Reported) -> bool:
        """Returns whether the report carries the trial's next interval."""
        state = self._state
        trial = state.trials[fact.trial]
        trial.seq, trial.heard_at = fact.seq, fact.at
        state.reports += 1
        if fact.at > state.clock.last_at:
            state.clock.last_at = fact.at
        if not fact.interval:
            if not self.curves.length(trial.number):
                trial.logs(fact.metrics)
            return False
        trial.logged = ()
        before, trial.valued_at = trial.valued_at, fact.at
        if before is not None:  # a measure of its pace, see saving.py
            gap_s = fact.at - before
            trial.gaps += 1
            if gap_s > 0.0:
                trial.gaps_s += gap_s
                trial.gaps_s2 += gap_s * gap_s
        value = math.nan if fact.value is None else fact.value
        if not self.curves.add(trial.number, fact.interval, value):
            return False  # a relaunched attempt logs an interval again: the first value stands
        if fact.step is not None or trial.steps is not None:
            trial.took(fact.step, fact.interval)
        if self._keeps_best and (state.best is None or self._better(value, state.best.value)):
            kept = self.curves.values(trial.number)[-1]  # as a float, which a whole number of any size is not
            if math.isfinite(kept):
                state.best = Best(trial.number, kept, fact.interval)
        return True

    def _better(self, left: float, right: float) -> bool:
        return left > right if self.config.metric.maximize else left < right

    def _fold_end(self, fact: Ended | Lost) -> None:
        trial = self._state.trials[fact.trial]
        if isinstance(fact, Lost):
            trial.losses += 1
            trial.lost_why = fact.why
            progress = self._progress(trial) != trial.launched_with
            trial.losses_without_progress = 0 if progress else trial.losses_without_progress + 1
            if trial.began_at is not None and trial.node:
                trial.lost_on = (*(node for node in trial.lost_on if node != trial.node), trial.node)[-LOST_ON_KEPT:]
        if trial.began_at is not None:
            clock, until = self._state.clock, fact.at
            if isinstance(fact, Lost) and trial.began_at < clock.epoch_at:
                # Perhaps nothing trained while there was no driver; what was heard of is certain.
                until = max(clock.left_at, trial.heard_at)
            trial.trained_s += max(0.0, until - trial.began_at)
            trial.began_at = None
        if isinstance(fact, Ended) and fact.usage:
            trial.usage = fact.usage
        trial.silent = isinstance(fact, Ended) and fact.exit_code == 0 and not self.curves.length(trial.number)
        self._state.counts.ended_without_metric += trial.silent
        if isinstance(fact, Ended) and fact.exit_code != 0 and not trial.stop_by:
            trial.failures += 1

    def _progress(self, trial: Trial) -> tuple[int, str | None]:
        return self.curves.length(trial.number), trial.checkpoint

    def _fold_decision(self, decision: Decision, at: float) -> None:
        state = self._state
        match decision:
            case Launch():
                trial = state.trials[decision.trial]
                trial.attempt, trial.seq, trial.state, trial.pid, trial.actor = decision.attempt, 0, QUEUED, 0, ""
                trial.launch, trial.launched_at = decision, max(at, decision.not_before or at)
                trial.launched_with, trial.valued_at = self._progress(trial), None
            case Stop():
                trial = state.trials[decision.trial]
                trial.why, trial.stop_by = decision.why, decision.by
                if decision.by == "run" and not state.ending:  # a strict run: the decision itself is what ends it
                    state.ending = RunEnding(FAILED, decision.why)
            case Close():
                self._fold_close(decision, at)
            case Finish():
                state.finished = decision

    def _fold_close(self, decision: Close, at: float) -> None:
        state = self._state
        trial = state.open.pop(decision.trial)
        trial.close(decision, at, state.names)
        self.curves.close(trial.number)
        counts = state.counts
        counts.add(decision.state, self.curves.length(trial.number) > 0)
        limit = self.limits.first_failures
        hopeless = limit and decision.state == FAILED and counts.failed == counts.closed >= limit
        # A running trial that has logged the metric shows that not everything is broken: wait for it.
        if hopeless and not state.ending and not any(self.curves.length(n) for n in state.open):
            first = f"the first {counts.failed} trials failed and none succeeded"
            state.ending = RunEnding(FAILED, f"{first}; trial {trial.number}: {decision.why}")
        silent = self.limits.strict and decision.state == FAILED and trial.silent
        if silent and not state.ending and not any_logged(state, self.curves):
            state.ending = RunEnding(FAILED, f"{BY_STRICT}trial {trial.number} {decision.why}")

    # ------------------------------------------------------------------ deciding

    def _decide(self, fact: Fact) -> Iterator[Decision]:
        state = self._state
        match fact:
            case Suggested() if fact.params is not None:
                yield launch(state.trials[fact.trial])
            case Ended():
                trial, intervals = state.trials[fact.trial], self.curves.length(fact.trial)
                yield after_end(fact, trial, intervals, self.limits, self.config.metric)
            case Lost():
                yield after_loss(fact, state.trials[fact.trial], self.limits)
            case Cancelled() if fact.trial is not None:
                trial = state.trials[fact.trial]
                yield Stop(trial.number, trial.attempt, fact.why, "user")
            case Ticked():
                yield from tuple(state.overdue(self.limits.trial_timeout_s, fact.at))
        if state.ending and not state.finished:
            for trial in self.open_trials:
                if not trial.stop_by:
                    yield Stop(trial.number, trial.attempt, state.ending.why, "run")
        if not state.open and not state.finished:
            yield from finish(state, self.limits)

    def _judge_report(self, fact: Reported) -> tuple[Stop, ...]:
        """The hot path, from fact to folded decisions: only stops can follow from a report.

        Raises:
            UserCodeError: If a policy of the user's fails.
        """
        state = self._state
        trial = state.trials[fact.trial]
        if self.limits.strict and ends_run(self.limits.strict, fact, trial, state, self.curves):
            self._fold_report(fact)
            decisions = stops(self.config, trial, state)
            for decision in decisions:
                self._fold_decision(decision, fact.at)
            return decisions
        if not self._fold_report(fact) or trial.stop_by:
            return ()
        policy = self.config.policy
        try:
            verdict = policy.judge(fact.trial, fact.interval, self.curves)
            if verdict is None or not verdict.stop:
                return ()
            stop = Stop(fact.trial, fact.attempt, verdict.why, "policy")
        except (Exception, SystemExit) as error:
            if is_own(type(policy)):
                raise
            raise failure(policy, f"judge(trial {fact.trial}, interval {fact.interval})", error) from error
        self._fold_decision(stop, fact.at)
        return (stop,)
