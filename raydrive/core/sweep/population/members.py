"""Members of a population: when one takes over the training of another, and with which hyperparameters.

``Sweep`` folds what is decided here. A member that is to take over is stopped by a pause that waits for no checkpoint,
for its own training is given up; the ``Pause`` has the new hyperparameters, the checkpoint, and the trial whose it is,
and so has the ``Launch`` that follows. Where members wait for a place, one that has trained ``every`` intervals pauses
for them, and is compared when it continues. A schedule is the same without a comparison: a trial pauses where it has
other values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.lazy_numpy import np
from raydrive.core.population.exploration import Perturbation
from raydrive.core.population.lineage import Lineage
from raydrive.core.population.protocol import Explorer, Taken
from raydrive.core.population.ranks import Standing, standing
from raydrive.core.population.rules import Population
from raydrive.core.population.schedule import Change
from raydrive.core.records import (
    BY_PAUSE,
    CANCELED,
    COMPLETED,
    FAILED,
    QUEUED,
    Close,
    Launch,
    Params,
    Pause,
    Reported,
    Stop,
)
from raydrive.core.sweep.next_attempt import launch
from raydrive.core.sweep.packed_params import plain_params
from raydrive.core.sweep.pauses import Pauses
from raydrive.core.sweep.population.bandit import PopulationBandit
from raydrive.core.sweep.population.experience import Experience
from raydrive.core.sweep.state import RunEnding, State, Trial

TURN, TAKEOVER, SETTING = "population", "exploit", "schedule"
"""``Pause.by``: for members that wait for a place; to continue from another's checkpoint; at a schedule's change."""
WAITS_S = 30.0
"""A launched trial that has not begun for this long waits for a place."""
STREAM = 1_711_09846
"""Tells the random numbers of changes from those of samplers; the number of the paper."""


class Members:
    """The population of a sweep.

    Args:
        state: The sweep's; read only.
        curves: The sweep's.
    """

    def __init__(self, state: State, curves: Curves) -> None:
        self._state = state
        self._curves = curves
        self.lineage = Lineage()
        self._experience = Experience(state, curves, self.lineage)

    # ------------------------------------------------------------------ deciding

    def after_report(
        self, fact: Reported, trial: Trial, config: RunConfig, pauses: Pauses, full: bool
    ) -> Iterator[Pause | Stop]:
        """Yields what follows for a member from an interval that it has just logged.

        Args:
            fact: The report.
            trial: Its trial, running and neither pausing nor stopped.
            config: The run's.
            pauses: The sweep's.
            full: Whether new trials may begin, and have no place.
        """
        rules, interval = rules_of(config), fact.interval
        if rules.schedule:
            if any(one.interval == interval for one in rules.schedule):
                yield from pauses.begin(trial, interval, f"its schedule changes at interval {interval}", SETTING)
            return
        if interval % rules.every or (rules.max_intervals is not None and interval >= rules.max_intervals):
            return
        behind = self._behind(interval, fact.at)
        if behind or full:
            why = f"trained to interval {interval}; trials that are behind take its place"
            yield from pauses.begin(trial, interval, why, TURN)
            return
        found = self._takeover(trial, interval, config)
        if found is not None:
            taken = (found.params, found.resume_from, found.source, found.source_interval)
            yield Pause(trial.number, trial.attempt, found.why, TAKEOVER, interval, *taken)
            yield Stop(trial.number, trial.attempt, found.why, BY_PAUSE)

    def go_on(self, config: RunConfig, may_launch: Callable[[], bool], *, new_ones: bool) -> Iterator[Launch]:
        """Yields the members that continue: new trials first, then those that have trained least, the worst first.

        Args:
            config: The run's.
            may_launch: Returns whether there is room for one more, with the launches so far folded.
            new_ones: Whether new trials may begin.
        """
        while not new_ones and may_launch():
            paused = [one for one in self._state.paused.values() if self._is_own(one)]
            if not paused:
                return
            least = min(self._curves.length(one.number) for one in paused)
            equal = [one for one in paused if self._curves.length(one.number) == least]
            yield self._launch(self._first(equal, least, rules_of(config)), config)

    def _first(self, equal: Sequence[Trial], interval: int, rules: Population) -> Trial:
        """Which of the members with this many intervals continues first: the worst, while the best are there too."""
        if rules.schedule or len(equal) == 1 or not interval:
            return equal[0]
        return max(equal, key=lambda one: (self._standing(one, interval, rules).rank, -one.number))

    @staticmethod
    def _is_own(trial: Trial) -> bool:
        return trial.pause is not None and trial.pause.by in (TURN, TAKEOVER, SETTING)

    def _behind(self, interval: int, at: float) -> bool:
        """Whether a trial waits for a place that has no more intervals."""
        state, length = self._state, self._curves.length
        return any(self._is_own(one) and length(one.number) <= interval for one in state.paused.values()) or any(
            one.state == QUEUED and length(one.number) < interval and at - one.launched_at >= WAITS_S
            for one in state.open.values()
        )

    def _standing(self, trial: Trial, interval: int, rules: Population) -> Standing:
        counts = (one for one in self._state.trials if one.state not in (FAILED, CANCELED) and one is not trial)
        others, every = (one.number for one in counts), rules.every
        return standing(trial.number, interval, others, self._curves, every=every, quantile=rules.quantile)

    def _sources(self, found: Standing, rules: Population) -> Sequence[Trial]:
        """Better members that have a checkpoint of their own, which holds what they have trained, and are not done."""
        trials, most = (self._state.trials[one] for one in found.better), rules.max_intervals or math.inf
        own = (one for one in trials if one.checkpoint is not None and one.checkpoint_of is None)
        return [one for one in own if one.state != COMPLETED and one.checkpoint_interval < most]

    def _launch(self, trial: Trial, config: RunConfig) -> Launch:
        interval, pause = self._curves.length(trial.number), trial.pause
        by, rules = (TURN if pause is None else pause.by), rules_of(config)
        if by == SETTING:
            last = [one for one in rules.schedule if one.interval <= interval][-1]
            why = f"its schedule from interval {last.interval} on"
            return replace(launch(trial, why=why), params={**plain_params(trial.params), **last.params})
        if pause is not None and by == TAKEOVER:
            found: Launch | None = replace(launch(trial, why=pause.why), **_taken(pause))
        else:
            found = self._takeover(trial, interval, config)
        if found is not None:
            return replace(found, interval=interval)
        return launch(trial, why=_rank_text(self._standing(trial, interval, rules), config))

    def _takeover(self, trial: Trial, interval: int, config: RunConfig) -> Launch | None:
        """Returns how a member continues from another one's newest checkpoint, where it is among the worst."""
        rules = rules_of(config)
        found = self._standing(trial, interval, rules)
        sources = self._sources(found, rules) if found.is_worst else ()
        if not sources:
            return None
        changes = self.lineage.changes.get(trial.number, ())
        rng = np.random.default_rng((config.seed, trial.number, 1 + len(changes), STREAM))
        source = sources[int(rng.integers(len(sources)))]
        before = plain_params(source.params)
        experience = self._experience
        taken = Taken(
            params=before,
            space=config.sampling.space,
            interval=interval,
            value=experience.score(source.number, source.checkpoint_interval),
            every=rules.every,
            blocks=lambda: experience.blocks(rules.every),
            begun=lambda: experience.begun(trial.number),
        )
        chosen = explorer_of(rules).explored(taken, rng)
        params, note = chosen.params, f" ({chosen.note})" if chosen.note else ""
        value = f"trial {source.number}, {self._value_text(source.number, interval)}"
        why = f"{_rank_text(found, config)}: continues from {value}{_changes_text(before, params)}{note}"
        return replace(
            launch(trial, why=why),
            params=params,
            resume_from=source.checkpoint,
            source=source.number,
            source_interval=source.checkpoint_interval,
        )

    def _value_text(self, trial: int, interval: int) -> str:
        values = self._curves.values(trial)
        return f"{values[min(interval, len(values)) - 1]:.4g}"

    # ------------------------------------------------------------------ folding

    def fold_launch(self, trial: Trial, decision: Launch, at: float) -> None:
        """Notes a change of hyperparameters or training; every launch of a trial comes here."""
        before, known = plain_params(trial.params), (trial.checkpoint_of, trial.checkpoint)
        if decision.source is not None:
            trial.checkpoint, trial.checkpoint_of = decision.resume_from, decision.source
            trial.checkpoint_interval = decision.interval
        same = decision.source is None or (decision.source, decision.resume_from) == known
        if not decision.why or (same and dict(decision.params) == dict(before)):
            return
        change = Change(
            number=self.lineage.count,
            at=at,
            attempt=decision.attempt,
            interval=decision.interval,
            params=decision.params,
            source=decision.source,
            source_interval=decision.source_interval or 0,
            stepped=decision.recorded is not None,
            why=decision.why,
        )
        self.lineage.add(trial.number, before, change)
        trial.params = decision.params

    def refusal(self, trial: Trial, decision: Close, config: RunConfig) -> RunEnding | None:
        """Returns the end of a run whose training saves no checkpoint that another member could continue from.

        Known for certain when a trial has trained to its end.
        """
        rules, length = rules_of(config), self._curves.length(trial.number)
        first = rules.every if not rules.schedule else min((one.interval for one in rules.schedule[1:]), default=length)
        if decision.state != COMPLETED or self._state.checkpointed or length <= first:
            return None
        what = "the population's members continue from each other's checkpoints"
        if rules.schedule:
            what = "the schedule changes hyperparameters, and a trial continues with them from its checkpoint"
        return RunEnding(
            FAILED,
            f"{what}, and no trial has saved one: trial {trial.number} trained to its end. Save one during training, "
            "run.save_checkpoint(folder), and continue from run.resume_from; or remove population",
        )


def rules_of(config: RunConfig) -> Population:
    """Returns the population of a configuration that has one."""
    return config.rules.population or Population()


def explorer_of(rules: Population) -> Explorer:
    """Returns what chooses hyperparameters in a population."""
    return Perturbation(rules.perturb) if rules.model is None else PopulationBandit(rules.model)


def _taken(pause: Pause) -> dict[str, Any]:
    """What a pause has of the training that is taken over, as a launch has it."""
    return {name: getattr(pause, name) for name in ("params", "resume_from", "source", "source_interval")}


def _rank_text(found: Standing, config: RunConfig) -> str:
    metric = config.metric.name
    return f"{metric} {found.value:.4g} at interval {found.interval} is {found.rank} of {found.compared}"


def _changes_text(before: Params, after: Params) -> str:
    changed = [
        f"{name.lstrip('-')} {_short(before.get(name))} to {_short(value)}"
        for name, value in after.items()
        if before.get(name) != value
    ]
    return f"; {', '.join(changed)}" if changed else "; the same hyperparameters"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
