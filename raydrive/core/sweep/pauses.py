"""Trials that are paused: what pauses them, which of them continues, and what becomes of the rest; ``Sweep`` folds it.

A pause is decided when a trial logs an interval, and takes effect once a checkpoint of that interval or a later one is
in the storage: what was trained is not trained again. See ``records.Pause``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.paused_trials import PausedTrials
from raydrive.core.records import BY_PAUSE, CANCELED, COMPLETED, FAILED, Close, Launch, Pause, Stop
from raydrive.core.sweep.next_attempt import launch
from raydrive.core.sweep.state import RunEnding, State, Trial
from raydrive.core.user_classes import failure, is_own

_Answer = TypeVar("_Answer")
NEVER_PROMOTED = "nothing will continue it"


class Pauses:
    """The paused trials of a sweep, and what its policy wants of them.

    Args:
        config: The run's.
        state: The sweep's; read only.
        curves: The sweep's.
    """

    def __init__(self, config: RunConfig, state: State, curves: Curves) -> None:
        policy = config.policy
        self._policy: Any = policy
        self._promote = _method(policy, "promote")
        self._hopeless = _method(policy, "hopeless")
        self._restart = getattr(policy, "restart", False) is True
        self._state = state
        self._curves = curves
        self.trials = PausedTrials(curves, _method(policy, "level"))

    def under(self, config: RunConfig) -> Pauses:
        """Returns the same paused trials under another policy."""
        edited = Pauses(config, self._state, self._curves)
        for trial in self._state.paused.values():
            if not goes_on_by_itself(trial):
                edited.trials.add(trial.number)
        return edited

    # ------------------------------------------------------------------ an attempt that is to pause

    def begin(self, trial: Trial, interval: int, why: str, by: str) -> Iterator[Pause | Stop]:
        """Yields the decision to pause a running trial, and what ends its attempt where that can be at once.

        Args:
            trial: The trial.
            interval: The interval that it has just logged.
            why: The reason.
            by: ``policy``, ``sampler`` or ``user``.
        """
        anew = self._restart and not self._state.checkpointed
        if anew:
            why += "; it saves no checkpoint: if it continues, it starts again from the beginning"
        yield Pause(trial.number, trial.attempt, why, by, interval)
        if anew or _is_saved(trial, interval):
            yield Stop(trial.number, trial.attempt, why, BY_PAUSE)

    @staticmethod
    def carry_out(trial: Trial) -> Iterator[Stop]:
        """Yields what ends the attempt of a trial whose new checkpoint is what its pause has waited for."""
        pause = trial.pause
        if pause is not None and not trial.stop_by and _is_saved(trial, pause.interval):
            yield Stop(trial.number, trial.attempt, pause.why, BY_PAUSE)

    def now(self, why: str) -> Iterator[Pause | Stop]:
        """Yields what pauses all open trials at once, from their last checkpoints on: a user asked for it."""
        for trial in tuple(self._state.open.values()):
            if trial.stop_by:
                continue
            if trial.pause is None:
                yield Pause(trial.number, trial.attempt, why, "user", self._length(trial))
            yield Stop(trial.number, trial.attempt, why, BY_PAUSE)

    # ------------------------------------------------------------------ which of them continues

    def promotions(self, may_launch: Callable[[], bool], least: Callable[[], float]) -> Iterator[Launch]:
        """Yields the paused trials that the policy lets continue, as long as there is room.

        Args:
            may_launch: Returns whether there is room for one more, with the launches so far folded.
            least: Returns the fewest intervals of a trial that still trains (``paused_trials.py``).

        Raises:
            UserCodeError: If a policy of the user's fails.
        """
        while self._promote is not None and self._state.paused and may_launch():
            found = self._ask("promote", lambda: self._promoted(least()))
            if found is None:
                return
            yield launch(found[0], why=found[1])

    def _promoted(self, least: float) -> tuple[Trial, str] | None:
        found = self._promote(self.trials, self._curves, least) if self._promote is not None else None
        return None if found is None else (self._state.paused[found[0]], found[1])

    def hopeless(self, least: Callable[[], float]) -> Iterator[Close]:
        """Yields the end of paused trials that can never continue.

        Raises:
            UserCodeError: If a policy of the user's fails.
        """
        if self._hopeless is not None and self._state.paused:
            ask = self._hopeless
            for trial, why in self._ask("hopeless", lambda: tuple(ask(self.trials, self._curves, least()))):
                yield Close(trial, CANCELED, why, by="policy")

    def close_all(self, why: str, by: str) -> Iterator[Close]:
        """Yields the end of all paused trials."""
        for trial in tuple(self._state.paused.values()):
            yield Close(trial.number, CANCELED, f"paused at interval {self._length(trial)}: {why}", by=by)

    def _length(self, trial: Trial) -> int:
        return self._curves.length(trial.number)

    def _ask(self, what: str, ask: Callable[[], _Answer]) -> _Answer:
        try:
            return ask()
        except (Exception, SystemExit) as error:
            if is_own(type(self._policy)):
                raise
            raise failure(self._policy, f"{what}()", error) from error

    def least(self, *, new_ones: bool) -> float:
        """Returns the fewest intervals of any trial that still trains.

        Args:
            new_ones: Whether new trials may begin.
        """
        return 0 if new_ones else min((self._length(trial) for trial in self._state.open.values()), default=math.inf)

    # ------------------------------------------------------------------ folding

    def fold_end(self, trial: Trial) -> None:
        """The attempt of a trial that was to pause has ended."""
        state = self._state
        del state.open[trial.number]
        state.paused[trial.number] = trial
        trial.pause_now()
        if not goes_on_by_itself(trial):
            self.trials.add(trial.number)

    def fold_launch(self, trial: Trial) -> None:
        """A paused trial continues."""
        state = self._state
        state.open[trial.number] = state.paused.pop(trial.number)
        trial.pause, trial.why = None, ""
        if trial.number in self.trials:
            self.trials.discard(trial.number)

    def fold_close(self, decision: Close) -> Trial:
        """Returns the trial that has ended, taken from where it stood."""
        state = self._state
        trial = state.open.pop(decision.trial, None)
        if trial is None:
            trial = state.paused.pop(decision.trial)
            if trial.number in self.trials:
                self.trials.discard(trial.number)
            trial.stop_by = decision.by
        return trial

    def refusal(self, trial: Trial, decision: Close) -> RunEnding | None:
        """Returns the end of a run whose policy pauses trials, and whose training saves no checkpoint.

        Known for certain when a trial that was to pause has trained to its end.
        """
        pause = trial.pause
        if decision.state != COMPLETED or pause is None or pause.by != "policy" or self._state.checkpointed:
            return None
        return RunEnding(
            FAILED,
            f"the policy pauses trials, and no trial has saved a checkpoint to continue from: trial {trial.number} "
            f"was to pause at interval {pause.interval} and trained to its end. Save one during training, "
            "run.save_checkpoint(folder), and continue from run.resume_from; or use mode: stop, which pauses "
            "nothing; or restart: true, with which a trial that continues starts again from the beginning",
        )


def _method(policy: object, name: str) -> Callable[..., Any] | None:
    """A method that a policy may have; a parameter of the same name is none."""
    found = getattr(policy, name, None)
    return found if callable(found) else None


def goes_on_by_itself(trial: Trial) -> bool:
    """Whether no policy and no sampler decides about a paused trial: a user paused it, or has it tried again."""
    return trial.pause is None or trial.pause.by == "user"


def _is_saved(trial: Trial, interval: int) -> bool:
    return trial.checkpoint is not None and trial.checkpoint_interval >= interval
