"""How values, durations and whole runs are written for people, on one line each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raydrive.core.errors import RaydriveError, StorageError
from raydrive.core.records import CANCELED, COMPLETED, FAILED, PAUSED, QUEUED, RUNNING

if TYPE_CHECKING:
    from raydrive.core.sweep.state import Best
    from raydrive.core.views.savings import Span
    from raydrive.core.views.summary import Summary
    from raydrive.storage.run_reader import RunReader

# Colour codes, cursor movements and the like: the last line of a log ends up in a reason, and must not move the cursor.
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
SUMMED = "summed over parallel trials"
"""How training time differs from the time that a run takes."""
MOST_PARAMS = 160
"""Characters of a trial's hyperparameters in its ``repr``."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def harmless(text: str) -> str:
    """Returns a text without what moves a cursor or ends a line: escape sequences dropped, controls as spaces."""
    return _CONTROLS.sub(" ", _ESCAPES.sub("", text))


def one_line(text: str) -> str:
    """Returns a text as one line, without blanks around it."""
    return harmless(text).strip()


def sentence(text: str, *, capital: bool = True) -> str:
    """Returns a text as one line that ends as a sentence does.

    Args:
        text: The text.
        capital: Whether it begins with a capital letter, too.
    """
    text = one_line(text)
    text = text[:1].upper() + text[1:] if capital else text
    return text if text.endswith((".", "?", "!", "}")) else f"{text}."  # what ends in a brace is to be copied


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


def size(count: float) -> str:
    """Returns a number of bytes for people, in powers of 1000: ``640 B``, ``1.2 MB``, ``16 MB``."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if count < 999.5:
            break
        count, unit = count / 1000, larger
    return f"{count:.2g} {unit}" if count < 9.95 else f"{count:.0f} {unit}"


def value_text(value: Any) -> str:
    """Returns a hyperparameter for people: numbers to four significant digits, the rest as JSON or text."""
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return one_line(str(value))
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def params_text(params: Mapping[str, Any]) -> str:
    """Returns hyperparameters on one line: ``lr=0.01 depth=3``."""
    return " ".join(f"{name.lstrip('-')}={value_text(value)}" for name, value in params.items())


def counts_text(summary: Summary) -> str:
    """Returns how many trials are in which state: ``4 running · 2 queued · 8 completed``."""
    from raydrive.core.views.summary import INTERRUPTED  # lazy: raydrive.core.views.summary, 0.04 s

    counts = summary.counts
    states = (RUNNING, QUEUED, INTERRUPTED, PAUSED, COMPLETED)
    parts = [f"{counts[state]} {state.lower()}" for state in states if counts[state]]
    if counts[CANCELED]:
        stopped = summary.saving.stopped
        parts.append(f"{counts[CANCELED]} canceled" + (f" ({stopped} by the policy)" if stopped else ""))
    if counts[FAILED]:
        parts.append(f"{counts[FAILED]} failed")
    return " · ".join(parts)


def span_text(span: Span) -> str:
    """Returns an estimated duration with its bound: ``about 2:10, between 1:30 and 2:50``."""
    low, high = rough(span.low_s), rough(span.high_s)
    return f"about {rough(span.seconds)}" + (f", between {low} and {high}" if low != high else "")


def rough(seconds: float) -> str:
    """Returns an estimated duration: tenths of a second only where there are few seconds."""
    return f"{seconds:.0f}s" if 9.95 <= seconds < 59.5 else clock(seconds if seconds < 10 else round(seconds))


def saving_text(summary: Summary) -> str:
    """Returns what early termination saved, in one sentence; empty when it stopped no trial."""
    saving = summary.saving
    if not saving.stopped:
        return ""
    head = f"Early termination stopped {saving.stopped} of {summary.total} trials"
    if saving.intervals is None or saving.span is None:
        return f"{head}; what that saved cannot be estimated: {saving.why}."
    if not saving.intervals:
        return f"{head}, but none was shorter than the completed ones: nothing was saved."
    share = f"{saving.intervals} intervals ({saving.share:.0%} of all)"
    return f"{head} and saved about {share}. Training time saved, {SUMMED}: {span_text(saving.span)}."


_USUAL_LIMIT_S = 7 * 86_400.0
"""The shorter of the two default time limits of a run, in seconds: HyperDrive's own."""


def time_left_text(run: RunReader) -> str:
    """Returns a note on how much of its time limit a run that continues has used; empty from a week on."""
    limit_s, used_s = run.sweep.limits.max_duration_s, run.sweep.elapsed_s(run.sweep.last_at)
    if limit_s is None or limit_s >= _USUAL_LIMIT_S:
        return ""
    left_s = max(limit_s - used_s, 0.0)
    return (
        f"Note: the run's timeout of {limit_s:g} s covers all its sessions: {used_s:.1f} s are used, {left_s:.1f} s "
        "are left. --timeout sets another one."
    )


def best_text(run: RunReader, best: Best) -> str:
    """Returns the best value and trial: ``best accuracy 0.91 (trial 3)``, ``best accuracy (last) 0.9 (trial 2)``."""
    return f"best {one_line(run.config.metric.label)} {number(best.value)} (trial {best.trial})"


def best_interval_text(run: RunReader) -> str:
    """Returns a sentence if the best trial continued after its best interval, with its checkpoint; else empty."""
    from raydrive.core.views.summary import best_notice  # lazy: raydrive.core.views.summary, 0.05 s
    from raydrive.storage.checkpoints import manifests  # lazy: raydrive.storage.checkpoints, 0.02 s

    best = run.sweep.best
    if best is None or not best_notice(run.sweep, {}):
        return ""
    try:
        kept = manifests(run.layout, best.trial)
    except StorageError:
        kept = []  # what else is told of the run does not depend on it
    named = {one.interval: f"checkpoint {run.layout.checkpoint(best.trial, one.number).uri}" for one in kept}
    return best_notice(run.sweep, named)


def headline(run: RunReader, summary: Summary, state: str = "") -> str:
    """Returns the one line that says the state of a run.

    Args:
        run: The run.
        summary: Its summary.
        state: What to call it when the summary cannot know (Interrupted, NotResponding); empty = the summary's.
    """
    parts = [f"{run.id}  {state or summary.state}", f"{summary.done}/{summary.max_total_runs} trials"]
    if counts := counts_text(summary):
        parts.append(counts)
    if summary.best is not None:
        parts.append(best_text(run, summary.best))
    parts.append(clock(summary.elapsed_s))
    return " · ".join(parts)


def run_text(run: RunReader) -> str:
    """Returns what a run's ``repr`` shows: ``'study-1', Completed, 6/6 trials, best accuracy 0.91 (trial 3)``."""
    try:
        run.refresh()
        stands = run.status()
    except RaydriveError as error:  # a storage that is away: a debugger shows objects all the same
        return f"{run.id!r}, cannot be read: {one_line(str(error))}"
    summary = stands.summary
    parts = [repr(run.id), stands.state, f"{summary.done}/{summary.max_total_runs} trials"]
    return ", ".join(parts + ([best_text(run, summary.best)] if summary.best is not None else []))


def trial_text(run: RunReader, number_of_trial: int) -> str:
    """Returns what a trial's ``repr`` shows: ``'study-1_3', Completed, accuracy 0.91, lr=0.01 depth=3``.

    Args:
        run: The run, as far as it has been read.
        number_of_trial: Number of the trial in it.
    """
    trial, value = run.sweep.trials[number_of_trial], run.sweep.curves.objective(number_of_trial)
    parts = [repr(run.child_id(number_of_trial)), trial.state]
    parts += [f"{one_line(run.config.metric.label)} {number(value)}"] if value is not None else []
    params = params_text(trial.params)
    return ", ".join([*parts, params if len(params) <= MOST_PARAMS else params[: MOST_PARAMS - 1] + "…"])


def ids_text(numbers: list[int], most: int = 6) -> str:
    """Returns trial numbers for people: ``4, 5, 7 and 12 more``."""
    shown = ", ".join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f"{shown} and {len(numbers) - most} more"
