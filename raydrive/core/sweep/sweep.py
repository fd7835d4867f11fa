"""The judge: facts in, decisions out.

``Sweep.handle(fact)`` is the only door. It folds the fact into the state, decides, and folds its own decisions;
nothing else changes a sweep. ``Sweep.apply`` folds an entry that was decided before, so that replaying a journal gives
the state the live sweep had, at every prefix, without asking a policy or a sampler again. There is no clock, file,
thread or Ray in here: time arrives as ``fact.at``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.retention import needs_of
from raydrive.core.records import (
    BY_PAUSE,
    CANCELED,
    COMPLETED,
    FAILED,
    QUEUED,
    TIMELESS,
    Began,
    Cancelled,
    Checkpointed,
    Close,
    Decision,
    Ended,
    EndRun,
    Estimated,
    Fact,
    Finish,
    Launch,
    Lost,
    Noted,
    Pause,
    Reported,
    Resumed,
    Started,
    Stop,
    Suggested,
    Ticked,
)
from raydrive.core.sweep.bulk_replay import Folds, fold_pieces
from raydrive.core.sweep.edits import edited, parts_of
from raydrive.core.sweep.missing_metric import BY_STRICT, any_logged, ends_run, stops
from raydrive.core.sweep.next_attempt import after_end, after_loss, cancel, finish, launch, with_last_value
from raydrive.core.sweep.pauses import NEVER_PROMOTED, Pauses
from raydrive.core.sweep.population.members import Members
from raydrive.core.sweep.readable_sweep import ReadableSweep
from raydrive.core.sweep.report_block import Piece
from raydrive.core.sweep.report_fold import fold_report
from raydrive.core.sweep.run_end import ends_by, ends_by_report, fold_closing, fold_oom, fold_training
from raydrive.core.sweep.state import NODES_KEPT, History, RunEnding, State, Trial, details_of, duration_text, stop_all
from raydrive.core.sweep.user_changes import Given, Logged, Steering
from raydrive.core.sweep.warm_start_data import EMPTY, FIRST_CHECKPOINT, WarmStartData
from raydrive.core.user_classes import checked_verdict, failure, is_own
from raydrive.core.user_facts import USER_FACTS, Edited, Retried, UserFact


class Sweep(ReadableSweep):
    """One run, as far as its facts tell.

    Args:
        config: The frozen configuration of the run.
        warm_start: What it got from earlier runs.
        lean: Whether to forget of trials that have ended what neither policy nor sampler asks for: see
            ``retention.py``.

    Raises:
        ValueError: If the warm-start data belong to another configuration.
    """

    def __init__(self, config: RunConfig, warm_start: WarmStartData = EMPTY, *, lean: bool = False) -> None:
        needs = needs_of(config.policy, config.sampling, config.rules.population) if lean else None
        self.given = config
        self.config = config
        self.runnable: Callable[[RunConfig], RunConfig] = lambda edited: edited
        self.outgrown = False
        points = config.rules.points
        self.steering = Steering([Given(params) for params in (points.points if points else ())])
        self.warm_start = warm_start
        self.limits = config.limits
        self.curves = Curves(config.metric.maximize, needs, config.metric.objective)
        self._keeps_best = self.curves.by_best
        warm_start.begin(config, self.curves)
        self._state = State(names=None if needs is None else {})
        self._pauses = Pauses(config, self._state, self.curves)
        self._members = None if config.rules.population is None else Members(self._state, self.curves)
        self.history = History(self._state.trials, self.curves, config.metric.value)

    # ------------------------------------------------------------------ the door

    def accepts(self, fact: Fact) -> bool:
        """Whether a fact says something new; else it is to be dropped unrecorded.

        Reports are delivered at least once, and processes may outlive their attempts.
        """
        state = self._state
        if type(fact) is Reported:  # nearly every fact is one
            trial = state.open.get(fact.trial)
            return trial is not None and fact.attempt == trial.attempt and fact.seq > trial.seq
        if isinstance(fact, USER_FACTS):
            return self.steering.accepts(fact, state)
        match fact:
            case Started():
                return fact.epoch > state.epoch
            case Ticked():
                return state.epoch > 0 and not state.finished
            case Estimated():
                return state.epoch > 0 and not (state.finished or state.ending)
            case Suggested():
                return fact.trial == len(state.trials) and (
                    self.free_slots > 0 or (fact.params is None and self.may_continue)
                )
            case Resumed():
                return fact.trial in state.paused and self.may_continue
            case Cancelled(trial=None):
                return not (state.finished or state.ending)
            case Cancelled():
                asked = state.trials[fact.trial] if fact.trial in state.open or fact.trial in state.paused else None
                return asked is not None and asked.stop_by in ("", BY_PAUSE)
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
        return self._folded(self._decide(fact), fact.at)

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

    def shed(self) -> None:
        """Forgets what a lean sweep does not keep: an edit or a retry has made this one keep everything."""
        needs = needs_of(self.config.policy, self.config.sampling, self.config.rules.population)
        if needs is not None:
            self.curves.shed(needs, self._state.shed())
            self.history.shed()
            self.outgrown = False

    # ------------------------------------------------------------------ folding

    def _fold_fact(self, fact: Fact) -> None:
        state = self._state
        match fact:
            case Reported():
                fold_report(fact, state, self.curves)
            case Suggested():
                if fact.params is None:
                    state.exhausted = True
                else:
                    trial = Trial(fact.trial, fact.params, fact.origin, details_of(fact.details), fact.at)
                    trial.until = fact.until
                    state.trials.append(trial)
                    state.open[trial.number] = trial
                    self.steering.took(fact)
                    self._fold_continued(trial)
            case Resumed():
                state.trials[fact.trial].until = fact.until
            case Began():
                state.trials[fact.trial].begin(fact)
            case Ended() | Lost():
                self._fold_end(fact)
            case Checkpointed():
                trial = state.trials[fact.trial]
                trial.checkpoint, trial.checkpoint_interval, trial.checkpoint_of = fact.name, fact.interval, None
                state.checkpointed = True
            case Noted():
                state.trials[fact.trial].note(fact)
            case Cancelled() if fact.trial is None:
                state.ending = RunEnding(CANCELED, fact.why)
            case Started():
                self._fold_start(fact)
            case Estimated():
                state.progress.estimate(fact.gain, fact.trials)
            case Ticked():
                limit_s = self.limits.max_duration_s
                if limit_s is not None and not state.ending and fact.at >= state.clock.due_at(limit_s):
                    state.ending = RunEnding(COMPLETED, f"max_duration of {duration_text(limit_s)} reached")
            case _ if isinstance(fact, USER_FACTS):
                self._fold_user_fact(fact)
        if not isinstance(fact, TIMELESS):
            state.clock.last_at = max(state.clock.last_at, fact.at)

    def _fold_user_fact(self, fact: UserFact) -> None:
        self.steering.fold(fact, self._state, self.curves)
        if isinstance(fact, Edited):
            before = replace(self.config, limits=self.limits)
            self.steering.log.append(Logged(fact, parts_of(before, fact.patch)))
            self.config = self.runnable(edited(before, fact.patch))
            self.limits = self.config.limits
            self._pauses = self._pauses.under(self.config)
        if isinstance(fact, Retried):
            self.history.reopen(fact.trial)
        if isinstance(fact, Retried) or (isinstance(fact, Edited) and fact.patch.keys() & {"policy", "sampling"}):
            self.curves.shed(None, ())
            self.outgrown = self.outgrown or self.curves.dropped

    def _fold_continued(self, trial: Trial) -> None:
        """A trial that continues with one of an earlier run has its curve up to there, and a copy of its checkpoint."""
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
        if fact.limits or self.steering.reopens:
            # An extended run is open again: what ended it was the budget that has just grown.
            state.finished = state.ending = None
            state.progress.since = 0
            state.exhausted = state.exhausted and not self._chooses  # that none was worth to continue with is no end
            self.steering.reopens = False

    def _fold_end(self, fact: Ended | Lost) -> None:
        trial = self._state.trials[fact.trial]
        pauses = trial.stop_by == BY_PAUSE
        if not pauses:
            fold_oom(fact, trial, self.config)
        if isinstance(fact, Lost) and not (pauses or trial.oom):  # one that was to pause has lost nothing
            trial.losses += 1
            trial.lost_why = fact.why
            progress = self._progress(trial) != trial.launched_with
            trial.losses_without_progress = 0 if progress else trial.losses_without_progress + 1
            if trial.began_at is not None and trial.node:
                trial.lost_on = (*(node for node in trial.lost_on if node != trial.node), trial.node)[-NODES_KEPT:]
        if trial.began_at is not None:
            clock, until = self._state.clock, fact.at
            if isinstance(fact, Lost) and trial.began_at < clock.epoch_at:
                # Perhaps nothing trained while there was no driver; what was heard of is certain.
                until = max(clock.left_at, trial.heard_at)
            trial.trained_s += max(0.0, until - trial.began_at)
            fold_training(self._state, self.config, max(0.0, until - trial.began_at))
            trial.began_at = None
        if isinstance(fact, Ended) and fact.usage:
            trial.usage = fact.usage
        trial.silent = isinstance(fact, Ended) and fact.exit_code == 0 and not self.curves.length(trial.number)
        self._state.counts.ended_without_metric += trial.silent
        if isinstance(fact, Ended) and fact.exit_code != 0 and not trial.stop_by and not trial.oom:
            trial.failures += 1
        if pauses:
            self._pauses.fold_end(trial)

    def _progress(self, trial: Trial) -> tuple[int, str | None]:
        return self.curves.length(trial.number), trial.checkpoint

    def _fold_decision(self, decision: Decision, at: float) -> None:
        state = self._state
        match decision:
            case Launch():
                trial = state.trials[decision.trial]
                if decision.trial in state.paused:
                    self._pauses.fold_launch(trial)
                    self.steering.retries.pop(decision.trial, None)
                if self._members is not None:
                    self._members.fold_launch(trial, decision, at)
                trial.attempt, trial.seq, trial.state, trial.pid, trial.actor = decision.attempt, 0, QUEUED, 0, ""
                trial.launch, trial.launched_at = decision, max(at, decision.not_before or at)
                trial.launched_with, trial.valued_at, trial.memory = self._progress(trial), None, decision.memory
            case Stop():
                trial = state.trials[decision.trial]
                trial.why, trial.stop_by = decision.why, decision.by
                if decision.by == "run" and not state.ending:  # a strict run: the decision itself is what ends it
                    state.ending = RunEnding(FAILED, decision.why)
            case Pause():
                state.trials[decision.trial].pause = decision
            case Close():
                self._fold_close(decision, at)
            case EndRun():
                state.ending = RunEnding(decision.state, decision.why, decision.rule)
            case Finish():
                state.finished = decision

    def _fold_close(self, decision: Close, at: float) -> None:
        state = self._state
        trial = self._pauses.fold_close(decision)
        self.steering.retries.pop(decision.trial, None)
        if not state.ending:
            state.ending = self._pauses.refusal(trial, decision)
        if not state.ending and self._members is not None:
            state.ending = self._members.refusal(trial, decision, self.config)
        trial.close(decision, at, state.names)
        fold_closing(state, self.config, self.curves, trial.number)
        if decision.state == COMPLETED:
            self.curves.finished.append(trial.number)
        self.curves.close(trial.number)
        state.counts.add(decision.state, self.curves.length(trial.number) > 0)
        state.counts.infeasible += trial.infeasible
        limit, failed = self.limits.first_failures, state.counts.only_failures
        hopeless = limit and decision.state == FAILED and not trial.infeasible and failed >= limit
        # A running trial that has logged the metric shows that not everything is broken: wait for it.
        if hopeless and not state.ending and not any(self.curves.length(n) for n in state.open):
            first = f"the first {failed} trials failed and none succeeded"
            state.ending = RunEnding(FAILED, f"{first}; trial {trial.number}: {decision.why}")
        silent = self.limits.strict and decision.state == FAILED and trial.silent
        if silent and not state.ending and not any_logged(state, self.curves):
            state.ending = RunEnding(FAILED, f"{BY_STRICT}trial {trial.number} {decision.why}")

    # ------------------------------------------------------------------ deciding

    def _decide(self, fact: Fact) -> Iterator[Decision]:
        state = self._state
        match fact:
            case Suggested() | Resumed() if not isinstance(fact, Suggested) or fact.params is not None:
                yield launch(state.trials[fact.trial])
            case Checkpointed():
                yield from self._pauses.carry_out(state.trials[fact.trial])
            case Ended() | Lost() if fact.trial in state.paused:
                pass
            case Ended():
                trial, intervals = state.trials[fact.trial], self.curves.length(fact.trial)
                yield after_end(fact, trial, intervals, self.limits, self.config)
            case Lost():
                yield after_loss(fact, state.trials[fact.trial], self.limits, self.config)
            case Cancelled() if fact.trial is not None:
                yield cancel(state.trials[fact.trial], fact.why)
            case Ticked():
                yield from tuple(state.overdue(self.limits.trial_timeout_s, fact.at))
            case _ if isinstance(fact, USER_FACTS):
                yield from self.steering.answer(fact, state, self.config, self.curves, self._pauses)
        yield from ends_by(fact, state, self.config, self.curves)
        yield from self._go_on()
        if state.ending and not state.finished:
            yield from self._end_all(state.ending.why)
        if state.open or state.finished or self.steering.waits(state, self.limits.max_total_runs):
            return
        if state.paused and not (self._may_begin or self.may_continue):
            yield from self._pauses.close_all(NEVER_PROMOTED, "policy")
        if not state.paused:
            yield from finish(state, self.limits)

    def _end_all(self, why: str) -> Iterator[Decision]:
        """Yields what ends all trials of a run that is ending."""
        yield from stop_all(self._state, why)
        yield from self._pauses.close_all(why, "run")

    def _go_on(self) -> Iterator[Decision]:
        """Yields which paused trials continue, and which never will."""
        if self._state.finished:
            return
        if self._state.paused:
            yield from self.steering.next_launches(self._state, lambda: self._room > 0)
        if self._state.paused and self._members is not None:
            yield from self._members.go_on(self.config, lambda: self._room > 0, new_ones=self._may_begin)
        before = -1
        while len(self._state.paused) != before:  # with those closed that keep a level open, another one may continue
            before = len(self._state.paused)
            if before and not self._state.ending:
                yield from self._pauses.promotions(lambda: self._room > 0, self._least)
                yield from self._pauses.hopeless(self._least)

    def _least(self) -> float:
        return self._pauses.least(new_ones=self._may_begin)

    def _judge_report(self, fact: Reported) -> tuple[Decision, ...]:
        """The hot path, from fact to folded decisions: nearly always nothing follows from a report.

        Raises:
            UserCodeError: If a policy of the user's fails.
        """
        state = self._state
        trial = state.trials[fact.trial]
        if self.limits.strict and ends_run(self.limits.strict, fact, trial, state, self.curves):
            fold_report(fact, state, self.curves)
            return self._folded(stops(self.config, trial, state), fact.at)
        if not fold_report(fact, state, self.curves) or trial.stop_by:
            return ()
        if ends := ends_by_report(fact, state, self.config, self.curves):
            return self._folded((*ends, *self._end_all(ends[0].why)), fact.at)
        if trial.pause is not None:
            return ()
        if self._members is not None:
            full = self._may_begin and self._room <= 0
            return self._folded(self._members.after_report(fact, trial, self.config, self._pauses, full), fact.at)
        policy, stop, pause = self.config.policy, False, None
        try:
            verdict = checked_verdict(policy, policy.judge(fact.trial, fact.interval, self.curves))
            if verdict is not None and (verdict.stop or verdict.pause):
                stop, pause = verdict.stop, (verdict.why, "policy")
        except (Exception, SystemExit) as error:
            if is_own(type(policy)):
                raise
            raise failure(policy, f"judge(trial {fact.trial}, interval {fact.interval})", error) from error
        if pause is None and trial.until is not None and fact.interval >= trial.until:
            pause = (f"trained to interval {trial.until}, as the sampler asked", "sampler")
        if pause is None and (verdict is None or not self._state.paused):
            return ()
        return self._folded(self._after_verdict(fact, trial, pause, stop=stop), fact.at)

    def _folded(self, decisions: Iterable[Decision], at: float) -> tuple[Decision, ...]:
        """Returns decisions, each folded before the next one is made."""
        found = []
        for decision in decisions:
            if isinstance(decision, Launch):
                decision = with_last_value(decision, self.curves)
            self._fold_decision(decision, at)
            found.append(decision)
        return tuple(found)

    def _after_verdict(
        self, fact: Reported, trial: Trial, pause: tuple[str, str] | None, *, stop: bool
    ) -> Iterator[Decision]:
        """Yields what follows from a report: ``pause`` is why its trial is paused or stopped, and by what."""
        if pause is not None and stop:
            yield Stop(fact.trial, fact.attempt, *pause)
        elif pause is not None:
            yield from self._pauses.begin(trial, fact.interval, *pause)
        yield from self._go_on()  # what a level's trials may do depends on the new value, too
