"""What a run got from earlier ones, ready for use: curves to compare with, and trials to learn from.

It is written into the run's own folder once, before its first fact, and never changes: a resumed or replayed run needs
no earlier run to exist any more. Trials of earlier runs have negative numbers among the curves, ``-1`` for the first of
``WarmStartData.prior_trials``; they are never trials of this run, nor its best.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from raydrive.core.config.lineage import Continued
from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.errors import JournalError, show
from raydrive.core.json_values import decoded, encoded
from raydrive.core.objective import BEST, Objective
from raydrive.core.records import CANCELED, COMPLETED, Params
from raydrive.core.search.checked_sampler import building
from raydrive.core.search.protocol import BoundsGain, PatientSampler, Sampler
from raydrive.core.search.repeated import RepeatedSampler
from raydrive.core.search.scheduled_start import ScheduledStart
from raydrive.core.search.trial_record import Continuation, Later, Suggestion, TrialRecord
from raydrive.core.space.expressions import Choice, Expression
from raydrive.core.space.search_space import Space

FORMAT = 1
RESUMED = "resumed"
"""Origin of a trial that continues with one of an earlier run."""
FIRST_CHECKPOINT = "1"
"""Name of the copy that such a trial continues from, among its own checkpoints."""


@dataclass(frozen=True, slots=True)
class PriorTrial:
    """A trial of an earlier run."""

    parent: int
    """Place of its run in ``Lineage.parents``."""
    trial: int
    """Its number there."""
    params: Params
    """By the names of this run's search space, where it has them."""
    state: str
    """Completed, Canceled or Failed; Canceled for one whose run was interrupted."""
    curve: Sequence[float]
    """The primary metric by interval; may hold NaN."""
    stopped: bool = False
    """Whether a policy ended it."""
    learned: bool = False
    """Whether a sampler that learns learns from it."""


@dataclass(frozen=True, slots=True)
class WarmStartData:
    """All of it."""

    prior_trials: tuple[PriorTrial, ...] = ()
    resumed_prefixes: tuple[Sequence[float], ...] = field(default=())
    """For each trial that continues with an earlier one, what that had logged up to where it continues."""

    def begin(self, config: RunConfig, curves: Curves) -> None:
        """Puts the curves of earlier trials among a run's.

        Raises:
            ValueError: If these are not the data of this configuration.
        """
        lineage = config.lineage
        parents = max((one.parent for one in self.prior_trials), default=-1) + 1
        if parents > len(lineage.parents) or len(self.resumed_prefixes) != len(lineage.continued):
            found = f"{parents} parents and {len(self.resumed_prefixes)} trials that continue"
            wanted = f"{len(lineage.parents)} and {len(lineage.continued)}"
            raise ValueError(f"the warm-start data belong to another run: they have {found}, this one has {wanted}")
        for place, one in enumerate(self.prior_trials):
            curves.begin(-1 - place, one.curve, f"trial {one.trial} of {lineage.parents[one.parent].run}")
            if one.state == COMPLETED and one.curve:
                curves.finished.append(-1 - place)

    def seen(self, maximize: bool, objective: str = BEST) -> list[TrialRecord]:
        """Returns the trials to learn from, as samplers see trials, by the objective of the run that learns."""
        result = Objective.of(objective, maximize)
        return [
            TrialRecord(-1 - place, one.params, result.find(one.curve)[0], one.state, one.curve, one.stopped, objective)
            for place, one in enumerate(self.prior_trials)
            if one.learned
        ]


EMPTY = WarmStartData()
"""What a run without parents has."""


# --- as a file -------------------------------------------------------------------------------------------------------


def dump(warm_start: WarmStartData) -> bytes:
    """Returns the data as JSON lines: a head with counts, the ancestors, the prefixes."""
    head = {"format": FORMAT, "ancestors": len(warm_start.prior_trials), "prefixes": len(warm_start.resumed_prefixes)}
    rows: list[Any] = [head]
    for one in warm_start.prior_trials:
        marks = {name: True for name in ("stopped", "learned") if getattr(one, name)}
        row = {"parent": one.parent, "trial": one.trial, "state": one.state, **marks, "params": encoded(one.params)}
        rows.append({**row, "curve": _numbers(one.curve)})
    rows += [{"curve": _numbers(prefix)} for prefix in warm_start.resumed_prefixes]
    return "".join(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n" for row in rows).encode()


def load(data: bytes) -> WarmStartData:
    """Returns what ``dump`` wrote.

    Raises:
        JournalError: If it is not whole, or a newer raydrive wrote it.
    """
    try:
        head, *rows = [json.loads(line) for line in data.splitlines()]
        if head["format"] != FORMAT:
            raise JournalError(f"format {head['format']!r}, this raydrive reads {FORMAT}")
        count = head["ancestors"]
        if len(rows) != count + head["prefixes"]:
            raise JournalError(f"{len(rows)} rows, its head says {count + head['prefixes']}")
        prior_trials = tuple(
            PriorTrial(
                parent=row["parent"],
                trial=row["trial"],
                params=decoded(row["params"]),
                state=row["state"],
                curve=_curve(row["curve"]),
                stopped=row.get("stopped", False),
                learned=row.get("learned", False),
            )
            for row in rows[:count]
        )
        return WarmStartData(prior_trials, tuple(_curve(row["curve"]) for row in rows[count:]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalError(f"not warm-start data: {type(error).__name__}: {error}") from error


def _numbers(curve: Sequence[float]) -> list[float | str]:
    """A curve for JSON, which has neither NaN nor infinities."""
    return [value if math.isfinite(value) else str(value) for value in curve]


def _curve(numbers: Sequence[float | str]) -> array[float]:
    return array("d", map(float, numbers))


# --- sampling --------------------------------------------------------------------------------------------------------


def sampler_of(config: RunConfig, warm_start: WarmStartData = EMPTY) -> PatientSampler:
    """Returns the sampler of a run: trials that continue come first, and a sampler that learns has the ancestors.

    Raises:
        UserCodeError: If a sampling of the user's cannot build it.
    """
    sampler, repeats = _sampler_of(config, warm_start), config.rules.repeats
    if repeats is None:
        return sampler
    return RepeatedSampler(sampler, repeats, config.metric.maximize, len(config.lineage.continued))


def _sampler_of(config: RunConfig, warm_start: WarmStartData) -> Sampler:
    """The sampler of a run, each of whose configurations is tried once."""
    build: Any = building(config.sampling)
    maximize = config.metric.maximize
    before = warm_start.seen(maximize, config.metric.value) if config.sampling.learns else []
    sampler: Sampler = build(config.seed, maximize, before=before) if before else build(config.seed, maximize)
    rules = config.rules.finish_when
    if rules is not None and rules.expected_gain_below is not None and isinstance(sampler, BoundsGain):
        sampler.bounds_gain = True
    continued, space = config.lineage.continued, config.sampling.space
    if config.rules.population is not None and config.rules.population.schedule:
        sampler = ScheduledStart(sampler, space, config.rules.population.schedule[0])
    if not continued:
        return sampler
    foreign = {number for number, one in enumerate(continued) if config.sampling.learns and misfit(space, one.params)}
    return ResumedChildren(sampler, continued, foreign)


def misfit(space: Space, params: Params) -> str:
    """Returns why a trial with these hyperparameters is not a point of a space; empty when it is one.

    Hyperparameters that the space does not have are no reason.
    """
    for name, expression in space.expressions.items():
        if name not in params:
            return f"no value of {name.lstrip('-')}"
        if not expression.contains(params[name]):
            return f"{name.lstrip('-')} outside {_written(expression)}"
    return ""


def _written(expression: Expression) -> str:
    """An expression as it is written in Python, cut short when it is long."""
    raw = expression.to_json()
    kind = raw.pop("type")
    text = ", ".join(map(show, expression.values if isinstance(expression, Choice) else raw.values()))
    return f"{kind}({text if len(text) <= 60 else text[:57] + '...'})"


class ResumedChildren:
    """A sampler whose first proposals are the trials that continue.

    Args:
        sampler: Asked for all others.
        continued: The trials, by their number here.
        foreign: Numbers of those outside the search space: the sampler is not to learn from them.
    """

    def __init__(self, sampler: Sampler, continued: Sequence[Continued], foreign: Set[int] = frozenset()) -> None:
        self._sampler = sampler
        self._continued = continued
        self._foreign = foreign

    @property
    def cheap(self) -> bool:
        """As the sampler behind it."""
        return self._sampler.cheap

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | Continuation | None:
        """Returns an earlier trial's configuration, or what the sampler proposes."""
        if number >= len(self._continued):
            return self._sampler.ask(number, self._without_foreign(history))
        one = self._continued[number]
        return Suggestion(one.params, RESUMED, {"run": one.run, "trial": one.trial, "from": one.source})

    def go_on(self, history: Sequence[TrialRecord]) -> Continuation | Later | None:
        """Returns which paused trial the sampler has continue, where it is one that chooses."""
        ask = getattr(self._sampler, "go_on", None)
        return None if ask is None else ask(self._without_foreign(history))

    def _without_foreign(self, history: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
        if not self._foreign:
            return history
        seen = list(history)
        for place in self._foreign & set(range(len(seen))):
            seen[place] = replace(seen[place], value=None, state=CANCELED, curve=(), stopped=False)
        return seen
