"""The read model: what tables, the status line and the last words of a run are made of."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from raydrive.core.config.trial_spec import Metric
from raydrive.core.population.shown import changes_json
from raydrive.core.records import CANCELED, COMPLETED, FAILED, PAUSED, QUEUED, RUNNING, Params
from raydrive.core.reports.gpu_use import MEMORY, USE, by_node
from raydrive.core.sweep.state import Best, Trial, losses_text
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_filter import best_by
from raydrive.core.views.savings import Saving, saving

_SIZE = re.compile(r" \([0-9.]+ (?:bytes?|[kMGT]B)(?:, [0-9]+ files?)?\)")
_REACHED = re.compile(r"max_total_runs of (\d+) reached")
INTERRUPTED = "Interrupted"
"""A run whose driver was interrupted, and its trials that were open then: ``raydrive resume`` continues with them.

The driver's heartbeat has it, the journal has not: readers pass it to the functions below."""
TRIAL_STATES = (QUEUED, RUNNING, INTERRUPTED, PAUSED, COMPLETED, CANCELED, FAILED)
"""All that a trial is counted under."""


@dataclass(frozen=True, slots=True)
class Row:
    """One trial, as a table shows it."""

    number: int
    state: str
    params: Params
    last: float | None
    best: float | None
    objective: tuple[str, float | None]
    """What trials are ranked by, and its value: ``("best", 0.9)``."""
    intervals: int
    seconds: float | None
    """Training time of all attempts so far; None before the first began."""
    why: str
    """Why it ended or is paused; of one at work, why a policy let it continue, or a notice of where it was lost."""
    attempt: int
    node: str
    gpus: str
    usage: Mapping[str, float]
    """What it uses of its GPUs while it trains, else what its last attempt has used, as
    ``core.reports.gpu_use.joint`` has it; empty = not known."""
    nodes: tuple[str, ...]
    """Host names by node rank, of a trial over several nodes; empty = one node."""
    losses: int
    changes: list[dict[str, Any]] | None
    """Changes of its hyperparameters in training, as JSON; None in a run without a population."""
    notes: tuple[str, ...]
    """Notices that its user must not miss."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One run, as the status line shows it."""

    state: str
    """Queued, Running, Completed, Canceled or Failed."""
    why: str
    counts: dict[str, int]
    """Trials by state, all six states and ``INTERRUPTED`` present."""
    total: int
    """Trials so far, queued ones included, as the counts add up."""
    max_total_runs: int
    best: Best | None
    reports: int
    elapsed_s: float
    saving: Saving
    metric_missing: bool
    """True when nothing logged the primary metric though some trial ended well."""

    @property
    def done(self) -> int:
        """Trials that have ended: what "so many of ``max_total_runs``" means wherever it is said."""
        return sum(self.counts[state] for state in (COMPLETED, CANCELED, FAILED))


def summarize(sweep: Sweep, now: float, *, interrupted: bool = False) -> Summary:
    """Returns the summary of a run at a time.

    Args:
        sweep: The run.
        now: Seconds since the epoch; the time of the last fact for a run that has ended.
        interrupted: Whether its driver was: then no trial trains or waits for room.
    """
    at = sweep.last_at if sweep.finished else now
    running = sum(trial.state == RUNNING for trial in sweep.open_trials)
    counts = {QUEUED: len(sweep.open_trials) - running, RUNNING: running, **sweep.count}
    counts[PAUSED] = sweep.paused_count
    if interrupted:
        counts |= {QUEUED: 0, RUNNING: 0, INTERRUPTED: len(sweep.open_trials)}
    finished = sweep.finished
    state = finished.state if finished else (RUNNING if sweep.epoch else QUEUED)
    ending = sweep.ending.why if sweep.ending else ""
    return Summary(
        state=state,
        why=_in_words(finished.why) if finished else ending,
        counts={name: counts.get(name, 0) for name in TRIAL_STATES},
        total=len(sweep.trials),
        max_total_runs=sweep.limits.max_total_runs,
        best=sweep.best,
        reports=sweep.reports,
        elapsed_s=sweep.elapsed_s(at),
        saving=saving(sweep),
        metric_missing=sweep.metric_missing,
    )


def _in_words(why: str) -> str:
    """Returns why a run has ended: where its journal has the name of a limit in HyperDrive's SDK v1, in words."""
    reached = _REACHED.fullmatch(why)
    if reached is None:
        return why
    return "its only trial has ended" if reached[1] == "1" else f"all {reached[1]} trials have ended"


def best_notice(sweep: Sweep, checkpoints: Mapping[int, str]) -> str:
    """Returns a sentence if the best trial continued after its best interval, with its checkpoint; empty if it did not.

    Args:
        sweep: The run.
        checkpoints: The best trial's by the interval they were saved at: what to call each.
    """
    best = sweep.best
    if best is None or not sweep.curves.by_best or sweep.curves.length(best.trial) <= best.interval:
        return ""
    trial, last = sweep.trials[best.trial], sweep.curves.length(best.trial)
    went = "is now at" if trial.open else "continued to"
    text = f"the best value is that of interval {best.interval}, but trial {best.trial} {went} interval {last}: "
    text += "its latest files in outputs/ are of the later interval; "
    known = checkpoints.get(best.interval)
    return text + (f"{known} is of interval {best.interval}" if known else "no checkpoint of the best interval is kept")


def state_of(trial: Trial, interrupted: bool) -> str:
    """Returns a trial's state; ``INTERRUPTED`` for one at work in a run whose driver was interrupted."""
    return INTERRUPTED if interrupted and trial.state in (QUEUED, RUNNING) else trial.state


def seconds_of(trial: Trial, now: float) -> float | None:
    """Returns the training time of all attempts of a trial until ``now``, None before the first began."""
    if trial.began_at is None:
        return trial.trained_s if trial.trained_s or trial.ended_at else None
    return trial.trained_s + max(0.0, now - trial.began_at)


def usage_of(
    trial: Trial, live: Mapping[str, Mapping[str, float]], *, interrupted: bool = False
) -> Mapping[str, float]:
    """Returns what a trial uses of its GPUs, as in ``Row.usage``.

    Args:
        trial: The trial.
        live: ``Heartbeat.gpu_use``.
        interrupted: Whether the run's driver was.
    """
    found = live.get(str(trial.number)) if state_of(trial, interrupted) == RUNNING else None
    return found or trial.usage


def row(
    sweep: Sweep,
    trial: Trial,
    now: float,
    *,
    interrupted: bool = False,
    gpu_use: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> Row:
    """Returns one trial as a table row.

    Args:
        sweep: The run.
        trial: One of its trials.
        now: Seconds since the epoch.
        interrupted: Whether the run's driver was.
        gpu_use: ``Heartbeat.gpu_use``: what trials use of their GPUs now.
    """
    return Row(
        number=trial.number,
        state=state_of(trial, interrupted),
        params=trial.params,
        last=sweep.curves.last(trial.number),
        best=sweep.curves.best(trial.number),
        objective=(sweep.config.metric.value, sweep.curves.objective(trial.number)),
        intervals=sweep.curves.length(trial.number),
        seconds=seconds_of(trial, now),
        why=trial.why or (_while_open(trial) if trial.open else ""),
        attempt=trial.attempt,
        node=trial.node,
        gpus=trial.gpus,
        usage=usage_of(trial, gpu_use, interrupted=interrupted),
        nodes=trial.nodes,
        losses=trial.losses,
        changes=None if sweep.config.rules.population is None else changes_json(sweep.changes.get(trial.number, ())),
        notes=trial.notes,
    )


def _while_open(trial: Trial) -> str:
    """What is to be known of a trial that continues."""
    promoted = f"continued after a pause: {trial.launch.why}" if trial.launch is not None and trial.launch.why else ""
    return "; ".join(filter(None, [promoted, losses_text(trial)]))


def notices(sweep: Sweep, most: int = 3) -> list[str]:
    """Returns which trials were lost more than once, where, and why: the nodes may be to blame.

    Before them: that a trial is to pause and waits for a checkpoint, in a run in which none has been saved.

    Args:
        sweep: The run.
        most: At most this many, those first that were lost most often.
    """
    lost = sorted((trial for trial in sweep.trials if trial.losses > 1), key=lambda trial: -trial.losses)
    return [*_no_checkpoint(sweep), *(f"trial {trial.number} was {losses_text(trial)}" for trial in lost[:most])]


def _no_checkpoint(sweep: Sweep) -> list[str]:
    """A notice as long as a trial keeps training beyond the interval of its pause, and nothing was ever saved."""
    for trial in sweep.open_trials:
        pause = trial.pause
        if pause is None or trial.stop_by or sweep.curves.length(trial.number) < 2 * pause.interval:
            continue
        if not any(one.checkpoint for one in sweep.trials):
            text = "keeps training: no trial has saved a checkpoint yet (run.save_checkpoint(folder))"
            return [f"trial {trial.number} is to pause since interval {pause.interval} and {text}"]
    return []


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
    """Returns the trials by their objective values, best first; those without one follow by number.

    Args:
        sweep: The run.
        top: At most this many; 0 = all.
    """
    sign = -1.0 if sweep.config.metric.maximize else 1.0

    def key(trial: Trial) -> tuple[bool, float, int]:
        value = sweep.curves.objective(trial.number)
        return (value is None, 0.0 if value is None else sign * value, trial.number)

    trials = sorted(sweep.trials, key=key)
    return trials[:top] if top else trials


def value_by(sweep: Sweep, trial: int, metric: Metric) -> float | None:
    """Returns a trial's value by the objective of another run, which has this one as a parent; None without one."""
    if metric.value == sweep.config.metric.value:
        return sweep.curves.objective(trial)
    return metric.objective.find(sweep.curves.values(trial), sweep.trials[trial].start)[0]


def best_among(sweep: Sweep, metric: Metric, left_out: Container[str] = ()) -> int | None:
    """Returns the number of the best trial, None where no trial that counts has a finite value.

    Args:
        sweep: The run.
        metric: The objective to go by: its own, or that of a run that it is a parent of.
        left_out: States of trials that do not count.
    """
    best = best_by(sweep, metric)
    if best is not None and sweep.trials[best.trial].state not in left_out:
        return best.trial
    values = [(value_by(sweep, t.number, metric), t.number) for t in sweep.trials if t.state not in left_out]
    sign = 1.0 if metric.maximize else -1.0
    known = [(sign * value, -number) for value, number in values if value is not None]
    return -max(known)[1] if known else None


def row_json(item: Row) -> dict[str, Any]:
    """Returns a row as a flat JSON object; parameters as ``param_<name>``, as HyperDrive's widget names them.

    What trials are ranked by is under its name: ``best`` and ``last`` are there always, ``mean_last_5`` where it is
    the objective.
    """
    out: dict[str, Any] = {"trial": item.number, "state": item.state}
    out.update([item.objective])
    out.update({f"param_{name.lstrip('-')}": value for name, value in item.params.items()})
    out.update(best=item.best, last=item.last, intervals=item.intervals, seconds=item.seconds)
    out.update(why=item.why, attempt=item.attempt, node=item.node, gpus=item.gpus, losses=item.losses)
    out.update({name: item.usage.get(name) for name in (USE, MEMORY)})
    out["gpu_nodes"] = [
        {"node": item.nodes[node] if node < len(item.nodes) else "", USE: own.get(USE), MEMORY: own.get(MEMORY)}
        for node, own in by_node(item.usage).items()
    ]
    out.update(nodes=list(item.nodes), notes=list(item.notes))
    if item.changes is not None:
        out["changes"] = item.changes
    return out
