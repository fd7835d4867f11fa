"""What users changed about a run, folded: its revision, configurations in line, trials to try again, whether it pauses.

``Sweep`` folds and decides with it; nothing else changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.policies import Policy
from raydrive.core.early_stopping.verdict import Verdict
from raydrive.core.records import BY_PAUSE, CANCELED, PAUSED, Close, Decision, Launch, Params, Pause, Stop, Suggested
from raydrive.core.sweep.next_attempt import launch
from raydrive.core.sweep.packed_params import plain_params
from raydrive.core.sweep.pauses import Pauses, goes_on_by_itself
from raydrive.core.sweep.state import State
from raydrive.core.user_classes import checked_verdict, failure, is_own
from raydrive.core.user_facts import Added, Annotated, Edited, Retried, RunPaused, RunUnpaused, StopAsked, UserFact

AGAIN = "to be tried again"
"""Why a trial is paused that a user opened again."""
GIVEN = "given"
"""Origin of a configuration that a user gave."""


@dataclass(frozen=True, slots=True)
class Given:
    """A configuration in line."""

    params: Params
    details: Mapping[str, Any] = field(default_factory=dict)
    """Who gave it, and where it comes from."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One thing that a user did."""

    fact: UserFact
    before: Mapping[str, Any] = field(default_factory=dict)
    """Of an edit: what the parts of its patch were before, in the same form."""


@dataclass(slots=True)
class Steering:
    """What users did to a run, and what of it is still to come."""

    given: list[Given] = field(default_factory=list)
    """Configurations that come next, the first one first."""
    retries: dict[int, bool] = field(default_factory=dict)
    """Trials that wait for a free slot to start again; True = from their start."""
    revision: int = 0
    """How many edits there were."""
    paused: RunPaused | None = None
    """Set while nothing new is started."""
    reopens: bool = False
    """Whether the run, which has ended, continues when a driver takes charge of it again."""
    resampled: bool = False
    """Whether sampling or search space were edited: trials of another space may be among the run's."""
    log: list[Logged] = field(default_factory=list)
    """All of it, oldest first."""

    # ------------------------------------------------------------------ the door

    def accepts(self, fact: UserFact, state: State) -> bool:
        """Whether a fact says something new; else it is dropped unrecorded."""
        match fact:
            case Edited():
                return fact.revision == self.revision + 1
            case Added():
                return not (state.ending and not state.finished)
            case Retried():
                known = fact.trial < len(state.trials)
                over = known and not state.trials[fact.trial].open
                return over and not (state.ending and not state.finished)
            case RunPaused():
                paused_now = self.paused is not None and (self.paused.now or not fact.now)
                return not (paused_now or state.ending or state.finished)
            case RunUnpaused():
                return self.paused is not None
            case StopAsked():
                known = fact.trial in state.open or fact.trial in state.paused
                return known and state.trials[fact.trial].stop_by in ("", BY_PAUSE)
            case Annotated():
                return fact.trial is None or fact.trial < len(state.trials)

    # ------------------------------------------------------------------ folding

    def fold(self, fact: UserFact, state: State, curves: Curves) -> None:
        """Folds what a user did; what an edit makes of the configuration is the sweep's to fold."""
        if not isinstance(fact, Edited):
            self.log.append(Logged(fact))
        match fact:
            case Edited():
                self._fold_edit(fact, state)
            case Added():
                details = {**fact.details, **({"by": fact.by} if fact.by else {})}
                self.given.append(Given(fact.params, details))
                self.reopens = self.reopens or state.finished is not None
            case Retried():
                self._open_again(fact, state, curves)
            case RunPaused():
                self.paused = fact
            case RunUnpaused():
                self.paused = None

    def _fold_edit(self, fact: Edited, state: State) -> None:
        self.revision = fact.revision
        rules = fact.patch.get("rules", {})
        if "sampling" in fact.patch:
            self.resampled = True
        if "sampling" in fact.patch or "repeats" in rules:
            state.exhausted = False
        if state.finished is not None and (fact.patch.keys() & {"sampling", "limits"} or "finish_when" in rules):
            self.reopens = True

    def _open_again(self, fact: Retried, state: State, curves: Curves) -> None:
        trial = state.trials[fact.trial]
        counts = state.counts
        counts.add(trial.state, curves.length(trial.number) > 0, -1)
        counts.ended_without_metric -= trial.silent
        counts.infeasible -= trial.infeasible
        trial.infeasible, trial.oom = False, ""
        trial.params = plain_params(trial.params)
        trial.state, trial.why, trial.stop_by, trial.ended_at, trial.silent = PAUSED, AGAIN, "", None, False
        state.paused[trial.number] = trial
        trial.forgiven = (trial.failures, trial.losses)
        trial.losses_without_progress = 0
        self.retries[fact.trial] = fact.fresh
        self.reopens = self.reopens or state.finished is not None

    def took(self, fact: Suggested) -> None:
        """Takes what a trial was made of out of the line."""
        if fact.origin == GIVEN and self.given:
            del self.given[0]

    # ------------------------------------------------------------------ deciding

    def waits(self, state: State, most: int) -> bool:
        """Whether a run without open trials continues all the same: it pauses, or something is in line.

        Args:
            state: The run's.
            most: Trials in total.
        """
        if state.ending is not None:
            return False
        return self.paused is not None or (bool(self.given) and len(state.trials) < most)

    def answer(
        self, fact: UserFact, state: State, config: RunConfig, curves: Curves, pauses: Pauses
    ) -> Iterator[Decision]:
        """Yields what follows at once from what a user did."""
        match fact:
            case StopAsked() if fact.trial in state.paused:
                yield Close(fact.trial, CANCELED, stop_text(fact), by="policy")
            case StopAsked():
                trial = state.open[fact.trial]
                yield Stop(trial.number, trial.attempt, stop_text(fact), "policy")
            case RunPaused(now=True):
                yield from pauses.now(f"paused{f' by {fact.by}' if fact.by else ''}")
            case Edited(rejudge=True):
                yield from rejudged(state, config, curves, pauses)

    def next_launches(self, state: State, may_launch: Callable[[], bool]) -> Iterator[Launch]:
        """Yields the paused trials that continue by themselves: a user has paused them, or has them tried again.

        Args:
            state: The run's; what is yielded is folded into it before the next is asked for.
            may_launch: Returns whether there is room for one more.
        """
        for trial in [one for one in state.paused.values() if goes_on_by_itself(one)]:
            if not may_launch():
                return
            again = trial.number in self.retries
            yield launch(trial, fresh=self.retries.get(trial.number, False), why="tried again" if again else "unpaused")


def stop_text(fact: StopAsked) -> str:
    """Returns why a trial ends that a user stopped as a policy does."""
    who = f" by {fact.by}" if fact.by else ""
    return f"stopped{who}: {fact.why}"


def rejudged(state: State, config: RunConfig, curves: Curves, pauses: Pauses) -> Iterator[Stop | Pause]:
    """Yields the stops of a policy that looks at all running trials, each at the last interval it judges at.

    Raises:
        UserCodeError: If a policy of the user's fails.
    """
    for trial in tuple(state.open.values()):
        if trial.stop_by or trial.pause is not None:
            continue
        for interval in range(curves.length(trial.number), 0, -1):
            verdict = _judged(config.policy, trial.number, interval, curves)
            if verdict is not None:
                if verdict.stop:
                    yield Stop(trial.number, trial.attempt, verdict.why, "policy")
                elif verdict.pause:
                    yield from pauses.begin(trial, curves.length(trial.number), verdict.why, "policy")
                break


def _judged(policy: Policy, trial: int, interval: int, curves: Curves) -> Verdict | None:
    try:
        return checked_verdict(policy, policy.judge(trial, interval, curves))
    except (Exception, SystemExit) as error:
        if is_own(type(policy)):
            raise
        raise failure(policy, f"judge(trial {trial}, interval {interval})", error) from error
