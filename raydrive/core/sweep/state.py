"""State of a sweep: its trials, counts, clock and best value. Changed by ``Sweep`` alone, read by all."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.finish.progress import Progress
from raydrive.core.numbers import as_float
from raydrive.core.objective import BEST
from raydrive.core.rank_names import most_names
from raydrive.core.records import (
    BY_PAUSE,
    CANCELED,
    COMPLETED,
    INFEASIBLE,
    METRICS,
    OUTPUTS,
    PAUSED,
    QUEUED,
    RUNNING,
    TERMINAL,
    Began,
    Close,
    Finish,
    Launch,
    Noted,
    Params,
    Pause,
    Stop,
)
from raydrive.core.search.trial_record import FrozenTrials, TrialRecord, TrialView
from raydrive.core.sweep.packed_params import pack_params, plain_params

NODES_KEPT = 20
"""Nodes that a trial was lost on which are remembered."""


NOTES_KEPT = 20
"""Number of notices that are recorded of one trial; later ones are left out."""
NAMES_KEPT = 32
"""Number of names of other metrics that are remembered of a trial without the primary one."""


@dataclass(slots=True)
class Trial:
    """The state of one trial; changed by its ``Sweep`` alone."""

    number: int
    params: Params
    origin: str
    details: Mapping[str, object]
    created_at: float
    state: str = QUEUED
    why: str = ""
    """Why it ended, or is being stopped; empty while it runs on."""
    stop_by: str = ""
    """What asked to stop it (``Stop.by``); empty where nothing did."""
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    forgiven: tuple[int, int] = (0, 0)
    """Failures and losses of attempts before it was tried again by a user, which no limit counts any more."""
    losses_without_progress: int = 0
    """Losses in a row without a new interval or checkpoint in between."""
    lost_on: tuple[str, ...] = ()
    """Nodes it was lost on, the latest ones, each once."""
    lost_why: str = ""
    """What was said of the last loss."""
    launch: Launch | None = None
    """The decision that the current attempt follows."""
    launched_at: float = 0.0
    """When that was to start."""
    launched_with: tuple[int, str | None] = (0, None)
    """Intervals and checkpoint at that time."""
    seq: int = 0
    """Last report of the current attempt."""
    heard_at: float = 0.0
    """When it last reported, whatever the attempt."""
    began_at: float | None = None
    """When the current attempt's process began."""
    ended_at: float | None = None
    trained_s: float = 0.0
    """Seconds that training processes of earlier attempts ran."""
    gaps: int = 0
    """How many times between two reports of the primary metric were measured, each within one attempt."""
    gaps_s: float = 0.0
    """Their sum in seconds, and that of their squares."""
    gaps_s2: float = 0.0
    valued_at: float | None = None
    """When the current attempt last reported the primary metric."""
    node: str = ""
    pid: int = 0
    nodes: tuple[str, ...] = ()
    """Host names by node rank, where the current attempt runs on several; empty otherwise."""
    gpus: str = ""
    usage: Mapping[str, float] = field(default_factory=dict)
    """What its last attempt that has ended used of its GPUs, as in ``Ended``."""
    actor: str = ""
    """Name of the actor that runs the current attempt; empty until it began."""
    logged: tuple[str, ...] = ()
    """Metrics it logged so far, other than the primary one; kept until the primary one arrives."""
    memory: float | None = None
    """Bytes of memory that the current attempt reserves; None = those of the run's resources."""
    oom: str = ""
    """Whose memory its last attempt has run out of, where the run has a rule for that; see ``recognition``."""
    ooms: int = 0
    """Attempts that have run out of the node's memory, where the run has a rule for that."""
    infeasible: bool = False
    """Whether its configuration cannot be trained."""
    silent: bool = False
    """Whether its last attempt ended well and it had never logged the primary metric."""
    checkpoint: str | None = None
    checkpoint_interval: int = 0
    checkpoint_of: int | None = None
    """The trial whose checkpoint that is; None: its own."""
    until: int | None = None
    """The interval at which the sampler wants it to pause; None: it trains to its end."""
    pause: Pause | None = None
    """The decision to pause it, until it continues: it waits for a checkpoint, is being ended, or is paused."""
    pauses: int = 0
    """How often it was paused."""
    steps: tuple[int, float, float] | None = None
    """Number of intervals and the steps of the first and the last, where each had one and they grew; None otherwise."""
    start: int = 0
    """Intervals that it brought from an earlier run; the first of its own is this plus 1."""

    notes: tuple[str, ...] = ()
    """Notices about it (``Noted.text``), each once, oldest first."""
    missing: tuple[str, ...] = ()
    """Those of them that are about what is missing: files in the storage, values of the primary metric."""

    def begin(self, fact: Began) -> None:
        """The process of its current attempt runs. Interned: many trials of a run have the same nodes."""
        self.state, self.began_at = RUNNING, fact.at
        self.node, self.pid, self.gpus, self.actor = fact.node, fact.pid, fact.gpus, fact.actor
        self.nodes = tuple(map(sys.intern, fact.nodes))

    def logs(self, names: Iterable[str]) -> None:
        """It logged metrics, and never the primary one so far; those of ranks above 0 make room for others."""
        self.logged = most_names((*self.logged, *names), NAMES_KEPT)

    def took(self, step: object, interval: int) -> None:
        """An interval was recorded, with or without a step."""
        known = as_float(step) if isinstance(step, int | float) else math.nan
        if interval == self.start + 1:
            self.steps = (interval, known, known) if known == known else None
        elif self.steps is not None:
            _, first, last = self.steps
            self.steps = (interval, first, known) if known > last else None

    def accepts(self, note: Noted) -> bool:
        """Whether a notice is of the current attempt, new, and not one too many."""
        return note.attempt == self.attempt and note.text not in self.notes and len(self.notes) < NOTES_KEPT

    def note(self, note: Noted) -> None:
        """Keeps a notice. Interned: many trials of a run have the same ones."""
        text = sys.intern(note.text)
        self.notes = (*self.notes, text)
        if note.about in (OUTPUTS, METRICS):
            self.missing = (*self.missing, text)

    def why_with(self, why: str) -> str:
        """Returns why it ended, with what is known of what is missing."""
        return "; ".join([why, *self.missing])

    def pause_now(self) -> None:
        """Its attempt has ended, and it is paused."""
        self.state, self.stop_by, self.began_at, self.valued_at = PAUSED, "", None, None
        self.launch, self.pid, self.actor, self.pauses = None, 0, "", self.pauses + 1

    def close(self, decision: Close, at: float, names: dict[tuple[str, ...], tuple[str, ...]] | None) -> None:
        """It has ended: what only a running trial needs goes, since a run may have a hundred thousand that have ended.

        Args:
            decision: In which state, and why.
            at: When.
            names: See ``kept.packed``; None: the hyperparameters stay as they are.
        """
        if names is not None:
            self.params = pack_params(self.params, names)
        # Interned: nearly all trials of a run end for one of a few reasons.
        self.state, self.why, self.ended_at = decision.state, sys.intern(decision.why), at
        self.launch, self.launched_with, self.heard_at, self.valued_at = None, (0, None), 0.0, None
        self.steps = self.pause = self.until = None
        self.infeasible = decision.outcome == INFEASIBLE

    @property
    def open(self) -> bool:
        """True until the trial is closed; a paused one is not."""
        return self.state not in TERMINAL


_NO_DETAILS: Mapping[str, object] = {}


def details_of(given: Mapping[str, object]) -> Mapping[str, object]:
    """Returns a copy of what a sampler says of a suggestion; most say nothing, and trials share that."""
    return dict(given) if given else _NO_DETAILS


@dataclass(frozen=True, slots=True)
class Best:
    """The best objective value so far, whose it is, and the interval it belongs to."""

    trial: int
    value: float
    interval: int


@dataclass(slots=True)
class RunEnding:
    """The run is to end: in which state, and why."""

    state: str
    why: str
    rule: str = ""
    """Rule of ``finish_when`` that ends it; empty for anything else."""


@dataclass(slots=True)
class Counts:
    """Closed trials by how they ended."""

    completed: int = 0
    canceled: int = 0
    failed: int = 0
    infeasible: int = 0
    """Those of the failed ones whose configuration cannot be trained."""
    without_metric: int = 0
    ended_without_metric: int = 0
    """Attempts that ended well and had never logged the primary metric."""

    @property
    def closed(self) -> int:
        """All of them."""
        return self.completed + self.canceled + self.failed

    @property
    def only_failures(self) -> int:
        """Failed trials, infeasible ones aside, where no other trial has ended; else 0."""
        return self.failed - self.infeasible if self.failed == self.closed else 0

    def add(self, state: str, has_metric: bool, by: int = 1) -> None:
        """Counts a trial that was just closed; with -1 one that is open again."""
        if state == COMPLETED:
            self.completed += by
        elif state == CANCELED:
            self.canceled += by
        else:
            self.failed += by
        self.without_metric += by * (not has_metric)


class History(TrialView):
    """What samplers see: trial n at index n, as it stands now.

    Args:
        trials: The run's.
        curves: The run's.
        objective: Name of what of a curve is its trial's value.
    """

    def __init__(self, trials: Sequence[Trial], curves: Curves, objective: str = BEST) -> None:
        self._trials = trials
        self._curves = curves
        self._objective = objective
        self.mark = object()
        self._copies: list[TrialRecord] = []
        self._pending: list[int] = []

    def __len__(self) -> int:
        return len(self._trials)

    def at(self, number: int) -> TrialRecord:
        """Returns a trial as it stands now."""
        return self._seen(self._trials[number])

    def _seen(self, trial: Trial) -> TrialRecord:
        values_dropped = self._curves.values_dropped(trial.number)
        return TrialRecord(
            number=trial.number,
            params=plain_params(trial.params),
            value=self._curves.overall(trial.number),
            state=trial.state,
            curve=() if values_dropped else self._curves.values(trial.number),
            stopped=trial.stop_by == "policy",
            objective=self._objective,
            until=trial.until,
        )

    def frozen(self) -> FrozenTrials:
        """Returns a copy that another thread may read while the run continues.

        Closed trials change only when they are tried again, and are copied once, so that a question late in a long run
        costs no more than the list of its trials.
        """
        self._pending.extend(range(len(self._copies), len(self._trials)))
        unsettled = []
        for number in self._pending:
            trial = self._trials[number]
            seen = self._seen(trial)
            if trial.open:
                seen = replace(seen, curve=seen.curve[:])
                unsettled.append(number)
            self._copies[number : number + 1] = [seen]
        self._pending = unsettled
        found = FrozenTrials(self._copies)
        found.mark = self.mark
        return found

    def shed(self) -> None:
        """Forgets the copies of trials: they hold their values."""
        self.mark, self._copies, self._pending = object(), [], []

    def reopen(self, number: int) -> None:
        """A trial that had ended is open again."""
        self.mark = object()
        if number < len(self._copies) and number not in self._pending:
            self._pending.append(number)


@dataclass(slots=True)
class Clock:
    """How long the run has been worked on; the time between a crash and its resume does not count."""

    first_at: float | None = None
    epoch_at: float = 0.0
    """When the present driver took charge."""
    last_at: float = 0.0
    left_at: float = 0.0
    """Time of the last fact that the driver before it recorded."""
    spent_s: float = 0.0
    """Seconds worked under earlier drivers."""

    def start(self, at: float) -> None:
        """A driver takes charge."""
        if self.first_at is None:
            self.first_at = at
        else:
            self.spent_s += max(0.0, self.last_at - self.epoch_at)
            self.left_at = self.last_at
        self.epoch_at = self.last_at = at

    def elapsed_s(self, at: float) -> float:
        """Returns the seconds worked on the run until ``at``."""
        return self.spent_s + max(0.0, at - self.epoch_at)

    def due_at(self, limit_s: float) -> float:
        """Returns when ``limit_s`` seconds will have been worked on the run, if the present driver continues."""
        return self.epoch_at + (limit_s - self.spent_s)


@dataclass(slots=True, kw_only=True)
class State:
    """The state of a sweep without its curves."""

    trials: list[Trial] = field(default_factory=list)
    open: dict[int, Trial] = field(default_factory=dict)
    """Those that are queued or running."""
    paused: dict[int, Trial] = field(default_factory=dict)
    """Those that are paused, in the order in which they were."""
    checkpointed: bool = False
    """Whether any trial has saved a checkpoint."""
    counts: Counts = field(default_factory=Counts)
    clock: Clock = field(default_factory=Clock)
    progress: Progress = field(default_factory=Progress)
    epoch: int = 0
    exhausted: bool = False
    best: Best | None = None
    ending: RunEnding | None = None
    finished: Finish | None = None
    reports: int = 0
    names: dict[tuple[str, ...], tuple[str, ...]] | None = None
    """Shared packed hyperparameters; None where those of trials that have ended stay as they are."""

    def shed(self) -> list[int]:
        """Packs the hyperparameters of trials that have ended, now and from now on, and returns their numbers."""
        self.names = {} if self.names is None else self.names
        closed = [trial for trial in self.trials if not trial.open]
        for trial in closed:
            trial.params = pack_params(trial.params, self.names)
        return [trial.number for trial in closed]

    def lead(self, found: tuple[int, float, int] | None) -> None:
        """Takes the best trial as it stands now; the record stays the same object while it says the same."""
        best = self.best
        if found is None:
            self.best = None
        elif best is None or repr((best.trial, best.value, best.interval)) != repr(found):
            self.best = Best(*found)

    def overdue(self, limit_s: float | None, at: float) -> Iterator[Stop]:
        """Yields what stops the trials whose attempt has run for longer than the limit of one."""
        if limit_s is None:
            return
        for trial in self.open.values():
            if trial.began_at is None or trial.stop_by or at < trial.began_at + limit_s:
                continue
            why = f"timeout: ran for {duration_text(limit_s)}, the limit of one attempt"
            yield Stop(trial.number, trial.attempt, why, "timeout")


def stop_all(state: State, why: str) -> tuple[Stop, ...]:
    """Returns the decisions that end all open trials which nothing ends yet, because the run is ending."""
    ends = [one for _, one in sorted(state.open.items()) if one.stop_by in ("", BY_PAUSE)]
    return tuple(Stop(one.number, one.attempt, why, "run") for one in ends)


BACKOFF_S = 2.0
MOST_BACKOFF_S = 300.0


def backoff_s(losses_without_progress: int) -> float:
    """Returns the least seconds between two starts of a trial after this many losses in a row without progress."""
    return (
        0.0
        if losses_without_progress < 2
        else float(min(BACKOFF_S * 2.0 ** min(losses_without_progress - 2, 30), MOST_BACKOFF_S))
    )


def losses_text(trial: Trial) -> str:
    """Returns a notice of how often and where a trial was lost; empty when it never was."""
    if not trial.losses:
        return ""
    times = "once" if trial.losses == 1 else f"{trial.losses} times"
    nodes = len(trial.lost_on)
    where = f" on {nodes} node{'s' * (nodes > 1)} ({', '.join(trial.lost_on)})" if nodes else ""
    last = f"; last: {trial.lost_why}" if trial.lost_why else ""
    return f"lost {times}{where}{last}"


def duration_text(seconds: float) -> str:
    """Returns seconds as people write them."""
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 7200 else f"{seconds / 3600:g} h"
