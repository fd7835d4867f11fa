"""The live picture of a run: lines that fit the terminal, whatever the run holds.

Every line is laid out and cut here, so that nothing ever wraps: a wrapped line is what makes in-place tables smear.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from raydrive.api.display.text import clock, counts_text, ids_text, number, one_line, params_text, value_text
from raydrive.core.records import CANCELED, COMPLETED, FAILED, PAUSED, QUEUED, RUNNING
from raydrive.core.sweep.state import Trial
from raydrive.core.views.end_rules import rule_states
from raydrive.core.views.heartbeat import Heartbeat
from raydrive.core.views.status import is_interrupted
from raydrive.core.views.summary import Summary, ranked, seconds_of
from raydrive.core.views.trouble import metric_notices, trouble_of

if TYPE_CHECKING:
    from raydrive.storage.run_reader import RunReader

STYLES = {QUEUED: "dim", RUNNING: "cyan", PAUSED: "blue", COMPLETED: "green", CANCELED: "yellow", FAILED: "red"}
ENDED_SHOWN = 10
"""Trials shown among those that ended last; of a finished run, among the best."""
WHY_LINES = 2
FAILURE_LINES = 6
"""Lines that the reason of a failed trial gets at most; the same reason of another one is told by that one's number."""
GAP = "  "
MOST_RULES = 3
"""Rules that end the run which are shown at most."""
HEADER_MIN = 8
"""Names of parameters are cut to this many columns before a parameter is left out."""
VALUE_MAX = 28
"""Values of parameters are cut to this many columns."""
BAR = 24
"""Columns of the progress bar; half as many on a narrow terminal."""
NARROW = 100


class EndedTrial:
    """The trials that ended last, without looking at all of them at every frame."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.seen = 0
        self.last: list[Trial] = []

    def update(self, trials: Sequence[Trial]) -> list[Trial]:
        """Returns the trials that have ended since the last call, by the time they ended."""
        self.open.update(range(self.seen, len(trials)))
        self.seen = len(trials)
        ended = sorted((trials[n] for n in self.open if not trials[n].open), key=lambda trial: trial.ended_at or 0.0)
        self.open.difference_update(trial.number for trial in ended)
        self.last = (self.last + ended)[-ENDED_SHOWN:]
        return ended


class LiveView:
    """Draws a run again and again; column widths only ever grow, so that the columns stand still.

    Args:
        run: The run.
    """

    def __init__(self, run: RunReader) -> None:
        self._run = run
        self._ended = EndedTrial()
        self._widths: dict[str, int] = {}
        self._metric = one_line(run.config.metric.name)
        self._label = one_line(run.config.metric.label)

    def draw(self, summary: Summary, heartbeat: Heartbeat, width: int, height: int, state: str = "") -> list[Text]:
        """Returns the lines of a running run: its state, what runs, what waits and why, what ended last and why.

        Args:
            summary: The run's summary.
            heartbeat: The driver's last one.
            width: Columns of the terminal; no line is longer.
            height: Rows of the terminal; there are fewer lines.
            state: What to call it when the summary cannot know (Interrupted, NotResponding); empty = the summary's.
        """
        self._ended.update(self._run.sweep.trials)
        lines = self._head(summary, width, state)
        if heartbeat.trouble:
            lines += [Text(part, style="red") for part in _folded(one_line(heartbeat.trouble), width, WHY_LINES)]
        waiting = self._waiting(heartbeat.waiting, width)
        running = [trial for trial in self._run.sweep.open_trials if trial.state == RUNNING]
        room = max(4, height - 1 - len(lines) - len(waiting))
        # What ended last gets at least a third of what is left; what runs gets the rest, and gives back what it spares.
        share = room - min(room // 3, 2 * WHY_LINES + 2) if self._ended.last else room
        title = "interrupted" if is_interrupted(state) else "running"
        table = self._running(running, width, max(3, min(share, len(running) + 2)), title) if running else []
        lines += table + waiting + self._last(width, room - len(table))
        return [_cut(line, width) for line in lines[: max(1, height - 1)]]

    def draw_end(self, summary: Summary, width: int, height: int) -> list[Text]:
        """Returns the lines that stay when a run has ended: its state, and its best trials."""
        lines = self._head(summary, width)
        room = max(3, min(ENDED_SHOWN + 2, height - 2 - len(lines)))
        lines += self._ranking(ranked(self._run.sweep, top=ENDED_SHOWN), width, room)
        return [_cut(line, width) for line in lines[: max(1, height - 1)]]

    # ------------------------------------------------------------------ parts

    def _head(self, summary: Summary, width: int, state: str = "") -> list[Text]:
        line = Text().append(self._run.id, style="bold").append(GAP)
        found = trouble_of(self._run.sweep)
        bad = found is not None and found.mostly
        style = STYLES.get(state or summary.state, "red")
        line.append(state or summary.state, style="yellow" if bad and style == "green" else style)
        # Whole seconds: tenths would redraw the picture all the time.
        line.append(f" · {_seconds(summary.elapsed_s)}", style="dim")
        why = one_line(summary.why)
        beside = bool(why) and cell_len(line.plain) + cell_len(f" · {why}") <= width
        if beside:
            line.append(f" · {why}", style="yellow")
        reason = [] if beside or not why else [Text(part, style="yellow") for part in _folded(why, width, WHY_LINES)]
        done = summary.done
        size = BAR if width >= NARROW else BAR // 2
        filled = round(size * min(1.0, done / max(1, summary.max_total_runs)))
        bar = Text().append("━" * filled, style="green")
        bar.append("─" * (size - filled), style="bright_black")
        bar.append(f"{GAP}{done}/{summary.max_total_runs} trials", style="bold")
        if counts := counts_text(summary):
            bar.append(f" · {counts}")
        lines = [line, *reason, bar]
        if found is not None and bad:  # in one line: the trials below have the reasons
            lines.append(Text(one_line(found.text), style="yellow"))
        for told in metric_notices(self._run.sweep):
            lines += [Text(part, style="yellow") for part in _folded(one_line(told), width, WHY_LINES)]
        if summary.best is not None:
            params = self._run.sweep.trials[summary.best.trial].params
            best = Text(f"best {self._label} ")
            best.append(number(summary.best.value), style="bold green")
            best.append(f" · trial {summary.best.trial}, interval {summary.best.interval}")
            best.append(f" · {params_text(params)}", style="dim")
            lines.append(best)
        for rule in rule_states(self._run.sweep, time.time())[:MOST_RULES]:
            lines.append(Text(one_line(rule.text), style="dim"))
        return [*lines, Text()]

    def _running(self, trials: Sequence[Trial], width: int, room: int, title: str) -> list[Text]:
        rows = max(1, room - 2)  # header, and an empty line below
        hidden = len(trials) - rows
        if hidden > 0:  # a line for those that are left out
            rows -= 1
            hidden += 1
        shown = trials[: max(1, rows)]
        columns = self._values(title, shown) + self._params(shown)
        lines = _table(self._fit(columns, width), [_style(trial) for trial in shown])
        for line, trial in zip(lines[1:], shown, strict=True):
            if trial.stop_by:
                line.append(f"{GAP}stopping: {one_line(trial.why)}", style="yellow")
            elif trial.losses > 1:
                line.append(f"{GAP}lost {trial.losses} times", style="yellow")
        if hidden > 0:
            lines.append(Text(f"and {len(trials) - len(shown)} more {title}", style="dim"))
        return [*lines, Text()]

    def _ranking(self, trials: Sequence[Trial], width: int, room: int) -> list[Text]:
        shown = trials[: max(1, room - 2)]
        if not shown:
            return []
        columns = self._values("trial", shown)
        columns.insert(1, ("state", [trial.state for trial in shown], False))
        return _table(self._fit(columns + self._params(shown), width), [_style(trial) for trial in shown])

    def _waiting(self, waiting: Mapping[str, str], width: int) -> list[Text]:
        """A line or two per reason: that many wait for the same thing is said once."""
        queued = [trial.number for trial in self._run.sweep.open_trials if trial.state == QUEUED]
        reasons: dict[str, list[int]] = {}
        for trial in queued:
            reasons.setdefault(one_line(waiting.get(str(trial), "")), []).append(trial)
        lines = []
        for why, numbers in list(reasons.items())[:3]:
            if why:  # those without a reason are being started
                text = f"{len(numbers)} queued: {why} (trials {ids_text(numbers)})"
                lines += [Text(part, style="dim") for part in _folded(text, width, WHY_LINES)]
        return [*lines, Text()] if lines else []

    def _last(self, width: int, room: int) -> list[Text]:
        """What ended last, the newest first, each with its reason in full as long as a few lines hold it."""
        trials = self._ended.last[::-1]
        if not trials or room < 2:
            return []
        marks, states = [self._mark(trial) for trial in trials], [trial.state for trial in trials]
        columns = self._fit([("ended", marks, True), ("state", states, False), *self._values("", trials)[2:]], width)
        table = _table([*columns, ("why", [""] * len(trials), False)], [_style(trial) for trial in trials])
        indent = sum(max(cell_len(header), *map(cell_len, cells)) + len(GAP) for header, cells, _ in columns)
        out, failed = [table[0]], dict[str, int]()
        for line, trial in zip(table[1:], trials, strict=True):
            why, most = one_line(trial.why), WHY_LINES
            if trial.state == FAILED:
                first_so = failed.setdefault(why, trial.number)
                why, most = (why, FAILURE_LINES) if first_so == trial.number else (f"as trial {first_so}", 1)
            first, *rest = _folded(why, max(20, width - indent), max(1, min(most, room - len(out))))
            if len(out) + 1 + len(rest) > room:
                break
            line.append(" " * max(0, indent - cell_len(line.plain)) + first)
            out += [line, *(Text(" " * indent + text) for text in rest)]
        return out

    # ------------------------------------------------------------------ columns

    def _mark(self, trial: Trial) -> str:
        best = self._run.sweep.best
        name = f"{trial.number}.{trial.attempt}" if trial.attempt > 1 else str(trial.number)
        return f"*{name}" if best is not None and best.trial == trial.number else name

    def _values(self, title: str, trials: Sequence[Trial]) -> list[Column]:
        """Number, metric, objective value, intervals, time."""
        curves, now = self._run.sweep.curves, time.time()
        values = [curves.values(trial.number) for trial in trials]
        times = [seconds_of(trial, trial.ended_at or now) for trial in trials]
        return [
            (title, [self._mark(trial) for trial in trials], True),
            (_short(self._metric, 16), [number(v[-1] if len(v) else None) for v in values], True),
            (self._run.config.metric.value, [number(curves.objective(trial.number)) for trial in trials], True),
            ("k", [str(len(v)) for v in values], True),
            ("time", [_seconds(seconds) for seconds in times], True),
        ]

    def _params(self, trials: Sequence[Trial]) -> list[Column]:
        names = dict.fromkeys(name for trial in trials for name in trial.params)
        columns = []
        for name in names:
            values = [trial.params.get(name) for trial in trials]
            numeric = all(isinstance(v, int | float | None) and not isinstance(v, bool) for v in values)
            cells = [_short(value_text(value), VALUE_MAX) if value is not None else "-" for value in values]
            columns.append((one_line(name.lstrip("-")), cells, numeric))
        return columns

    def _fit(self, columns: list[Column], width: int) -> list[Column]:
        """Pads columns to the widest they have been, shortens names, and leaves out the last ones that do not fit."""
        kept: list[Column] = []
        left = width
        tight = sum(self._grown(name, cells, name) + len(GAP) for name, cells, _ in columns) > width
        for index, (name, cells, numeric) in enumerate(columns):
            title = name
            if tight and index > 4:
                title = _short(name, max(HEADER_MIN, *map(cell_len, cells)))
            size = self._grown(name, cells, title)
            rest = len(columns) - index - 1
            if size + (len(f"{GAP}+{rest + 1}") if rest else 0) > left:
                kept.append((f"+{rest + 1}", [""] * len(cells), False))
                break
            kept.append((title.rjust(size) if numeric else title.ljust(size), cells, numeric))
            left -= size + len(GAP)
        return kept

    def _grown(self, name: str, cells: Iterable[str], title: str) -> int:
        size = max([self._widths.get(name, 0), *map(cell_len, cells)])
        self._widths[name] = size
        return max(size, cell_len(title))


Column = tuple[str, list[str], bool]
"""Title, cells, whether it holds numbers and is on the right."""


def _table(columns: Sequence[Column], styles: Sequence[str]) -> list[Text]:
    lines = [Text(style="bold"), *(Text() for _ in styles)]
    for index, (title, cells, right) in enumerate(columns):
        size = max(cell_len(title), *map(cell_len, cells))
        gap = GAP if index else ""
        for row, text in enumerate((title, *cells)):
            padding = " " * (size - cell_len(text))
            # The first column carries the colour of the state; the values stay plain.
            style = styles[row - 1] if row and index < 2 and not (index and right) else ""
            lines[row].append(gap + (padding + text if right else text + padding), style=style)
    for line in lines:
        line.rstrip()
    return lines


def _style(trial: Trial) -> str:
    return STYLES[trial.state]


def _seconds(seconds: float | None) -> str:
    """A duration without tenths: what ticks ten times a second cannot be read."""
    if seconds is None:
        return "-"
    return f"{int(seconds)}s" if seconds < 60 else clock(seconds)


def _short(text: str, most: int) -> str:
    return text if cell_len(text) <= most else set_cell_size(text, most - 1).rstrip() + "…"


def _cut(line: Text, width: int) -> Text:
    line.truncate(max(1, width), overflow="ellipsis")
    return line


def _folded(text: str, width: int, most: int) -> list[str]:
    """Folds a text at spaces into at most this many lines; what does not fit ends in an ellipsis."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        elif len(lines) == most:
            lines[-1] = _short(lines[-1] + " " + word + " " * width, width)
            break
        else:
            lines.append(word)
    return [_short(line, width) for line in lines] or [""]
