"""Watching a run: a picture in place on a terminal, a table in a notebook, else one line per event; all on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from raydrive.api.display.command_text import in_commands, storage_option
from raydrive.api.display.fitted_lines import fitted
from raydrive.api.display.live_view import EndedTrial, LiveView
from raydrive.api.display.notebook_follow import follow_in_cell, in_notebook
from raydrive.api.display.text import (
    best_interval_text,
    clock,
    harmless,
    headline,
    ids_text,
    number,
    one_line,
    params_text,
    saving_text,
    sentence,
    value_text,
)
from raydrive.api.display.unbroken_stream import Unbroken
from raydrive.core.config.stdout_metrics import FOUND
from raydrive.core.errors import StorageError
from raydrive.core.objective import BEST
from raydrive.core.views.heartbeat import NO_HEARTBEAT, TURN
from raydrive.core.views.status import NOT_RESPONDING
from raydrive.core.views.summary import Summary, trial_notices
from raydrive.core.views.trouble import Trouble, metric_notice, trouble_of
from raydrive.storage.rank_logs import last_lines

if TYPE_CHECKING:
    from raydrive.core.population.schedule import Change
    from raydrive.core.sweep.state import Best, Trial
    from raydrive.storage.run_reader import RunReader

REFRESH_S = 0.25


def follow(run: RunReader, console: Console | None = None, seen: Seen | None = None) -> None:
    """Shows a run until it ends or its driver is gone.

    Args:
        run: The run.
        console: Where to; None = the cell of a notebook, else stderr.
        seen: What was recorded before, of which one line is printed; None = every event is printed.
    """
    if console is None and in_notebook():
        follow_in_cell(run, last_words)
        return
    console = console or Console(file=cast("TextIO", Unbroken(sys.stderr)), highlight=False)
    in_place = is_live(console)
    for line in run.lineage.lines():
        _print(console, one_line(line))
    if in_place:
        _follow_live(run, console)
    else:
        for line in events(run, seen):
            _print(console, line)
    for line in last_words(run, with_headline=not in_place):
        _print(console, line)


def is_live(console: Console) -> bool:
    """Whether a picture in place makes sense: on a terminal that can move its cursor, and not in a CI's log."""
    in_ci = os.environ.get("CI", "").casefold() not in ("", "0", "false")
    return console.is_terminal and not console.is_dumb_terminal and not in_ci


def _print(console: Console, line: str) -> None:
    # Where no terminal is, lines stay whole, for grep.
    for part in fitted(line, console.width) if console.is_terminal else [line]:
        console.print(part, markup=False, highlight=False, soft_wrap=True)
    console.file.flush()


def _follow_live(run: RunReader, console: Console) -> None:
    picture, drawn = LiveView(run), list[Text]()
    # Other output goes above the picture, except to a stdout that was redirected on purpose.
    above = sys.stdout is sys.__stdout__
    with Live(console=console, auto_refresh=False, vertical_overflow="crop", redirect_stdout=above) as live:
        for summary in run.watch(REFRESH_S):
            if run.sweep.finished:
                lines = picture.draw_end(summary, *console.size)
            else:
                lines = picture.draw(summary, run.last_heartbeat(), *console.size)
            if lines != drawn:  # an unchanged picture is not drawn again: nothing flickers, nothing scrolls
                live.update(Group(*lines), refresh=True)
                drawn = lines
        if not run.sweep.finished:
            run.refresh()
            stands = run.status()
            lines = picture.draw(stands.summary, NO_HEARTBEAT, *console.size, stands.state)
            live.update(Group(*lines), refresh=True)


def events(run: RunReader, seen: Seen | None = None) -> Iterator[str]:
    """Yields one line per event until the run has ended or its driver is gone; what happened before comes first.

    Args:
        run: The run.
        seen: What was recorded before, of which there is one line; None = a line for each event from the first one.
    """
    seen = seen or Seen()
    for summary in run.watch(REFRESH_S):
        stamp = _Stamp(run, summary)
        if not seen.state:
            seen.state = summary.state
            yield f"{stamp(run.sweep.started_at)}  run {run.id}: {summary.state}"
            if seen.before:
                yield f"{stamp(None)}  {seen.before}"
        for at, text in seen.happened(run):
            yield f"{stamp(at)}  {text}"
        if summary.best is not None and _is_news(run, seen.best, summary.best):
            explained = "" if seen.best else f"; an interval is one value of {one_line(run.config.metric.name)}"
            yield f"{stamp(None)}  {_best_so_far(run, summary.best)}{explained}"
        seen.best = summary.best
        for text in seen.of_metrics(run):
            yield f"{stamp(None)}  {text}"
        for text in seen.of_the_driver(run):
            yield f"{stamp(None)}  {text}"
        if summary.state != seen.state:
            seen.state = summary.state
            yield f"{stamp(None)}  run {run.id}: {summary.state}"


class Seen:
    """What of a run has had its line.

    Args:
        run: The run, as it was recorded so far: what it holds gets one line in total; None = nothing of it was seen.
    """

    def __init__(self, run: RunReader | None = None) -> None:
        self.state = ""
        self.before = ""
        """The line on what was recorded before; empty where there is none."""
        self.best: Best | None = None
        self._ended, self._waits, self._turns, self._trouble = EndedTrial(), False, False, ""
        self._metric_told = self._found_told = False
        self._known = 0
        self._queued: dict[int, Trial] = {}
        self._changes = 0
        if run is not None and run.sweep.trials:
            self.happened(run)
            self.best = run.sweep.best
            self.before = _recorded_before(run)

    def happened(self, run: RunReader) -> list[tuple[float, str]]:
        """Returns time and line of each trial that has started, changed or ended since the last call, by time."""
        trials, metric = run.sweep.trials, run.config.metric
        lines = [
            (at, one_line(f"trial {trial.number} started: {params_text(trial.params)}"))
            for trial, at in self._started(trials)
        ]
        for trial in self._ended.update(trials):
            value = number(run.sweep.curves.objective(trial.number))
            text = f"trial {trial.number} {trial.state}: {metric.value} {metric.name} {value}; {trial.why}"
            lines.append((trial.ended_at or trial.created_at, one_line(text)))
        lines.extend(self._changed(run.sweep.changes))
        return sorted(lines, key=lambda line: line[0])

    def _started(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, float]]:
        """Yields the trials whose first process began since the last call, with the time; a queued one is none."""
        self._queued.update((trial.number, trial) for trial in trials[self._known :])
        self._known = len(trials)
        for trial in list(self._queued.values()):
            if trial.began_at is not None:
                yield trial, trial.began_at
            elif trial.trained_s:
                yield trial, trial.created_at if trial.ended_at is None else trial.ended_at - trial.trained_s
            elif trial.open:
                continue
            del self._queued[trial.number]

    def _changed(self, changes: Mapping[int, Sequence[Change]]) -> Iterator[tuple[float, str]]:
        """Yields time and line of each change of a member of a population since the last call."""
        seen = self._changes
        for trial, all_of_it in changes.items():
            for change in all_of_it:
                if change.number >= seen:
                    self._changes = max(self._changes, change.number + 1)
                    yield change.at, one_line(f"trial {trial}: {change.why}")

    def of_metrics(self, run: RunReader) -> Iterator[str]:
        """Yields a line when a trial logs other metrics than the primary one, or that is found in what it prints."""
        if not self._metric_told and (told := metric_notice(run.sweep)):
            self._metric_told = True
            yield one_line(told)
        metrics = run.config.trial.metrics
        if not self._found_told and metrics is not None and metrics.find:
            notes = [text for trial in run.sweep.trials for text in trial.notes if text.startswith(FOUND)]
            if notes:
                self._found_told = True
                yield one_line(notes[0])

    def of_the_driver(self, run: RunReader) -> Iterator[str]:
        """Yields a line where trials begin to wait, or the driver has another trouble."""
        heartbeat = run.last_heartbeat()
        reasons = heartbeat.waiting
        # The numbers in a reason change all the time; that trials wait is one event, that they take turns is one a run.
        turns = {number for number, why in reasons.items() if why.startswith(TURN)}
        news = not self._turns if turns == set(reasons) else not self._waits
        self._waits, self._turns = bool(set(reasons) - turns), self._turns or bool(turns)
        if reasons and news and not run.sweep.finished:
            queued = ids_text(sorted(map(int, reasons)))
            yield f"{len(reasons)} queued ({queued}): {one_line(next(iter(reasons.values())))}"
        trouble = heartbeat.trouble
        if trouble != self._trouble:
            self._trouble = trouble
            yield one_line(trouble) or "problem resolved"


def _recorded_before(run: RunReader) -> str:
    """What a run held before it continued, in a line."""
    trials = run.sweep.trials
    states = Counter(trial.state for trial in trials if not trial.open)
    ended = ", ".join(f"{count} {state}" for state, count in states.items())
    parts = [f"{len(trials)} trial{'s' * (len(trials) != 1)}" + (f" ({ended})" if ended else "")]
    if run.sweep.best is not None:
        parts.append(_best_so_far(run, run.sweep.best))
    return f"recorded before: {'; '.join(parts)}"


def _is_news(run: RunReader, before: Best | None, best: Best) -> bool:
    """Whether the best value is worth a line: the last value of a running trial changes all the time."""
    return best != before if run.sweep.curves.by_best else before is None or best.trial != before.trial


def _best_so_far(run: RunReader, best: Best) -> str:
    objective = "" if run.config.metric.value == BEST else f" ({run.config.metric.value})"
    return f"best so far{objective}: {number(best.value)} (trial {best.trial}, interval {best.interval})"


class _Stamp:
    """Writes how far into the run something happened."""

    def __init__(self, run: RunReader, summary: Summary) -> None:
        self._elapsed_s = summary.elapsed_s
        self._now = run.sweep.last_at if run.sweep.finished else time.time()

    def __call__(self, at: float | None) -> str:
        ago = 0.0 if at is None else self._now - at
        return f"{clock(max(0.0, self._elapsed_s - ago)):>8}"


def last_words(run: RunReader, with_headline: bool = True) -> list[str]:
    """Returns what is said when a run has ended: the result, what was saved, and what to do next.

    Args:
        run: The run.
        with_headline: Whether to begin with its state.
    """
    run.refresh()
    stands = run.status()
    summary = stands.summary
    over = run.sweep.finished is not None
    lines = ["", headline(run, summary, stands.state)] if with_headline or not over else [""]
    if not over:
        trouble = one_line(stands.beat.trouble)
        says = "Its driver does not respond" if stands.state == NOT_RESPONDING else "Its driver stopped"
        lines += [f"{says}: {trouble}"] if trouble else ["Its driver no longer sends heartbeats."]
        return [*lines, f"The run has not ended. To resume it: raydrive resume {in_commands(run.layout)}"]
    lines.append(f"{summary.state}: {sentence(summary.why, capital=False)}" if summary.why else f"{summary.state}.")
    found = trouble_of(run.sweep)
    if found is not None and found.mostly:  # first of all
        lines[-1:-1] = _said_of(found, summary)
    if (told := metric_notice(run.sweep)) and told not in summary.why:
        lines.append(sentence(told))
    best = summary.best
    if best is None:
        return [*lines, *_without_best(run, found)]
    if found is not None and found.mostly:
        lines += log_end(run, found)
    params = run.sweep.trials[best.trial].params
    lines += ["", f"Best trial: {best.trial} ({run.child_id(best.trial)})"]
    lines.append(f"  {one_line(run.config.metric.label)} = {number(best.value)} at interval {best.interval}")
    lines += [f"  {name.lstrip('-')} = {value_text(value)}" for name, value in params.items()]
    lines.append(f"  artifacts: {run.layout.outputs(best.trial).uri}")
    if later := best_interval_text(run):
        lines.append(f"Note: {sentence(later)}")
    lines += _better_before(run, best.value)
    if found is not None and not found.mostly:
        lines.append(f"Note: {sentence(found.text)}")
    lines += [f"Note: {one_line(text)}" for text in trial_notices(run.sweep)]
    if saved := saving_text(summary):
        lines += ["", saved]
    lines += ["", "Next:", *(f"  {command}" for command in next_commands(run, best.trial, found))]
    return lines


def _said_of(found: Trouble, summary: Summary) -> list[str]:
    """Trials that failed or ran out of time, in a line; without the reason where the run's own end has it."""
    if found.count_text in summary.why:
        return []
    return [sentence(found.count_text if found.why in summary.why else found.text)]


def _better_before(run: RunReader, best: float) -> list[str]:
    """Returns a line if a run that this one was warm-started from was better."""
    values = [(parent.best, parent) for parent in run.lineage.parents if parent.best is not None]
    if not values:
        return []
    choose = max if run.config.metric.maximize else min
    value, parent = choose(values, key=lambda item: item[0])
    if value == best or choose(value, best) == best:
        return []
    return [f"An earlier run was better: {number(value)}, trial {parent.best_trial} of {parent.run}"]


def _without_best(run: RunReader, found: Trouble | None) -> list[str]:
    lines = [f"No trial logged a finite value of {run.config.metric.label!r}."]
    if found is not None:
        lines += log_end(run, found)
        if "ModuleNotFoundError" in found.why:
            lines.append(
                f"Trials use {python_of(run)}; install the module there, or name another Python with raydrive.python."
            )
    elif not run.sweep.trials:
        return lines
    return [*lines, "", "Next:", *(f"  {command}" for command in next_commands(run, None, found))]


def log_end(run: RunReader, found: Trouble) -> list[str]:
    """Returns the last lines that a trial in trouble has printed."""
    try:
        tail = last_lines(run.layout, found.trial, found.attempt)
    except StorageError as error:
        return [f"The log of trial {found.trial} cannot be read: {one_line(str(error))}"]
    if not tail:
        return [f"Trial {found.trial} has printed nothing."]
    return [f"The log of trial {found.trial} ends with:", *(f"  {harmless(line)}" for line in tail)]


def python_of(run: RunReader) -> str:
    """Returns a line on the Python that a run's trials use."""
    named = run.config.trial.python
    return f"the Python {named}" if named else "the Python that raydrive runs in"


def next_commands(run: RunReader, best: int | None, found: Trouble | None = None) -> list[str]:
    """Returns the commands worth trying after a run.

    Args:
        run: The run.
        best: Number of its best trial; None where it has none.
        found: Its trials that failed or ran out of time, where there are any.
    """
    place, commands = storage_option(run.layout), {}
    if found is not None:
        commands[f"raydrive logs {run.id} {found.trial}{place}"] = "the whole output of this trial"
    commands[f"raydrive trials {run.id}{place}"] = "all trials and why each ended"
    if best is not None:
        commands[f"raydrive logs {run.id} {best}{place}"] = "the output of the best trial"
        commands[f"raydrive best {run.id}{place} -o json"] = "its parameters, for scripts"
    width = max(map(len, commands))
    return [f"{command:<{width}}  # {why}" for command, why in commands.items()]
