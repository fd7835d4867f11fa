"""The fold behind every chart: what a sweep forgets once it has decided, kept for showing.

``Sweep`` keeps what later decisions need. A chart also needs when each interval was logged, every other metric, every
attempt and how it ended, and where the policy drew its line when it stopped a trial. ``RunHistory`` folds the
same journal into that, incrementally, beside a sweep of its own.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.errors import NonsenseError, StorageError
from raydrive.core.numbers import as_float
from raydrive.core.rank_names import is_of_rank
from raydrive.core.records import (
    BY_PAUSE,
    Began,
    Checkpointed,
    Close,
    Decision,
    Ended,
    Fact,
    Launch,
    Lost,
    Noted,
    Pause,
    Reported,
    Resumed,
    Started,
    Stop,
    Suggested,
)
from raydrive.core.sweep.bulk_replay import NONSENSE, why_nonsense
from raydrive.core.user_facts import Retried, StopAsked
from raydrive.core.views.portable_values import json_text
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import RunReader
from raydrive.studio.data.policy_line import line_at

MOST_METRICS = 64
"""Names of metrics kept; a script that invents a name per step must not fill the reader's memory."""


@dataclass(slots=True)
class AttemptHistory:
    """One attempt of a trial."""

    number: int
    launched_at: float
    resume_from: str | None = None
    began_at: float | None = None
    ended_at: float | None = None
    node: str = ""
    nodes: tuple[str, ...] = ()
    """Host names by node rank, where it ran on several; else empty."""
    gpus: str = ""
    exit_code: int | None = None
    how: str = ""
    """How it ended, in words; empty while it runs."""
    pause: str = ""
    """Why it is being ended to continue later; empty where it is not."""


@dataclass(slots=True)
class Series:
    """One metric of one trial: values as logged, with the interval (or count) they belong to."""

    at: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))


@dataclass(slots=True)
class TrialHistory:
    """What happened to one trial, beyond what its sweep keeps."""

    tries: list[AttemptHistory] = field(default_factory=list)
    times: array[float] = field(default_factory=lambda: array("d"))
    """When interval 1, 2, ... of the primary metric was logged; as long as the curve."""
    order: array[int] = field(default_factory=lambda: array("q"))
    """How many reports the run had with each of them: the order among all trials; as long as ``times``."""
    series: dict[str, Series] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """The last value of every metric that is not a number."""
    checkpoints: list[tuple[str, int, float]] = field(default_factory=list)
    """Name, interval and time."""
    tags: dict[str, str] = field(default_factory=dict)
    cut: tuple[int, float | None] | None = None
    """Where the policy stopped it: the interval, and the line it fell short of."""
    changed: int = 0
    """Count of the entry that last said something about it."""


class RunHistory(RunReader):
    """A run, folded for showing.

    Args:
        layout: The run; only its configuration and journal are read, and nothing is ever written.

    Raises:
        StorageError: If the configuration cannot be read.
    """

    def __init__(self, layout: RunLayout) -> None:
        self.trouble = ""
        """Why the journal cannot be read to its end; empty when it can."""
        super().__init__(layout)

    def begin(self) -> None:
        """Forgets all that was folded."""
        super().begin()
        self.pasts: list[TrialHistory] = []
        self.epochs: list[tuple[int, float, float]] = []
        """Each driver: its number, when it took charge, and the seconds worked on the run before it."""
        self.improvements: list[tuple[float, int, int, float]] = []
        """Each new best of the run: time, trial, interval, value."""
        self.metric_names: dict[str, None] = {}
        """Other metrics than the primary one, as they are shown."""
        self.rank_metric_names: dict[str, None] = {}
        """Those of other ranks than 0: exported, and shown where asked for."""
        self.dropped_metrics = 0

    @property
    def exported_names(self) -> list[str]:
        """Names of all metrics: the primary one, the others, and those of other ranks."""
        return [self.config.metric.name, *self.metric_names, *self.rank_metric_names]

    def refresh(self) -> bool:
        """Reads what is new in the journal; returns whether anything was.

        What cannot be read now, or is damaged, is in ``trouble``: half a run is worth showing.
        """
        try:
            changed = super().refresh()
            self.trouble = self.damage
        except StorageError as error:
            changed, self.trouble = self.trouble != str(error), str(error)
        return changed

    def fold(self) -> None:
        """Folds what is new in the journal.

        Raises:
            JournalError: As ``JournalReader.read``.
            StorageError: As ``JournalReader.read``.
        """
        for fact, decisions in self.journal.read():
            self._take_soundly(fact, decisions)

    def _take_soundly(self, fact: Fact, decisions: Iterable[Decision]) -> None:
        try:
            self.take(fact, decisions)
        except NONSENSE as error:
            raise NonsenseError(f"entry {self.entries} is invalid: {why_nonsense(repr(fact), error)}") from error

    def take(self, fact: Fact, decisions: Iterable[Decision]) -> None:
        """Folds one entry."""
        decisions = tuple(decisions)
        best = self.sweep.best
        self.sweep.apply(fact, decisions)
        self._fold(fact)
        if self.sweep.best is not best and self.sweep.best is not None:
            found = self.sweep.best
            self.improvements.append((fact.at, found.trial, found.interval, found.value))
        for decision in decisions:
            self._decided(decision, fact.at)

    # ------------------------------------------------------------------ folding

    def _touch(self, trial: int) -> TrialHistory:
        past = self.pasts[trial]
        past.changed = self.entries
        return past

    def _fold(self, fact: Fact) -> None:
        match fact:
            case Reported():
                self._reported(fact)
            case Suggested() if fact.params is not None:
                # What it logged in an earlier run is there from its beginning.
                times = array("d", [fact.at]) * self.sweep.trials[fact.trial].start
                order = array("q", [self.sweep.reports]) * len(times)
                self.pasts.append(TrialHistory(changed=self.entries, times=times, order=order))
            case Began():
                attempt = self._touch(fact.trial).tries[-1]
                attempt.began_at, attempt.node, attempt.gpus = fact.at, fact.node, fact.gpus
                attempt.nodes = tuple(fact.nodes)
            case Ended() | Lost():
                attempt = self._touch(fact.trial).tries[-1]
                attempt.ended_at = fact.at
                if attempt.pause:
                    attempt.how = f"paused: {attempt.pause}"
                elif isinstance(fact, Ended):
                    attempt.exit_code = fact.exit_code
                    attempt.how = _ending(fact, self.sweep.trials[fact.trial].stop_by)
                else:
                    attempt.how = f"lost: {fact.why}"
            case Noted() | Resumed() | Retried() | StopAsked():
                self._touch(fact.trial)
            case Checkpointed():
                self._touch(fact.trial).checkpoints.append((fact.name, fact.interval, fact.at))
            case Started():
                self.epochs.append((fact.epoch, fact.at, self.sweep.elapsed_s(fact.at)))

    def _reported(self, fact: Reported) -> None:
        past = self._touch(fact.trial)
        length = self.sweep.curves.length(fact.trial)
        if len(past.times) < length:
            past.times.append(fact.at)
            past.order.append(self.sweep.reports)
        if fact.tags:
            past.tags.update(fact.tags)
        for name, value in fact.metrics.items():
            names = self.rank_metric_names if is_of_rank(name) else self.metric_names
            if name not in names:
                if len(names) >= MOST_METRICS:
                    self.dropped_metrics += 1
                    continue
                names[name] = None
            if isinstance(value, int | float):
                series = past.series.setdefault(name, Series())
                series.at.append(fact.interval or _place(fact.step) or len(series.at) + 1)
                series.values.append(as_float(value))
            else:
                past.texts[name] = (value if isinstance(value, str) else json_text(value))[:2000]

    def _decided(self, decision: Decision, at: float) -> None:
        match decision:
            case Launch():
                past = self._touch(decision.trial)
                past.tries.append(AttemptHistory(decision.attempt, at, decision.resume_from))
            case Stop():
                past = self._touch(decision.trial)
                past.tries[-1].pause = decision.why if decision.by == BY_PAUSE else ""
                if decision.by == "policy":
                    interval = self.sweep.curves.length(decision.trial)
                    line = line_at(self.config.policy, interval, self.sweep.curves)
                    past.cut = (interval, line)
            case Close() | Pause():
                self._touch(decision.trial)


def _place(step: float | None) -> float:
    """Where a step is on an axis; 0 for one that stands nowhere: infinite, no number, beyond the floats."""
    place = as_float(step or 0.0)
    return place if math.isfinite(place) else 0.0


def _ending(fact: Ended, stop_by: str) -> str:
    if stop_by:
        return f"stopped by the {stop_by}"
    if fact.exit_code is None:
        return f"could not be started: {fact.error}"
    if fact.exit_code < 0:
        return f"killed by signal {-fact.exit_code}"
    if fact.exit_code == 0:
        return "ended by itself"
    last = fact.error.strip().rpartition("\n")[2]
    return f"exit code {fact.exit_code}" + (f": {last[:300]}" if last else "")


def open_history(layout: RunLayout) -> RunHistory:
    """Returns the story of a run, read to the end of what its journal holds now.

    Raises:
        StorageError: If the run's configuration cannot be read.
    """
    history = RunHistory(layout)
    history.refresh()
    return history


def detail_value(value: Any) -> Any:
    """Returns a JSON value without the numbers JSON does not know: they become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): detail_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [detail_value(item) for item in value]
    return value
