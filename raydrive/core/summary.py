"""The read model: what tables, the status line and the last words of a run are made of."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass
from typing import Any

from raydrive.core.records import CANCELED, COMPLETED, FAILED, QUEUED, RUNNING, Params
from raydrive.core.state import Best, Trial, losses_text
from raydrive.core.sweep import Sweep

_SIZE = re.compile(r" \([0-9.]+ (?:bytes?|[kMGT]B)(?:, [0-9]+ files?)?\)")
INTERRUPTED = "Interrupted"
"""A run whose driver was interrupted, and its trials that were open then: ``raydrive resume`` goes on with them.

It is the driver's word, not the journal's: who reads a run tells the functions below."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What early termination saved, against the same trials trained as long as the completed ones."""

    stopped: int
    """Trials the policy stopped."""
    intervals: int
    """Intervals not trained."""
    seconds: float
    """Training time not spent, at each stopped trial's own pace."""
    share: float
    """Part of the whole training that was saved, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One trial, as a table shows it."""

    number: int
    state: str
    params: Params
    last: float | None
    best: float | None
    intervals: int
    seconds: float | None
    """Training time of all attempts so far; None before the first began."""
    why: str
    """Why it ended; of one that is open, a notice of where it was lost."""
    attempt: int
    node: str
    gpus: str
    losses: int
    notes: tuple[str, ...]
    """Notices that its user must not miss."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One run, as the status line shows it."""

    state: str
    """Queued, Running, Completed, Canceled or Failed."""
    why: str
    counts: dict[str, int]
    """Trials by state, all five states and ``INTERRUPTED`` present."""
    total: int
    """Trials launched so far, as the counts add up."""
    max_total_runs: int
    best: Best | None
    reports: int
    elapsed_s: float
    saving: Saving
    metric_missing: bool
    """True when nothing logged the primary metric though some trial ended well."""

    @property
    def done(self) -> int:
        """Trials that are over: what "so many of ``max_total_runs``" means wherever it is said."""
        return sum(self.counts[state] for state in (COMPLETED, CANCELED, FAILED))


def summarize(sweep: Sweep, now: float, *, interrupted: bool = False) -> Summary:
    """Returns the summary of a run at a time.

    Args:
        sweep: The run.
        now: Seconds since the epoch; the time of the last fact for a run that is over.
        interrupted: Whether its driver was: then no trial trains or waits for room.
    """
    at = sweep.last_at if sweep.finished else now
    running = sum(trial.state == RUNNING for trial in sweep.open_trials)
    counts = {QUEUED: len(sweep.open_trials) - running, RUNNING: running, **sweep.count}
    if interrupted:
        counts |= {QUEUED: 0, RUNNING: 0, INTERRUPTED: len(sweep.open_trials)}
    finished = sweep.finished
    state = finished.state if finished else (RUNNING if sweep.epoch else QUEUED)
    ending = sweep.ending.why if sweep.ending else ""
    return Summary(
        state=state,
        why=finished.why if finished else ending,
        counts={name: counts.get(name, 0) for name in (QUEUED, RUNNING, INTERRUPTED, COMPLETED, CANCELED, FAILED)},
        total=len(sweep.trials),
        max_total_runs=sweep.limits.max_total_runs,
        best=sweep.best,
        reports=sweep.reports,
        elapsed_s=sweep.elapsed_s(at),
        saving=saving(sweep),
        metric_missing=sweep.metric_missing,
    )


def state_of(trial: Trial, interrupted: bool) -> str:
    """Returns a trial's state; ``INTERRUPTED`` for one that is open in a run whose driver was interrupted."""
    return INTERRUPTED if interrupted and trial.open else trial.state


def seconds_of(trial: Trial, now: float) -> float | None:
    """Returns the training time of all attempts of a trial until ``now``, None before the first began."""
    if trial.began_at is None:
        return trial.trained_s if trial.trained_s or trial.ended_at else None
    return trial.trained_s + max(0.0, now - trial.began_at)


def row(sweep: Sweep, trial: Trial, now: float, *, interrupted: bool = False) -> Row:
    """Returns one trial as a table row.

    Args:
        sweep: The run.
        trial: One of its trials.
        now: Seconds since the epoch.
        interrupted: Whether the run's driver was.
    """
    return Row(
        number=trial.number,
        state=state_of(trial, interrupted),
        params=trial.params,
        last=sweep.curves.last(trial.number),
        best=sweep.curves.best(trial.number),
        intervals=sweep.curves.length(trial.number),
        seconds=seconds_of(trial, now),
        why=trial.why or (losses_text(trial) if trial.open else ""),
        attempt=trial.attempt,
        node=trial.node,
        gpus=trial.gpus,
        losses=trial.losses,
        notes=trial.notes,
    )


def notices(sweep: Sweep, most: int = 3) -> list[str]:
    """Returns which trials were lost more than once, where, and why: the nodes may be to blame.

    Args:
        sweep: The run.
        most: So many at most, those first that were lost most often.
    """
    lost = sorted((trial for trial in sweep.trials if trial.losses > 1), key=lambda trial: -trial.losses)
    return [f"trial {trial.number} was {losses_text(trial)}" for trial in lost[:most]]


def trial_notices(sweep: Sweep, most: int = 10) -> list[str]:
    """Returns what was noted of trials, each text once with the trials that it is about.

    Texts that differ in the sizes of files only are one, without the sizes.

    Args:
        sweep: The run.
        most: Number of texts at most; one more line tells how many are left out.
    """
    about: dict[str, list[int]] = {}
    texts: dict[str, set[str]] = {}
    for trial in sweep.trials:
        for text in trial.notes:
            bare = _SIZE.sub("", text)
            texts.setdefault(bare, set()).add(text)
            about.setdefault(bare, []).append(trial.number)
    found = []
    for bare, numbers in list(about.items())[:most]:
        text = bare if len(texts[bare]) > 1 else next(iter(texts[bare]))
        trials = ", ".join(map(str, numbers[:3]))
        more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
        found.append(f"trial{'s' * (len(numbers) > 1)} {trials}{more}: {text}")
    if len(about) > most:
        found.append(f"{len(about) - most} other notices of trials are left out here; their pages have them")
    return found


def ranked(sweep: Sweep, *, top: int = 0) -> list[Trial]:
    """Returns the trials best first; those without a finite value follow by number.

    Args:
        sweep: The run.
        top: So many at most; 0 = all.
    """
    sign = -1.0 if sweep.config.metric.maximize else 1.0

    def key(trial: Trial) -> tuple[bool, float, int]:
        best = sweep.curves.best(trial.number)
        return (best is None, 0.0 if best is None else sign * best, trial.number)

    trials = sorted(sweep.trials, key=key)
    return trials[:top] if top else trials


def saving(sweep: Sweep) -> Saving:
    """Returns what the policy saved.

    The full length of a trial is taken as the median number of intervals of the completed trials (the longest of all
    when none completed): an estimate, for a stopped trial never shows how long it would have gone on.
    """
    stopped = [trial for trial in sweep.trials if trial.stop_by == "policy" and not trial.open]
    if not stopped:
        return Saving(0, 0, 0.0, 0.0)
    lengths = [sweep.curves.length(trial.number) for trial in sweep.trials]
    completed = [n for n, trial in zip(lengths, sweep.trials, strict=True) if trial.state == COMPLETED]
    full = round(statistics.median(completed)) if completed else max(lengths)
    intervals, seconds = 0, 0.0
    for trial in stopped:
        left = max(0, full - lengths[trial.number])
        done = lengths[trial.number] - trial.start
        intervals += left
        seconds += left * trial.trained_s / done if done else 0.0
    trained = sum(lengths) - sum(trial.start for trial in sweep.trials)
    return Saving(len(stopped), intervals, seconds, intervals / (intervals + trained) if intervals else 0.0)


def row_json(item: Row) -> dict[str, Any]:
    """Returns a row as a flat JSON object; parameters as ``param_<name>``, as HyperDrive's widget names them."""
    out: dict[str, Any] = {"trial": item.number, "state": item.state}
    out.update({f"param_{name.lstrip('-')}": value for name, value in item.params.items()})
    out.update(best=item.best, last=item.last, intervals=item.intervals, seconds=item.seconds)
    out.update(why=item.why, attempt=item.attempt, node=item.node, gpus=item.gpus, losses=item.losses)
    out["notes"] = list(item.notes)
    return out
