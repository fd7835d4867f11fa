"""Watching a run in a terminal: one table in place, or one plain line per event. All of it is talk: it goes to stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from raydrive.core.records import CANCELED, COMPLETED, FAILED, QUEUED, RUNNING
from raydrive.core.state import Trial
from raydrive.core.summary import Summary, seconds_of

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun

STYLES = {QUEUED: "dim", RUNNING: "cyan", COMPLETED: "green", CANCELED: "yellow", FAILED: "red"}
ENDED_SHOWN = 8
REFRESH_S = 0.25


def number(value: float | None) -> str:
    """Returns a metric for people: six significant digits, a dash for None."""
    return "-" if value is None else f"{value:.6g}"


def clock(seconds: float | None) -> str:
    """Returns a duration for people: ``4.2s``, ``3:07``, ``1:02:03``; a dash for None."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def value_text(value: Any) -> str:
    """Returns a hyperparameter for people: numbers to four significant digits, the rest as JSON or text."""
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return str(value)
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def params_text(params: Mapping[str, Any]) -> str:
    """Returns hyperparameters on one line: ``lr=0.01 depth=3``."""
    return " ".join(f"{name.lstrip('-')}={value_text(value)}" for name, value in params.items())


def headline(run: HyperDriveRun, summary: Summary) -> str:
    """Returns the one line that says how a run stands."""
    counts = summary.counts
    parts = [f"{run.id}  {summary.state}", f"{summary.total}/{summary.max_total_runs} trials"]
    parts += [f"{counts[state]} {state.lower()}" for state in (RUNNING, QUEUED, COMPLETED) if counts[state]]
    stopped = summary.saving.stopped
    if counts[CANCELED]:
        by_policy = f" ({stopped} by the policy)" if stopped else ""
        parts.append(f"{counts[CANCELED]} canceled{by_policy}")
    if counts[FAILED]:
        parts.append(f"{counts[FAILED]} failed")
    if summary.best is not None:
        parts.append(f"best {run.config.metric.name} {number(summary.best.value)} (trial {summary.best.trial})")
    parts.append(clock(summary.elapsed_s))
    return " · ".join(parts)


def follow(run: HyperDriveRun, console: Console | None = None) -> None:
    """Shows a run until it is over or its driver is gone.

    Args:
        run: The run.
        console: Where to; None = stderr.
    """
    console = console or Console(stderr=True, highlight=False)
    if console.is_terminal and not os.environ.get("CI") and os.environ.get("TERM") != "dumb":
        _follow_live(run, console)
    else:
        for line in events(run):
            console.print(line, markup=False, soft_wrap=True)
            sys.stderr.flush()
    for line in last_words(run):
        console.print(line, markup=False, soft_wrap=True)


def _follow_live(run: HyperDriveRun, console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=False, vertical_overflow="crop") as live:
        shown = _Ended()
        for summary in run.watch(REFRESH_S):
            live.update(frame(run, summary, shown, console.width), refresh=True)


class _Ended:
    """The trials that ended last, without looking at all of them at every frame."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.seen = 0
        self.last: list[Trial] = []

    def update(self, run: HyperDriveRun) -> list[Trial]:
        """Returns the trials that have ended since the last call, by the time they ended."""
        trials = run.sweep.trials
        self.open.update(range(self.seen, len(trials)))
        self.seen = len(trials)
        ended = sorted((trials[n] for n in self.open if not trials[n].open), key=lambda trial: trial.ended_at or 0.0)
        self.open.difference_update(trial.number for trial in ended)
        self.last = (self.last + ended)[-ENDED_SHOWN:]
        return ended


def frame(run: HyperDriveRun, summary: Summary, shown: _Ended, width: int) -> RenderableType:
    """Returns one picture of a running run: the headline, what runs, and what ended last and why."""
    shown.update(run)
    heartbeat = run.heartbeat()
    parts: list[RenderableType] = [Text(headline(run, summary), style="bold", overflow="fold")]
    if heartbeat.get("trouble"):
        parts.append(Text(heartbeat["trouble"], style="red"))
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column(run.config.metric.name, justify="right", no_wrap=True)
    table.add_column("best", justify="right", no_wrap=True)
    table.add_column("k", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("parameters, and why it ended", overflow="fold", max_width=max(30, width - 52))
    waiting = heartbeat.get("waiting", {})
    for trial in [*shown.last, *run.sweep.open_trials]:
        table.add_row(*_cells(run, trial, waiting.get(str(trial.number), "")))
    parts.append(table)
    return Group(*parts)


def _cells(run: HyperDriveRun, trial: Trial, waiting: str) -> list[RenderableType]:
    values = run.sweep.curves.values(trial.number)
    best = run.sweep.best
    mark = "*" if best is not None and best.trial == trial.number else ""
    note = Text(params_text(trial.params))
    reason = trial.why or waiting
    if reason:
        note.append(f"\n{reason}", style=STYLES[trial.state] if trial.why else "dim")
    return [
        Text(f"{mark}{trial.number}", style="bold" if mark else ""),
        Text(trial.state, style=STYLES[trial.state]),
        Text(number(values[-1] if len(values) else None)),
        Text(number(run.sweep.curves.best(trial.number)), style="bold green" if mark else ""),
        Text(str(len(values))),
        Text(clock(seconds_of(trial, trial.ended_at or time.time()))),
        note,
    ]


def events(run: HyperDriveRun) -> Iterator[str]:
    """Yields one line per event until the run is over or its driver is gone."""
    ended, announced, waiting_for, trouble, best = _Ended(), 0, "", "", None
    state = ""
    for summary in run.watch(REFRESH_S):
        if summary.state != state:
            state = summary.state
            yield f"{clock(summary.elapsed_s):>8}  run {run.id}: {state}"
        for trial in run.sweep.trials[announced:]:
            yield f"{clock(summary.elapsed_s):>8}  trial {trial.number} launched: {params_text(trial.params)}"
        announced = len(run.sweep.trials)
        for trial in ended.update(run):
            value = run.sweep.curves.best(trial.number)
            yield (
                f"{clock(summary.elapsed_s):>8}  trial {trial.number} {trial.state}: "
                f"best {run.config.metric.name} {number(value)}; {trial.why}"
            )
        if summary.best != best and summary.best is not None:
            best = summary.best
            yield f"{clock(summary.elapsed_s):>8}  best so far: {number(best.value)} (trial {best.trial}, interval {best.interval})"
        heartbeat = run.heartbeat()
        reasons = sorted(set(heartbeat.get("waiting", {}).values()))
        if reasons and reasons[0] != waiting_for:
            waiting_for = reasons[0]
            yield f"{clock(summary.elapsed_s):>8}  {len(heartbeat['waiting'])} trial(s) queued: {waiting_for}"
        if heartbeat.get("trouble", "") != trouble:
            trouble = heartbeat.get("trouble", "")
            yield f"{clock(summary.elapsed_s):>8}  {trouble or 'trouble is over'}"


def last_words(run: HyperDriveRun) -> list[str]:
    """Returns what is said when a run is over: the result, what was saved, and what to do next."""
    summary = run.refresh()
    lines = ["", headline(run, summary)]
    if summary.why:
        lines.append(f"Ended: {summary.why}.")
    if run.sweep.finished is None:
        return [*lines, f"The run is not over. Go on with it: raydrive resume {run.id}"]
    child = run.get_best_run_by_primary_metric()
    if child is None:
        return [*lines, *_without_best(run, summary)]
    best = summary.best
    lines += ["", f"Best trial: {child.number} ({child.id})"]
    if best is not None:
        lines.append(f"  {run.config.metric.name} = {number(best.value)} at interval {best.interval}")
    lines += [f"  {name.lstrip('-')} = {value_text(value)}" for name, value in child.params.items()]
    lines.append(f"  artifacts: {child.uri}/outputs")
    saving = summary.saving
    if saving.stopped:
        lines += [
            "",
            f"Early termination stopped {saving.stopped} of {summary.total} trials and saved about "
            f"{saving.intervals} intervals, {clock(saving.seconds)} of training ({saving.share:.0%} of all).",
        ]
    lines += ["", "Next:", *(f"  {command}" for command in next_commands(run, child.number))]
    return lines


def _without_best(run: HyperDriveRun, summary: Summary) -> list[str]:
    lines = [f"No trial logged a finite value of {run.config.metric.name!r}."]
    failed = [trial for trial in run.sweep.trials if trial.state == FAILED]
    if failed:
        from raydrive.api.child import Run

        tail = Run(run, failed[-1].number).logs().strip().splitlines()[-15:]
        lines += [f"The log of trial {failed[-1].number} ends with:", *(f"  {line}" for line in tail)]
        lines += ["", "Next:", f"  raydrive logs {run.id} {failed[-1].number}"]
    return lines


def next_commands(run: HyperDriveRun, best: int) -> list[str]:
    """Returns the commands worth trying after a run."""
    return [
        f"raydrive trials {run.id}            # all trials and why each ended",
        f"raydrive logs {run.id} {best}           # what the best one printed",
        f"raydrive best {run.id} -o json      # its parameters, for scripts",
    ]
